//! Latencies of a cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timeline::{CurvePoint, TimelinePoint};

/// Latencies of the operations and syncs of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latencies {
    /// Latency of operations seen by the application.
    #[serde(rename = "latency_ns")]
    pub all: Option<Latency>,
    /// The runtime that latencies would need, in nanoseconds, if the window is too short for the requests in flight:
    /// latencies are then lower bounds. null if the window suffices.
    #[serde(default, rename = "latency_needs_runtime_ns")]
    pub needs_runtime_ns: Option<u64>,
    /// The same latencies as a curve, from 0 % to the last quantile with operations beyond it. Empty in the rows of
    /// single hosts.
    #[serde(default, rename = "latency_curve")]
    pub curve: Vec<CurvePoint>,
    /// The same latencies over the time of a trial, with all trials overlaid. Empty in the rows of single hosts.
    #[serde(default, rename = "latency_over_time")]
    pub over_time: Vec<TimelinePoint>,
    /// Open loop: latency of the same operations from their submission instead of their intended start. null in closed
    /// loop, where the two are equal.
    #[serde(rename = "service_ns")]
    pub service: Option<Latency>,
    /// Latency of syncs seen by the application; syncs are not operations. null without syncs.
    #[serde(rename = "sync_latency_ns")]
    pub sync: Option<Latency>,
}

/// Latency in nanoseconds, from the merged histograms of all trials that count. Percentiles are accurate to 0.1 %.
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
    /// Longest latency, accurate to 0.1 %.
    pub max: u64,
    /// Confidence intervals of the trials' percentiles.
    pub ci95: LatencyIntervals,
    /// Percentiles of the trials.
    pub samples: LatencySamples,
}

/// Confidence intervals around the percentiles, from one value per trial; null below two trials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyIntervals {
    /// Of the median.
    pub p50: Option<[f64; 2]>,
    /// Of the 99th percentile.
    pub p99: Option<[f64; 2]>,
}

/// One percentile per trial, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySamples {
    /// Medians.
    pub p50: Vec<f64>,
    /// 99th percentiles.
    pub p99: Vec<f64>,
}
