//! Open loop: latency over the offered load, and the knee at which queueing begins.

use super::super::{
    facets::{Facets, few},
    figure::{PAGE, Section},
    metric_chart::{Facet, MetricChart},
    scale::Axis,
    xy::Marks,
};
use crate::{
    metric::latency::P99,
    params::{self, Params},
    summary::{CellSummary, load::KNEE},
};

pub(super) fn section(facets: &Facets<'_>) -> Section {
    if !facets.open_loop() {
        return Section::default();
    }
    let (shown, left_out) = few(facets.by_other_axes.iter().collect::<Vec<&Facet<'_>>>());
    let chart = MetricChart { metric: &P99, trials: true };
    let figures = chart.figures(facets, &shown, PAGE, |axis, cells| {
        let marks =
            facets.arms.iter().enumerate().flat_map(|(index, arm)| turns(facets, axis, cells, (index, *arm)));
        Marks { turns: marks.collect(), ..Marks::default() }
    });
    Section {
        id: "load",
        title: "Latency over offered load".into(),
        short: "Load",
        note: format!(
            "Lower is better. Latency counts from the intended start of a request, so it includes queueing. Knee: the \
             first load at which the p99 is at least {KNEE} times that of a lower load, beyond their intervals. Behind: \
             the first load that the arm does not complete."
        ),
        layout: "thirds",
        figures,
        left_out,
        ..Section::default()
    }
}

/// Where a line has its knee, and where the arm falls behind: its series, the index of the point, and a word.
fn turns(
    facets: &Facets<'_>,
    axis: &Axis,
    cells: &[&CellSummary],
    (index, arm): (usize, &str),
) -> Vec<(usize, usize, &'static str)> {
    let place = |cell: &CellSummary| axis.place(&params::value(cell.params.get(&axis.title)?));
    let drawn = cells.iter().filter(|cell| cell.arm == arm && P99.of(cell).is_some());
    let mut points: Vec<(f64, &CellSummary)> = drawn.filter_map(|cell| Some((place(cell)?, *cell))).collect();
    points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mine = |params: &Params| {
        cells
            .first()
            .is_some_and(|cell| params.iter().all(|(key, value)| cell.params.get(key) == Some(value)))
    };
    let Some(load) = facets.set.loads.iter().find(|load| load.arm == arm && mine(&load.params)) else {
        return Vec::new();
    };
    let at = |rate: Option<f64>| {
        points.iter().position(|(_, cell)| rate.is_some() && cell.throughput.offered_per_s == rate)
    };
    let (knee, behind) = (at(load.knee_at_per_s), at(load.falls_behind_at_per_s));
    let behind = behind.filter(|behind| knee != Some(*behind)).map(|point| (index, point, "behind"));
    knee.map(|point| (index, point, "knee")).into_iter().chain(behind).collect()
}
