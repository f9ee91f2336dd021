//! Repeats noisy trials at the end of their block. A block thus stays together in time, so that arms can be
//! compared within it.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{driver::Driver, recorded::MAX_REPEATS};
use crate::plan::{Plan, PlannedTrial};

/// The noisy trials of the current block. A cell has at most as many repeats as trials, so that lasting noise at
/// most doubles a run.
#[derive(Debug, Default)]
pub(super) struct Repeats<'a> {
    /// With the number of attempts so far.
    noisy: Vec<(&'a PlannedTrial, u32)>,
    spent: BTreeMap<usize, u32>,
}

impl<'a> Repeats<'a> {
    /// Continues after this number of repeats of each cell.
    pub(super) fn after(spent: BTreeMap<usize, u32>) -> Self {
        Self { noisy: Vec::new(), spent }
    }

    /// Records a noisy trial after this number of attempts.
    pub(super) fn add(&mut self, planned: &'a PlannedTrial, attempts: u32) {
        self.noisy.push((planned, attempts));
    }

    /// Takes the trials that may be repeated after this number of attempts, in order, and removes them from the list.
    fn take(&mut self, plan: &Plan, attempts: u32) -> Vec<&'a PlannedTrial> {
        let (now, later): (Vec<_>, _) =
            std::mem::take(&mut self.noisy).into_iter().partition(|(_, had)| *had <= attempts);
        self.noisy = later;
        let mut now: Vec<&PlannedTrial> = now.into_iter().map(|(planned, _)| planned).collect();
        now.retain(|planned| {
            let spent = self.spent.entry(planned.cell).or_default();
            let may = *spent < plan.trials_per_cell;
            *spent += u32::from(may);
            may
        });
        now
    }

    /// Repeats them after the last trial of a block.
    ///
    /// # Errors
    /// The sink cannot keep a trial.
    pub(super) async fn run(&mut self, driver: &mut Driver<'_>) -> miette::Result<ControlFlow<()>> {
        for attempts in 1..=MAX_REPEATS {
            for planned in self.take(driver.plan, attempts) {
                if driver.cannot_run(planned) {
                    continue;
                }
                driver.progress.repeat(driver.plan, planned);
                driver.outcome.repeated += 1;
                match driver.trial(planned).await? {
                    ControlFlow::Continue(true) => self.add(planned, attempts + 1),
                    ControlFlow::Continue(false) => {}
                    ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                }
            }
        }
        // A repeat that is noisy again stays marked.
        self.noisy.clear();
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::Fixture;

    #[test]
    fn a_cell_has_as_many_repeats_as_trials() {
        let plan = Fixture::new(&["a", "b"], &[1], 3, &["n1"]).plan;
        let of_cell = |cell: usize| plan.trials.iter().find(|planned| planned.cell == cell).unwrap();
        let mut repeats = Repeats::default();
        for attempts in 1..=2 {
            repeats.add(of_cell(0), attempts);
            repeats.add(of_cell(1), attempts);
            assert_eq!(repeats.take(&plan, attempts).len(), 2);
        }
        repeats.add(of_cell(0), 1);
        repeats.add(of_cell(0), 1);
        assert_eq!(repeats.take(&plan, 1).len(), 1, "the third of three repeats");
        repeats.add(of_cell(0), 1);
        repeats.add(of_cell(1), 1);
        assert_eq!(repeats.take(&plan, 1), [of_cell(1)], "the limit is per cell");
        assert!(repeats.take(&plan, 1).is_empty(), "a trial is taken once");
        let mut resumed = Repeats::after(BTreeMap::from([(0, 2)]));
        resumed.add(of_cell(0), 2);
        assert!(resumed.take(&plan, 1).is_empty(), "it was already repeated once");
        assert_eq!(resumed.take(&plan, 2), [of_cell(0)]);
    }
}
