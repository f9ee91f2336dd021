//! The comparison of a run with another one, from another day or another machine.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Unjudged, Verdict};
use crate::params::Params;

/// A run compared with a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDiff {
    /// The run to compare with.
    pub baseline: RunFacts,
    /// The run that is compared.
    pub run: RunFacts,
    /// Cells are equal if the interval of their ratio lies within 1 ± this share.
    pub margin: f64,
    /// The margins of the baseline and of the run, if they differ and the larger one is in use.
    pub margins: Option<[f64; 2]>,
    /// Differences between the hosts, the most explanatory first.
    pub host_changes: Vec<FactChange>,
    /// Hosts of one run without a counterpart in the other.
    pub unpaired_hosts: Vec<String>,
    /// Differences between the scenarios, in the cells that both runs have.
    pub scenario_changes: Vec<ScenarioChange>,
    /// Cells that only the baseline has.
    pub only_in_baseline: Vec<CellName>,
    /// Cells that only the run has.
    pub only_in_run: Vec<CellName>,
    /// Each metric of each cell that both runs have.
    pub comparisons: Vec<CellDiff>,
    /// The verdicts of each metric, counted.
    pub tallies: Vec<MetricTally>,
}

/// A run of the comparison.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RunFacts {
    /// Its name.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Whether it was shortened (`--quick`).
    pub quick: bool,
    /// Whether every planned trial counts.
    pub trustworthy: bool,
}

/// An arm at a point.
#[derive(Clone, Debug, PartialEq)]
pub struct CellName {
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
}

/// A fact in which the hosts of two runs differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FactChange {
    /// Its name in the fingerprint.
    pub fact: String,
    /// Its class, such as `kernel`.
    pub class: String,
    /// The hosts with this change, by their names in the run.
    pub hosts: Vec<String>,
    /// The value in the baseline; null if the host did not report it.
    pub baseline: Option<String>,
    /// The value in the run; null if the host did not report it.
    pub run: Option<String>,
}

/// A part of the scenario that differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ScenarioChange {
    /// Its path, such as `workload.block_size` or `engine.ring.fixed_files`.
    pub part: String,
    /// The value in the baseline; null if it has none.
    pub baseline: Option<String>,
    /// The value in the run; null if it has none.
    pub run: Option<String>,
    /// The number of cells that differ in it.
    pub cells: usize,
    /// Whether it changes only the duration of trials. The numbers are then still comparable.
    pub duration: bool,
}

/// A metric of a cell in both runs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CellDiff {
    /// The arm in the run.
    pub arm: String,
    /// The arm in the baseline.
    pub baseline_arm: String,
    /// The point.
    pub params: Params,
    /// The metric, by the name that expectations use.
    pub metric: String,
    /// The value in the baseline: times in nanoseconds, rates per second. null if it was not measured.
    pub baseline: Option<f64>,
    /// The value in the run.
    pub run: Option<f64>,
    /// Mean of the run over mean of the baseline; null if either has no trial that counts.
    pub ratio: Option<f64>,
    /// Confidence interval of the ratio; null below two trials on either side.
    pub ci95: Option<[f64; 2]>,
    /// The two-sided p-value: the probability of a difference at least this large if there is none.
    pub p_value: Option<f64>,
    /// The same after Holm's correction over all comparisons of the metric.
    pub p_adjusted: Option<f64>,
    /// The conclusion, corrected for all comparisons of the metric.
    pub verdict: Verdict,
    /// Why the figures were not judged, which makes the verdict inconclusive; a text in JSON.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason: Option<Unjudged>,
    /// Whether both cells have the same configuration. Otherwise their numbers are not comparable.
    pub alike: bool,
}

/// The verdicts of one metric, counted.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricTally {
    /// The metric, by the name that expectations use.
    pub metric: String,
    /// Compared cells.
    pub cells: usize,
    /// The verdicts that occur among comparable cells: slower, faster, no difference, inconclusive.
    pub verdicts: Vec<VerdictTally>,
    /// Cells that were not measured in both runs.
    pub unmeasured: usize,
    /// Cells whose configurations differ.
    pub unlike: usize,
    /// Why a cell was not judged.
    pub reason: Option<Unjudged>,
}

/// The number of cells with a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictTally {
    /// The verdict.
    pub verdict: Verdict,
    /// The number of cells.
    pub cells: usize,
    /// For *faster* and *slower*: the cell whose ratio is furthest from 1, with the ratio.
    pub most: Option<(CellName, f64)>,
}
