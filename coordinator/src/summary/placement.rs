//! Threads and CPUs of a cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Threads and CPUs of a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Worker threads; hosts are added up. null if no host was ever ready.
    pub workers: Option<u32>,
    /// CPUs of the workers; hosts are added up. Fewer than workers if these share CPUs.
    pub worker_cpus: Option<u32>,
    /// CPUs of the kernel threads that poll submission queues, of all hosts; empty without SQPOLL, or if the agent did
    /// not report them.
    pub polling_cpus: Vec<u32>,
    /// Whether such a thread shares the CPU of a worker on its host; null if there is none, or if the agent did not
    /// report it.
    pub polling_shares: Option<bool>,
}
