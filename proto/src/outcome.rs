//! What an agent reports: of its host, of a preparation, of an interval, of a whole trial.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::{
    counts::{
        BatchCounts, CpuTime, HandoverCosts, HardwareCounts, LockCosts, Overhead, PathCounts, PerfCounts,
        SharingCosts, UrgentCounts, Verified,
    },
    finished::{
        AuditCounts, CallCounts, DeviceCounts, EngineCounts, Finished, NVME_STATUS, Window, WorkCounts,
    },
    knob::Knob,
    refusal::Refusal,
    series::{Direction, Interval, Kind, Lane, Series},
    warning::Warning,
};
use crate::{facts::TargetFacts, payload::Payload};

/// What a host is and can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDescription {
    /// The agent's release.
    pub agent_version: String,
    /// The protocol that the agent speaks.
    pub protocol_version: u32,
    /// As the kernel knows it.
    pub hostname: String,
    /// The fingerprint: everything that could explain a difference between two hosts.
    pub facts: BTreeMap<String, String>,
    /// CPUs that the agent may use, with their place in the machine.
    pub cpus: Vec<Cpu>,
    /// The CPU that the agent's own runtime lives on.
    pub runtime_cpu: u32,
    /// What was tried, and whether it works.
    pub capabilities: Vec<Capability>,
}

/// A logical CPU and its place in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cpu {
    /// The kernel's number of it.
    pub id: u32,
    /// The socket.
    pub package: u32,
    /// The physical core within the socket.
    pub core: u32,
}

/// Something that a host can do, or cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// A stable name, such as `io_uring.defer_taskrun`.
    pub name: String,
    /// Whether trying it worked.
    pub available: bool,
    /// What was tried and what came of it.
    pub detail: String,
    /// What to do where it is missing; empty where nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Payload for Refusal {}

impl Payload for Ready {}

/// Everything is built, and every worker stands at the start line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What was asked and what was granted.
    pub knobs: Vec<Knob>,
    /// The CPU of each worker, in worker order.
    pub pinned_cpus: Vec<u32>,
    /// What the target really is.
    pub target: TargetFacts,
    /// What the reader must know already.
    pub warnings: Vec<Warning>,
}
