//! The one result that every report renders: [`ComparisonSet`], which is `summary.json`.
//!
//! Keys are only ever added. Times are nanoseconds, rates are per second. `null` means *not measured*, and
//! never zero.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

pub mod audit;
pub mod calibration;
mod cell;
mod comparison;
mod cost;
mod estimate;
pub mod insight;
pub mod lane;
mod latency;
pub mod placement;
mod ring;
pub mod timeline;

use self::{
    calibration::CalibrationUse,
    insight::{Crossover, Explanation, FactDifference, TrendLine, Waterfall},
};
pub use self::{
    cell::{CellSummary, ErrorCount, Integrity, TargetState, Threads, Throughput, TrialCounts},
    comparison::{Comparison, Verdict},
    cost::{Cost, CountedBy, CpuPerIo, Syscalls},
    estimate::Estimate,
    latency::{Latencies, Latency, LatencyIntervals, LatencySamples},
    ring::Ring,
};
use crate::params::Params;

/// The version of `summary.json`, raised when a key changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// All that a run has to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonSet {
    /// The version of this format.
    pub schema: u32,
    /// The run: the name of its directory.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's question.
    pub question: Option<String>,
    /// The answer in plain words, computed from the comparisons: who won, then an entry for each arm.
    pub answer: Vec<String>,
    /// The arm that the others are held against.
    pub baseline: Option<String>,
    /// Whether the run was a shortened one, whose numbers are a smoke test.
    pub quick: bool,
    /// Arms are called equal where the interval of their ratio lies within 1 ± this share; null in runs that an
    /// earlier version concluded.
    #[serde(default)]
    pub margin: Option<f64>,
    /// Where precision decided the number of trials: the fewest that there could be of a cell. null where it was fixed.
    #[serde(default)]
    pub least_trials: Option<u32>,
    /// Decided the order of the trials and their offsets.
    pub seed: u64,
    /// Whether every planned trial counts.
    pub trustworthy: bool,
    /// Why not; empty where it is.
    pub untrusted_because: Vec<String>,
    /// An arm at a point, in the plan's order; where several hosts ran it, one more entry for each of them.
    pub cells: Vec<CellSummary>,
    /// Each arm against the baseline, at each point.
    pub comparisons: Vec<Comparison>,
    /// The scenario's claims, and whether they held.
    pub expectations: Vec<Expectation>,
    /// What the reader must know, and what to do about it.
    pub warnings: Vec<SetWarning>,
    /// The hosts that took part.
    pub hosts: Vec<HostSummary>,
    /// Why arms differ, or do not.
    #[serde(default)]
    pub explanations: Vec<Explanation>,
    /// What each step of the scenario's ladder costs or saves, a point each.
    #[serde(default)]
    pub ladders: Vec<Waterfall>,
    /// Where arms part.
    #[serde(default)]
    pub crossovers: Vec<Crossover>,
    /// In what the hosts differ.
    #[serde(default)]
    pub host_differences: Vec<FactDifference>,
    /// How cells did in earlier runs of the scenario.
    #[serde(default)]
    pub trend: Vec<TrendLine>,
    /// The calibration that verdicts heed; null where the run was given none.
    #[serde(default)]
    pub calibration: Option<CalibrationUse>,
    /// Where the run lies, for people; no part of the file, which may be moved.
    #[serde(skip)]
    #[schemars(skip)]
    pub run_path: Option<PathBuf>,
}

/// A claim of the scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// As written.
    pub text: String,
    /// Whether it held. Never true of one that could not be evaluated.
    pub passed: bool,
    /// Whether there were the numbers to tell; without them a claim has neither held nor failed.
    pub evaluated: bool,
    /// The numbers behind it.
    pub detail: String,
}

impl Expectation {
    /// Whether it held, if that could be told.
    #[must_use]
    pub fn outcome(&self) -> Option<bool> {
        self.evaluated.then_some(self.passed)
    }
}

/// What the reader of the numbers must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetWarning {
    /// A stable word for programs.
    pub code: String,
    /// The host; null where it concerns the run.
    pub host: Option<String>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// A host, with what could explain a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSummary {
    /// Its name in the inventory.
    pub name: String,
    /// Where its agent was reached.
    pub address: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The fingerprint.
    pub facts: BTreeMap<String, String>,
}

impl ComparisonSet {
    /// The merged cell of an arm at a point.
    #[must_use]
    pub fn cell(&self, arm: &str, params: &Params) -> Option<&CellSummary> {
        self.cells.iter().find(|cell| cell.host.is_none() && cell.arm == arm && cell.params == *params)
    }

    /// The comparison of an arm with the baseline at a point, by the name of its metric.
    #[must_use]
    pub fn comparison(&self, arm: &str, metric: &str, params: &Params) -> Option<&Comparison> {
        self.comparisons
            .iter()
            .find(|found| found.arm == arm && found.metric == metric && found.params == *params)
    }
}

/// The JSON Schema of `summary.json`, draft-07.
#[must_use]
pub fn summary_schema() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<ComparisonSet>().to_value()
}
