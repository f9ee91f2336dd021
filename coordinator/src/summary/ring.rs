//! The ring of a cell.

use proto::{engine::Sharing, knob::KnobValues};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::{Batches, Completed};
use crate::params::Params;

/// What was asked of the engine, what it granted, and what its ring did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ring {
    /// Knob to value as asked.
    pub requested: KnobValues,
    /// Knob to value as granted.
    pub granted: KnobValues,
    /// Requests that one io_uring_enter submits, on average; null without a ring, or where a kernel thread takes them.
    pub sqes_per_enter: Option<f64>,
    /// The same as a distribution: calls of io_uring_enter in the timed trials by the number of requests that they took
    /// (`0`, `1`, `2-3`, `4-7` and so on).
    pub enters_by_batch: Params,
    /// Who has a ring: `per_thread`, `shared` or `combiner`; null without one.
    #[serde(default)]
    pub sharing: Option<Sharing>,
    /// `shared`: how long workers waited for the ring's lock, per operation; null where there is none.
    #[serde(default)]
    pub lock_wait_ns_per_io: Option<f64>,
    /// `shared`: the share of the attempts to take the lock that found it taken, from 0 to 1.
    #[serde(default)]
    pub contended_share: Option<f64>,
    /// `combiner`: how long a request waited in its worker's queue, and its completion in the inbox, per operation.
    #[serde(default)]
    pub handover_ns_per_io: Option<f64>,
    /// Completions that the kernel dropped because the queue was full, in the timed trials, by its own count. Those that
    /// it held back for a while are not included.
    pub cq_overflows: u64,
    /// Requests that the kernel passed to its worker threads, in the audit; null where it was not counted.
    pub punted_to_io_wq: Option<u64>,
    /// How requests completed; null without a ring, and where it was not measured.
    #[serde(default)]
    pub completed: Option<Completed>,
    /// Batches as the kernel counted them, in the audit; null where it does not.
    #[serde(default)]
    pub batches: Option<Batches>,
    /// Why there are no batches, for a ring that was audited.
    #[serde(default)]
    pub batches_missing: Option<String>,
}

impl Ring {
    /// Time per operation spent in user space waiting for a shared ring, in nanoseconds: for its lock, or in queues.
    /// `None` where no ring is shared.
    #[must_use]
    pub fn wait_ns_per_io(&self) -> Option<f64> {
        self.lock_wait_ns_per_io.or(self.handover_ns_per_io)
    }
}
