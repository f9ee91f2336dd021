//! System calls per I/O, unless the overview shows them.

use super::super::{
    facets::{Facets, few},
    figure::{HALF, Section},
    metric_chart::{Facet, MetricChart},
    xy::Marks,
};
use crate::metric::cost::SYSCALLS_PER_IO;

pub(super) fn section(facets: &Facets<'_>) -> Section {
    if facets.wide() || facets.open_loop() {
        return Section::default();
    }
    let (shown, left_out) = few(facets.by_other_axes.iter().collect::<Vec<&Facet<'_>>>());
    let chart = MetricChart { metric: &SYSCALLS_PER_IO, trials: false };
    Section {
        id: "syscalls",
        title: SYSCALLS_PER_IO.heading.into(),
        short: "System calls",
        note: "Lower is better. Counted by the engine in all timed trials; if perf is available, an audit checks the \
               count."
            .into(),
        layout: "halves",
        figures: chart.figures(facets, &shown, HALF, |_, _| Marks::default()),
        left_out,
        ..Section::default()
    }
}
