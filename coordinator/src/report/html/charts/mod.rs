//! The charts of the page, one file each. A new chart is a file beside this one, its module and its line in [`CHARTS`].

use super::{facets::Facets, figure::Section};
use crate::summary::ComparisonSet;

mod cpu;
mod latency;
mod over_time;
mod syscalls;
mod throughput;
mod trend;
mod waterfall;

/// All charts, in the order of the page. Each draws a section from merged cells (the comparison's table has the rows by
/// host) and has no figures if the run lacks its data.
const CHARTS: &[fn(&Facets<'_>) -> Section] = &[
    throughput::section,
    latency::section,
    over_time::section,
    syscalls::section,
    cpu::section,
    waterfall::section,
    trend::section,
];

/// The sections that have figures.
pub(super) fn sections(set: &ComparisonSet) -> Vec<Section> {
    let facets = Facets::of(set);
    CHARTS.iter().map(|chart| chart(&facets)).filter(|section| !section.figures.is_empty()).collect()
}
