//! Counts of a cell's audits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// The processor's counts on the workers in the audit, per operation. They include the audit's own probes, which cost a
/// few hundred cycles per system call.
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

/// How requests completed: shares, which add up to 1, of the requests traced in the audit's warm-up.
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
    /// Traced requests.
    pub sampled: u64,
    /// Records lost for lack of space; requests in these gaps are not among the traced ones.
    pub lost: u64,
}

/// Batches of a ring as the kernel counted them in the audit's window. A batch is submitted at once, by io_uring_enter
/// or by a polling thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Batches {
    /// Batches with at least one request.
    pub batches: u64,
    /// Requests in these batches.
    pub requests: u64,
    /// Mean number of requests per batch.
    pub mean: Option<f64>,
    /// Requests of the largest batch since the ring was created.
    pub largest: u64,
    /// Rounds that found nothing to submit.
    pub empty: u64,
    /// Urgent requests (`IOSQE_URGENT`).
    pub urgent: u64,
    /// Urgent requests, or chains that contain one, that were issued before earlier requests of their batch.
    pub jumped: u64,
    /// Batches in which a draining request released deferred requests.
    pub drain_flushes: u64,
    /// Batches by size (`1`, `2-3`, `4-7` and so on); the last of 16 sizes is open.
    pub by_size: Params,
}

impl Completed {
    /// The shares, each with its name in tables.
    #[must_use]
    pub fn shares(&self) -> [(&'static str, f64); 4] {
        [("inline", self.inline), ("task", self.task_work), ("polled", self.polled), ("punted", self.punted)]
    }
}
