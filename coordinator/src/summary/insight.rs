//! Parts of a [`ComparisonSet`](super::ComparisonSet) other than cells and comparisons: ladders, differences between
//! hosts, and trends over earlier runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// A ladder at one point: arms that each differ from the previous one by one change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waterfall {
    /// The point.
    pub params: Params,
    /// The steps; the first is the start.
    pub steps: Vec<WaterfallStep>,
}

/// One step of a ladder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaterfallStep {
    /// The arm.
    pub arm: String,
    /// A worker's time per I/O in nanoseconds: workers / IOPS. null if no trial counts.
    pub ns_per_io: Option<f64>,
    /// Confidence interval of `ns_per_io`.
    pub ci95: Option<[f64; 2]>,
    /// The difference from the previous step in nanoseconds, above zero if this step takes longer; null for the first
    /// step.
    pub change_ns: Option<f64>,
    /// Confidence interval of the change.
    pub change_ci95: Option<[f64; 2]>,
}

/// A fact in which hosts differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FactDifference {
    /// Its name in the fingerprint.
    pub fact: String,
    /// Host to value; null if the host does not report it.
    pub values: BTreeMap<String, Option<String>>,
}

/// One cell in earlier runs of the same scenario and in this one, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendLine {
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// One point per run.
    pub points: Vec<TrendPoint>,
}

/// A cell in one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendPoint {
    /// The run.
    pub run_id: String,
    /// Its start, UTC, RFC 3339.
    pub at: String,
    /// Operations per second, mean over its trials.
    pub iops: f64,
    /// Confidence interval of the mean.
    pub ci95: Option<[f64; 2]>,
}
