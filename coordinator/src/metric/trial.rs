//! What one trial did and what it cost: the sums that the per-trial values of metrics are read from.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proto::outcome::{Finished, SharingCosts, UrgentCounts};

/// A trial, on one host or merged over several. A part that was not measured is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial<'a> {
    /// What was done within the measured window.
    pub work: Option<&'a Work>,
    /// The operations of it that are not urgent, where some were to be urgent.
    pub bulk: Option<&'a Part>,
    /// What it cost.
    pub costs: Option<&'a Costs>,
}

impl Trial<'_> {
    /// A sum over all operations as a share of each. `None` without operations, or where the sum is unknown.
    pub fn per_io(&self, sum: impl FnOnce(&Costs) -> Option<u64>) -> Option<f64> {
        self.costs.and_then(|costs| costs.per_io(sum(costs)?))
    }

    /// A count. `None` where the host did not finish.
    pub fn count(&self, count: impl FnOnce(&Costs) -> u64) -> Option<f64> {
        self.costs.map(|costs| count(costs) as f64)
    }
}

/// What was done in a stretch of time.
#[derive(Clone, Debug)]
pub struct Work {
    /// Completed operations per second.
    pub iops: f64,
    /// Bytes per second.
    pub bytes_per_s: f64,
    /// Syncs per second; they are not operations.
    pub syncs_per_s: f64,
    /// Latencies of syncs; `None` without syncs.
    pub sync: Option<Histogram<u64>>,
    /// Latencies of all operations, reads and writes together, in nanoseconds.
    pub latency: Histogram<u64>,
    /// The same operations, measured from submission; `None` in closed loop, where the two are the same.
    pub service: Option<Histogram<u64>>,
    /// The urgent operations, which are included in all of the above; `None` without any.
    pub urgent: Option<Part>,
}

/// A part of the operations.
#[derive(Clone, Debug)]
pub struct Part {
    /// Completed operations per second.
    pub iops: f64,
    /// Bytes per second.
    pub bytes_per_s: f64,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
}

/// What the operations cost over the whole of a host's window. Times are nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Completed operations.
    pub ops: u64,
    /// System calls by name, by the engine's own count.
    pub syscalls: BTreeMap<String, u64>,
    /// CPU time of the workers in user mode.
    pub user_ns: u64,
    /// CPU time of the workers in the kernel.
    pub system_ns: u64,
    /// CPU time of the kernel's own threads. `None` if it is unknown for any part: a sum without that part would be
    /// too small.
    pub kernel_threads_ns: Option<u64>,
    /// Context switches, voluntary and involuntary.
    pub switches: u64,
    /// Interrupts of the device. `None` if the number is unknown for any part.
    pub interrupts: Option<u64>,
    /// Requests that io_uring_enter submitted.
    pub submitted: u64,
    /// Calls of io_uring_enter.
    pub enters: u64,
    /// The same calls by the number of requests that they took: none, 1, 2 to 3, 4 to 7 and so on.
    pub enters_by_batch: Vec<u64>,
    /// Completions that the kernel dropped because the queue was full.
    pub cq_overflows: u64,
    /// Of a ring that workers share.
    pub sharing: Option<SharingCosts>,
    /// Where some operations were urgent.
    pub urgent: Option<UrgentCounts>,
    /// Failed requests.
    pub errors: u64,
    /// Requests that transferred less than they asked for.
    pub short_transfers: u64,
}

impl Costs {
    /// The costs of one host.
    #[must_use]
    pub fn of(finished: &Finished) -> Self {
        Self {
            ops: finished.ops(),
            syscalls: finished.syscalls_self.clone(),
            user_ns: finished.cpu.user_ns,
            system_ns: finished.cpu.system_ns,
            kernel_threads_ns: finished.cpu.kernel_threads_ns,
            switches: finished.cpu.voluntary_switches + finished.cpu.involuntary_switches,
            interrupts: finished.interrupts,
            submitted: finished.submitted,
            enters: finished.enters,
            enters_by_batch: finished.enters_by_batch.clone(),
            cq_overflows: finished.cq_overflows,
            sharing: finished.sharing,
            urgent: finished.urgent,
            errors: finished.errors.values().sum(),
            short_transfers: finished.short_transfers,
        }
    }

    /// The sum of several hosts or trials; all zero for none.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let start = Self { kernel_threads_ns: Some(0), interrupts: Some(0), ..Self::default() };
        parts.into_iter().fold(start, |mut sum, part| {
            sum.add(part);
            sum
        })
    }

    /// Adds another host or trial.
    pub fn add(&mut self, more: &Self) {
        self.ops += more.ops;
        for (name, count) in &more.syscalls {
            *self.syscalls.entry(name.clone()).or_default() += count;
        }
        self.user_ns += more.user_ns;
        self.system_ns += more.system_ns;
        self.kernel_threads_ns = self.kernel_threads_ns.zip(more.kernel_threads_ns).map(|(a, b)| a + b);
        self.switches += more.switches;
        self.interrupts = self.interrupts.zip(more.interrupts).map(|(a, b)| a + b);
        self.submitted += more.submitted;
        self.enters += more.enters;
        let classes = self.enters_by_batch.len().max(more.enters_by_batch.len());
        self.enters_by_batch.resize(classes, 0);
        for (sum, count) in self.enters_by_batch.iter_mut().zip(&more.enters_by_batch) {
            *sum += count;
        }
        self.cq_overflows += more.cq_overflows;
        match (&mut self.sharing, &more.sharing) {
            (Some(sum), Some(more)) => sum.add(more),
            (none, more) => *none = none.or(*more),
        }
        if let Some(more) = &more.urgent {
            self.urgent.get_or_insert_default().add(more);
        }
        self.errors += more.errors;
        self.short_transfers += more.short_transfers;
    }

    /// A sum over all operations as a share of each. `None` without operations.
    #[must_use]
    pub fn per_io(&self, total: u64) -> Option<f64> {
        (self.ops > 0).then(|| total as f64 / self.ops as f64)
    }

    /// System calls of all names.
    #[must_use]
    pub fn syscalls_total(&self) -> u64 {
        self.syscalls.values().sum()
    }

    /// All CPU time, as far as it was measured.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        self.user_ns + self.system_ns + self.kernel_threads_ns.unwrap_or(0)
    }
}
