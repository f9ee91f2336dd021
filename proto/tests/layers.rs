//! Checks that the files of the shared crate import one another in one direction only.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../tests-support/imports.rs"]
mod imports;

use std::path::Path;

use imports::{Imports, Sources, sources};

/// The layers, lowest first, as documented in `ARCHITECTURE.md`.
const ORDER: [&[&str]; 8] = [
    &["units", "histogram", "plain", "counters", "identity", "local", "scrape"],
    &["limits", "share", "series", "notice"],
    &["urgent"],
    &["engine"],
    &["rule"],
    &["knob", "payload", "target", "workload"],
    &["noise", "facts", "checks", "trial", "refusal", "warning"],
    &["counts", "finished", "outcome", "convert"],
];

fn crate_sources() -> Sources {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// Imports against the order. The root, which holds the generated code and the exported macros, belongs to no layer.
fn against_the_order(sources: &Sources) -> Vec<String> {
    let mut found = Imports::read(sources).against(&ORDER);
    found.retain(|import| !import.contains(" imports lib.rs,"));
    found
}

#[test]
fn imports_follow_the_order_of_the_layers() {
    assert_eq!(against_the_order(&crate_sources()), [""; 0]);
}

#[test]
fn imports_have_no_cycles() {
    assert_eq!(Imports::read(&crate_sources()).circles(), [[""; 0]; 0]);
}

#[test]
fn an_import_against_the_order_is_detected() {
    let mut sources = crate_sources();
    let text = sources.get_mut("rule.rs").unwrap();
    *text = format!("use crate::trial::Trial;\n{text}");
    assert_eq!(against_the_order(&sources), ["rule.rs:1 imports trial.rs, of a higher layer"]);
}
