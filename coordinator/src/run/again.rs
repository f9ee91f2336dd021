//! Noisy trials are run again, at the end of their block: so a block stays together in time, and arms can be compared
//! within it.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::driver::Driver;
use crate::plan::{Plan, PlannedTrial};

/// How often a noisy trial is run again, at most.
pub const AGAIN: u32 = 2;

/// The noisy trials of the block that runs. All in all, a cell has no more of them run again than it has trials: lasting
/// noise at most doubles a run.
#[derive(Debug, Default)]
pub(super) struct Again<'a> {
    noisy: Vec<&'a PlannedTrial>,
    spent: BTreeMap<usize, u32>,
}

impl<'a> Again<'a> {
    /// Remembers a trial that was noisy.
    pub(super) fn remember(&mut self, planned: &'a PlannedTrial) {
        self.noisy.push(planned);
    }

    /// Those that may be run again, in their order; none is remembered any longer.
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

    /// Runs them again after the last trial of a block.
    ///
    /// # Errors
    /// Where the sink cannot keep a trial.
    pub(super) async fn end_of_block(&mut self, driver: &mut Driver<'_>) -> miette::Result<ControlFlow<()>> {
        for _ in 0..AGAIN {
            for planned in self.take(driver.plan) {
                if driver.cannot_run(planned) {
                    continue;
                }
                driver.progress.again(driver.plan, planned);
                driver.outcome.repeated += 1;
                match driver.trial(planned).await? {
                    ControlFlow::Continue(true) => self.remember(planned),
                    ControlFlow::Continue(false) => {}
                    ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                }
            }
        }
        // What is noisy still stays as it is.
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
        let mut again = Again::default();
        for _ in 0..2 {
            again.remember(of_cell(0));
            again.remember(of_cell(1));
            assert_eq!(again.take(&plan).len(), 2);
        }
        again.remember(of_cell(0));
        again.remember(of_cell(0));
        assert_eq!(again.take(&plan).len(), 1, "three of three");
        again.remember(of_cell(0));
        again.remember(of_cell(1));
        assert_eq!(again.take(&plan), [of_cell(1)], "of its own");
        assert!(again.take(&plan).is_empty(), "none is taken twice");
    }
}
