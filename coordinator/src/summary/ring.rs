//! The ring of a cell.

use proto::{engine::Sharing, knob::KnobValues};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::{Batches, Completed};
use crate::params::Params;

/// Requested and granted options of the engine, and counts of its ring.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ring {
    /// Requested options.
    pub requested: KnobValues,
    /// Granted options.
    pub granted: KnobValues,
    /// Mean number of requests per io_uring_enter; null without a ring, or if a kernel thread submits them.
    pub sqes_per_enter: Option<f64>,
    /// Calls of io_uring_enter in the timed trials, by the number of requests that they submitted (`0`, `1`, `2-3`,
    /// `4-7` and so on).
    pub enters_by_batch: Params,
    /// How workers use rings: `per_thread`, `shared` or `combiner`; null without a ring.
    #[serde(default)]
    pub sharing: Option<Sharing>,
    /// `shared`: time per operation that workers waited for the ring's lock; null otherwise.
    #[serde(default)]
    pub lock_wait_ns_per_io: Option<f64>,
    /// `shared`: the share of lock attempts that found the lock held, from 0 to 1.
    #[serde(default)]
    pub contended_share: Option<f64>,
    /// `combiner`: time per operation that a request and its completion waited in the queues between threads.
    #[serde(default)]
    pub handover_ns_per_io: Option<f64>,
    /// Completions in the timed trials that the kernel dropped for lack of space, by its own count. Completions that it
    /// held back for a while are not included.
    pub cq_overflows: u64,
    /// Requests that the kernel passed to its worker threads (io-wq), in the audit; null if they were not counted.
    pub punted_to_io_wq: Option<u64>,
    /// How requests completed; null without a ring, or if it was not measured.
    #[serde(default)]
    pub completed: Option<Completed>,
    /// Batches as the kernel counted them, in the audit; null if it does not count them.
    #[serde(default)]
    pub batches: Option<Batches>,
    /// Why `batches` is null, for a ring that was audited.
    #[serde(default)]
    pub batches_missing: Option<String>,
}

impl Ring {
    /// Time per operation spent in user space waiting for a shared ring, in nanoseconds: for its lock, or in queues.
    /// `None` if no ring is shared.
    #[must_use]
    pub fn wait_ns_per_io(&self) -> Option<f64> {
        self.lock_wait_ns_per_io.or(self.handover_ns_per_io)
    }
}
