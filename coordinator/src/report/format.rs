//! What a format of [`super::export`] is made of.

use crate::{
    plan::Plan,
    store::{RunDir, StoreError},
    summary::ComparisonSet,
};

/// A format, and how a run is rendered in it.
#[derive(Debug)]
pub(super) struct Export {
    /// The value of `--format`.
    pub(super) name: &'static str,
    /// One line for `--help` and the documentation, without a full stop.
    pub(super) help: &'static str,
    /// More for the documentation, in Markdown: whole sentences.
    #[cfg_attr(not(test), allow(dead_code, reason = "a test writes the documentation"))]
    pub(super) details: Option<&'static str>,
    /// Renders a run. The text ends with a line feed.
    pub(super) render: fn(&Source<'_>) -> Result<String, StoreError>,
}

/// What a run is rendered from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The comparison.
    pub set: &'a ComparisonSet,
    /// The plan of the run.
    pub plan: &'a Plan,
    /// The run's records and histograms.
    pub run: &'a RunDir,
    /// Columns of the terminal; 100 where there is none.
    pub width: u16,
    /// Whether the terminal shows colours.
    pub colour: bool,
}
