//! Reasons for which figures of two cells are not judged.

use super::urgent;
use crate::{
    metric::Metric,
    summary::{CellSummary, Unjudged},
};
use proto::units::Nanos;

/// Why two cells are not judged in a metric; `None` if they are.
pub(super) fn unjudged(metric: &Metric, cells: [&CellSummary; 2]) -> Option<Unjudged> {
    let few = urgent::too_few_urgent(metric, cells).map(Unjudged::TooFewUrgent);
    few.or_else(|| metric.statistic().and_then(|_| cut_off(cells)))
}

/// The cell whose latencies are cut off by the window; of two, the one that needs the longer runtime.
fn cut_off(cells: [&CellSummary; 2]) -> Option<Unjudged> {
    let needs = cells.into_iter().filter_map(|cell| Some((cell.latency.needs_runtime_ns?, cell)));
    let (needed, cell) = needs.max_by_key(|(needed, _)| *needed)?;
    Some(Unjudged::CutOff { arm: cell.arm.clone(), needed: Nanos(needed) })
}
