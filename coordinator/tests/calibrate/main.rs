//! `coordinator calibrate`, and runs that use its result: whole processes, on the null engine.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

use std::{fs, path::Path};

use assert_cmd::Command;
use predicates::{
    Predicate as _,
    str::{contains, is_empty},
};
use serde_json::Value;
use tempfile::TempDir;

const SCENARIO: &str = "\
name: little
target: {file: {size: 64KiB, direct: false}}
workload: {threads: 1, warmup: 5ms, runtime: 40ms}
arms: {none: {engine: 'null'}, slow: {engine: 'null', busy_wait: 2us}}
sweep: {block_size: [512B, 4KiB]}
trials: 3
expect: [\"slow.iops <= 0.9 * none.iops\"]
";

fn place() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("little.yaml"), SCENARIO).unwrap();
    dir
}

fn coordinator(place: &Path, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("coordinator").unwrap();
    command.current_dir(place).args(args).timeout(std::time::Duration::from_secs(120));
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Calibrates. A busy machine may favour one of two equal arms or spoil a trial. That is allowed here, but it must
/// be reported.
fn calibrate(place: &Path, args: &[&str]) -> Value {
    let fixed = ["calibrate", "little.yaml", "--out", "calibration", "--no-progress", "--trials", "6"];
    let output = coordinator(place, &[&fixed, args].concat()).output().unwrap();
    let code = output.status.code().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!([0, 4].contains(&code) && !output.stdout.is_empty(), "{code}: {stderr}");
    let found = json(&place.join("calibration/calibration.json"));
    let reported = stderr.contains("BIASED") || found["trustworthy"] == false;
    assert_eq!(code == 4, reported, "{code}: {stderr} {found:#}");
    found
}

#[test]
fn compares_an_arm_with_itself() {
    let place = place();
    let found = calibrate(place.path(), &[]);
    assert_eq!((&found["arm"], &found["scenario"]), (&"none".into(), &"little".into()));
    assert_eq!((&found["blocks"], &found["trials"]), (&6.into(), &3.into()));
    // slow against itself, at two points.
    assert_eq!(found["comparisons"], 2);
    let points = found["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    for point in points {
        let iops = &point["metrics"][0];
        assert_eq!(iops["metric"], "iops");
        let whole = found["trustworthy"] == true;
        assert!(iops["pairs"].as_u64().is_some_and(|pairs| if whole { pairs == 6 } else { pairs < 7 }));
        let visible = iops["smallest_visible"].as_f64().unwrap();
        let [low, high] = [0, 1].map(|end| iops["smallest_visible_ci95"][end].as_f64().unwrap());
        assert!(visible > 0.0 && low <= visible && visible <= high, "{iops:#}");
    }
    // It is an ordinary run.
    let run = place.path().join("calibration");
    let plan = json(&run.join("plan.json"));
    let arms: Vec<&str> =
        plan["cells"].as_array().unwrap().iter().map(|c| c["arm"].as_str().unwrap()).collect();
    assert_eq!(arms, ["none", "none-again", "none", "none-again"]);
    let report = coordinator(place.path(), &["report", "calibration"]).output().unwrap();
    assert!([Some(0), Some(4)].contains(&report.status.code()));
    assert!(contains("none-again").eval(&String::from_utf8(report.stdout).unwrap()));
    coordinator(place.path(), &["check", "calibration/scenario.yaml"]).assert().success();
}

#[test]
fn runs_and_reports_use_the_calibration() {
    let place = place();
    calibrate(place.path(), &["--arm", "slow"]);
    // As if no difference below 4-fold could be detected.
    let path = place.path().join("calibration/calibration.json");
    let mut found = json(&path);
    for point in found["points"].as_array_mut().unwrap() {
        for metric in point["metrics"].as_array_mut().unwrap() {
            metric["sd"] = 100.into();
        }
    }
    fs::write(&path, found.to_string()).unwrap();
    let run =
        ["run", "little.yaml", "--out", "run", "--no-progress", "--explain", "--calibration", "calibration"];
    for command in [&run[..], &["report", "run", "--explain"]] {
        let output = coordinator(place.path(), command).output().unwrap();
        // Exit code 4 comes from a trial that the machine spoiled.
        assert!([Some(0), Some(4)].contains(&output.status.code()), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("are no difference (calibration calibration)"), "{text}");
        assert!(flat.contains("busy-wait: slow waits busily for 2us"), "{text}");
    }
    let summary = json(&place.path().join("run/summary.json"));
    assert_eq!(summary["calibration"]["run_id"], "calibration");
    let codes =
        summary["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap());
    let of_calibration = codes.filter(|code| code.starts_with("calibration-")).collect::<Vec<_>>();
    let of_the_machine = ["calibration-biased", "calibration-doubtful"];
    assert!(of_calibration.iter().all(|code| of_the_machine.contains(code)), "{of_calibration:?}");
    let verdicts: Vec<&Value> =
        summary["comparisons"].as_array().unwrap().iter().map(|found| &found["verdict"]).collect();
    assert!(
        verdicts.iter().all(|verdict| ["no difference", "inconclusive"].map(Value::from).contains(verdict))
    );
    assert_eq!(verdicts.len() % 2, 0);
    let copy = json(&place.path().join("run/calibrated-by.json"));
    assert_eq!((&copy["run_id"], &copy["trials"]), (&"calibration".into(), &3.into()));
}

#[test]
fn refuses_mismatches_before_measuring() {
    let place = place();
    let refuses = |args: &[&str], says: &[&str]| {
        let output = coordinator(place.path(), args).assert().code(2).stdout(is_empty());
        let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        let flat = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in says {
            assert!(contains(*text).eval(&flat), "{text}: {stderr}");
        }
    };
    refuses(&["calibrate", "little.yaml", "--arm", "nobody"], &["no arm `nobody`", "none, slow"]);
    refuses(&["calibrate", "little.yaml", "--trials", "0"], &["out of range"]);
    refuses(&["run", "little.yaml", "--calibration", "."], &["not a run directory", "coordinator calibrate"]);
    calibrate(place.path(), &[]);
    refuses(&["calibrate", "little.yaml", "--out", "calibration"], &["already contains a run"]);
    let other = ["run", "little.yaml", "--out", "run", "--calibration", "calibration", "--set"];
    refuses(
        &[&other[..], &["workload.runtime=50ms"]].concat(),
        &["another workload.runtime", "40ms", "50ms", "without --calibration"],
    );
    assert!(!place.path().join("run").exists());
    fs::write(place.path().join("calibration/calibration.json"), "{").unwrap();
    refuses(&[&other[..6]].concat(), &["calibration.json", "line 1"]);
}

#[test]
fn the_file_matches_its_schema() {
    let place = place();
    let found = calibrate(place.path(), &["--quick", "--format", "json"]);
    let output = coordinator(place.path(), &["schema", "calibration"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&found), "{found:#}");
    assert_eq!(found["quick"], true);
}
