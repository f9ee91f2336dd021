//! An arm at a point of the sweep, in numbers.

use std::collections::BTreeMap;

use proto::{facts::TargetFacts, outcome::Verified};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cost, Estimate, Latencies, Ring, lane::Lanes, placement::Placement};
use crate::params::Params;

/// An arm at a point: merged over its hosts, or on one of them. In JSON the groups `throughput`, `latency`, `lanes`,
/// `cost`, `state`, `integrity`, `threads` have no key of their own: their fields stand in the cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellSummary {
    /// The arm.
    pub arm: String,
    /// The point: axis to value.
    pub params: Params,
    /// The hosts that ran it.
    pub hosts: Vec<String>,
    /// null: merged over `hosts`. Otherwise the one host that these numbers are of.
    pub host: Option<String>,
    /// How many trials there are.
    pub trials: TrialCounts,
    /// How much was done.
    #[serde(flatten)]
    pub throughput: Throughput,
    /// How long it took.
    #[serde(flatten)]
    pub latency: Latencies,
    /// Urgent operations and the others, each by themselves.
    #[serde(flatten)]
    pub lanes: Lanes,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
    /// What was asked of the engine and what it granted.
    pub ring: Ring,
    /// What it was done on.
    #[serde(flatten)]
    pub state: TargetState,
    /// What went wrong.
    #[serde(flatten)]
    pub integrity: Integrity,
    /// Who did it.
    #[serde(flatten)]
    pub threads: Threads,
    /// The blocks of the trials that count, in the order of the samples.
    #[serde(default)]
    pub blocks: Vec<u32>,
    /// One value for each trial, in the order in which they ran, of metrics that have no samples of their own above; by
    /// the names of the metrics.
    #[serde(default)]
    pub trial_values: BTreeMap<String, Vec<f64>>,
}

/// Trials of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialCounts {
    /// Timed trials that were planned.
    pub planned: u32,
    /// Timed trials that ended and count.
    pub complete: u32,
    /// Timed trials that took place but are kept out of the statistics.
    pub marked: u32,
}

/// Rates of a cell; hosts are added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Completed operations per second; hosts are added up. null where no trial is complete.
    pub iops: Option<Estimate>,
    /// Bytes transferred per second; hosts are added up.
    pub bandwidth_bytes_per_s: Option<Estimate>,
    /// Syncs per second; hosts are added up. null where nothing was to be synced.
    pub syncs_per_s: Option<Estimate>,
    /// Open loop: operations per second that were to arrive; hosts are added up. null in closed loop.
    pub offered_per_s: Option<f64>,
}

/// The target of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetState {
    /// What the target really was, as reported by the hosts.
    pub target: TargetFacts,
    /// With a target that is kept cold: the highest share of it that was found in the page cache in any trial, from
    /// 0 to 1. null with any other, and where the kernel does not tell.
    #[serde(default)]
    pub cached_share: Option<f64>,
}

/// Failures in the trials of a cell, whether or not these count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Integrity {
    /// Failed requests in the trials, whether or not these count.
    pub errors: Vec<ErrorCount>,
    /// Requests that transferred less than they asked for, in all trials.
    pub short_transfers: u64,
    /// Results of verification in all trials; null where it was off. Where it was on, it cost CPU time in the loop, and
    /// the numbers are not comparable with those of runs without.
    pub verified: Option<Verified>,
}

/// Failed requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorCount {
    /// The number.
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
    /// Who did the I/O, and on which CPUs.
    #[serde(default)]
    pub placement: Placement,
}
