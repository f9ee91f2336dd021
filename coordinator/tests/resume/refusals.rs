//! Runs that cannot be resumed: the refusal names the reason and the remedy, and nothing is changed.

use std::{fs, path::Path, process::Command};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    complete, on_run, resume,
    support::{Place, bin, tiny},
    text, until_recorded,
};

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let of = |name: &str| (name.to_owned(), fs::read(dir.join(name)).unwrap());
    ["scenario.yaml", "plan.json", "hosts.json", "run.json", "trials.jsonl", "run.lock"].map(of).into()
}

#[test]
fn a_finished_run_is_refused_and_trials_are_proposed() {
    let place = complete(&tiny());
    let before = files(&place.out());
    resume(&place, &[]).exits(2).says(&["nothing is missing: all 6 trials", "--trials N"]);
    assert_eq!(files(&place.out()), before);
}

#[test]
fn an_edited_scenario_is_refused() {
    let place = complete(&tiny());
    let path = place.out().join("scenario.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "# a comment\n").unwrap();
    resume(&place, &["--trials", "1"])
        .exits(2)
        .says(&["edited after the run began", "restore scenario.yaml"]);
}

#[test]
fn a_run_that_another_process_writes_is_refused() {
    let place = Place::new();
    let run = place.start(place.run(&text()));
    until_recorded(&place, 1);
    let refused = resume(&place, &[]).exits(2);
    refused.says(&[&format!("process {} on", run.id()), "writes this run", "wait until it ends"]);
    run.send(Signal::KILL);
    run.wait();
    resume(&place, &[]).completes();
}

#[test]
fn another_format_and_an_earlier_release_are_refused() {
    let place = complete(&tiny());
    let path = place.out().join("run.json");
    fs::write(&path, r#"{"format": 99, "news": true}"#).unwrap();
    resume(&place, &[]).exits(2).says(&["schema is 99, but this release reads 1"]);
    fs::remove_file(&path).unwrap();
    resume(&place, &[]).exits(2).says(&["an earlier release made this run"]);
    // It can still be read.
    place.finish(on_run(&place, "report", &[])).completes();
    let ran = place.finish(on_run(&place, "verify", &[])).exits(0);
    assert!(ran.stdout.contains("made by an earlier release"), "{ran:?}");
}

#[test]
fn a_changed_kernel_is_refused_unless_accepted_and_marks_the_run() {
    let mut probe = Command::new("setarch");
    if !probe.args(["--uname-2.6", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: setarch is missing");
        return;
    }
    let place = Place::new();
    let run = place.start(place.run(&text()));
    until_recorded(&place, 3);
    run.send(Signal::INT);
    run.wait().exits(130);
    // The kernel reports itself as 2.6 to the coordinator and its embedded agent.
    let old = |args: &[&str]| {
        let mut command = place.command("setarch");
        command.arg("--uname-2.6").arg(bin("coordinator")).arg("resume").arg(place.out()).args(args);
        place.finish(command)
    };
    let refused = old(&[]).exits(3);
    refused.says(&["kernel.release changed since the run began", "--accept-change kernel.release"]);
    resume(&place, &["--accept-change", "nonsense"]).exits(2);
    let ran = old(&["--accept-change", "kernel.release", "--explain"]);
    let codes: Vec<Value> = place.summary()["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["code"].clone())
        .collect();
    assert!(codes.contains(&"host-changed".into()), "{codes:?} {ran:?}");
    assert!(ran.stdout.contains("host-changed"), "{ran:?}");
    assert!(fs::read_to_string(place.out().join("report.html")).unwrap().contains("host-changed"));
}

#[test]
fn precision_and_calibrations_are_refused() {
    let place = complete(&tiny().replace("trials: 2", "trials: {min: 3, max: 4, until: 50%}"));
    resume(&place, &["--trials", "1"]).exits(2).says(&["precision decides the number of trials"]);
    let place = Place::new();
    let path = place.write("scenario.yaml", tiny());
    let mut calibrate = place.command(bin("coordinator"));
    calibrate.arg("calibrate").arg(path).args(["--trials", "2", "--quick", "--out"]).arg(place.out());
    calibrate.arg("--data-dir").arg(place.data());
    place.finish(calibrate);
    resume(&place, &[]).exits(2).says(&["a calibration cannot be resumed"]);
}
