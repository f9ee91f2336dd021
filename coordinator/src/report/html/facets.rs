//! How a sweep is laid out: one axis goes to the right, the others make small multiples.

use super::scale::numeric;
use crate::{
    params,
    params::Params,
    summary::{CellSummary, ComparisonSet},
};

/// Small multiples of one section at most.
const MAX: usize = 6;

/// Merged cells by what they share.
pub(super) struct Facets<'a> {
    /// The whole run, for charts of more than cells.
    pub(super) set: &'a ComparisonSet,
    /// The axis that goes to the right; none without a sweep.
    pub(super) axis: Option<String>,
    /// Every arm, in the plan's order.
    pub(super) arms: Vec<&'a str>,
    /// By the other axes: what is shared in words, and the cells.
    pub(super) by_other_axes: Vec<(String, Vec<&'a CellSummary>)>,
    /// By all axes.
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

/// The first axis all of whose values are numbers, sizes or durations; failing that, the first.
fn horizontal(cells: &[&CellSummary]) -> Option<String> {
    let axes: Vec<&String> = cells.first()?.params.keys().collect();
    let all = |axis: &&&String| cells.iter().all(|cell| cell.params.get(**axis).and_then(numeric).is_some());
    axes.iter().find(all).or(axes.first()).map(|axis| (**axis).clone())
}

/// As many as fit, spread evenly from the first to the last, and what to say of the rest.
pub(super) fn few<T>(all: Vec<T>) -> (Vec<T>, Option<String>) {
    let count = all.len();
    if count <= MAX {
        return (all, None);
    }
    let chosen: Vec<usize> = (0..MAX).map(|index| index * (count - 1) / (MAX - 1)).collect();
    let kept = all.into_iter().enumerate().filter(|(index, _)| chosen.contains(index));
    let said = format!("{MAX} of {count} points are drawn; summary.json has the others.");
    (kept.map(|(_, item)| item).collect(), Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_are_among_the_few() {
        let (kept, said) = few((0..14).collect::<Vec<_>>());
        assert_eq!(kept, [0, 2, 5, 7, 10, 13]);
        assert!(said.unwrap().starts_with("6 of 14"));
        assert_eq!(few(vec![1, 2]), (vec![1, 2], None));
    }
}
