//! Drives a plan over a cluster, trial by trial, into a sink.

mod marks;
pub mod precision;
mod skip;

use proto::{
    outcome::{Direction, Interval, Refusal},
    trial::Trial,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use self::{precision::Precision, skip::Skips};
use crate::{
    cluster::{
        Cluster,
        trial::{HostRun, TrialRun},
    },
    plan::{Plan, PlannedTrial},
    progress::Progress,
    stop::Stop,
    store::record::{HostTrial, IntervalEdges, TrialRecord},
};

/// Takes every trial as soon as it has ended.
pub trait TrialSink {
    /// Keeps a trial. `intervals` are those of the hosts, by their place in the record's hosts.
    ///
    /// # Errors
    /// Where it cannot be kept: the run then stops, since what is measured afterwards would be lost.
    fn trial(&mut self, record: TrialRecord, intervals: &[(usize, Vec<Interval>)]) -> miette::Result<()>;

    /// The run is precise enough after a block: what was planned beyond it will not be run. A sink that keeps no
    /// plan has nothing to do.
    ///
    /// # Errors
    /// Where that cannot be kept.
    fn stopped(&mut self, plan: &Plan, after: u32) -> miette::Result<()> {
        let _ = (plan, after);
        Ok(())
    }
}

/// A cell that a host refused to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCell {
    /// Index into the plan's cells.
    pub cell: usize,
    /// The host.
    pub host: String,
    /// Why, and what to do about it.
    pub refusal: Refusal,
}

/// How a run went, apart from its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOutcome {
    /// Whether we were asked to stop.
    pub interrupted: bool,
    /// Hosts that were lost, and why.
    pub lost_hosts: Vec<(String, Refusal)>,
    /// Cells that could not be run.
    pub refused: Vec<RefusedCell>,
    /// Trials that were run and recorded, marked ones among them.
    pub recorded: usize,
    /// Recorded trials that are kept out of verdicts.
    pub marked: usize,
    /// Trials that were not run, since their cell was refused or their host was lost.
    pub skipped: usize,
    /// The block after which the run was precise enough, if that was not the last.
    pub stopped_after: Option<u32>,
}

/// Runs all trials of a plan, in its order. `cell_hosts` are the hosts of each cell, as
/// [`crate::cluster::select::resolve`] gives them. The leases must be open.
///
/// A cell that a host refuses is not tried again; a cell that needs a lost host is not run any more; all
/// others go on.
///
/// # Errors
/// Only where the sink cannot keep a trial.
pub async fn drive(
    plan: &Plan,
    cluster: &mut Cluster,
    cell_hosts: &[Vec<usize>],
    sink: &mut dyn TrialSink,
    progress: &mut Progress,
    stop: &Stop,
) -> miette::Result<RunOutcome> {
    let mut outcome = RunOutcome::default();
    let mut skips = Skips::default();
    let mut precision = Precision::new(plan);
    let mut block = 0;
    for planned in &plan.trials {
        if planned.block != block && precision.is_reached(block) && !stop.is_requested() {
            outcome.stopped_after = Some(block);
            sink.stopped(plan, block)?;
            break;
        }
        block = planned.block;
        let hosts = &cell_hosts[planned.cell];
        if stop.is_requested() {
            outcome.interrupted = true;
            break;
        }
        let lost = hosts.iter().any(|&host| cluster.hosts()[host].lost.is_some());
        if lost || skips.contains(planned.cell) {
            outcome.skipped += 1;
            progress.skipped(plan, planned);
            continue;
        }
        if stop.or(cluster.refresh_clocks(hosts)).await.is_none() {
            outcome.interrupted = true;
            break;
        }
        let trial = plan.trial(planned);
        let started_at = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        progress.begin(plan, planned);
        let run = cluster.run_trial(&trial, hosts, progress, stop).await;
        let interrupted = run.interrupted;
        for refused in skips.learn(planned.cell, cluster, &run) {
            progress.refused(plan, &refused);
            outcome.refused.push(refused);
        }
        // Of an interrupted trial nothing is kept that never began.
        if !(interrupted && run.hosts.iter().all(|host| host.intervals.is_empty() && host.finished.is_none()))
        {
            let (record, intervals) = record(plan, planned, &trial, cluster, started_at, run);
            outcome.recorded += 1;
            outcome.marked += usize::from(!record.counts());
            progress.end(&record, &intervals);
            precision.take(&record, &intervals);
            sink.trial(record, &intervals)?;
        }
        if interrupted {
            outcome.interrupted = true;
            break;
        }
    }
    for host in cluster.hosts() {
        if let Some(refusal) = &host.lost {
            outcome.lost_hosts.push((host.name.clone(), refusal.clone()));
        }
    }
    progress.finish();
    Ok(outcome)
}

/// What is kept of a trial, and the intervals by the place of their host in it.
fn record(
    plan: &Plan,
    planned: &PlannedTrial,
    trial: &Trial,
    cluster: &Cluster,
    started_at: String,
    run: TrialRun,
) -> (TrialRecord, Vec<(usize, Vec<Interval>)>) {
    let name = |host: usize| cluster.hosts()[host].name.as_str();
    let marks = marks::marks(trial, &run, name);
    let mut intervals = Vec::new();
    let mut hosts = Vec::new();
    for (place, host) in run.hosts.into_iter().enumerate() {
        let HostRun { host, clock, ready, intervals: arrived, finished, refusal, .. } = host;
        hosts.push(HostTrial {
            host: name(host).to_owned(),
            clock,
            ready,
            intervals: arrived.iter().map(edges).collect(),
            finished,
            refusal,
            histograms: None,
        });
        if !arrived.is_empty() {
            intervals.push((place, arrived));
        }
    }
    let cell = &plan.cells[planned.cell];
    let record = TrialRecord {
        id: planned.id.clone(),
        cell: planned.cell,
        arm: cell.arm.clone(),
        params: cell.params.clone(),
        block: planned.block,
        measure: planned.measure,
        started_at,
        marks,
        hosts,
    };
    (record, intervals)
}

fn edges(interval: &Interval) -> IntervalEdges {
    let bytes = |direction: Direction| {
        let of = interval.series.iter().filter(|series| series.direction == direction);
        let bytes: Vec<u64> = of.map(|series| series.bytes).collect();
        (!bytes.is_empty()).then(|| (direction, bytes.iter().sum()))
    };
    IntervalEdges {
        index: interval.index,
        begin_ns: interval.begin_ns,
        end_ns: interval.end_ns,
        bytes: Direction::ALL.into_iter().filter_map(bytes).collect(),
    }
}
