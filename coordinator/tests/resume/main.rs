//! The real binaries: runs that stop at any point are resumed, and damage to a run directory is found.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../faults/support.rs"]
#[allow(dead_code, reason = "shared with the tests of faults, which use all of it")]
mod support;

mod integrity;
mod pauses;
mod refusals;

use std::process::Command;

use serde_json::Value;
use support::{Place, Ran, bin, scenario, until};

/// Ten trials, two of them audits.
fn text() -> String {
    let small = "{file: {size: 64KiB, direct: false}}";
    scenario(small, "warmup: 5ms, runtime: 150ms").replace("trials: 2", "trials: 4")
}

/// `coordinator COMMAND out ARGS`.
fn on_run(place: &Place, command: &str, args: &[&str]) -> Command {
    let mut resume = place.command(bin("coordinator"));
    resume.arg(command).arg(place.out()).args(args);
    resume
}

fn resume(place: &Place, args: &[&str]) -> Ran {
    place.finish(on_run(place, "resume", args))
}

fn verify(place: &Place) -> Ran {
    place.finish(on_run(place, "verify", &[]))
}

/// Lines of trials.jsonl, while a run may be writing it.
fn recorded(place: &Place) -> usize {
    std::fs::read(place.out().join("trials.jsonl"))
        .map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
}

fn until_recorded(place: &Place, count: usize) {
    until("trials are recorded", || (recorded(place) >= count).then_some(()));
}

/// A run of which nothing is missing.
fn complete(scenario: &str) -> Place {
    let place = Place::new();
    place.finish(place.run(scenario)).completes();
    place
}

/// Asserts that every trial of the plan ran to its end exactly once, and that the run directory is intact.
fn assert_whole(place: &Place, planned: usize) {
    let trials = place.trials();
    let whole = |trial: &&Value| {
        let finished = &trial["hosts"][0]["finished"];
        !finished.is_null() && finished["cut_short"] != true && finished["window"]["cut_short"] != true
    };
    let mut ids: Vec<&str> = trials.iter().filter(whole).map(|trial| trial["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!((ids.len(), count), (planned, planned), "each trial runs once: {ids:?}");
    let summary = place.summary();
    for cell in summary["cells"].as_array().unwrap() {
        let trials = &cell["trials"];
        let ran = trials["complete"].as_u64().unwrap() + trials["marked"].as_u64().unwrap();
        assert_eq!(Some(ran), trials["planned"].as_u64(), "{cell:#}");
    }
    verify(place).exits(0);
}
