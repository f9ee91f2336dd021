//! Why arms differ or perform about the same, the cost of each step of a ladder, and where arms diverge. All comes from
//! the figures of a [`ComparisonSet`], by rules that `docs/explanations.md` lists. A cause that the figures do not show
//! is not claimed.

mod alike;
mod change;
mod crossover;
mod diagnose;
mod figures;
mod ladder;
pub(super) mod limit;
mod rules;
#[cfg(test)]
mod tests;
mod thresholds;

use crate::{metric::throughput::IOPS, summary::ComparisonSet};

/// Adds explanations, ladders and crossovers to a set. `ladder` names arms in order; arms in `idle` do no I/O.
pub(super) fn explain(set: &mut ComparisonSet, ladder: &[String], idle: &[&str]) {
    let compared = set.with_baseline().filter(|found| IOPS.is_of(found));
    set.explanations = compared.filter_map(|found| diagnose::diagnose(set, found, idle)).collect();
    set.ladders = ladder::waterfalls(set, ladder);
    set.crossovers = crossover::crossovers(set, idle);
}
