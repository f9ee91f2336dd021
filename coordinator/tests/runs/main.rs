//! The real binary on runs on disk: listing, lookup by name and comparison, also with a damaged index or a
//! read-only directory.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../faults/support.rs"]
#[allow(dead_code, reason = "shared with the tests of faults, which use all of it")]
mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value;
use support::{Place, Ran, bin, is_root, open_bin, unprivileged};

/// A slowed read and no I/O at all: they differ a hundredfold even on a busy machine, so the verdict is certain.
const SCENARIO: &str = "name: pair
target: {file: {size: 64KiB, direct: false}}
workload: {warmup: 5ms, runtime: 60ms}
arms:
  fast: {engine: \"null\"}
  slow: {engine: psync, busy_wait: 100us}
trials: 3
noise: ignore
baseline: slow
expect: [\"low(fast.iops / slow.iops) > 1\", \"verdict(fast.iops) == faster\"]
";

/// Two runs of one scenario, recorded once and copied for each test.
fn runs() -> Place {
    static MADE: OnceLock<Place> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let place = Place::new();
        for scenario in [SCENARIO, &SCENARIO.replace("trials: 3", "trials: 3\nquestion: Again?")] {
            let path = place.write("scenario.yaml", scenario);
            let mut run = place.command(bin("coordinator"));
            run.arg("run").arg(path).args(["--no-progress", "--data-dir"]).arg(place.data());
            // On a busy machine a trial may begin late and be excluded; of three, two remain.
            place.finish(run).completes();
        }
        place
    });
    let place = Place::new();
    copy(&made.path("results"), &place.path("results"));
    let newest = names(&place).pop().unwrap();
    std::os::unix::fs::symlink(newest, place.path("results/latest")).unwrap();
    place
}

