//! Hosts that refuse or die: the others continue, and finished trials are kept.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Agent, Lab, bin, is_late, rows, until};

/// The marks of a trial, except lateness, which a busy machine can cause.
fn marks(trial: &Value) -> String {
    let marks = trial["marks"].as_array().unwrap().iter().filter(|mark| !is_late(mark));
    marks.map(|mark| mark.as_str().unwrap()).collect::<Vec<_>>().join("; ")
}

/// Trials that ran, whether or not they count.
fn run_to_the_end(row: &Value) -> u64 {
    row["trials"]["complete"].as_u64().unwrap() + row["trials"]["marked"].as_u64().unwrap()
}

#[test]
fn keeps_the_data_of_one_host_if_the_other_refuses() {
    let (lab, good, bad) = (Lab::new(), Agent::start(), Agent::start());
    lab.scenario(
        2,
        "200ms",
        "  everywhere: {engine: psync}\n  alone: {engine: psync, hosts: {disk: whole}}\n",
    );
    lab.inventory(&[("good", &good, "disk: whole"), ("bad", &bad, "disk: gone")]);
    std::fs::remove_dir(bad.data.path()).unwrap();
    let ran = lab.run("run", &["--inventory", "cluster.yaml"]).expect(3);
    assert!(ran.stderr.contains("bad") && ran.stderr.contains("data-dir-missing"), "{}", ran.stderr);

    until("the agent's own log says it", || bad.log().contains("data-dir-missing"));
    assert!(!bad.log().contains('\x1b'), "no terminal, no colours: {}", bad.log());

    let summary = lab.summary("run");
    assert_eq!(summary["trustworthy"], false);
    let alone = rows(&summary, "alone")[0];
    assert_eq!((&alone["trials"]["planned"], run_to_the_end(alone)), (&json!(2), 2));
    assert!(alone["iops"]["mean"].as_f64().is_some_and(|iops| iops > 0.0));
    assert_eq!(rows(&summary, "everywhere")[0]["trials"]["complete"], 0);
    assert!(rows(&summary, "everywhere")[0]["iops"].is_null(), "not measured is null, not zero");

    let trials = lab.trials("run");
    let refused: Vec<&Value> = trials.iter().filter(|trial| trial["arm"] == "everywhere").collect();
    assert_eq!(refused.len(), 1, "what is refused once is not asked again");
    assert!(marks(refused[0]).contains("bad: refused (data-dir-missing)"), "{}", marks(refused[0]));
    assert!(trials.iter().filter(|trial| trial["arm"] == "alone").all(|trial| marks(trial).is_empty()));
}

#[test]
fn keeps_finished_trials_if_a_host_is_killed() {
    let (lab, agents) = (Lab::new(), [Agent::start(), Agent::start(), Agent::start()]);
    lab.scenario(4, "300ms", "  all: {engine: psync}\n  rest: {engine: psync, hosts: {stays: \"yes\"}}\n");
    let [a, b, mut c] = agents;
    lab.inventory(&[("a", &a, "stays: \"yes\""), ("b", &b, "stays: \"yes\""), ("c", &c, "stays: \"no\"")]);
    let mut run = lab.spawn(&["--inventory", "cluster.yaml", "--out", "run"]);
    let timed = |trial: &&Value| trial["measure"] == "timed" && trial["arm"] == "all";
    until("a trial of all hosts has ended", || lab.trials("run").iter().any(|trial| timed(&trial)));
    c.process.signal(Signal::KILL);
    let before = lab.trials("run");
    assert_eq!(c.process.wait(), -1);
    assert_eq!(run.wait(), 3);

    let trials = lab.trials("run");
    // It may have died between two trials. Then the next trial of all hosts never begins.
    assert_eq!(trials[..before.len()], before, "what was written is not touched");
    let complete = trials.iter().filter(timed).filter(|trial| marks(trial).is_empty()).count();
    assert!((1..4).contains(&complete), "{complete} trials of all hosts are complete");
    let marked: Vec<_> = trials.iter().map(marks).filter(|marks| !marks.is_empty()).collect();
    assert!(marked.len() <= 1 && marked.iter().all(|marks| marks.contains("c: host lost")), "{marked:?}");
    let summary = lab.summary("run");
    assert_eq!(rows(&summary, "all")[0]["trials"]["planned"], 4);
    assert_eq!(run_to_the_end(rows(&summary, "rest")[0]), 4, "the others go on without it");

    // The agents are free at once.
    lab.inventory(&[("a", &a, "stays: \"yes\""), ("b", &b, "stays: \"yes\"")]);
    lab.run("again", &["--inventory", "cluster.yaml", "--quick"]).expect(0);
}

/// Waits until a timed trial of all hosts has ended.
fn one_trial_ended(lab: &Lab) {
    until("a timed trial has ended", || lab.trials("run").iter().any(|trial| trial["measure"] == "timed"));
}

