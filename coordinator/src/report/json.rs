//! JSON: the comparison with all that is known.

use serde::Serialize;

use super::export::Export;
use crate::summary::ComparisonSet;

pub(super) static EXPORT: Export = Export {
    name: "json",
    help: "As in summary.json",
    details: None,
    render: |source| Ok(render(source.set)),
};

pub(super) fn render(set: &ComparisonSet) -> String {
    to_json(set)
}

#[allow(clippy::expect_used, reason = "every key is a string and no value has a serialiser of its own")]
pub(super) fn to_json(data: &impl Serialize) -> String {
    serde_json::to_string_pretty(data).expect("reports are plain data") + "\n"
}
