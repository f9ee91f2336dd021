//! Open loop: latency over the offered load, and the knee at which queueing begins.

use super::super::{
    facets::{Facets, few},
    figure::{PAGE, Section},
    metric_chart::{Facet, MetricChart},
    xy::Marks,
};
use crate::{metric::latency::P99, params, summary::CellSummary};

/// The knee: the first load at which the 99th percentile is this many times that of a lower load.
const KNEE: f64 = 3.0;

pub(super) fn section(facets: &Facets<'_>) -> Section {
    if !facets.open_loop() {
        return Section::default();
    }
    let (shown, left_out) = few(facets.by_other_axes.iter().collect::<Vec<&Facet<'_>>>());
    let chart = MetricChart { metric: &P99, trials: true };
    let figures = chart.figures(facets, &shown, PAGE, |axis, cells| {
        let of = |(index, arm): (usize, &&str)| {
            let mut points: Vec<(f64, f64)> = cells
                .iter()
                .filter(|cell: &&&CellSummary| cell.arm == **arm)
                .filter_map(|cell| {
                    Some((axis.place(&params::value(cell.params.get(&axis.title)?))?, P99.of(cell)?))
                })
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Some((index, knee(&points.iter().map(|(_, p99)| *p99).collect::<Vec<_>>())?, "knee"))
        };
        Marks { turns: facets.arms.iter().enumerate().filter_map(of).collect(), ..Marks::default() }
    });
    Section {
        id: "load",
        title: "Latency over offered load".into(),
        short: "Load",
        note: format!(
            "Lower is better. Latency counts from the intended start of a request, so it includes queueing. Knee: the \
             first load at which the p99 is at least {KNEE} times that of a lower load."
        ),
        layout: "thirds",
        figures,
        left_out,
        ..Section::default()
    }
}

/// The index of the knee.
fn knee(p99: &[f64]) -> Option<usize> {
    let mut lowest = f64::INFINITY;
    p99.iter().position(|value| {
        let found = *value >= KNEE * lowest;
        lowest = lowest.min(*value);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_the_first_steep_rise() {
        assert_eq!(knee(&[100.0, 90.0, 290.0, 9000.0]), Some(2));
        assert_eq!(knee(&[100.0, 200.0, 250.0]), None);
        assert_eq!(knee(&[]), None);
    }
}
