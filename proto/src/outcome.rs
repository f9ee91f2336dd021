//! What an agent reports: of its host, of a preparation, of an interval, of a whole trial.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::{
    counts::{
        BatchCounts, CpuTime, HandoverCosts, HardwareCounts, LockCosts, Overhead, PathCounts, PerfCounts,
        SharingCosts, UrgentCounts, Verified,
    },
    finished::{AuditCounts, CallCounts, DeviceCounts, Finished, NVME_STATUS, Window, WorkCounts},
    knob::Knob,
    series::{Direction, Interval, Kind, Lane, Series},
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

/// Something the reader of a number must know, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Warning {
    /// A stable word for programs, such as `too-few-cpus`.
    pub code: String,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Warning {
    /// A warning with its remedy.
    pub fn new(code: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), remedy: remedy.into() }
    }
}

/// Why a host refused or lost a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A stable word for programs, such as `no-space` or `ring-refused`.
    pub code: String,
    /// What went wrong, with the place.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Where in the trial, such as `engine.depth`; empty where it lies in no field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Refusal {
    /// A refusal that lies in no field of the trial.
    pub fn new(code: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), remedy: remedy.into(), field: String::new() }
    }

    /// The same, laid at a field of the trial.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
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
