//! Counters that an agent reports, by subject.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{counters, counters::Counters};

counters! {
    /// Urgent operations, and the number of others that overtook them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct UrgentCounts {
        /// Urgent operations that completed in full within the window.
        pub ops: u64,
        /// Those of them that were overtaken: others that were submitted with them or later completed earlier.
        pub overtaken: u64,
        /// The number of such others, added up over all urgent operations; a lower bound, obtained by counting (see
        /// the agent's `worker::lanes`).
        pub overtakers: u64,
        /// The most others that overtook one urgent operation.
        pub most_overtakers: u64 => max,
    }
}

counters! {
    /// Batches of a ring as the kernel counts them, from the ring's fdinfo.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct BatchCounts {
        /// Batches that submitted something.
        pub batches: u64,
        /// Requests in these batches.
        pub requests: u64,
        /// Requests of the largest batch since the ring was created.
        pub largest: u64 => max,
        /// Rounds that found nothing to submit.
        pub empty: u64,
        /// Requests with `IOSQE_URGENT`.
        pub urgent: u64,
        /// Urgent requests, or chains that contain one, that were issued before earlier requests of their batch.
        pub jumped: u64,
        /// Batches in which a draining request released deferred requests.
        pub drain_flushes: u64,
        /// Batches by size: 1, 2 to 3, 4 to 7 and so on.
        pub by_size: Vec<u64>,
    }
}

counters! {
    /// The result of checking reads against the written data, and the whole target at the end.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    pub struct Verified {
        /// Sectors of 512 B that were checked.
        pub sectors: u64,
        /// Sectors whose contents were not the written data.
        pub failures: u64,
    }
}

counters! {
    /// perf's counts on the worker threads within the window.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct PerfCounts {
        /// `raw_syscalls:sys_enter`.
        pub syscalls_total: u64,
        /// The same by name; `other` holds calls that were not counted by name.
        pub syscalls_by_name: BTreeMap<String, u64>,
        /// `io_uring:io_uring_queue_async_work`; absent if it could not be counted.
        pub punted_to_io_wq: Option<u64>,
    }
}

/// The cost of sharing one ring between workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharingCosts {
    /// Workers share the ring by a lock.
    #[serde(rename = "lock")]
    Lock(LockCosts),
    /// Workers hand their requests over to one thread.
    #[serde(rename = "handover")]
    Handover(HandoverCosts),
}

counters! {
    /// The cost of a ring behind a lock.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct LockCosts {
        /// Number of times that the lock was taken to submit requests or to wait for completions.
        pub locks: u64,
        /// Number of times that it was held by another worker.
        pub contended: u64,
        /// The time spent waiting in these cases, in nanoseconds.
        pub wait_ns: u64,
    }
}

counters! {
    /// The cost of a ring of one thread that serves all workers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct HandoverCosts {
        /// The time that requests spent between a worker's queue and that thread, and completions on the way back: the
        /// sum over all requests, in nanoseconds.
        pub ns: u64,
    }
}

impl Counters for SharingCosts {
    /// The two kinds do not occur in one trial; if they did, the first would be kept.
    fn add(&mut self, more: &Self) {
        match (self, more) {
            (Self::Lock(sum), Self::Lock(more)) => sum.add(more),
            (Self::Handover(sum), Self::Handover(more)) => sum.add(more),
            _ => {}
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        match (self, earlier) {
            (Self::Lock(now), Self::Lock(earlier)) => Self::Lock(now.since(earlier)),
            (Self::Handover(now), Self::Handover(earlier)) => Self::Handover(now.since(earlier)),
            (now, _) => *now,
        }
    }
}

counters! {
    /// The completion paths of a ring's requests, as traced in an audit.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct PathCounts {
        /// Completed within the submitting call, or within the round of the polling thread.
        pub inline: u64,
        /// Completed by task work, after the device's interrupt.
        pub task_work: u64,
        /// Completed by polling the device.
        pub polled: u64,
        /// Completed by a worker thread of the kernel.
        pub punted: u64,
        /// Records lost for lack of space; requests in these gaps are in none of the counts above.
        pub lost: u64,
    }
}

impl PathCounts {
    /// The number of requests with a known path.
    #[must_use]
    pub fn followed(&self) -> u64 {
        self.inline + self.task_work + self.polled + self.punted
    }
}

counters! {
    /// The processor's counts on the worker threads within an audit's window; each absent if it cannot be counted.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct HardwareCounts {
        /// Cycles, in user mode and in the kernel.
        pub cycles: Option<u64>,
        /// Cycles in user mode.
        pub cycles_user: Option<u64>,
        /// Instructions, in user mode and in the kernel.
        pub instructions: Option<u64>,
        /// Instructions in user mode.
        pub instructions_user: Option<u64>,
        /// Misses of the last level of cache.
        pub cache_misses: Option<u64>,
    }
}

counters! {
    /// CPU time of the worker threads within the window, and of the kernel threads that work for them.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct CpuTime {
        /// In user mode, in nanoseconds. The kernel splits the exact run time by sampled ticks.
        pub user_ns: u64,
        /// In the kernel, on the workers' behalf and in their own context, in nanoseconds.
        pub system_ns: u64,
        /// Of `iou-sqp-*` and `iou-wrk-*` threads, in nanoseconds; absent if it could not be read.
        pub kernel_threads_ns: Option<u64>,
        /// Number of times that a worker gave up its CPU.
        pub voluntary_switches: u64,
        /// Number of times that a worker was preempted.
        pub involuntary_switches: u64,
    }
}

impl CpuTime {
    /// Context switches of both kinds.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.voluntary_switches.saturating_add(self.involuntary_switches)
    }
}

counters! {
    /// The cost and the errors of measuring.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct Overhead {
        /// Interval boundaries at which no empty histogram was available, so that the slice was extended.
        pub late_swaps: u64,
        /// Latencies above the histogram's bound, recorded as the bound.
        pub saturated: u64,
        /// Drift of the hot loop's clock against CLOCK_MONOTONIC over the window, in parts per million.
        pub clock_drift_ppm: f64 => magnitude,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_costs_add_to_their_own_kind_only() {
        let lock = |locks| SharingCosts::Lock(LockCosts { locks, contended: 1, wait_ns: 5 });
        let mut sum = lock(2);
        sum.add(&lock(3));
        assert_eq!(sum, SharingCosts::Lock(LockCosts { locks: 5, contended: 2, wait_ns: 10 }));
        assert_eq!(sum.since(&lock(3)), lock(2));
        sum.add(&SharingCosts::Handover(HandoverCosts { ns: 1 }));
        assert_eq!(sum.since(&SharingCosts::Handover(HandoverCosts { ns: 1 })), sum);
    }

    #[test]
    fn sharing_costs_keep_their_json_form() {
        let lock = SharingCosts::Lock(LockCosts { locks: 2, contended: 1, wait_ns: 5 });
        let text = r#"{"lock":{"locks":2,"contended":1,"wait_ns":5}}"#;
        assert_eq!(serde_json::to_string(&lock).unwrap(), text);
        assert_eq!(serde_json::from_str::<SharingCosts>(text).unwrap(), lock);
        let handover = SharingCosts::Handover(HandoverCosts { ns: 7 });
        assert_eq!(serde_json::to_string(&handover).unwrap(), r#"{"handover":{"ns":7}}"#);
    }
}
