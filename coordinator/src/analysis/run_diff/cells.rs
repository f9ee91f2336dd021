//! Which cells of two runs are compared with each other.

use super::Selection;
use crate::{plan::Plan, scenario::Cell, summary::run_diff::CellName};

/// Two cells that are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellPair<'a> {
    pub(super) baseline: &'a Cell,
    pub(super) run: &'a Cell,
}

/// The cells at the same point, of the same arm or of the selected arms.
pub(super) fn pairs<'a>(baseline: &'a Plan, run: &'a Plan, selection: &Selection) -> Vec<CellPair<'a>> {
    let baseline_arm = |new: &'a Cell| match &selection.arms {
        Some((old, arm)) => (new.arm == *arm).then_some(old),
        None => Some(&new.arm),
    };
    let pair = |new: &'a Cell| {
        let arm = baseline_arm(new)?;
        let old = baseline.cells.iter().find(|old| old.arm == *arm && old.params == new.params)?;
        Some(CellPair { baseline: old, run: new })
    };
    run.cells.iter().filter_map(pair).collect()
}

/// The cells of the baseline and of the run that are in no pair.
pub(super) fn unpaired(
    baseline: &Plan,
    run: &Plan,
    pairs: &[CellPair<'_>],
) -> (Vec<CellName>, Vec<CellName>) {
    let name = |cell: &Cell| CellName { arm: cell.arm.clone(), params: cell.params.clone() };
    let in_baseline = |cell: &&Cell| !pairs.iter().any(|pair| std::ptr::eq(pair.baseline, *cell));
    let in_run = |cell: &&Cell| !pairs.iter().any(|pair| std::ptr::eq(pair.run, *cell));
    (
        baseline.cells.iter().filter(in_baseline).map(name).collect(),
        run.cells.iter().filter(in_run).map(name).collect(),
    )
}
