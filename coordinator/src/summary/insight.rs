//! What a [`ComparisonSet`](super::ComparisonSet) holds beyond cells and comparisons: what each step of a ladder costs,
//! how the hosts differ, and how this run stands among earlier ones.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// Arms that differ by one change each, in order, at one point: where each nanosecond went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waterfall {
    /// The point.
    pub params: Params,
    /// The steps, the first of them the start.
    pub steps: Vec<WaterfallStep>,
}

/// One step of a ladder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaterfallStep {
    /// The arm.
    pub arm: String,
    /// Nanoseconds of a worker's time for an I/O: workers / IOPS. null where no trial counts.
    pub ns_per_io: Option<f64>,
    /// Confidence interval of it.
    pub ci95: Option<[f64; 2]>,
    /// What it takes more (above zero) or less than the step before it. null at the first.
    pub change_ns: Option<f64>,
    /// Confidence interval of the change.
    pub change_ci95: Option<[f64; 2]>,
}

/// A fact in which hosts differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FactDifference {
    /// Its name in the fingerprint.
    pub fact: String,
    /// Host to value; null where a host does not tell.
    pub values: BTreeMap<String, Option<String>>,
}

/// One cell over earlier runs of the same scenario and this one, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendLine {
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// A run each.
    pub points: Vec<TrendPoint>,
}

/// A cell in one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendPoint {
    /// The run.
    pub run_id: String,
    /// When it began, UTC, RFC 3339.
    pub at: String,
    /// Operations per second, mean over its trials.
    pub iops: f64,
    /// Confidence interval of the mean.
    pub ci95: Option<[f64; 2]>,
}
