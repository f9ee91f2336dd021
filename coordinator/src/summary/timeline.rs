//! Latency as a curve of percentiles, and over the time of a trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point of a latency curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Share of the operations with at most this latency, from 0 to below 1.
    pub quantile: f64,
    /// Latency in nanoseconds.
    pub ns: u64,
}

/// Latency and rate in a slice of the trials' time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelinePoint {
    /// The end of the slice, in seconds after the warm-up.
    pub t_s: f64,
    /// Median of the operations of all trials in the slice, in nanoseconds.
    pub p50: u64,
    /// 99th percentile, in nanoseconds.
    pub p99: u64,
    /// Operations per second, mean over the trials; hosts are added up.
    pub iops: f64,
}
