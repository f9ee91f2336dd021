//! What the audits of a cell counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// What the processor counted on the workers, per operation, in the audit. Its probes are in it: a few hundred
/// cycles for each system call that timed trials do not pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HardwarePerIo {
    /// Cycles, in user mode and in the kernel.
    pub cycles_per_io: Option<f64>,
    /// Cycles in user mode.
    pub cycles_user_per_io: Option<f64>,
    /// Instructions, in user mode and in the kernel.
    pub instructions_per_io: Option<f64>,
    /// Instructions in user mode.
    pub instructions_user_per_io: Option<f64>,
    /// Misses of the last level of cache.
    pub cache_misses_per_io: Option<f64>,
}

/// Which way requests completed: shares that add up to 1, of the requests that were followed in the audit's
/// warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Completed {
    /// Within the call that submitted them, or the round of the polling thread.
    pub inline: f64,
    /// By task work, after the device's interrupt.
    pub task_work: f64,
    /// By polling the device.
    pub polled: f64,
    /// By a worker thread of the kernel (io-wq).
    pub punted: f64,
    /// Requests that were followed.
    pub sampled: u64,
    /// Records that there was no room for: requests in the gaps are not among those followed.
    pub lost: u64,
}

/// Batches of a ring as the kernel counted them in the audit's window: what io_submit_sqes was given at once, by
/// io_uring_enter or by a polling thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Batches {
    /// Batches that had something to submit.
    pub batches: u64,
    /// Requests that they took.
    pub requests: u64,
    /// Requests of a batch, on average.
    pub mean: Option<f64>,
    /// Requests of the largest batch since the ring was made.
    pub largest: u64,
    /// Rounds that found nothing to submit.
    pub empty: u64,
    /// Urgent requests (`IOSQE_URGENT`).
    pub urgent: u64,
    /// Of them, and of chains that they are in, those that were issued before earlier ones of their batch.
    pub jumped: u64,
    /// Batches in which a draining request let go what was held back.
    pub drain_flushes: u64,
    /// Batches by size (`1`, `2-3`, `4-7` and so on); the last of 16 sizes is open.
    pub by_size: Params,
}

impl Completed {
    /// The shares with the word for each in tables.
    #[must_use]
    pub fn shares(&self) -> [(&'static str, f64); 4] {
        [("inline", self.inline), ("task", self.task_work), ("polled", self.polled), ("punted", self.punted)]
    }
}
