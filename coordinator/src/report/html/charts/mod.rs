//! The charts of the page, one file each. A new chart is a file beside this one, its module and its line in [`FIRST`] or
//! [`FURTHER`].

use super::{facets::Facets, figure::Section};

mod cpu;
mod latency;
mod load;
mod over_time;
mod overview;
mod syscalls;
mod trend;
mod waterfall;

/// A chart draws a section from merged cells (the comparison's table has the rows by host). It has no figures if the run
/// lacks its data.
type Chart = fn(&Facets<'_>) -> Section;

/// The charts right below the answer, in their order.
pub(super) const FIRST: &[Chart] = &[waterfall::section, load::section, overview::section];

/// The charts below the comparison, in their order.
pub(super) const FURTHER: &[Chart] =
    &[latency::section, over_time::section, cpu::section, syscalls::section, trend::section];

/// The sections that have figures.
pub(super) fn sections(charts: &[Chart], facets: &Facets<'_>) -> Vec<Section> {
    charts.iter().map(|chart| chart(facets)).filter(|section| !section.figures.is_empty()).collect()
}