/// Copies directories and files with their times; links are skipped.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Names of the runs, oldest first.
fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("results")).unwrap().map(Result::unwrap);
    let runs = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<String> = runs.map(|run| run.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn coordinator(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(bin("coordinator"));
    command.args(arguments);
    place.finish(command)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

fn listed(place: &Place) -> Vec<String> {
    let ran = coordinator(place, &["list", "--format", "json"]).exits(0);
    let found = json(&ran);
    found["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect()
}

fn index(place: &Place) -> PathBuf {
    place.path("results/index.sqlite")
}

#[test]
fn lists_runs_and_finds_them_by_name() {
    let place = runs();
    let names = names(&place);
    assert!(index(&place).is_file(), "a run leaves the index up to date");
    assert_eq!(listed(&place), names);
    let ran = coordinator(&place, &["list"]).exits(0);
    for text in [&names[0], &names[1], "pair: ", "fast, slow", "2/2"] {
        assert!(ran.stdout.contains(text), "no {text} in {}", ran.stdout);
    }
    let csv = coordinator(&place, &["list", "--format", "csv", "--limit", "1"]).exits(0).stdout;
    assert!(csv.lines().count() == 2 && csv.lines().nth(1).unwrap().starts_with(&names[1]), "{csv}");
    for nothing in [&["--host", "n9"][..], &["--label", "kernel=patched"], &["--since", "2100-01-01"]] {
        assert_eq!(coordinator(&place, &[&["list"], nothing].concat()).exits(0).stdout, "no runs\n");
    }
    coordinator(&place, &["list", "--since", "yesterday"]).exits(2).says(&["a duration (7d, 12h)"]);
    coordinator(&place, &["list", "--scenario", "pairs"]).exits(2).says(&["did you mean `pair`?"]);
    coordinator(&place, &["list", "--dir", "nowhere"]).exits(2).says(&["--dir", "coordinator run"]);

    for (name, run) in
        [("latest", 1), ("latest~1", 0), ("pair~0", 1), (names[0].as_str(), 0), ("results/latest", 1)]
    {
        let ran = coordinator(&place, &["report", name, "--format", "json"]);
        assert_eq!(json(&ran)["run_id"], names[run].as_str(), "{name}");
    }
    coordinator(&place, &["report", "latst"]).exits(2).says(&["no run `latst`", "latest"]);
    coordinator(&place, &["report", "pairs~1"]).exits(2).says(&["did you mean `pair~1`?"]);
    coordinator(&place, &["report", "pair~2"]).exits(2).says(&["there are 2 runs of pair"]);
    coordinator(&place, &["report", &names[0][..4]]).exits(2).says(&["matches 2 runs", &names[1]]);
    coordinator(&place, &["report", "results/nothing"]).exits(2).says(&["no directory", "coordinator list"]);
}

#[test]
fn shows_trends_of_earlier_runs() {
    let place = runs();
    let names = names(&place);
    let summary = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(place.path("results").join(name).join("summary.json")).unwrap())
            .unwrap()
    };
    assert_eq!(summary(&names[0])["trend"], serde_json::json!([]), "nothing came before the first");
    let trend = summary(&names[1])["trend"].clone();
    let lines = trend.as_array().unwrap();
    assert_eq!(lines.len(), 2, "{trend}");
    let runs: Vec<&str> = lines[1]["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["run_id"].as_str().unwrap())
        .collect();
    assert_eq!((lines[1]["arm"].as_str(), runs), (Some("slow"), names.iter().map(String::as_str).collect()));
    let trend = coordinator(&place, &["list", "--trend", "slow", "--format", "csv"]).exits(0).stdout;
    assert_eq!(trend.lines().count(), 3, "{trend}");
    let trend = coordinator(&place, &["list", "--trend", "slow"]).exits(0).stdout;
    assert!(trend.starts_with("pair: slow\n") && trend.contains(" x"), "{trend}");
    coordinator(&place, &["list", "--trend", "slw"]).exits(2).says(&["did you mean `slow`?"]);
    coordinator(&place, &["list", "--trend", "slow@depth"]).exits(2).says(&["slow@depth", "uring@depth=32"]);
}

#[test]
fn compares_runs_and_gates_on_regressions() {
    let place = runs();
    let names = names(&place);
    let found = json(&coordinator(&place, &["compare", "latest~1", "latest", "--format", "json"]).exits(0));
    assert_eq!(
        (found["baseline"]["run_id"].as_str(), found["run"]["run_id"].as_str()),
        (Some(&*names[0]), Some(&*names[1]))
    );
    assert_eq!(found["host_changes"], serde_json::json!([]), "one machine");
    assert_eq!(found["scenario_changes"], serde_json::json!([]));
    let comparisons = found["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 4, "two arms, iops and p99");
    for comparison in comparisons {
        let [low, high] = [0, 1].map(|edge| comparison["ci95"][edge].as_f64().unwrap());
        let ratio = comparison["ratio"].as_f64().unwrap();
        assert!(low <= high && ratio > 0.0 && comparison["alike"] == true, "{comparison}");
    }
    // A run is not slower than itself; an arm with calls is slower than one without.
    coordinator(&place, &["compare", "latest", "latest", "--fail-if", "slower"]).exits(0);
    let arms =
        ["compare", "latest~1", "latest", "--arms", "fast,slow", "--metric", "iops", "--fail-if", "slower"];
    let ran = coordinator(&place, &arms).exits(1).says(&["1 comparison fails"]);
    assert!(ran.stdout.contains("slow / fast") && ran.stdout.contains("slower"), "{}", ran.stdout);
    let markdown =
        coordinator(&place, &["compare", "latest", "latest", "--format", "markdown"]).exits(0).stdout;
    assert!(markdown.starts_with("### ") && markdown.contains("| arm | metric |"), "{markdown}");
    let csv = coordinator(&place, &["compare", "latest", "latest", "--format", "csv"]).exits(0).stdout;
    assert_eq!((csv.lines().count(), csv.lines().next().unwrap().split(',').count()), (5, 14), "{csv}");
    coordinator(&place, &["compare", "latest", "latest", "--metric", "iop"])
        .exits(2)
        .says(&["did you mean `iops`?"]);
    coordinator(&place, &["compare", "latest", "latest", "--arms", "fst,slow"])
        .exits(2)
        .says(&["did you mean `fast`?"]);
    coordinator(&place, &["compare", "latest", "latest", "--arms", "fast"]).exits(2).says(&["two arms"]);
}

#[test]
fn lists_other_differences_first() {
    let place = runs();
    let names = names(&place);
    let old = place.path("results").join(&names[0]);
    // As if it were another machine, with different work in one of its cells.
    let change = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(old.join(file)).unwrap();
        assert!(text.contains(from), "no {from} in {text:.2000}");
        let text = text.replacen(from, to, 1);
        // Without the checksum, which no longer fits.
        let end = text.find(",\"sha256\":").unwrap_or(text.len());
        let whole = if end < text.len() { "}\n" } else { "" };
        fs::write(old.join(file), format!("{}{whole}", &text[..end])).unwrap();
    };
    change("hosts.json", "\"kernel.release\": \"", "\"kernel.release\": \"5.4-");
    change("plan.json", "\"block_size\": \"4KiB\"", "\"block_size\": \"8KiB\"");
    let ran = coordinator(&place, &["compare", &names[0], &names[1], "--fail-if", "slower"]);
    let ran = ran.exits(4).says(&["no verdict for: iops of fast"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[1].trim(), "The hosts differ in: kernel.");
    assert!(lines[2].contains("The scenarios differ in workload.block_size:"), "{}", ran.stdout);
    for text in ["kernel.release: 5.4-", "workload.block_size: 8KiB -> 4KiB (1 cell)", "not comparable"] {
        assert!(ran.stdout.contains(text), "no {text} in {}", ran.stdout);
    }
}

#[test]
fn rebuilds_the_index_from_the_runs() {
    let place = runs();
    let names = names(&place);
    let sound = fs::read(index(&place)).unwrap();
    fs::write(index(&place), &sound[..sound.len() / 3]).unwrap();
    assert_eq!(listed(&place), names);
    fs::write(index(&place), "no database").unwrap();
    coordinator(&place, &["compare", "latest~1", "latest"]).exits(0);
    assert!(fs::read(index(&place)).unwrap().starts_with(b"SQLite format 3"), "made again");
    fs::remove_file(index(&place)).unwrap();
    coordinator(&place, &["report", "latest"]).completes();
    assert!(index(&place).is_file());
    coordinator(&place, &["list", "--rebuild"]).exits(0);
    assert_eq!(listed(&place), names);

    // A run works without an index: here a directory takes its place.
    fs::remove_file(index(&place)).unwrap();
    fs::create_dir(index(&place)).unwrap();
    let path = place.write("again.yaml", SCENARIO);
    let mut run = place.command(bin("coordinator"));
    run.arg("run").arg(path).args(["--no-progress", "--data-dir"]).arg(place.data());
    place.finish(run).completes();
    let ran = coordinator(&place, &["list", "--format", "json"]).exits(0).says(&["no index of runs"]);
    assert_eq!(json(&ran)["runs"].as_array().unwrap().len(), 3);
}

#[test]
fn reads_a_read_only_results_directory() {
    let place = runs();
    let names = names(&place);
    fs::remove_file(index(&place)).unwrap();
    let results = place.path("results");
    fs::set_permissions(&results, fs::Permissions::from_mode(0o555)).unwrap();
    let unprivileged_coordinator = |arguments: &[&str]| {
        let mut command = place.command(open_bin("coordinator"));
        command.args(arguments);
        unprivileged(&mut command);
        place.finish(command)
    };
    let ran = unprivileged_coordinator(&["list", "--format", "json"]).exits(0).says(&["no index of runs"]);
    assert_eq!(json(&ran)["runs"].as_array().unwrap().len(), names.len());
    unprivileged_coordinator(&["compare", "latest~1", "latest"]).exits(0);
    if is_root() {
        let ran = unprivileged_coordinator(&["report", "latest~1"]).completes();
        assert!(ran.stderr.contains("was not updated"), "{}", ran.stderr);
    }
    assert!(!index(&place).exists());
    fs::set_permissions(&results, fs::Permissions::from_mode(0o755)).unwrap();
}
