//! Checks that the agent's files import one another in one direction only.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../proto/tests-support/imports.rs"]
mod imports;

use std::path::Path;

use imports::{Imports, Sources, sources};

/// The layers, lowest first, as documented in `src/lib.rs`.
const ORDER: [&[&str]; 11] = [
    &[
        "buffers", "cgroup", "clock", "drain", "limits", "runtime", "signals", "metrics", "skip", "slot",
        "source", "status", "topology", "workload",
    ],
    &["counters"],
    &["engine"],
    &["verify"],
    &["target"],
    &["worker"],
    &["stream"],
    &["preflight"],
    &["service"],
    &["listen"],
    &["server", "cli"],
];

fn agent() -> Sources {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// The imports of the agent with one more line at the beginning of a file.
fn planted(file: &str, line: &str) -> Imports {
    let mut sources = agent();
    let text = sources.get_mut(file).unwrap();
    *text = format!("{line}\n{text}");
    Imports::read(&sources)
}

#[test]
fn imports_follow_the_order_of_the_layers() {
    assert_eq!(Imports::read(&agent()).against(&ORDER), [""; 0]);
}

#[test]
fn imports_have_no_cycles() {
    assert_eq!(Imports::read(&agent()).circles(), [[""; 0]; 0]);
}

#[test]
fn an_import_against_the_order_is_detected() {
    let upwards = planted("clock.rs", "use crate::{skip, worker::WorkerPool};");
    assert_eq!(upwards.against(&ORDER), ["clock.rs:1 imports worker/pool.rs, of a higher layer"]);
    let inline = planted("counters/usage.rs", "fn planted() { crate::service::AgentService::close; }");
    assert_eq!(inline.against(&ORDER), ["counters/usage.rs:1 imports service/mod.rs, of a higher layer"]);
    let tests = planted("clock.rs", "#[cfg(test)]\nmod planted { use crate::worker::WorkerPool; }");
    assert_eq!(tests.against(&ORDER), [""; 0], "tests may use what they need");
}

#[test]
fn a_cycle_is_detected() {
    let circles = planted("worker/gate.rs", "use super::pool::Places;").circles();
    assert!(circles.iter().any(|circle| circle.contains(&"worker/gate.rs".to_owned())), "{circles:?}");
}
