//! Throughput, and what it costs: the p99 latency, the CPU time and the system calls per I/O.

use super::super::{
    facets::{Facets, few},
    figure::{PAGE, Section, THIRD},
    metric_chart::{Facet, MetricChart},
    scale::Axis,
    xy::{Gap, Marks},
};
use crate::{
    metric::{
        cost::{CPU_PER_IO, SYSCALLS_PER_IO},
        latency::P99,
        throughput::IOPS,
    },
    params::{self, Params},
    report::view,
    stats::confidence::INTERVAL,
    summary::{CellSummary, ComparisonSet, Verdict, answer::LimitedBy, cause::Cause, explanation::Finding},
};

const BRACKET: &str = " The bracket is the largest gain that a verdict confirms; in a shaded range, more requests in flight \
                       hardly raise throughput, because the device is the limit.";

/// Throughput over an axis as wide as the page, with three costs in a row below it; without such an axis, a row of three
/// for each point.
pub(super) fn section(facets: &Facets<'_>) -> Section {
    let chart = |metric| MetricChart { metric, trials: true };
    let (shown, left_out) = few(facets.by_other_axes.iter().collect::<Vec<&Facet<'_>>>());
    let row = |metric| chart(metric).figures(facets, &shown, THIRD, |_, _| Marks::default());
    let mut figures = Vec::new();
    if facets.wide() {
        figures = chart(&IOPS).figures(facets, &shown, PAGE, |axis, cells| marks(facets, axis, cells));
        figures.extend([&P99, &CPU_PER_IO, &SYSCALLS_PER_IO].into_iter().flat_map(row));
    } else {
        let third = if facets.open_loop() { &SYSCALLS_PER_IO } else { &P99 };
        // The figures of one point are side by side.
        let mut columns = [&IOPS, third, &CPU_PER_IO].map(|metric| row(metric).into_iter());
        loop {
            let next: Vec<_> = columns.iter_mut().filter_map(Iterator::next).collect();
            if next.is_empty() {
                break;
            }
            figures.extend(next);
        }
    }
    Section {
        id: "overview",
        title: "Throughput and its cost".into(),
        short: "Throughput",
        note: format!(
            "More I/O per second is better; for everything else, less is. Large marks are means with their {INTERVAL}s, \
             small dots are single trials.{}",
            if facets.wide() { BRACKET } else { "" }
        ),
        layout: "thirds",
        figures,
        left_out,
        ..Section::default()
    }
}

/// The range in which the device is the limit, and the largest difference that a verdict confirms.
fn marks(facets: &Facets<'_>, axis: &Axis, cells: &[&CellSummary]) -> Marks {
    let place = |params: &Params| axis.place(&params::value(params.get(&axis.title)?));
    let limited: Vec<f64> = limited(facets.set).filter_map(place).collect();
    let faster = facets.set.with_baseline().filter(|found| {
        IOPS.is_of(found)
            && found.verdict == Verdict::Faster
            && cells.iter().any(|cell| cell.arm == found.arm)
    });
    let gap =
        faster.max_by(|a, b| a.ratio.unwrap_or(0.0).total_cmp(&b.ratio.unwrap_or(0.0))).and_then(|found| {
            let iops = |arm: &str| IOPS.of(facets.set.cell(arm, &found.params)?);
            let (from, to) = (iops(&found.baseline)?, iops(&found.arm)?);
            Some(Gap { x: place(&found.params)?, from, to, text: view::ratio(found.ratio?) })
        });
    Marks { band: band(axis, &limited), gap, turns: vec![] }
}

/// The points at which the device is the limit. If the answer compares arms of equal concurrency, these are the points of
/// its limit, because the explanation of one arm does not hold for all.
fn limited(set: &ComparisonSet) -> Box<dyn Iterator<Item = &Params> + '_> {
    if set.answer.concurrency.is_none() {
        let limited = set.explanations.iter().filter(|reason| is_device(&reason.finding));
        return Box::new(limited.map(|reason| &reason.params));
    }
    let device = set.answer.limit.as_ref().filter(|limit| limit.by == LimitedBy::Device);
    let from = device.and_then(|limit| set.cells.iter().position(|cell| cell.params == limit.from));
    Box::new(from.into_iter().flat_map(|from| set.cells[from..].iter().map(|cell| &cell.params)))
}

/// From midway before the first limited place to midway behind the last.
fn band(axis: &Axis, limited: &[f64]) -> Option<([f64; 2], String)> {
    let first = limited.iter().copied().reduce(f64::min)?;
    let last = limited.iter().copied().reduce(f64::max)?;
    let places = || axis.ticks.iter().map(|(place, _)| *place);
    let before = places().rfind(|place| *place < first);
    let behind = places().find(|place| *place > last);
    let from = before.map_or(0.0, |before| (before + first) / 2.0);
    let to = behind.map_or(1.0, |behind| (behind + last) / 2.0);
    Some(([from, to], "limited by the device".into()))
}

/// Whether the device is the limit, of both arms or of the faster one.
fn is_device(finding: &Finding) -> bool {
    finding.cause() == Cause::Device || matches!(finding, Finding::Changed { limit: Some(_), .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_covers_the_limited_places() {
        let values = [1.0, 2.0, 3.0].map(|value: f64| (value, value.to_string()));
        let axis = Axis::new("depth", &values);
        assert_eq!(band(&axis, &[]), None);
        assert_eq!(band(&axis, &[0.5, 1.0]).unwrap().0, [0.25, 1.0]);
        assert_eq!(band(&axis, &[0.0]).unwrap().0, [0.0, 0.25]);
    }
}
