//! Runs one trial of a plan on its hosts and passes the record to the sink.

use std::{collections::BTreeSet, ops::ControlFlow};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    RunOutcome, TrialSink, record, recorded::Recorded, refused_cells::RefusedCells, watcher::Watcher,
};
use crate::{
    analysis::noise,
    cluster::Cluster,
    plan::{Plan, PlannedTrial},
    run::progress::Progress,
    scenario::noise::NoisePolicy,
    stop::Stop,
    store::{StoreError, record::TrialRecord},
};

/// How often a trial runs at most if it loses hosts.
const MOST_ATTEMPTS: u32 = 5;

/// The inputs of a run and its state so far.
pub(super) struct Driver<'a> {
    pub(super) plan: &'a Plan,
    pub(super) cluster: &'a mut Cluster,
    /// The hosts of each cell, without those that the run goes on without.
    pub(super) cell_hosts: Vec<Vec<usize>>,
    pub(super) sink: &'a mut dyn TrialSink,
    pub(super) progress: &'a mut Progress,
    pub(super) stop: &'a Stop,
    pub(super) outcome: RunOutcome,
    pub(super) refused_cells: RefusedCells,
    pub(super) recorded: Recorded<'a>,
    /// Hosts whose loss is kept, by index.
    pub(super) lost: BTreeSet<usize>,
    /// Lost hosts for which the run does not wait any more, by index.
    pub(super) given_up: BTreeSet<usize>,
}

impl<'a> Driver<'a> {
    /// Starts after the trials that are recorded.
    pub(super) fn new(
        plan: &'a Plan,
        recorded: Recorded<'a>,
        cluster: &'a mut Cluster,
        cell_hosts: &'a [Vec<usize>],
        sink: &'a mut dyn TrialSink,
        progress: &'a mut Progress,
        stop: &'a Stop,
    ) -> Self {
        let (outcome, refused_cells, cell_hosts) =
            (RunOutcome::default(), RefusedCells::default(), cell_hosts.to_vec());
        let (lost, given_up) = (BTreeSet::new(), BTreeSet::new());
        Self {
            plan,
            cluster,
            cell_hosts,
            sink,
            progress,
            stop,
            outcome,
            refused_cells,
            recorded,
            lost,
            given_up,
        }
    }

    /// Whether the run may stop after a complete block. A run that is resumed has decided this for earlier blocks.
    pub(super) fn is_precise(&self, block: u32) -> bool {
        block >= self.recorded.last_block() && self.recorded.precision.is_reached(block)
    }

    /// Keeps the loss of hosts that were lost since the last time.
    pub(super) fn keep_losses(&mut self) -> miette::Result<()> {
        for (index, host) in self.cluster.hosts().iter().enumerate() {
            if let Some(refusal) = host.lost.as_ref().filter(|_| self.lost.insert(index)) {
                self.progress.lost(&host.name, refusal);
                self.sink.lost(&host.name, refusal)?;
            }
        }
        Ok(())
    }

    /// Whether a host of the trial is lost, none is left, or its cell was refused.
    pub(super) fn cannot_run(&self, planned: &PlannedTrial) -> bool {
        self.lacks_a_host(planned)
            || self.cell_hosts[planned.cell].is_empty()
            || self.refused_cells.contains(planned.cell)
    }

    /// Whether a host of the trial is lost.
    fn lacks_a_host(&self, planned: &PlannedTrial) -> bool {
        self.cell_hosts[planned.cell].iter().any(|&host| self.cluster.hosts()[host].lost.is_some())
    }

    /// Runs a trial and keeps it, and again if it lost a host and the scenario wants that. Returns whether noise is its
    /// only mark; `Break` if the run must stop.
    ///
    /// # Errors
    /// The sink cannot keep it.
    pub(super) async fn trial(&mut self, planned: &PlannedTrial) -> miette::Result<ControlFlow<(), bool>> {
        for _ in 0..MOST_ATTEMPTS {
            let ran = self.attempt(planned).await?;
            if ran.is_break() || !self.lacks_a_host(planned) {
                return Ok(ran);
            }
            if self.settle().await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if !self.repeats_after_loss(planned) {
                return Ok(ran);
            }
            self.progress.repeat(self.plan, planned);
        }
        Ok(ControlFlow::Continue(false))
    }

    async fn attempt(&mut self, planned: &PlannedTrial) -> miette::Result<ControlFlow<(), bool>> {
        let (plan, hosts) = (self.plan, &self.cell_hosts[planned.cell]);
        if self.stop.is_requested() {
            self.outcome.interrupted = true;
            return Ok(ControlFlow::Break(()));
        }
        let trial = plan.trial(planned);
        let started_at = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        self.progress.begin(plan, planned);
        let mut watcher = Watcher {
            progress: &mut *self.progress,
            sink: &mut *self.sink,
            trial: &trial.id,
            started_at: &started_at,
            failed: None,
        };
        let run = self.cluster.run_trial(&trial, hosts, &mut watcher, self.stop).await;
        if let Some(error) = watcher.failed {
            return Err(error);
        }
        let interrupted = run.interrupted;
        self.keep_losses()?;
        for refused in self.refused_cells.record(planned.cell, self.cluster, &run) {
            self.progress.refused(plan, &refused);
            self.outcome.refused.push(refused);
        }
        let mut noisy = false;
        // An interrupted trial that never began is not kept.
        if !(interrupted
            && run.hosts.iter().all(|host| host.arrived.intervals == 0 && host.finished.is_none()))
        {
            let mut record = record(plan, planned, &trial, self.cluster, started_at, run);
            noisy = mark(plan.noise, &mut record);
            self.outcome.recorded += 1;
            self.outcome.marked += usize::from(!record.counts());
            self.progress.end(&record);
            let kept = self.sink.trial(record)?;
            if let Some(directory) = self.sink.directory() {
                self.recorded.precision.add(&kept, directory).map_err(StoreError::into_report)?;
            }
        }
        if interrupted {
            self.outcome.interrupted = true;
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(noisy))
    }
}

/// Marks a record for noise, if the policy is `mark`. Returns whether noise is its only mark.
fn mark(policy: NoisePolicy, record: &mut TrialRecord) -> bool {
    if policy != NoisePolicy::Mark {
        return false;
    }
    let sound = record.counts();
    let marks = noise::marks(record);
    let noisy = sound && !marks.is_empty();
    record.marks.extend(marks.iter().map(ToString::to_string));
    noisy
}
