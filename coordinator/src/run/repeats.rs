//! Repeats noisy trials at the end of their block. A block thus stays together in time, so that arms can be
//! compared within it.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::driver::Driver;
use crate::plan::{Plan, PlannedTrial};

/// The maximum number of repeats of a noisy trial within its block.
pub const MAX_REPEATS: u32 = 2;

/// The noisy trials of the current block. A cell has at most as many repeats as trials, so that lasting noise at
/// most doubles a run.
#[derive(Debug, Default)]
pub(super) struct Repeats<'a> {
    noisy: Vec<&'a PlannedTrial>,
    spent: BTreeMap<usize, u32>,
}

impl<'a> Repeats<'a> {
    /// Records a noisy trial.
    pub(super) fn add(&mut self, planned: &'a PlannedTrial) {
        self.noisy.push(planned);
    }

    /// Takes the trials that may be repeated, in order, and clears the list.
    fn take(&mut self, plan: &Plan) -> Vec<&'a PlannedTrial> {
        let mut noisy = std::mem::take(&mut self.noisy);
        noisy.retain(|planned| {
            let spent = self.spent.entry(planned.cell).or_default();
            let may = *spent < plan.trials_per_cell;
            *spent += u32::from(may);
            may
        });
        noisy
    }

    /// Repeats them after the last trial of a block.
    ///
    /// # Errors
    /// The sink cannot keep a trial.
    pub(super) async fn run(&mut self, driver: &mut Driver<'_>) -> miette::Result<ControlFlow<()>> {
        for _ in 0..MAX_REPEATS {
            for planned in self.take(driver.plan) {
                if driver.cannot_run(planned) {
                    continue;
                }
                driver.progress.repeat(driver.plan, planned);
                driver.outcome.repeated += 1;
                match driver.trial(planned).await? {
                    ControlFlow::Continue(true) => self.add(planned),
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
        for _ in 0..2 {
            repeats.add(of_cell(0));
            repeats.add(of_cell(1));
            assert_eq!(repeats.take(&plan).len(), 2);
        }
        repeats.add(of_cell(0));
        repeats.add(of_cell(0));
        assert_eq!(repeats.take(&plan).len(), 1, "the third of three repeats");
        repeats.add(of_cell(0));
        repeats.add(of_cell(1));
        assert_eq!(repeats.take(&plan), [of_cell(1)], "the limit is per cell");
        assert!(repeats.take(&plan).is_empty(), "a trial is taken once");
    }
}
