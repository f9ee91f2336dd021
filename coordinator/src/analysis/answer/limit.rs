//! The limit that all arms of equal concurrency reach.

use super::load::Loads;
use crate::{
    analysis::explain::limit::{has_levelled, of_levelled, overlaps},
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
    /// Whether no arm is faster or slower than another, and none is far from it.
    fn overlaps(&self) -> bool {
        self.found.iter().all(|found| match found.verdict {
            Verdict::NoDifference => true,
            Verdict::Inconclusive => found.ratio.is_some_and(overlaps),
            Verdict::Faster | Verdict::Slower => false,
        })
    }

    fn arms(&self) -> Vec<&str> {
        let mut arms: Vec<&str> =
            self.found.iter().flat_map(|found| [found.arm.as_str(), found.baseline.as_str()]).collect();
        arms.sort_unstable();
        arms.dedup();
        arms
    }

    /// Whether the IOPS of each arm have levelled between this point and a later one.
    fn levels_until(&self, later: &Self, set: &ComparisonSet) -> bool {
        let more = later.in_flight as f64 / self.in_flight as f64;
        let iops = |arm: &str, params: &Params| IOPS.of(set.cell(arm, params)?);
        later.arms().into_iter().all(|arm| {
            let pair = iops(arm, later.params).zip(iops(arm, self.params));
            pair.is_some_and(|(later, here)| has_levelled(more, later / here))
        })
    }
}

/// The limit of all arms of equal concurrency at the last points of the only axis: none is faster than another there,
/// and more requests in flight bring hardly more IOPS. `None` if the figures do not show it.
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
        if !step.overlaps() || !step.levels_until(from, set) {
            break;
        }
        from = step;
    }
    if from.in_flight == deepest.in_flight {
        return None;
    }
    let limits = deepest.arms().into_iter().map(|arm| of_levelled(set.cell(arm, deepest.params)?));
    let limits: Vec<LimitedBy> = limits.collect::<Option<_>>()?;
    let by = *limits.first().filter(|first| limits.iter().all(|other| other == *first))?;
    let by_depth = from.params.contains_key("depth");
    let on_device = by == LimitedBy::Device && by_depth && !loads.in_memory;
    Some(Limit { by, from: from.params.clone(), shown_by: on_device.then_some(Shipped::Ramdisk) })
}
