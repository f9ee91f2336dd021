//! The layout of a sweep: one axis is horizontal, the others give small multiples.

use super::scale::numeric;
use crate::{
    params,
    params::Params,
    summary::{CellSummary, ComparisonSet},
};

/// The most small multiples of one section.
const MAX: usize = 6;

/// Merged cells, grouped by the axes that they share.
pub(super) struct Facets<'a> {
    /// The whole run, for charts that need more than cells.
    pub(super) set: &'a ComparisonSet,
    /// The horizontal axis; `None` without a sweep.
    pub(super) axis: Option<String>,
    /// Every arm, in the plan's order.
    pub(super) arms: Vec<&'a str>,
    /// Grouped by the other axes: the shared values as text, and the cells.
    pub(super) by_other_axes: Vec<(String, Vec<&'a CellSummary>)>,
    /// Grouped by all axes.
    pub(super) by_point: Vec<(String, Vec<&'a CellSummary>)>,
}

impl<'a> Facets<'a> {
    pub(super) fn of(set: &'a ComparisonSet) -> Self {
        let cells: Vec<&CellSummary> = set.cells.iter().filter(|cell| cell.host.is_none()).collect();
        let axis = horizontal(&cells);
        let mut arms: Vec<&str> = Vec::new();
        for cell in &cells {
            if !arms.contains(&cell.arm.as_str()) {
                arms.push(&cell.arm);
            }
        }
        let others = |cell: &CellSummary| {
            let mut params = cell.params.clone();
            if let Some(axis) = &axis {
                params.shift_remove(axis);
            }
            params
        };
        Self {
            set,
            arms,
            by_other_axes: group(&cells, others),
            by_point: group(&cells, |cell| cell.params.clone()),
            axis,
        }
    }

    /// The arm's place among all.
    pub(super) fn index(&self, arm: &str) -> usize {
        self.arms.iter().position(|known| *known == arm).unwrap_or(0)
    }
}

fn group<'a>(
    cells: &[&'a CellSummary],
    shared: impl Fn(&CellSummary) -> Params,
) -> Vec<(String, Vec<&'a CellSummary>)> {
    let mut groups: Vec<(String, Vec<&CellSummary>)> = Vec::new();
    for cell in cells {
        let name = params::point(&shared(cell));
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, cells)) => cells.push(cell),
            None => groups.push((name, vec![cell])),
        }
    }
    groups
}

/// The first axis whose values are all numbers, sizes or durations, or else the first axis.
fn horizontal(cells: &[&CellSummary]) -> Option<String> {
    let axes: Vec<&String> = cells.first()?.params.keys().collect();
    let all = |axis: &&&String| cells.iter().all(|cell| cell.params.get(**axis).and_then(numeric).is_some());
    axes.iter().find(all).or(axes.first()).map(|axis| (**axis).clone())
}

/// At most [`MAX`] items, spread evenly from the first to the last, and a note if some are left out.
pub(super) fn few<T>(all: Vec<T>) -> (Vec<T>, Option<String>) {
    let count = all.len();
    if count <= MAX {
        return (all, None);
    }
    let chosen: Vec<usize> = (0..MAX).map(|index| index * (count - 1) / (MAX - 1)).collect();
    let kept = all.into_iter().enumerate().filter(|(index, _)| chosen.contains(index));
    let note = format!("{MAX} of {count} points are shown; summary.json has all of them.");
    (kept.map(|(_, item)| item).collect(), Some(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_and_the_last_item() {
        let (kept, note) = few((0..14).collect::<Vec<_>>());
        assert_eq!(kept, [0, 2, 5, 7, 10, 13]);
        assert!(note.unwrap().starts_with("6 of 14"));
        assert_eq!(few(vec![1, 2]), (vec![1, 2], None));
    }
}
