//! Hosts that refuse or die: the others continue, and finished trials are kept.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Agent, Lab, is_late, rows, until};

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
