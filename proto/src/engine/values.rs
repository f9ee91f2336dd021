//! Types of the engine options that are neither a number nor a switch.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// The kernel thread that polls a submission queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sqpoll {
    /// The CPU that it is pinned to. Absent: the agent chooses one without a worker, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Time for which it polls an empty queue before it sleeps and needs a system call to wake it; whole milliseconds.
    pub idle: Nanos,
    /// Share one thread, that of the first worker, among the rings of all workers (`IORING_SETUP_ATTACH_WQ`).
    pub shared: bool,
}

impl Default for Sqpoll {
    fn default() -> Self {
        Self { cpu: None, idle: Nanos(1_000_000_000), shared: false }
    }
}

/// Limits on the kernel's worker threads of a ring; 0 keeps the kernel's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IowqWorkers {
    /// For files and block devices, whose requests take bounded time.
    pub bounded: u32,
    /// For everything else.
    pub unbounded: u32,
}

/// How a depth above 1 is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// One thread keeps the whole depth in flight if its engine has a queue; other engines stay at 1.
    #[default]
    Queue,
    /// Depth N is N threads with one request each.
    Threads,
}

/// Which threads of a host share a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Each worker has its own.
    #[default]
    PerThread,
    /// All workers of a host use one, behind a lock.
    Shared,
    /// An additional thread owns the only ring; workers exchange requests and completions with it through queues.
    Combiner,
}

impl Sharing {
    /// The word used in scenarios and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerThread => "per_thread",
            Self::Shared => "shared",
            Self::Combiner => "combiner",
        }
    }
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The response to an option that the host does not grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Refuse the trial and name the option.
    #[default]
    Refuse,
    /// Run without the option, and report it.
    Allow,
}
