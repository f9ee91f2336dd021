//! Drives a plan over a cluster, trial by trial, into a sink.

mod driver;
pub mod host_changes;
pub mod live;
mod marks;
pub mod precision;
pub mod progress;
pub mod recorded;
pub mod refusal;
mod refused_cells;
pub mod repeats;
mod watcher;

use std::ops::ControlFlow;

use proto::{
    outcome::{Interval, Refusal},
    trial::Trial,
};

use self::{driver::Driver, recorded::Recorded, repeats::Repeats};
use crate::{
    cluster::{
        Cluster,
        trial::{HostRun, TrialRun},
    },
    plan::{Plan, PlannedTrial},
    run::progress::Progress,
    stop::Stop,
    store::{
        RunDir,
        record::{HostTrial, TrialRecord},
    },
    summary::course::PauseReason,
};

/// Receives every interval as it arrives, and every trial as soon as it has ended.
pub trait TrialSink {
    /// Keeps a trial, with the intervals that [`TrialSink::interval`] got of it. Returns the record as kept.
    ///
    /// # Errors
    /// The trial cannot be kept. The run then stops, because later results would be lost.
    fn trial(&mut self, record: TrialRecord) -> miette::Result<TrialRecord>;

    /// An interval of a running trial has arrived from a host. Only the sink keeps it. If the sink is slower than the
    /// hosts, this waits, and with it the hosts' streams, but not their measurement.
    ///
    /// # Errors
    /// The interval cannot be kept. The run stops when the trial has ended.
    fn interval(
        &mut self,
        trial: &str,
        started_at: &str,
        host: &str,
        interval: Interval,
    ) -> miette::Result<()> {
        let _ = (trial, started_at, host, interval);
        Ok(())
    }

    /// Where kept trials can be read again. Without it, no run ends early because it is precise enough.
    fn directory(&self) -> Option<&RunDir> {
        None
    }

    /// A host is lost. It is recorded at once, because nothing else may show it.
    ///
    /// # Errors
    /// The loss cannot be kept.
    fn lost(&mut self, host: &str, refusal: &Refusal) -> miette::Result<()> {
        let _ = (host, refusal);
        Ok(())
    }

    /// The run is precise enough after a block, so the planned blocks after it are dropped. A sink without a plan
    /// does nothing.
    ///
    /// # Errors
    /// The change cannot be kept.
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
    /// The reason and the remedy.
    pub refusal: Refusal,
}

/// The course of a run, without its measurements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOutcome {
    /// Whether the run was interrupted.
    pub interrupted: bool,
    /// Lost hosts, with the reason.
    pub lost_hosts: Vec<(String, Refusal)>,
    /// Cells that a host refused.
    pub refused: Vec<RefusedCell>,
    /// Recorded trials, including marked ones and repeats.
    pub recorded: usize,
    /// Recorded trials that are excluded from verdicts.
    pub marked: usize,
    /// Repeats of noisy trials.
    pub repeated: usize,
    /// Trials that were not run because their cell was refused or their host was lost.
    pub skipped: usize,
    /// The block after which the run was precise enough, if it was not the last.
    pub stopped_after: Option<u32>,
}

impl RunOutcome {
    /// Why the run ended.
    #[must_use]
    pub fn reason(&self) -> PauseReason {
        match self {
            Self { interrupted: true, .. } => PauseReason::Interrupted,
            Self { lost_hosts, .. } if !lost_hosts.is_empty() => PauseReason::HostLost,
            Self { refused, .. } if !refused.is_empty() => PauseReason::Refused,
            Self { .. } => PauseReason::Complete,
        }
    }
}

/// Runs all trials of a plan that are not recorded yet, in its order. `cell_hosts` are the hosts of each cell, as
/// [`crate::cluster::select::resolve`] gives them. The leases must be open.
///
/// A cell that a host refused is not tried again, and neither is a cell that needs a lost host; all others
/// continue. A noisy trial is repeated at the end of its block, within the bounds of [`repeats`].
///
/// # Errors
/// Only if the sink cannot keep a trial.
pub async fn run_plan(
    plan: &Plan,
    recorded: Recorded<'_>,
    cluster: &mut Cluster,
    cell_hosts: &[Vec<usize>],
    sink: &mut dyn TrialSink,
    progress: &mut Progress,
    stop: &Stop,
) -> miette::Result<RunOutcome> {
    let mut repeats = Repeats::after(recorded.repeats());
    let mut driver = Driver::new(plan, recorded, cluster, cell_hosts, sink, progress, stop);
    let mut block = 0;
    let due = plan.trials.iter().filter(|planned| planned.block <= plan.blocks());
    let mut due = due.peekable();
    while let Some(planned) = due.next() {
        if planned.block != block && driver.is_precise(block) && !stop.is_requested() {
            driver.outcome.stopped_after = Some(block);
            driver.sink.stopped(plan, block)?;
            break;
        }
        block = planned.block;
        if driver.recorded.contains(planned) {
            driver.progress.recorded(plan, planned);
            if let Some(attempts) = driver.recorded.noisy_attempts(planned) {
                repeats.add(planned, attempts);
            }
        } else if driver.cannot_run(planned) && !stop.is_requested() {
            driver.outcome.skipped += 1;
            driver.progress.skipped(plan, planned);
        } else {
            match driver.trial(planned).await? {
                ControlFlow::Continue(true) => repeats.add(planned, 1),
                ControlFlow::Continue(false) => {}
                ControlFlow::Break(()) => break,
            }
        }
        let block_ends = due.peek().is_none_or(|next| next.block != planned.block);
        if block_ends && repeats.run(&mut driver).await?.is_break() {
            break;
        }
    }
    let Driver { mut outcome, .. } = driver;
    for host in cluster.hosts() {
        if let Some(refusal) = &host.lost {
            outcome.lost_hosts.push((host.name.clone(), refusal.clone()));
        }
    }
    progress.finish();
    Ok(outcome)
}

/// The record of a trial. The sink adds what it knows of the intervals.
fn record(
    plan: &Plan,
    planned: &PlannedTrial,
    trial: &Trial,
    cluster: &Cluster,
    started_at: String,
    run: TrialRun,
) -> TrialRecord {
    let name = |host: usize| cluster.hosts()[host].name.as_str();
    let marks = marks::marks(trial, &run, name).iter().map(ToString::to_string).collect();
    let of_host = |host: HostRun| HostTrial {
        host: name(host.host).to_owned(),
        clock: host.clock,
        ready: host.ready,
        intervals: Vec::new(),
        finished: host.finished,
        refusal: host.refusal,
        histograms: None,
        histograms_sha256: None,
    };
    let cell = &plan.cells[planned.cell];
    TrialRecord {
        id: planned.id.clone(),
        cell: planned.cell,
        arm: cell.arm.clone(),
        params: cell.params.clone(),
        block: planned.block,
        measure: planned.measure,
        started_at,
        marks,
        hosts: run.hosts.into_iter().map(of_host).collect(),
    }
}
