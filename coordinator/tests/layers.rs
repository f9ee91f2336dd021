//! The coordinator's files import one another in one direction only.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../proto/tests-support/imports.rs"]
mod imports;

use std::path::Path;

use imports::{Imports, Sources, sources};

/// The layers, lowest first. ARCHITECTURE.md shows the same order.
const ORDER: [&[&str]; 21] = [
    &["errno", "params", "units", "output", "screen"],
    &["summary"],
    &["exit"],
    &["stop"],
    &["stats"],
    &["metric"],
    &["scenario"],
    &["import"],
    &["plan"],
    &["store"],
    &["cluster"],
    &["analysis"],
    &["report"],
    &["history"],
    &["run"],
    &["commands"],
    &["cli"],
    &[],
    &[],
    &[],
    &[],
];

fn coordinator() -> Sources {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn imports_follow_the_order_of_the_layers() {
    let wrong = Imports::read(&coordinator()).against(&ORDER);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = Imports::read(&coordinator()).circles();
    assert!(circles.is_empty(), "{circles:#?}");
}
