//! System calls per I/O.

use super::super::{
    facets::Facets,
    figure::Section,
    metric_chart::{MetricChart, against_axis, legend},
};
use crate::metric::cost::SYSCALLS_PER_IO;

pub(super) fn section(facets: &Facets<'_>) -> Section {
    Section {
        id: "syscalls",
        title: SYSCALLS_PER_IO.heading.into(),
        note: "Lower is better. Counted by the engine in all timed trials; if perf is available, an audit checks the \
               count."
            .into(),
        keys: legend(facets),
        ..against_axis(facets, &MetricChart { metric: &SYSCALLS_PER_IO, trials: false })
    }
}
