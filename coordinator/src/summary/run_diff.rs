//! How one run compares with another, from another day or another machine.

use schemars::JsonSchema;
use serde::Serialize;

use super::{TooFewUrgent, Verdict};
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
    /// What differs between the hosts; what explains most comes first.
    pub host_changes: Vec<FactChange>,
    /// Hosts of one run without a counterpart in the other.
    pub unpaired_hosts: Vec<String>,
    /// What differs between the scenarios, in the cells that both runs have.
    pub scenario_changes: Vec<ScenarioChange>,
    /// Cells that only the baseline has.
    pub only_in_baseline: Vec<CellName>,
    /// Cells that only the run has.
    pub only_in_run: Vec<CellName>,
    /// Each metric of each cell that both runs have.
    pub comparisons: Vec<CellDiff>,
    /// What the comparisons of each metric come to.
    pub tallies: Vec<MetricTally>,
}

/// Which run it is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RunFacts {
    /// Its name.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Whether it was shortened.
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
    /// What it is commonly called, such as `kernel`.
    pub class: String,
    /// The hosts that it was seen on, by their names in the run; all hosts with the same change together.
    pub hosts: Vec<String>,
    /// In the baseline; null if the host did not report it.
    pub baseline: Option<String>,
    /// In the run; null if the host did not report it.
    pub run: Option<String>,
}

/// A part of the scenario that differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ScenarioChange {
    /// Which, such as `workload.block_size` or `engine.ring.fixed_files`.
    pub part: String,
    /// In the baseline; null if it has none.
    pub baseline: Option<String>,
    /// In the run; null if it has none.
    pub run: Option<String>,
    /// In how many cells.
    pub cells: usize,
    /// Whether it only changes how long was measured. The numbers are then still comparable.
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
    /// In the baseline: times in nanoseconds, rates per second. null if it was not measured.
    pub baseline: Option<f64>,
    /// In the run.
    pub run: Option<f64>,
    /// Mean of the run over mean of the baseline; null if either has no trial that counts.
    pub ratio: Option<f64>,
    /// Confidence interval of the ratio; null below two trials on either side.
    pub ci95: Option<[f64; 2]>,
    /// How likely a difference of this size is if there is none.
    pub p_value: Option<f64>,
    /// The same over all comparisons of the metric together (Holm).
    pub p_adjusted: Option<f64>,
    /// The conclusion, with all comparisons of the metric taken together.
    pub verdict: Verdict,
    /// Why it is inconclusive whatever the figures say; in JSON, a text.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason: Option<TooFewUrgent>,
    /// Whether both cells ask for the same. Otherwise their numbers are not comparable.
    pub alike: bool,
}

/// What the comparisons of one metric come to.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricTally {
    /// The metric, by the name that expectations use.
    pub metric: String,
    /// How many cells were compared in it.
    pub cells: usize,
    /// The verdicts that occur among comparable cells: slower, faster, no difference, inconclusive.
    pub verdicts: Vec<VerdictTally>,
    /// Cells that were not measured in both runs.
    pub unmeasured: usize,
    /// Cells that ask for different things.
    pub unlike: usize,
    /// Why some cell was not judged.
    pub reason: Option<TooFewUrgent>,
}

/// How often a verdict occurs.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictTally {
    /// The verdict.
    pub verdict: Verdict,
    /// In how many cells.
    pub cells: usize,
    /// The cell whose ratio is furthest from 1, with the ratio; of faster and slower.
    pub most: Option<(CellName, f64)>,
}
