//! The coordinator's files import one another in one direction only.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../proto/tests-support/imports.rs"]
mod imports;

use std::path::Path;

use imports::{Imports, Sources, sources};

/// The layers, lowest first. A module may import its own layer and those above it in this list. ARCHITECTURE.md shows
/// the same order.
const ORDER: [&[&str]; 13] = [
    &[
        "errno", "exit", "input", "metric", "output", "params", "pki", "screen", "stats", "stop", "summary",
        "units", "warning",
    ],
    &["scenario"],
    &["plan"],
    &["import"],
    &["cluster"],
    &["store"],
    &["analysis"],
    &["report"],
    &["history"],
    &["run"],
    &["exporter", "tui"],
    &["commands"],
    &["cli"],
];

fn coordinator() -> Sources {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// The coordinator with one more line at the top of a file.
fn planted(file: &str, line: &str) -> Imports {
    let mut sources = coordinator();
    let text = sources.get_mut(file).unwrap();
    *text = format!("{line}\n{text}");
    Imports::read(&sources)
}

fn assert_found(found: &[String], expected: &str) {
    assert!(found.iter().any(|line| line == expected), "{found:?}");
}

#[test]
fn imports_follow_the_layers() {
    let wrong = Imports::read(&coordinator()).against(&ORDER);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn files_form_no_circles() {
    let circles = Imports::read(&coordinator()).circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn finds_an_import_against_the_order() {
    let module = planted("scenario/mod.rs", "use crate::report;");
    assert_found(&module.against(&ORDER), "scenario/mod.rs:1 imports report/mod.rs, of a higher layer");
    let reexport = planted("plan/order.rs", "use crate::report::Format;");
    assert_found(
        &reexport.against(&ORDER),
        "plan/order.rs:1 imports report/export/mod.rs, of a higher layer",
    );
    let inline = planted("stats/holm.rs", "fn planted() { crate::scenario::load; }");
    assert_found(&inline.against(&ORDER), "stats/holm.rs:1 imports scenario/mod.rs, of a higher layer");
}

#[test]
fn finds_a_circle_of_files() {
    let circles = planted("scenario/expect/lex.rs", "use super::parse::parse;").circles();
    let expected = ["scenario/expect/lex.rs", "scenario/expect/parse.rs"];
    assert!(circles.iter().any(|circle| *circle == expected), "{circles:?}");
}

#[test]
fn requires_a_layer_for_every_module() {
    let unlisted: Vec<&[&str]> = ORDER.into_iter().filter(|layer| *layer != ["store"]).collect();
    let wrong = Imports::read(&coordinator()).against(&unlisted);
    assert!(wrong.iter().any(|line| line.ends_with("the module `store` is in no layer")), "{wrong:?}");
}
