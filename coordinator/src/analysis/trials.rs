//! From recorded trials to samples: which trials count, and the work and costs of each on its hosts.

use proto::{outcome::Interval, trial::Measure};

use super::{
    merge,
    timeline::Timeline,
    window::{self, HostEdges, Selection},
};
use crate::{
    metric::trial::{Costs, Work},
    store::{
        RunDir, StoreError,
        record::{HostTrial, TrialRecord},
    },
    warning::KeptOut,
};

/// A trial that counts.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The block that it belongs to.
    pub(crate) block: u32,
    /// The hosts, each with its work within the common window.
    pub(crate) hosts: Vec<HostSample>,
    /// How the intervals were chosen.
    pub(super) selection: Selection,
}

/// The part of one host in a trial that counts.
#[derive(Clone, Debug)]
pub(crate) struct HostSample {
    pub(super) host: String,
    pub(crate) work: Work,
    pub(super) costs: Costs,
}

/// The reasons for which a trial is kept out of the statistics: its marks, or else the faults of its record. Empty if it
/// counts.
pub(crate) fn kept_out(record: &TrialRecord) -> Vec<KeptOut> {
    if !record.counts() {
        return record.marks.iter().cloned().map(KeptOut::Marked).collect();
    }
    if record.hosts.is_empty() {
        return vec![KeptOut::NoHost];
    }
    record.hosts.iter().flat_map(|host| faults(record, host)).collect()
}

/// The faults of a host's part of a record.
pub(super) fn faults(record: &TrialRecord, of: &HostTrial) -> Vec<KeptOut> {
    let host = of.host.clone();
    let finished = match (&of.refusal, &of.finished) {
        (Some(refusal), _) => return vec![KeptOut::Refused { host, refusal: refusal.clone() }],
        (None, None) => return vec![KeptOut::NotFinished { host }],
        (None, Some(finished)) => finished,
    };
    let mut faults = Vec::new();
    if finished.window.cut_short {
        faults.push(KeptOut::CutShort { host: host.clone() });
    }
    let errors = &finished.work.errors;
    if !errors.is_empty() {
        let (requests, errnos) = (errors.values().sum(), errors.keys().copied().collect());
        faults.push(KeptOut::FailedRequests { host: host.clone(), requests, errnos });
    }
    if let Some(verified) = finished.verified.filter(|verified| verified.failures > 0) {
        faults.push(KeptOut::FailedVerification { host: host.clone(), sectors: verified.failures });
    }
    // An audit needs no histogram, because only its counts are used.
    if of.intervals.is_empty() && record.measure == Measure::Timed {
        faults.push(KeptOut::NoInterval { host });
    }
    faults
}

/// Reads a timed trial that has no reason to be kept out. The inner error is a reason found in its intervals.
pub(crate) fn sample(run: &RunDir, record: &TrialRecord) -> Result<Result<Sample, KeptOut>, StoreError> {
    Ok(sample_of(record, &intervals(run, record)?))
}

/// Reads the intervals of a trial, by host.
pub(super) fn intervals(run: &RunDir, record: &TrialRecord) -> Result<Vec<Vec<Interval>>, StoreError> {
    (0..record.hosts.len()).map(|host| run.intervals(record, host)).collect()
}

/// Adds the chosen intervals of a trial to the timeline of its cell.
pub(super) fn lay(timeline: &mut Timeline, sample: &Sample, intervals: &[Vec<Interval>]) {
    for ((host, chosen), intervals) in sample.hosts.iter().zip(&sample.selection.chosen).zip(intervals) {
        let chosen: Vec<&Interval> = chosen.iter().filter_map(|index| intervals.get(*index)).collect();
        timeline.add(&host.host, &chosen);
    }
}

/// The sample of a trial from its intervals, by host.
pub(super) fn sample_of(record: &TrialRecord, intervals: &[Vec<Interval>]) -> Result<Sample, KeptOut> {
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
                return Err(KeptOut::NoOperation { host: host.host.clone() });
            }
            (Some(work), Some(costs)) => {
                hosts.push(HostSample { host: host.host.clone(), work, costs });
            }
            _ => return Err(KeptOut::OutsideWindow { host: host.host.clone() }),
        }
    }
    Ok(Sample { block: record.block, hosts, selection })
}
