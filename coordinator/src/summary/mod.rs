//! The one result that every report renders: [`ComparisonSet`].
//!
//! `summary.json` holds a set with the sentences that [`report`](crate::report) makes of it. Keys are only ever added.
//! Times are nanoseconds, rates are per second. `null` means *not measured*, never zero. What the sentences say is
//! typed here and not read back from the file: it follows from the numbers in it.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod answer;
pub mod audit;
pub mod calibration;
pub mod cause;
mod cell;
mod comparison;
mod cost;
pub mod crossover;
mod estimate;
pub mod evidence;
pub mod explanation;
pub mod insight;
pub mod lane;
mod latency;
pub mod placement;
mod ring;
pub mod run_diff;
mod run_entry;
pub mod timeline;

use self::{
    answer::{Answer, Untrusted},
    calibration::CalibrationUse,
    crossover::Crossover,
    explanation::Explanation,
    insight::{FactDifference, TrendLine, Waterfall},
};
pub use self::{
    cell::{CellSummary, ErrorCount, Integrity, TargetState, Threads, Throughput, TrialCounts},
    comparison::{Comparison, TooFewUrgent, Verdict},
    cost::{Cost, CountedBy, CpuPerIo, Syscalls},
    estimate::Estimate,
    latency::{Latencies, Latency, LatencyIntervals, LatencySamples},
    ring::Ring,
    run_entry::RunEntry,
};
use crate::{params::Params, warning::SetWarning};

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
    /// The answer; in the file, sentences.
    #[serde(skip)]
    #[schemars(skip)]
    pub answer: Answer,
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
    /// Why not; in the file, texts in `untrusted_because`.
    #[serde(skip)]
    #[schemars(skip)]
    pub untrusted: Vec<Untrusted>,
    /// An arm at a point, in the plan's order; where several hosts ran it, one more entry for each of them.
    pub cells: Vec<CellSummary>,
    /// Each arm against the baseline, at each point; in the file, with the `reason` as a text.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub comparisons: Vec<Comparison>,
    /// The scenario's claims, and whether they held.
    pub expectations: Vec<Expectation>,
    /// Warnings, each with its remedy.
    pub warnings: Vec<SetWarning>,
    /// The hosts that took part.
    pub hosts: Vec<HostSummary>,
    /// Why arms differ, or do about the same; in the file, sentences.
    #[serde(skip)]
    #[schemars(skip)]
    pub explanations: Vec<Explanation>,
    /// What each step of the scenario's ladder costs or saves, a point each.
    #[serde(default)]
    pub ladders: Vec<Waterfall>,
    /// Where arms diverge; in the file, with sentences.
    #[serde(skip)]
    #[schemars(skip)]
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
