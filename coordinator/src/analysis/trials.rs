//! From recorded trials to samples: which trials count, what each did, on all hosts and on each.

use std::collections::BTreeMap;

use proto::{
    outcome::{Interval, SharingCosts, UrgentCounts},
    trial::Measure,
};

use super::{
    merge::{self, Work},
    timeline::Timeline,
    window::{self, HostEdges, Selection},
};
use crate::{
    errno::errno_name,
    store::{
        RunDir, StoreError,
        record::{HostTrial, TrialRecord},
    },
};

/// A trial that counts.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The block that it belongs to.
    pub(crate) block: u32,
    /// The hosts, each with what it did within the common window.
    pub(crate) hosts: Vec<HostSample>,
    /// How the intervals were chosen.
    pub(super) selection: Selection,
}

/// What one host did in a trial that counts.
#[derive(Clone, Debug)]
pub(crate) struct HostSample {
    pub(super) host: String,
    pub(crate) work: Work,
    pub(super) costs: Costs,
}

/// What the I/O cost, over the whole of a host's window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Costs {
    pub(super) ops: u64,
    pub(super) syscalls: BTreeMap<String, u64>,
    pub(super) user_ns: u64,
    pub(super) system_ns: u64,
    /// Absent where it is unknown of any part: a sum without it would be too small.
    pub(super) kernel_threads_ns: Option<u64>,
    pub(super) switches: u64,
    pub(super) submitted: u64,
    pub(super) enters: u64,
    pub(super) enters_by_batch: Vec<u64>,
    pub(super) cq_overflows: u64,
    /// Of a ring that workers share.
    pub(super) sharing: Option<SharingCosts>,
    /// Absent where it is unknown of any part.
    pub(super) interrupts: Option<u64>,
    /// Where a share of the operations was urgent.
    pub(super) urgent: Option<UrgentCounts>,
}

impl Costs {
    fn of(host: &HostTrial) -> Option<Self> {
        let finished = host.finished.as_ref()?;
        Some(Self {
            ops: finished.ops(),
            syscalls: finished.syscalls_self.clone(),
            user_ns: finished.cpu.user_ns,
            system_ns: finished.cpu.system_ns,
            kernel_threads_ns: finished.cpu.kernel_threads_ns,
            switches: finished.cpu.voluntary_switches + finished.cpu.involuntary_switches,
            submitted: finished.submitted,
            enters: finished.enters,
            enters_by_batch: finished.enters_by_batch.clone(),
            cq_overflows: finished.cq_overflows,
            sharing: finished.sharing,
            interrupts: finished.interrupts,
            urgent: finished.urgent,
        })
    }

    /// The sum of several; all zero of none.
    pub(super) fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let start = Self { kernel_threads_ns: Some(0), interrupts: Some(0), ..Self::default() };
        parts.into_iter().fold(start, |mut sum, part| {
            sum.ops += part.ops;
            for (name, count) in &part.syscalls {
                *sum.syscalls.entry(name.clone()).or_default() += count;
            }
            sum.user_ns += part.user_ns;
            sum.system_ns += part.system_ns;
            sum.kernel_threads_ns = sum.kernel_threads_ns.zip(part.kernel_threads_ns).map(|(a, b)| a + b);
            sum.switches += part.switches;
            sum.submitted += part.submitted;
            sum.enters += part.enters;
            sum.cq_overflows += part.cq_overflows;
            match (&mut sum.sharing, &part.sharing) {
                (Some(sum), Some(more)) => sum.add(more),
                (none, more) => *none = none.or(*more),
            }
            if let Some(more) = &part.urgent {
                sum.urgent.get_or_insert_default().add(more);
            }
            sum.interrupts = sum.interrupts.zip(part.interrupts).map(|(a, b)| a + b);
            let classes = sum.enters_by_batch.len().max(part.enters_by_batch.len());
            sum.enters_by_batch.resize(classes, 0);
            for (sum, count) in sum.enters_by_batch.iter_mut().zip(&part.enters_by_batch) {
                *sum += count;
            }
            sum
        })
    }

    /// A sum over all operations as a share of each; `None` where there were none.
    pub(super) fn per_io(&self, total: u64) -> Option<f64> {
        (self.ops > 0).then(|| total as f64 / self.ops as f64)
    }

    /// All CPU time, as far as it was measured.
    pub(super) fn cpu_ns(&self) -> u64 {
        self.user_ns + self.system_ns + self.kernel_threads_ns.unwrap_or(0)
    }
}

