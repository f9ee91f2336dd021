//! The numbers of an arm at a point of the sweep.

use std::collections::BTreeMap;

use proto::{facts::TargetFacts, outcome::Verified};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Cost, Estimate, Latencies, Ring, host_spread::HostSpread, lane::Lanes, placement::Placement,
    start::Coverage,
};
use crate::params::Params;

/// An arm at a point: merged over its hosts, or on one of them. In JSON the fields of the groups `throughput`,
/// `latency`, `lanes`, `cost`, `state`, `integrity` and `threads` are fields of the cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellSummary {
    /// The arm.
    pub arm: String,
    /// The point: axis to value.
    pub params: Params,
    /// The hosts that ran it.
    pub hosts: Vec<String>,
    /// The host of these numbers; null if they are merged over `hosts`.
    pub host: Option<String>,
    /// How many of the hosts that the cell selects are in the numbers; null in entries of one host, and in runs analysed by
    /// an earlier version.
    #[serde(default)]
    pub coverage: Option<Coverage>,
    /// The slowest, the median and the fastest of the hosts; null with one host, and in the rows of single hosts.
    #[serde(default)]
    pub host_spread: Option<HostSpread>,
    /// Numbers of trials.
    pub trials: TrialCounts,
    /// Rates.
    #[serde(flatten)]
    pub throughput: Throughput,
    /// Latencies.
    #[serde(flatten)]
    pub latency: Latencies,
    /// Urgent and bulk operations separately.
    #[serde(flatten)]
    pub lanes: Lanes,
    /// Costs.
    #[serde(flatten)]
    pub cost: Cost,
    /// The ring: requested and granted options, and its counts.
    pub ring: Ring,
    /// The target.
    #[serde(flatten)]
    pub state: TargetState,
    /// Failures.
    #[serde(flatten)]
    pub integrity: Integrity,
    /// Threads and CPUs.
    #[serde(flatten)]
    pub threads: Threads,
    /// The blocks of the trials that count, in the order of the samples.
    #[serde(default)]
    pub blocks: Vec<u32>,
    /// One value per trial, in the order in which they ran, of metrics without other samples; by the name of the
    /// metric.
    #[serde(default)]
    pub trial_values: BTreeMap<String, Vec<f64>>,
}

/// Trials of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialCounts {
    /// Planned timed trials.
    pub planned: u32,
    /// Timed trials that count.
    pub complete: u32,
    /// Timed trials that were executed but are kept out of the statistics.
    pub marked: u32,
}

/// Rates of a cell; hosts are added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Completed operations per second; hosts are added up. null if no trial counts.
    pub iops: Option<Estimate>,
    /// Bytes transferred per second; hosts are added up.
    pub bandwidth_bytes_per_s: Option<Estimate>,
    /// Syncs per second; hosts are added up. null without syncs.
    pub syncs_per_s: Option<Estimate>,
    /// Open loop: offered operations per second; hosts are added up. null in closed loop.
    pub offered_per_s: Option<f64>,
    /// Open loop: the completed operations per second from which on the offered rate counts as reached. null in closed
    /// loop.
    #[serde(default)]
    pub reached_from_per_s: Option<f64>,
}

/// The target of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetState {
    /// The target as reported by the hosts.
    pub target: TargetFacts,
    /// Cold target: the largest share of it found in the page cache in any trial, from 0 to 1. null for other targets,
    /// and if the kernel does not report it.
    #[serde(default)]
    pub cached_share: Option<f64>,
}

/// Failures in the trials of a cell, whether or not these count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Integrity {
    /// Failed requests in all trials.
    pub errors: Vec<ErrorCount>,
    /// Requests that transferred less than requested, in all trials.
    pub short_transfers: u64,
    /// Results of verification in all trials; null if it was off. Verification costs CPU time in the loop, so the
    /// numbers are not comparable with those of runs without it.
    pub verified: Option<Verified>,
}

/// Failed requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorCount {
    /// The error number.
    pub errno: i32,
    /// Its name, such as `EIO`.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// The threads of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Threads {
    /// The CPUs that the workers were pinned to, of all hosts.
    pub pinned_cpus: Vec<u32>,
    /// Closed loop: requests that the workers of all hosts keep in flight. null in open loop, with syncs (which wait for
    /// the requests before them), and if no trial counts.
    #[serde(default)]
    pub in_flight: Option<u64>,
    /// Numbers of workers and CPUs, and the polling threads.
    #[serde(default)]
    pub placement: Placement,
}
