//! How small a difference a rig can see: `calibration.json`, and what a run's verdicts heed of it.

use std::collections::BTreeMap;

use proto::trial::{Target, Workload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// `calibration.json`: how small a difference can be seen, by point and metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// The version of this format.
    pub schema: u32,
    /// The run that found it: the name of its directory.
    pub run_id: String,
    /// The version of Ringbench that ran it.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// The arm that was run against itself.
    pub arm: String,
    /// What the scenario's I/O goes to.
    pub target: Target,
    /// What it looks like.
    pub workload: Workload,
    /// The hosts that took part, with their fingerprints.
    pub hosts: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether the trials were shortened ones, which say nothing of others.
    pub quick: bool,
    /// Whether every planned trial counted.
    pub trustworthy: bool,
    /// Blocks that were planned; each runs the arm twice at every point.
    pub blocks: u32,
    /// Trials of a cell that `smallest_visible` is for.
    pub trials: u32,
    /// Comparisons of a metric that are judged together, for which `smallest_visible` is: arms but the baseline, times
    /// points.
    #[serde(default = "one")]
    pub comparisons: u32,
    /// How likely a difference of that size is found, from 0 to 1.
    pub power: f64,
    /// What there is to know, point by point, in the scenario's order.
    pub points: Vec<CalibratedPoint>,
}

/// What can be seen at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibratedPoint {
    /// Axis to value.
    pub params: Params,
    /// Each metric that was above zero in two blocks or more.
    pub metrics: Vec<CalibratedMetric>,
}

/// What can be seen of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibratedMetric {
    /// `iops`, `latency_mean`, `latency_p50`, `latency_p99`, `latency_p99_9`, `cpu_per_io` or `syscalls_per_io`.
    pub metric: String,
    /// Blocks in which both trials count.
    pub pairs: u32,
    /// Standard deviation over the blocks of the logarithm of the second trial's value over the first's.
    pub sd: f64,
    /// Confidence interval of it, by chi square.
    pub sd_ci95: [f64; 2],
    /// The arm over itself: geometric mean of the ratios. Nothing but chance and order keeps it from 1.
    pub ratio: f64,
    /// Confidence interval of it, by Student's t.
    pub ci95: [f64; 2],
    /// Two-sided: how likely a ratio so far from 1 is if the two are alike.
    pub p_value: f64,
    /// Whether the two are not alike, beyond chance over all points and metrics together (Holm, 5 %): then what comes
    /// first or second matters here, and no verdict is to be trusted.
    pub biased: bool,
    /// The smallest difference that is found with `power`, in `trials` of each cell and as one of `comparisons`, as a
    /// share: 0.013 is 1.3 %. null below two trials.
    pub smallest_visible: Option<f64>,
    /// The same at both ends of the interval of `sd`.
    pub smallest_visible_ci95: Option<[f64; 2]>,
}

/// The calibration that a run's verdicts heed, in `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationUse {
    /// The run that found it.
    pub run_id: String,
    /// What each comparison's difference was held against.
    pub floors: Vec<Floor>,
}

/// The smallest difference that can be seen of a metric at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Floor {
    /// The metric.
    pub metric: String,
    /// The point.
    pub params: Params,
    /// As a share: 0.013 is 1.3 %.
    pub smallest_visible: f64,
    /// Blocks in which both sides count: it is of so many.
    #[serde(default)]
    pub pairs: u32,
    /// Comparisons of the metric that were judged together: it is of one of so many.
    #[serde(default = "one")]
    pub comparisons: u32,
}

const fn one() -> u32 {
    1
}
