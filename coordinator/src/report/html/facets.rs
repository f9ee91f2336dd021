//! The layout of a sweep: one axis of numbers is horizontal, the others give small multiples.

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
    /// The horizontal axis; `None` if no axis consists of numbers.
    pub(super) axis: Option<String>,
    /// Every arm, in the plan's order.
    pub(super) arms: Vec<&'a str>,
    /// Grouped by the other axes, or by all if none is horizontal: the shared values as text, and the cells.
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

    /// Whether every cell has an offered rate, which is the horizontal axis.
    pub(super) fn open_loop(&self) -> bool {
        let mut cells = self.by_point.iter().flat_map(|(_, cells)| cells);
        self.axis.as_deref() == Some("rate") && cells.all(|cell| cell.throughput.offered_per_s.is_some())
    }

    /// Whether the overview begins with a plot as wide as the page: there is one horizontal axis and no other, and no
    /// other chart takes that place.
    pub(super) fn wide(&self) -> bool {
        let one = self.axis.is_some() && self.by_other_axes.len() == 1 && self.by_point.len() > 1;
        one && self.set.ladders.is_empty() && !self.open_loop()
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

/// The first axis whose values are all numbers, sizes or durations.
fn horizontal(cells: &[&CellSummary]) -> Option<String> {
    let all = |axis: &&String| cells.iter().all(|cell| cell.params.get(*axis).and_then(numeric).is_some());
    cells.first()?.params.keys().find(all).cloned()
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
