//! The smallest difference that a rig can detect: `calibration.json`, and the part that a run's verdicts respect.

use std::collections::BTreeMap;

use proto::trial::{Target, Workload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// `calibration.json`: the smallest difference that can be detected, by point and metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// The version of this format.
    pub schema: u32,
    /// The calibration run: the name of its directory.
    pub run_id: String,
    /// The version of Ringbench.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// The arm that was compared with itself.
    pub arm: String,
    /// The target of the scenario.
    pub target: Target,
    /// The workload of the scenario.
    pub workload: Workload,
    /// The hosts that took part, with their fingerprints.
    pub hosts: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether the trials were shortened (`--quick`). The results then do not apply to full trials.
    pub quick: bool,
    /// Whether every planned trial counted.
    pub trustworthy: bool,
    /// Planned blocks; each runs the arm twice at every point.
    pub blocks: u32,
    /// The number of trials of a cell that `smallest_visible` assumes.
    pub trials: u32,
    /// The number of comparisons of a metric for which `smallest_visible` is corrected: arms other than the baseline,
    /// times points.
    #[serde(default = "one")]
    pub comparisons: u32,
    /// The probability of detecting a difference of `smallest_visible`, from 0 to 1.
    pub power: f64,
    /// The results of each point, in the scenario's order.
    pub points: Vec<CalibratedPoint>,
}

/// The results at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibratedPoint {
    /// Axis to value.
    pub params: Params,
    /// The metrics that were above zero in at least two blocks.
    pub metrics: Vec<CalibratedMetric>,
}

/// The results of a metric at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibratedMetric {
    /// `iops`, `latency_mean`, `latency_p50`, `latency_p99`, `latency_p99_9`, `cpu_per_io` or `syscalls_per_io`.
    pub metric: String,
    /// Blocks in which both trials count.
    pub pairs: u32,
    /// Standard deviation over the blocks of ln(second trial / first trial).
    pub sd: f64,
    /// Confidence interval of `sd`, by chi square.
    pub sd_ci95: [f64; 2],
    /// Geometric mean of the ratios second trial / first trial. It differs from 1 only by chance, or if the order of
    /// trials affects results.
    pub ratio: f64,
    /// Confidence interval of `ratio`, by Student's t.
    pub ci95: [f64; 2],
    /// The two-sided p-value: the probability of a ratio at least this far from 1 if the two are equal.
    pub p_value: f64,
    /// Whether `ratio` differs significantly from 1, after correction for all points and metrics (Holm, 5 %). The order
    /// of trials then affects results, and verdicts are not trustworthy.
    pub biased: bool,
    /// The smallest difference that is detected with `power`, with `trials` of each cell and as one of `comparisons`,
    /// as a share (0.013 is 1.3 %). null below two trials.
    pub smallest_visible: Option<f64>,
    /// `smallest_visible` at both ends of `sd_ci95`.
    pub smallest_visible_ci95: Option<[f64; 2]>,
}

/// The calibration that a run's verdicts respect, in `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationUse {
    /// The calibration run.
    pub run_id: String,
    /// The smallest detectable difference of each comparison.
    pub floors: Vec<Floor>,
}

/// The smallest detectable difference of a metric at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Floor {
    /// The metric.
    pub metric: String,
    /// The point.
    pub params: Params,
    /// The difference as a share: 0.013 is 1.3 %.
    pub smallest_visible: f64,
    /// Blocks in which both sides count, which the value is computed for.
    #[serde(default)]
    pub pairs: u32,
    /// Comparisons of the metric that the value is corrected for.
    #[serde(default = "one")]
    pub comparisons: u32,
}

const fn one() -> u32 {
    1
}
