//! The limit that all arms of equal concurrency reach.

use super::load::Loads;
use crate::{
    analysis::explain::limit::{are_alike, are_same, has_levelled, of_levelled},
    metric::throughput::IOPS,
    params::Params,
    summary::{
        Comparison, ComparisonSet, Verdict,
        answer::{Limit, LimitedBy, Shipped},
    },
};

/// The points at which arms of equal concurrency were compared, by their requests in flight.
struct Step<'a> {
    in_flight: u64,
    params: &'a Params,
    found: Vec<&'a Comparison>,
}

impl Step<'_> {
    /// Whether the arms are known to do about the same: where no difference was found, the interval of the ratio shows
    /// that there is no large one; where one was found, that it is small.
    fn overlaps(&self) -> bool {
        self.found.iter().all(|found| match found.verdict {
            Verdict::NoDifference => true,
            Verdict::Inconclusive => found.ci95.is_some_and(are_alike),
            Verdict::Faster | Verdict::Slower => found.ci95.is_some_and(are_same),
        })
    }

    fn arms(&self) -> Vec<&str> {
        let mut arms: Vec<&str> =
            self.found.iter().flat_map(|found| [found.arm.as_str(), found.baseline.as_str()]).collect();
        arms.sort_unstable();
        arms.dedup();
        arms
    }

    /// Whether the IOPS of an arm have levelled between this point and a later one, as far as the intervals of both
    /// show: the growth may be overestimated by chance, and must be small even so.
    fn levels_until(&self, later: &Self, arm: &str, set: &ComparisonSet) -> bool {
        let more = later.in_flight as f64 / self.in_flight as f64;
        let of = |params: &Params| {
            let cell = set.cell(arm, params)?;
            let [low, high] = IOPS.interval(cell)?;
            Some((IOPS.of(cell)?, (high / low).ln() / 2.0))
        };
        of(later.params).zip(of(self.params)).is_some_and(|((later, wide), (here, width))| {
            has_levelled(more, later / here * wide.hypot(width).exp())
        })
    }
}

/// The limit of all arms of equal concurrency at the last points of the only axis: all do about the same there, and more
/// requests in flight bring hardly more IOPS. If they do the same at the last point alone, one of them must have levelled
/// before it. `None` if the figures do not show it, or if the trials vary too much for them to show it.
pub(super) fn limit(set: &ComparisonSet, loads: &Loads<'_>) -> Option<Limit> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for found in set.comparisons.iter().filter(|found| IOPS.is_of(found)) {
        let Some(in_flight) = loads.equal(found).filter(|_| found.params.len() == 1) else { continue };
        match steps.iter_mut().find(|step| *step.params == found.params) {
            // Pairs of different concurrency at one point show no common limit.
            Some(step) if step.in_flight != in_flight => return None,
            Some(step) => step.found.push(found),
            None => steps.push(Step { in_flight, params: &found.params, found: vec![found] }),
        }
    }
    steps.sort_by_key(|step| step.in_flight);
    let deepest = steps.last().filter(|step| step.overlaps())?;
    let mut from = deepest;
    for step in steps.iter().rev().skip(1) {
        let levels = |arm: &&str| step.levels_until(from, arm, set);
        if !step.overlaps() || !from.arms().iter().all(levels) {
            break;
        }
        from = step;
    }
    let last_only = from.in_flight == deepest.in_flight;
    if last_only {
        let before = steps.iter().rev().nth(1)?;
        deepest.arms().into_iter().find(|arm| before.levels_until(deepest, arm, set))?;
    }
    let limits = deepest.arms().into_iter().map(|arm| of_levelled(set.cell(arm, deepest.params)?));
    let limits: Vec<LimitedBy> = limits.collect::<Option<_>>()?;
    let by = *limits.first().filter(|first| limits.iter().all(|other| other == *first))?;
    let by_depth = from.params.contains_key("depth");
    let on_device = by == LimitedBy::Device && by_depth && !loads.in_memory;
    Some(Limit { by, from: from.params.clone(), last_only, shown_by: on_device.then_some(Shipped::Ramdisk) })
}