/// Why a trial is kept out of the statistics: its marks; without any, what its record lacks to count.
pub(crate) fn kept_out(record: &TrialRecord) -> Vec<String> {
    if !record.counts() {
        return record.marks.clone();
    }
    if record.hosts.is_empty() {
        return vec!["no host took part".into()];
    }
    let mut reasons = Vec::new();
    for host in &record.hosts {
        let name = &host.host;
        match (&host.refusal, &host.finished) {
            (Some(refusal), _) => reasons.push(format!("{name}: {refusal}")),
            (None, None) => reasons.push(format!("{name} did not finish")),
            (None, Some(finished)) => {
                if finished.cut_short {
                    reasons.push(format!("{name} was stopped early"));
                }
                if !finished.errors.is_empty() {
                    let kinds: Vec<String> = finished.errors.keys().map(|errno| errno_name(*errno)).collect();
                    let failed: u64 = finished.errors.values().sum();
                    reasons.push(format!("{name}: {failed} requests failed ({})", kinds.join(", ")));
                }
                if let Some(verified) = finished.verified.filter(|verified| verified.failures > 0) {
                    reasons.push(format!("{name}: {} sectors failed verification", verified.failures));
                }
                // An audit is for counts: it needs no histogram.
                if host.intervals.is_empty() && record.measure == Measure::Timed {
                    reasons.push(format!("no interval of {name} arrived"));
                }
            }
        }
    }
    reasons
}

/// Reads a timed trial that is not kept out. `Err` in the inner result: why it must be kept out after all.
pub(super) fn sample(run: &RunDir, record: &TrialRecord) -> Result<Result<Sample, String>, StoreError> {
    Ok(sample_of(record, &intervals(run, record)?))
}

/// Reads the intervals of a trial, by host.
pub(super) fn intervals(run: &RunDir, record: &TrialRecord) -> Result<Vec<Vec<Interval>>, StoreError> {
    (0..record.hosts.len()).map(|host| run.intervals(record, host)).collect()
}

/// Lays a trial over the others of its cell.
pub(super) fn lay(timeline: &mut Timeline, sample: &Sample, intervals: &[Vec<Interval>]) {
    for ((host, chosen), intervals) in sample.hosts.iter().zip(&sample.selection.chosen).zip(intervals) {
        let chosen: Vec<&Interval> = chosen.iter().filter_map(|index| intervals.get(*index)).collect();
        timeline.add(&host.host, &chosen);
    }
}

/// The same, of a trial whose intervals are at hand, by host.
pub(crate) fn sample_of(record: &TrialRecord, intervals: &[Vec<Interval>]) -> Result<Sample, String> {
    let edges = |host: &HostTrial| HostEdges {
        clock: host.clock,
        edges: host.intervals.iter().map(|edges| (edges.begin_ns, edges.end_ns)).collect(),
    };
    let selection = window::select(&record.hosts.iter().map(edges).collect::<Vec<_>>());
    let mut hosts = Vec::with_capacity(record.hosts.len());
    for ((host, chosen), intervals) in record.hosts.iter().zip(&selection.chosen).zip(intervals) {
        let work = merge::host(chosen.iter().filter_map(|chosen| intervals.get(*chosen)));
        match (work, Costs::of(host)) {
            (Some(work), _) if work.latency.is_empty() => {
                return Err(format!("{} completed no operation", host.host));
            }
            (Some(work), Some(costs)) => {
                hosts.push(HostSample { host: host.host.clone(), work, costs });
            }
            _ => {
                return Err(format!(
                    "no interval of {} lies within the window that all hosts share",
                    host.host
                ));
            }
        }
    }
    Ok(Sample { block: record.block, hosts, selection })
}
