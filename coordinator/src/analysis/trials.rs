//! From recorded trials to samples: which trials count, and the work and costs of each on its hosts.

use proto::{outcome::Interval, trial::Measure};

use super::{
    merge,
    packed::PackedWork,
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

impl Sample {
    /// The work of the hosts together.
    pub(super) fn merged(&self) -> Option<Work> {
        merge::hosts(self.hosts.iter().map(|host| host.work.unpack()))
    }
}

/// The part of one host in a trial that counts.
#[derive(Clone, Debug)]
pub(crate) struct HostSample {
    pub(super) host: String,
    pub(crate) work: PackedWork,
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
    sample_and_lay(run, record, &mut Timeline::default())
}

/// The same, and adds the trial to the timeline of its cell if it counts.
pub(super) fn sample_and_lay(
    run: &RunDir,
    record: &TrialRecord,
    timeline: &mut Timeline,
) -> Result<Result<Sample, KeptOut>, StoreError> {
    let selection = selection(record);
    let mut laid = timeline.clone();
    let mut hosts = Vec::with_capacity(record.hosts.len());
    for (index, (host, chosen)) in record.hosts.iter().zip(&selection.chosen).enumerate() {
        let mut sum = merge::Sum::default();
        let mut part = laid.part(&host.host, chosen.len());
        each_chosen(run, record, index, chosen, |interval| {
            sum.add(&interval);
            part.add(&interval);
        })?;
        match (sum.finish(), host.finished.as_ref().map(Costs::of)) {
            (Some(work), _) if work.latency.is_empty() => {
                return Ok(Err(KeptOut::NoOperation { host: host.host.clone() }));
            }
            (Some(work), Some(costs)) => {
                hosts.push(HostSample { host: host.host.clone(), work: PackedWork::from(&work), costs });
            }
            _ => return Ok(Err(KeptOut::OutsideWindow { host: host.host.clone() })),
        }
    }
    *timeline = laid;
    Ok(Ok(Sample { block: record.block, hosts, selection }))
}

/// The intervals of a trial within the common window of its hosts.
pub(super) fn selection(record: &TrialRecord) -> Selection {
    let edges = |host: &HostTrial| HostEdges {
        clock: host.clock,
        edges: host.intervals.iter().map(|edges| (edges.begin_ns, edges.end_ns)).collect(),
    };
    window::select(&record.hosts.iter().map(edges).collect::<Vec<_>>())
}

/// Passes the chosen intervals of a host to `visit`. `chosen` are their indices, in order.
pub(super) fn each_chosen(
    run: &RunDir,
    record: &TrialRecord,
    host: usize,
    chosen: &[usize],
    mut visit: impl FnMut(Interval),
) -> Result<(), StoreError> {
    let (mut index, mut chosen) = (0, chosen.iter().peekable());
    run.each_interval(record, host, |interval| {
        if chosen.next_if_eq(&&index).is_some() {
            visit(interval);
        }
        index += 1;
    })
}
