//! Trials done of all, and the time left.

use std::time::{Duration, Instant};

use crate::plan::{OVERHEAD_PER_TRIAL, Plan, PlannedTrial};

/// The progress of a plan.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Trials of the plan, including repeats.
    pub total: usize,
    /// Trials that ended or were skipped.
    done: usize,
    /// Trials recorded before the run was resumed.
    before: usize,
    /// Planned time, without overhead per trial: of the whole run, of the finished trials and of the current one.
    planned: Duration,
    over: Duration,
    current: Duration,
    /// Actual time of the finished trials, without filling targets.
    spent: Duration,
    /// Start of the current trial; moved later while a target is filled.
    begun: Instant,
    /// The elapsed share of the current trial, from 0 to 1.
    part: f64,
}

impl Schedule {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            total: plan.trials.len(),
            done: 0,
            before: 0,
            planned: plan.trials.iter().map(|trial| expected(plan, trial)).sum(),
            over: Duration::ZERO,
            current: Duration::ZERO,
            spent: Duration::ZERO,
            begun: Instant::now(),
            part: 0.0,
        }
    }

    /// Trials that are over, including those of an earlier part of the run.
    #[must_use]
    pub fn done(&self) -> usize {
        self.before + self.done
    }

    /// The number of the trial that runs, from 1.
    #[must_use]
    pub fn running(&self) -> usize {
        (self.done() + 1).min(self.total)
    }

    /// The planned measuring time that is over, and all of it.
    #[must_use]
    pub fn measured_time(&self) -> (Duration, Duration) {
        (self.over + self.current.mul_f64(self.part), self.planned)
    }

    /// The estimated time left, at least a second. The plan gives the measured time of trials; the finished trials give
    /// the overhead.
    #[must_use]
    pub fn left(&self) -> Duration {
        let beyond = match u32::try_from(self.done) {
            Ok(done @ 1..) => self.spent.saturating_sub(self.over) / done,
            _ => OVERHEAD_PER_TRIAL,
        };
        let to_do = u32::try_from(self.total.saturating_sub(self.done())).unwrap_or(u32::MAX);
        let (over, planned) = self.measured_time();
        let left = planned.saturating_sub(over) + beyond.saturating_mul(to_do);
        left.max(Duration::from_secs(1))
    }

    pub(super) fn begin(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.current = expected(plan, planned);
        self.part = 0.0;
        self.begun = Instant::now();
    }

    pub(super) fn prepare(&mut self) {
        self.begun = Instant::now();
    }

    pub(super) fn measured(&mut self, seconds: f64) {
        self.part = (seconds / self.current.as_secs_f64().max(seconds)).clamp(0.0, 1.0);
    }

    pub(super) fn end(&mut self) {
        self.spent += self.begun.elapsed();
        self.step();
    }

    pub(super) fn recorded(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.planned = self.planned.saturating_sub(expected(plan, planned));
        self.before += 1;
    }

    pub(super) fn skipped(&mut self, plan: &Plan, planned: &PlannedTrial) {
        // Counts with the average time of the trials that ran, so that the estimate stays right.
        let beyond = self.spent.saturating_sub(self.over) / u32::try_from(self.done.max(1)).unwrap_or(1);
        self.current = expected(plan, planned);
        self.spent += self.current + beyond;
        self.step();
    }

    pub(super) fn repeat(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.total += 1;
        self.planned += expected(plan, planned);
    }

    fn step(&mut self) {
        self.done += 1;
        self.over += self.current;
        self.current = Duration::ZERO;
        self.part = 0.0;
    }
}

fn expected(plan: &Plan, planned: &PlannedTrial) -> Duration {
    let workload = plan.trial(planned).workload;
    workload.warmup.as_duration() + workload.runtime.as_duration()
}
