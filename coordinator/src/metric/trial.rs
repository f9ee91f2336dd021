//! The work and the costs of a trial, from which the per-trial values of metrics are read.

use hdrhistogram::Histogram;
use proto::{
    counters::Counters as _,
    outcome::{CallCounts, CpuTime, DeviceCounts, EngineCounts, Finished, UrgentCounts, WorkCounts},
};

/// A trial, on one host or merged over several. A part that was not measured is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial<'a> {
    /// The work within the measured window.
    pub work: Option<&'a Work>,
    /// The bulk operations in it, if some operations were to be urgent.
    pub bulk: Option<&'a Part>,
    /// The costs.
    pub costs: Option<&'a Costs>,
}

impl Trial<'_> {
    /// A sum divided by the number of operations; `None` without operations, or if the sum is unknown.
    pub fn per_io(&self, sum: impl FnOnce(&Costs) -> Option<u64>) -> Option<f64> {
        self.costs.and_then(|costs| costs.per_io(sum(costs)?))
    }

    /// A count; `None` if the host did not finish.
    pub fn count(&self, count: impl FnOnce(&Costs) -> u64) -> Option<f64> {
        self.costs.map(|costs| count(costs) as f64)
    }
}

/// The work in a period of time.
#[derive(Clone, Debug)]
pub struct Work {
    /// Completed operations per second.
    pub iops: f64,
    /// Bytes per second.
    pub bytes_per_s: f64,
    /// Syncs per second, which do not count as operations.
    pub syncs_per_s: f64,
    /// Latencies of syncs; `None` without syncs.
    pub sync: Option<Histogram<u64>>,
    /// Latencies of all operations, reads and writes together, in nanoseconds.
    pub latency: Histogram<u64>,
    /// Latencies of the same operations from submission; `None` in closed loop, where the two are equal.
    pub service: Option<Histogram<u64>>,
    /// The urgent operations, which the numbers above include; `None` without any.
    pub urgent: Option<Part>,
}

/// Some of the operations.
#[derive(Clone, Debug)]
pub struct Part {
    /// Completed operations per second.
    pub iops: f64,
    /// Bytes per second.
    pub bytes_per_s: f64,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
}

proto::counters! {
    /// The counts of hosts over their whole windows.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Costs {
        /// Operations.
        pub work: WorkCounts,
        /// System calls and submissions.
        pub calls: CallCounts,
        /// Other counts of the engine.
        pub engine: EngineCounts,
        /// CPU time and context switches.
        pub cpu: CpuTime,
        /// The device behind the target.
        pub device: DeviceCounts,
        /// Urgent operations, if there were any.
        pub urgent: Option<UrgentCounts> => either,
    }
}

impl Costs {
    /// The costs of one host.
    #[must_use]
    pub fn of(finished: &Finished) -> Self {
        Self {
            work: finished.work.clone(),
            calls: finished.calls.clone(),
            engine: finished.engine.clone(),
            cpu: finished.cpu.clone(),
            device: finished.device.clone(),
            urgent: finished.urgent,
        }
    }

    /// The sum of several hosts or trials; all zero for none.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self {
            cpu: CpuTime { kernel_threads_ns: Some(0), ..CpuTime::default() },
            device: DeviceCounts { interrupts: Some(0), ..DeviceCounts::default() },
            ..Self::default()
        };
        parts.into_iter().for_each(|part| sum.add(part));
        sum
    }

    /// Completed operations.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.work.ops()
    }

    /// A total divided by the number of operations; `None` without operations.
    #[must_use]
    pub fn per_io(&self, total: u64) -> Option<f64> {
        (self.ops() > 0).then(|| total as f64 / self.ops() as f64)
    }

    /// All CPU time, as far as it was measured, in nanoseconds.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        self.cpu.user_ns + self.cpu.system_ns + self.cpu.kernel_threads_ns.unwrap_or(0)
    }
}
