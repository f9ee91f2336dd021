//! The result of a run, which every report renders: [`ComparisonSet`].
//!
//! `summary.json` contains a set with the sentences that [`report`](crate::report) makes from it. Keys are only added.
//! Times are nanoseconds, rates are per second. `null` means *not measured*, never zero. The facts behind the sentences
//! are types here. They are not read back from the file, because they follow from its numbers.

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
pub mod course;
pub mod crossover;
mod estimate;
pub mod evidence;
pub mod explanation;
pub mod host_spread;
pub mod insight;
pub mod lane;
mod latency;
pub mod load;
pub mod placement;
mod ring;
pub mod run_diff;
mod run_entry;
pub mod start;
pub mod timeline;

use self::{
    answer::{Answer, Untrusted},
    calibration::CalibrationUse,
    course::Pause,
    crossover::Crossover,
    explanation::Explanation,
    insight::{FactDifference, TrendLine, Waterfall},
    load::LoadCurve,
    start::StartSkew,
};
pub use self::{
    cell::{CellSummary, ErrorCount, Integrity, TargetState, Threads, Throughput, TrialCounts},
    comparison::{Comparison, TooFewUrgent, TrialsRange, Unjudged, Verdict},
    cost::{Cost, CountedBy, CpuPerIo, Syscalls},
    estimate::Estimate,
    latency::{Latencies, Latency, LatencyIntervals, LatencySamples},
    ring::Ring,
    run_entry::RunEntry,
};
use crate::{params::Params, warning::SetWarning};

/// The version of `summary.json`, raised when a key changes its meaning or is removed.
pub const SCHEMA: u32 = 1;

/// The result of a run.
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
    /// The answer; sentences in the file.
    #[serde(skip)]
    #[schemars(skip)]
    pub answer: Answer,
    /// The arm that the others are compared with.
    pub baseline: Option<String>,
    /// Whether the run was shortened (`--quick`): a smoke test, not a benchmark.
    pub quick: bool,
    /// Arms count as equal if the interval of their ratio lies within 1 ± this share; null in runs analysed by an
    /// earlier version.
    #[serde(default)]
    pub margin: Option<f64>,
    /// The minimum number of trials of a cell if precision decided the number; null if it was fixed.
    #[serde(default)]
    pub least_trials: Option<u32>,
    /// The seed of the order of the trials and of their offsets.
    pub seed: u64,
    /// Whether every planned trial counts.
    pub trustworthy: bool,
    /// The reasons if not; texts in `untrusted_because` in the file.
    #[serde(skip)]
    #[schemars(skip)]
    pub untrusted: Vec<Untrusted>,
    /// Arms at points, in the plan's order. A cell that several hosts ran has a further entry for each of them.
    pub cells: Vec<CellSummary>,
    /// Each arm against the baseline, at each point, followed by the scenario's further comparisons; with the `reason` as a text in the file.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub comparisons: Vec<Comparison>,
    /// The scenario's expectations, and whether they held.
    pub expectations: Vec<Expectation>,
    /// Warnings, each with its remedy.
    pub warnings: Vec<SetWarning>,
    /// The hosts that took part.
    pub hosts: Vec<HostSummary>,
    /// Why arms differ or do not; sentences in the file.
    #[serde(skip)]
    #[schemars(skip)]
    pub explanations: Vec<Explanation>,
    /// The time that each step of the scenario's ladder costs or saves, by point.
    #[serde(default)]
    pub ladders: Vec<Waterfall>,
    /// Where arms begin or cease to be better than the baseline; with sentences in the file.
    #[serde(skip)]
    #[schemars(skip)]
    pub crossovers: Vec<Crossover>,
    /// Arms in open loop over the offered rates: how far they keep up, and where queueing begins.
    #[serde(default)]
    pub loads: Vec<LoadCurve>,
    /// Facts in which the hosts differ.
    #[serde(default)]
    pub host_differences: Vec<FactDifference>,
    /// The results of cells in earlier runs of the scenario.
    #[serde(default)]
    pub trend: Vec<TrendLine>,
    /// The calibration that verdicts respect; null without one.
    #[serde(default)]
    pub calibration: Option<CalibrationUse>,
    /// How far apart the hosts of a trial began; null with one host.
    #[serde(default)]
    pub start: Option<StartSkew>,
    /// The pauses of a run that was resumed, in order.
    #[serde(default)]
    pub pauses: Vec<Pause>,
    /// How often the figures of the run were judged, this time included: 1, and one more for each continuation by
    /// further trials after a report.
    #[serde(default = "one")]
    pub looks: u32,
    /// Hosts that were lost or refused, so that trials are missing.
    #[serde(skip)]
    #[schemars(skip)]
    pub failed_hosts: Vec<String>,
    /// The path of the run directory, for display. It is not in the file, because the directory may be moved.
    #[serde(skip)]
    #[schemars(skip)]
    pub run_path: Option<PathBuf>,
}

/// The looks of a run that was never continued.
fn one() -> u32 {
    1
}

/// An expectation of the scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// The text in the scenario.
    pub text: String,
    /// Whether it held; false if it could not be evaluated.
    pub passed: bool,
    /// Whether the required numbers were measured. Otherwise the expectation neither held nor failed.
    pub evaluated: bool,
    /// The measured numbers.
    pub detail: String,
}

impl Expectation {
    /// Whether it held; `None` if it could not be evaluated.
    #[must_use]
    pub fn outcome(&self) -> Option<bool> {
        self.evaluated.then_some(self.passed)
    }
}

/// A host, with the facts that could explain a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSummary {
    /// Its name in the inventory.
    pub name: String,
    /// The address of its agent.
    pub address: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The fingerprint: fact to value.
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
        self.comparison_with(arm, self.baseline.as_deref()?, metric, params)
    }

    /// The comparison of two arms at a point, by the name of its metric.
    #[must_use]
    pub fn comparison_with(
        &self,
        arm: &str,
        against: &str,
        metric: &str,
        params: &Params,
    ) -> Option<&Comparison> {
        self.comparisons.iter().find(|found| {
            found.arm == arm && found.baseline == against && found.metric == metric && found.params == *params
        })
    }

    /// The comparisons with the baseline.
    pub fn with_baseline(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|found| self.baseline.as_ref() == Some(&found.baseline))
    }

    /// The comparisons of arms other than the baseline.
    pub fn further(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|found| self.baseline.as_ref() != Some(&found.baseline))
    }
}