#[test]
fn waits_for_a_host_that_comes_back_and_repeats_the_trial() {
    let (lab, a, mut b) = (Lab::new(), Agent::start(), Agent::start());
    lab.scenario(3, "1s", "  all: {engine: psync}\n");
    lab.inventory(&[("a", &a, ""), ("b", &b, "")]);
    let out = ["--inventory", "cluster.yaml", "--out", "run", "--set", "on_host_loss=retry"];
    let mut run = lab.spawn(&out);
    one_trial_ended(&lab);
    b.process.signal(Signal::KILL);
    b.process.wait();
    let journal = || std::fs::read(lab.path("run/run.json")).unwrap();
    let lost = || serde_json::from_slice(&journal()).is_ok_and(|run: Value| run["lost"][0]["host"] == "b");
    until("the loss is recorded", lost);
    let again = Agent::start_at(&b.address);
    let code = run.wait();
    let summary = lab.summary("run");
    assert!(code == 0 || code == 4, "{code}: {summary}");
    let cells = rows(&summary, "all");
    assert_eq!((run_to_the_end(cells[0]), &cells[0]["coverage"]), (3, &json!({"hosts": 2, "of": 2})));
    let codes: Vec<&str> =
        summary["warnings"].as_array().unwrap().iter().filter_map(|w| w["code"].as_str()).collect();
    assert!(codes.contains(&"host-returned") && !codes.contains(&"run-lost-host"), "{codes:?}");
    drop(again);
}

#[test]
fn goes_on_without_a_lost_host() {
    let (lab, a, b, c) = (Lab::new(), Agent::start(), Agent::start(), Agent::start());
    lab.scenario(3, "1s", "  all: {engine: psync}\n");
    lab.inventory(&[("a", &a, ""), ("b", &b, ""), ("c", &c, "")]);
    let out = ["--inventory", "cluster.yaml", "--out", "run", "--set", "on_host_loss=continue"];
    let mut run = lab.spawn(&out);
    one_trial_ended(&lab);
    c.process.signal(Signal::KILL);
    let code = run.wait();
    let summary = lab.summary("run");
    assert!(code == 0 || code == 4, "{code}: {summary}");
    let cells = rows(&summary, "all");
    assert_eq!((run_to_the_end(cells[0]), &cells[0]["coverage"]), (3, &json!({"hosts": 2, "of": 3})));
    assert_eq!(
        cells.iter().map(|cell| cell["host"].as_str()).collect::<Vec<_>>(),
        [None, Some("a"), Some("b")]
    );
    // A report of the same data agrees.
    let report = std::process::Command::new(bin("coordinator"))
        .args(["report"])
        .arg(lab.path("run"))
        .output()
        .unwrap();
    assert_eq!(report.status.code(), Some(code));
    assert!(String::from_utf8_lossy(&report.stdout).contains("all (2 of 3 hosts)"), "{report:?}");
}

/// Its kernel answers, so only its silence could be taken for death.
#[test]
fn a_host_that_is_stopped_for_ten_seconds_is_not_lost() {
    let stopped = |policy: &'static str| {
        let (lab, a, b) = (Lab::new(), Agent::start(), Agent::start());
        lab.scenario(2, "500ms", "  all: {engine: psync}\n");
        lab.inventory(&[("a", &a, ""), ("b", &b, "")]);
        let policy = format!("on_host_loss={policy}");
        let mut run = lab.spawn(&["--inventory", "cluster.yaml", "--out", "run", "--set", &policy]);
        one_trial_ended(&lab);
        b.process.signal(Signal::STOP);
        std::thread::sleep(std::time::Duration::from_secs(10));
        b.process.signal(Signal::CONT);
        let code = run.wait();
        let lost = lab.trials("run").iter().map(marks).filter(|marks| marks.contains("lost")).count();
        assert!(lost == 0 && code != 3, "{policy}: {code}");
        assert_eq!(rows(&lab.summary("run"), "all")[0]["coverage"], json!({"hosts": 2, "of": 2}), "{policy}");
    };
    std::thread::scope(|scope| {
        for policy in ["fail", "retry", "continue"] {
            scope.spawn(move || stopped(policy));
        }
    });
}

#[test]
fn a_stuck_lease_is_shown_and_released() {
    let (lab, a) = (Lab::new(), Agent::start());
    lab.scenario(1, "60s", "  all: {engine: psync}\n");
    lab.inventory(&[("a", &a, "")]);
    let mut run = lab.spawn(&["--inventory", "cluster.yaml", "--out", "run"]);
    let agents = |more: &[&str]| {
        let mut command = std::process::Command::new(bin("coordinator"));
        let output = command
            .args(["agents", "--inventory"])
            .arg(lab.path("cluster.yaml"))
            .args(more)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    until("the run holds the lease", || agents(&[]).1.contains("run hosts@"));
    let (code, text) = agents(&["--release", "b"]);
    assert_eq!((code, text.contains("no such host")), (Some(2), true), "{text}");
    let (code, text) = agents(&["--release", "a"]);
    assert_eq!((code, text.contains("is released")), (Some(0), true), "{text}");
    assert_eq!(run.wait(), 3);
    until("the agent has logged it", || a.log().contains("released by request"));
    until("the lease is free", || agents(&[]).1.contains("free"));
}
