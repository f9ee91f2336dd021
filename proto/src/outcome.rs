//! An agent's reports about its host, a preparation, an interval and a whole trial.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::{
    counts::{
        BatchCounts, CpuTime, HandoverCosts, HardwareCounts, LockCosts, Overhead, PathCounts, PerfCounts,
        SharingCosts, UrgentCounts, Verified,
    },
    finished::{
        AuditCounts, CallCounts, DeviceCounts, EngineCounts, Finished, NVME_STATUS, Release, Window,
        WorkCounts,
    },
    knob::Knob,
    refusal::Refusal,
    series::{Direction, Interval, Kind, Lane, Series},
    warning::Warning,
};
use crate::{facts::TargetFacts, payload::Payload};

/// A host and its capabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDescription {
    /// The agent's release.
    pub agent_version: String,
    /// The protocol that the agent speaks.
    pub protocol_version: u32,
    /// The kernel's host name.
    pub hostname: String,
    /// The fingerprint: everything that could explain a difference between two hosts.
    pub facts: BTreeMap<String, String>,
    /// CPUs that the agent may use, with their position in the machine.
    pub cpus: Vec<Cpu>,
    /// The CPU of the agent's runtime.
    pub runtime_cpu: u32,
    /// The capabilities that were tried, with the results.
    pub capabilities: Vec<Capability>,
}

/// A logical CPU and its position in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cpu {
    /// The kernel's number.
    pub id: u32,
    /// The socket.
    pub package: u32,
    /// The physical core within the socket.
    pub core: u32,
}

/// A capability that a host has or lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// A stable name, such as `io_uring.defer_taskrun`.
    pub name: String,
    /// Whether the attempt succeeded.
    pub available: bool,
    /// The attempt and its result.
    pub detail: String,
    /// The remedy if it is missing; otherwise empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Payload for Refusal {}

impl Payload for Ready {}

/// The result of a preparation: everything is built, and every worker waits for the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Requested and granted values.
    pub knobs: Vec<Knob>,
    /// The CPU of each worker, in worker order.
    pub pinned_cpus: Vec<u32>,
    /// Facts about the target.
    pub target: TargetFacts,
    /// Warnings that are known before the start.
    pub warnings: Vec<Warning>,
}
