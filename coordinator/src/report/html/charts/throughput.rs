//! I/O per second.

use super::super::{
    facets::Facets,
    figure::Section,
    metric_chart::{MetricChart, against_axis, legend},
};
use crate::{metric::throughput::IOPS, stats::confidence::INTERVAL};

pub(super) fn section(facets: &Facets<'_>) -> Section {
    Section {
        id: "throughput",
        title: "Throughput".into(),
        note: format!(
            "Higher is better. Large marks are means over the trials, with their {INTERVAL}s; small dots are single \
             trials."
        ),
        keys: legend(facets),
        ..against_axis(facets, &MetricChart { metric: &IOPS, trials: true })
    }
}
