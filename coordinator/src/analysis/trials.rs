//! From recorded trials to samples: which trials count, what each did, on all hosts and on each.

use proto::{outcome::Interval, trial::Measure};

use super::{
    merge,
    timeline::Timeline,
    window::{self, HostEdges, Selection},
};
use crate::{
    errno::errno_name,
    metric::trial::{Costs, Work},
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
                if finished.window.cut_short {
                    reasons.push(format!("{name} was stopped early"));
                }
                if !finished.work.errors.is_empty() {
                    let kinds: Vec<String> =
                        finished.work.errors.keys().map(|errno| errno_name(*errno)).collect();
                    let failed: u64 = finished.work.errors.values().sum();
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
        match (work, host.finished.as_ref().map(Costs::of)) {
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
