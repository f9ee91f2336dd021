//! What a [`ComparisonSet`](super::ComparisonSet) says beyond numbers and verdicts: why arms differ, where
//! they part, what each step of a ladder saves, and how this run stands among earlier ones.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::params::Params;

/// Why an arm differs from the baseline at a point, or does not: a diagnosis from what was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// A stable word for programs, such as `device`, `syscalls`, `copy`, `locks`, `punts`, `poll_thread`.
    pub cause: String,
    /// One sentence for people.
    pub text: String,
    /// The measured figures that it rests on, each as a short text with its unit.
    pub evidence: Vec<String>,
}

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
    /// 95 % confidence interval of it.
    pub ci95: Option<[f64; 2]>,
    /// What it takes more (above zero) or less than the step before it. null at the first.
    pub change_ns: Option<f64>,
    /// 95 % confidence interval of the change.
    pub change_ci95: Option<[f64; 2]>,
}

/// Between which values of an axis an arm begins or ceases to be better than the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Crossover {
    /// The arm.
    pub arm: String,
    /// The axis, such as `depth`.
    pub axis: String,
    /// The metric of the comparisons, such as `iops`.
    pub metric: String,
    /// The last value without the difference; null where it is there from the first on.
    pub after: Option<Value>,
    /// The first value with it.
    pub from: Value,
    /// Whether this is where it ends: then `after` is the last value at which the arm is better, and `from` the
    /// first at which it no longer is.
    #[serde(default)]
    pub ends: bool,
    /// The values of the other axes.
    pub params: Params,
    /// One sentence for people.
    pub text: String,
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
    /// 95 % confidence interval of the mean.
    pub ci95: Option<[f64; 2]>,
}
