//! The comparison of two runs as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    report::{export::json::to_json, words},
    summary::run_diff::{CellDiff, FactChange, RunDiff, RunFacts, ScenarioChange},
};

/// The version of this format.
const SCHEMA: u32 = 1;

/// Two runs compared, with sentences.
#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    /// The version of this format.
    schema: u32,
    /// The run to compare with.
    baseline: &'a RunFacts,
    /// The run that is compared.
    run: &'a RunFacts,
    /// Cells are equal if the interval of their ratio lies within 1 ± this share.
    margin: f64,
    /// The result as sentences.
    answer: Vec<String>,
    /// Differences between the hosts, the most explanatory first.
    host_changes: &'a [FactChange],
    /// Differences between the scenarios, in the cells that both runs have.
    scenario_changes: &'a [ScenarioChange],
    /// Cells, as `arm at point`, that only the baseline has.
    only_in_baseline: Vec<String>,
    /// Cells that only the run has.
    only_in_run: Vec<String>,
    /// Each metric of each cell that both runs have.
    comparisons: Vec<CellDocument<'a>>,
}

/// A metric of a cell in both runs.
#[derive(Serialize, JsonSchema)]
struct CellDocument<'a> {
    #[serde(flatten)]
    comparison: &'a CellDiff,
    /// Why the figures were not judged, which makes the verdict inconclusive; null if they were.
    reason: Option<String>,
}

impl<'a> CellDocument<'a> {
    fn of(comparison: &'a CellDiff) -> Self {
        Self { comparison, reason: comparison.reason.as_ref().map(words::unjudged) }
    }
}

pub(super) fn render(found: &RunDiff) -> String {
    to_json(&Document {
        schema: SCHEMA,
        baseline: &found.baseline,
        run: &found.run,
        margin: found.margin,
        answer: words::run_diff::sentences(found),
        host_changes: &found.host_changes,
        scenario_changes: &found.scenario_changes,
        only_in_baseline: found.only_in_baseline.iter().map(words::run_diff::cell).collect(),
        only_in_run: found.only_in_run.iter().map(words::run_diff::cell).collect(),
        comparisons: found.comparisons.iter().map(CellDocument::of).collect(),
    })
}
