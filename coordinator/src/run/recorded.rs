//! The part of a plan that a run has recorded before it is resumed.

use std::collections::{BTreeMap, BTreeSet};

use super::precision::PrecisionTracker;
use crate::{
    analysis::noise,
    plan::{Plan, PlannedTrial},
    scenario::noise::NoisePolicy,
    store::{RunDir, StoreError, record::TrialRecord},
    summary::course::PauseReason,
};

/// The maximum number of repeats of a noisy trial within its block.
pub const MAX_REPEATS: u32 = 2;

/// What is recorded of a plan. A trial that a host refused or lost, or that was cut short, counts as not recorded.
#[derive(Debug)]
pub struct Recorded<'a> {
    plan: &'a Plan,
    /// The number of attempts of each trial that ran to its end.
    attempts: BTreeMap<String, u32>,
    /// Trials of the last block that noise marks, if the run stopped before it could repeat them.
    noisy: BTreeSet<String>,
    /// The last block with a trial.
    last_block: u32,
    pub(super) precision: PrecisionTracker<'a>,
}

impl<'a> Recorded<'a> {
    /// Nothing: the run begins.
    #[must_use]
    pub fn nothing(plan: &'a Plan) -> Self {
        let (attempts, noisy, last_block) = (BTreeMap::new(), BTreeSet::new(), 0);
        Self { plan, attempts, noisy, last_block, precision: PrecisionTracker::new(plan) }
    }

    /// What the trials in a run directory have recorded. `ended` is the reason why the run stopped.
    ///
    /// # Errors
    /// The records or their histograms cannot be read.
    pub fn read(plan: &'a Plan, run: &RunDir, ended: PauseReason) -> Result<Self, StoreError> {
        let mut recorded = Self::nothing(plan);
        for record in run.read_trials()?.records {
            recorded.precision.add(&record, run)?;
            recorded.add(&record);
        }
        if ended == PauseReason::Complete {
            recorded.noisy.clear();
        }
        Ok(recorded)
    }

    fn add(&mut self, record: &TrialRecord) {
        if record.block > self.last_block {
            // Noisy trials are repeated at the end of their block.
            self.noisy.clear();
            self.last_block = record.block;
        }
        if !record.is_complete() {
            return;
        }
        let attempts = self.attempts.entry(record.id.clone()).or_default();
        *attempts += 1;
        let only_noise = {
            let marks = noise::marks(record);
            self.plan.noise == NoisePolicy::Mark && !marks.is_empty() && marks.len() == record.marks.len()
        };
        if only_noise && record.block == self.last_block && *attempts <= MAX_REPEATS {
            self.noisy.insert(record.id.clone());
        } else {
            self.noisy.remove(&record.id);
        }
    }

    /// Whether a trial is recorded.
    #[must_use]
    pub fn contains(&self, planned: &PlannedTrial) -> bool {
        self.attempts.contains_key(&planned.id)
    }

    /// The number of trials of the plan that are not recorded.
    #[must_use]
    pub fn missing(&self) -> usize {
        let due = |planned: &&PlannedTrial| planned.block <= self.plan.blocks() && !self.contains(planned);
        self.plan.trials.iter().filter(due).count()
    }

    /// Whether nothing of the plan is left to do.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.missing() == 0 && self.noisy.is_empty()
    }

    /// The last block with a recorded trial.
    pub(super) fn last_block(&self) -> u32 {
        self.last_block
    }

    /// The number of attempts of a trial that is to be repeated for noise.
    pub(super) fn noisy_attempts(&self, planned: &PlannedTrial) -> Option<u32> {
        self.noisy.contains(&planned.id).then(|| self.attempts[&planned.id])
    }

    /// The number of repeats of each cell.
    pub(super) fn repeats(&self) -> BTreeMap<usize, u32> {
        let mut repeats = BTreeMap::new();
        for planned in &self.plan.trials {
            let attempts = self.attempts.get(&planned.id).copied().unwrap_or_default();
            *repeats.entry(planned.cell).or_default() += attempts.saturating_sub(1);
        }
        repeats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::Fixture;

    #[test]
    fn trials_that_ran_to_their_end_are_recorded() {
        let mut fixture = Fixture::new(&["sync", "uring"], &[1], 2, &["n1"]);
        fixture.execute(3);
        // The host is lost in the fourth.
        fixture.change = |record| record.hosts[0].finished = None;
        let plan = fixture.plan.clone();
        fixture.plan.trials.drain(..3);
        fixture.execute(1);
        let recorded = Recorded::read(&plan, &fixture.run, PauseReason::HostLost).unwrap();
        let contained: Vec<bool> = plan.trials.iter().map(|planned| recorded.contains(planned)).collect();
        assert_eq!(contained, [true, true, true, false, false, false]);
        assert_eq!((recorded.missing(), recorded.is_all(), recorded.last_block()), (3, false, 1));
        // Precision ended the run after the first block.
        let stopped = Plan { stopped_after: Some(1), ..plan };
        assert_eq!(Recorded::read(&stopped, &fixture.run, PauseReason::HostLost).unwrap().missing(), 1);
    }

    #[test]
    fn a_complete_run_misses_nothing() {
        let mut fixture = Fixture::new(&["sync", "uring"], &[1], 2, &["n1"]);
        fixture.execute(usize::MAX);
        let recorded = Recorded::read(&fixture.plan, &fixture.run, PauseReason::Complete).unwrap();
        assert!(recorded.is_all() && recorded.repeats().values().all(|repeats| *repeats == 0));
        let nothing = Recorded::nothing(&fixture.plan);
        assert_eq!((nothing.missing(), nothing.is_all()), (6, false));
    }
}
