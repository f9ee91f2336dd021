//! Who does the I/O of a cell, and on which CPUs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Threads and CPUs of a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Worker threads, hosts added up; null where no host was ever ready.
    pub workers: Option<u32>,
    /// CPUs that they are on, hosts added up: fewer than workers where these take turns.
    pub worker_cpus: Option<u32>,
    /// CPUs of the kernel's threads that poll submission queues, of all hosts; empty without SQPOLL, and where the
    /// agent did not say.
    pub polling_cpus: Vec<u32>,
    /// Whether such a thread is on the CPU of a worker of its host; null where there is none, or where the agent
    /// did not say.
    pub polling_shares: Option<bool>,
}
