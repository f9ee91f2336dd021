//! Latency in more than a few percentiles: the whole curve, and how it went over the time of a trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point of a latency curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Share of the operations that took no longer, from 0 to below 1.
    pub quantile: f64,
    /// Nanoseconds.
    pub ns: u64,
}

/// How it went in a slice of the trials' time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelinePoint {
    /// The end of the slice, in seconds from the beginning of what is measured; the warm-up lies before it.
    pub t_s: f64,
    /// Median of the operations of all trials in the slice, in nanoseconds.
    pub p50: u64,
    /// 99th percentile, in nanoseconds.
    pub p99: u64,
    /// Operations per second, mean over the trials; hosts added up.
    pub iops: f64,
}
