//! A run that stopped is resumed, whatever stopped it.

use std::{collections::BTreeSet, fs};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    assert_whole, complete, on_run, recorded, resume,
    support::{Agent, Place, bin, is_root, scenario, tiny},
    text, until_recorded, verify,
};

/// The keys of a summary and of its cells, and the cells without their figures.
fn form(summary: &Value) -> (BTreeSet<String>, Vec<Value>) {
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let cell = |cell: &Value| json!([cell["arm"], cell["params"], cell["trials"]["planned"], keys(cell)]);
    (keys(summary), summary["cells"].as_array().unwrap().iter().map(cell).collect())
}

fn reasons(place: &Place) -> Vec<String> {
    let pauses = place.summary()["pauses"].clone();
    let reasons = pauses.as_array().unwrap().iter().map(|pause| pause["reason"].as_str().unwrap().to_owned());
    reasons.collect()
}

#[test]
fn a_killed_run_is_resumed_and_looks_like_an_uninterrupted_one() {
    let place = Place::new();
    let run = place.start(place.run(&text()));
    until_recorded(&place, 5);
    run.send(Signal::KILL);
    assert!(run.wait().status.code().is_none());
    let before = recorded(&place);
    assert!((5..10).contains(&before), "{before}");
    let ran = resume(&place, &[]).completes();
    assert!(ran.stdout.contains("Resumed after 1 pause: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("(the coordinator was killed)"), "{}", ran.stdout);
    assert_eq!(reasons(&place), ["killed"]);
    let last = place.trials()[before - 1]["id"].clone();
    assert_eq!(place.summary()["pauses"][0]["after_trial"], last);
    assert!(fs::read_to_string(place.out().join("report.html")).unwrap().contains("Resumed after 1 pause"));
    assert_whole(&place, 10);
    place.assert_clean();

    let other = complete(&text());
    assert_eq!(other.summary()["pauses"], json!([]));
    assert_eq!(form(&place.summary()), form(&other.summary()));
}

#[test]
fn an_interrupted_run_is_resumed_twice() {
    let place = Place::new();
    let run = place.start(place.run(&text()));
    until_recorded(&place, 3);
    run.send(Signal::INT);
    run.wait().exits(130);
    let again = place.start(on_run(&place, "resume", &["--no-progress"]));
    let before = recorded(&place);
    until_recorded(&place, before + 2);
    again.send(Signal::TERM);
    again.wait().exits(130);
    resume(&place, &["--format", "json"]).completes();
    assert_eq!(reasons(&place), ["interrupted", "interrupted"]);
    assert_whole(&place, 10);
}

#[test]
fn a_run_is_resumed_when_its_host_is_back() {
    let place = Place::new();
    let agent = Agent::start(&place);
    let address = agent.address.clone();
    let run = place.start(place.run_on(&address, &text()));
    until_recorded(&place, 4);
    agent.process.send(Signal::KILL);
    run.wait().exits(3).says(&["host lost"]);
    // The loss is on disk, so that a report has the same exit code.
    place.finish(on_run(&place, "report", &[])).exits(3);
    let warned = |code: &str| {
        let warnings = place.summary()["warnings"].clone();
        warnings.as_array().unwrap().iter().any(|warning| warning["code"] == code)
    };
    assert!(warned("run-lost-host"));
    resume(&place, &[]).exits(3).says(&["unreachable"]);

    let mut command = place.command(bin("agent"));
    command.args(["serve", "--listen", &address, "--data-dir"]).arg(place.data());
    let _agent = place.start(command);
    std::thread::sleep(std::time::Duration::from_millis(500));
    resume(&place, &[]).completes();
    assert_eq!(reasons(&place), ["host-lost"], "the attempt without a host is no pause");
    assert!(!warned("run-lost-host"));
    assert_whole(&place, 10);
}

#[test]
fn a_run_is_resumed_after_a_full_disk() {
    if !is_root() {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    }
    let place = Place::new();
    fs::create_dir(place.path("small")).unwrap();
    let path = place.write("scenario.yaml", text().replace("trials: 4", "trials: 40"));
    let script = "mount -t tmpfs -o size=256k none small
        \"$0\" run \"$1\" --out small/run --data-dir data --no-progress; test $? = 4
        mount -o remount,size=64m small
        \"$0\" resume small/run --no-progress --format json > resumed.json; code=$?
        \"$0\" verify small/run
        exit $code";
    let mut command = place.command("unshare");
    command.args(["-m", "sh", "-uc", script]).arg(bin("coordinator")).arg(path);
    let ran = place.finish(command);
    let summary: Value = serde_json::from_slice(&fs::read(place.path("resumed.json")).unwrap())
        .unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert!(matches!(ran.status.code(), Some(0 | 4)), "{ran:?}");
    assert_eq!(summary["pauses"][0]["reason"], "not-stored", "{ran:?}");
    assert!(ran.stdout.contains("checked 82 trials and 82 histogram logs; all fit"), "{ran:?}");
}

#[test]
fn a_torn_line_is_dropped_and_its_trial_runs_again() {
    let place = complete(&tiny());
    let path = place.out().join("trials.jsonl");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let ran = verify(&place).exits(0);
    assert!(ran.stdout.contains("left by an interruption: trials.jsonl: line 6 is incomplete"), "{ran:?}");
    resume(&place, &[])
        .completes()
        .says(&["trials.jsonl ends within line 6", "the incomplete line is removed"]);
    assert_whole(&place, 6);
    let logs = fs::read_dir(place.out().join("histograms")).unwrap().count();
    assert_eq!(logs, 6, "the log that no line named is removed");
}

#[test]
fn further_trials_continue_the_plan() {
    let seeded = |trials: &str| {
        let place = Place::new();
        let text = tiny().replace("trials: 2", trials);
        let mut run = place.run(&text);
        run.args(["--seed", "7"]);
        place.finish(run).completes();
        place
    };
    let place = seeded("trials: 2");
    assert_eq!(place.summary()["looks"], 1);
    resume(&place, &["--trials", "1"]).completes();
    assert_whole(&place, 8);
    assert_eq!((place.summary()["looks"].clone(), reasons(&place)), (json!(2), vec!["complete".to_owned()]));
    let ran = resume(&place, &["--trials", "1"]).completes();
    let words = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("seen 3 times"), "{words}");
    assert_eq!(place.summary()["looks"], 3);
    assert_whole(&place, 10);
    let order = |place: &Place| -> Vec<Value> {
        let plan: Value = serde_json::from_slice(&fs::read(place.out().join("plan.json")).unwrap()).unwrap();
        plan["trials"].as_array().unwrap().clone()
    };
    assert_eq!(order(&place), order(&seeded("trials: 4")), "as if they had been planned from the start");
}

#[test]
fn audits_are_not_repeated() {
    let place = Place::new();
    let run = place
        .start(place.run(&scenario("{file: {size: 64KiB, direct: false}}", "warmup: 5ms, runtime: 400ms")));
    until_recorded(&place, 2);
    run.send(Signal::INT);
    run.wait().exits(130);
    resume(&place, &[]).completes();
    let trials = place.trials();
    assert_eq!(trials.iter().filter(|trial| trial["measure"] == "audit").count(), 2, "{trials:#?}");
}
