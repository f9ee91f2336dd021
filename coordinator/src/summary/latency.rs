//! Latencies of a cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timeline::{CurvePoint, TimelinePoint};

/// How long the operations and syncs of a cell took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latencies {
    /// What the application waited for an operation.
    #[serde(rename = "latency_ns")]
    pub all: Option<Latency>,
    /// The same latencies as a curve, from 0 % up to the last quantile beyond which an operation was seen. Empty in
    /// rows of one host.
    #[serde(default, rename = "latency_curve")]
    pub curve: Vec<CurvePoint>,
    /// The same latencies over the time of a trial, with all trials overlaid. Empty in rows of one host.
    #[serde(default, rename = "latency_over_time")]
    pub over_time: Vec<TimelinePoint>,
    /// Open loop: the same operations, measured from submission instead of from their intended time. null in closed
    /// loop, where the two are the same.
    #[serde(rename = "service_ns")]
    pub service: Option<Latency>,
    /// What the application waited for a sync, which is not one of the operations. null where nothing was synced.
    #[serde(rename = "sync_latency_ns")]
    pub sync: Option<Latency>,
}

/// Latency in nanoseconds, from the merged histograms of all trials that count. A percentile is exact to the
/// histogram's 0.1 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Mean over all operations.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p99_9: u64,
    /// 99.99th percentile.
    pub p99_99: u64,
    /// The longest, to the histogram's 0.1 %.
    pub max: u64,
    /// Confidence intervals over the trials' own percentiles.
    pub ci95: LatencyIntervals,
    /// The trials' own percentiles.
    pub samples: LatencySamples,
}

/// Confidence intervals of percentiles: Student's t over one value for each trial; null below two trials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyIntervals {
    /// Of the median.
    pub p50: Option<[f64; 2]>,
    /// Of the 99th percentile.
    pub p99: Option<[f64; 2]>,
}

/// One percentile for each trial, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySamples {
    /// Medians.
    pub p50: Vec<f64>,
    /// 99th percentiles.
    pub p99: Vec<f64>,
}
