//! What concurrency gains, and how arms of equal concurrency compare.

use indexmap::IndexSet;

use super::{
    load::{Load, Loads},
    trials::trials_needed,
};
use crate::{
    analysis::explain::limit::overlaps,
    metric::{Metric, cost::CPU_PER_IO, cost::SYSCALLS_PER_IO, latency::P99, throughput::IOPS},
    params::Params,
    summary::{
        Comparison, ComparisonSet, Verdict,
        answer::{Concurrency, Extent, Facet, Group, Points, RatioAt, Standing},
        evidence::Pair,
    },
};

/// The metrics on which arms of equal concurrency are compared.
static FACETS: [(Facet, &Metric); 4] = [
    (Facet::Iops, &IOPS),
    (Facet::CpuPerIo, &CPU_PER_IO),
    (Facet::LatencyP99, &P99),
    (Facet::SyscallsPerIo, &SYSCALLS_PER_IO),
];

/// The comparisons by concurrency; `None` if no further pair of the scenario has equally many requests in flight.
pub(super) fn concurrency(set: &ComparisonSet, baseline: &str, loads: &Loads<'_>) -> Option<Concurrency> {
    let of_iops = |found: &&Comparison| IOPS.is_of(found) && found.ratio.is_some();
    let fewer = |params: &Params, than: u64| {
        loads.get(baseline, params).is_none_or(|load: Load| load.in_flight < than)
    };
    let fair = |found: &&Comparison| loads.equal(found).is_some_and(|load| fewer(&found.params, load));
    let pairs: Vec<&Comparison> = set.further().filter(of_iops).filter(fair).collect();
    let others: IndexSet<&str> = pairs.iter().map(|found| found.baseline.as_str()).collect();
    let equal = others.into_iter().filter_map(|other| {
        group(set, loads, &FACETS, pairs.iter().filter(|found| found.baseline == other).copied().collect())
    });
    let equal: Vec<Group> = equal.collect();
    if equal.is_empty() {
        return None;
    }
    let gains = |found: &&Comparison| {
        let more = |[arm, base]: [Load; 2]| arm.threads == base.threads && arm.in_flight > base.in_flight;
        loads.both(found).is_some_and(more)
    };
    let gain: Vec<&Comparison> = set.with_baseline().filter(of_iops).filter(gains).collect();
    let start = set
        .with_baseline()
        .filter(of_iops)
        .filter(|found| loads.equal(found).is_some() && gain.iter().any(|other| other.arm == found.arm));
    let start = start.collect();
    // More requests in flight gain IOPS; without more, system calls are the same.
    let gain = group(set, loads, &FACETS[..1], gain);
    Some(Concurrency { gain, equal, start: group(set, loads, &FACETS[..3], start) })
}

/// The group of these comparisons of IOPS with one other arm; `None` if there are none.
fn group(
    set: &ComparisonSet,
    loads: &Loads<'_>,
    facets: &[(Facet, &Metric)],
    pairs: Vec<&Comparison>,
) -> Option<Group> {
    let first = *pairs.first()?;
    let distinct = |of: &mut dyn Iterator<Item = Params>| {
        of.fold(Vec::new(), |mut known: Vec<Params>, point| {
            if !known.contains(&point) {
                known.push(point);
            }
            known
        })
    };
    let all = distinct(&mut set.cells.iter().map(|cell| cell.params.clone()));
    let at = distinct(&mut pairs.iter().map(|found| found.params.clone()));
    let arms: IndexSet<String> = pairs.iter().map(|found| found.arm.clone()).collect();
    let arms = Vec::from_iter(arms);
    let same = |side: usize| {
        let mut threads = pairs.iter().filter_map(|found| Some(loads.both(found)?[side].threads));
        let first = threads.next()?;
        threads.all(|other| other == first).then_some(first)
    };
    let standings = facets.iter().filter_map(|(facet, metric)| {
        let compared = pairs
            .iter()
            .filter_map(|found| set.compared_with(&found.arm, &found.baseline, metric, &found.params));
        standing(set, (*facet, metric), &compared.collect::<Vec<_>>(), (&arms, &all))
    });
    Some(Group {
        against: first.baseline.clone(),
        threads: same(0),
        threads_against: same(1),
        standings: standings.collect(),
        points: Points::among(at, &all),
        arms,
    })
}

/// The verdicts of these comparisons; `None` without a ratio.
fn standing(
    set: &ComparisonSet,
    (facet, metric): (Facet, &Metric),
    found: &[&Comparison],
    (arms, all): (&[String], &[Params]),
) -> Option<Standing> {
    let rated: Vec<(&Comparison, f64)> =
        found.iter().filter_map(|found| Some((*found, found.ratio?))).collect();
    let with = |verdict: Verdict| -> Vec<(&Comparison, f64)> {
        rated.iter().filter(|(found, _)| found.verdict == verdict).copied().collect()
    };
    let open: Vec<&Comparison> = with(Verdict::Inconclusive).into_iter().map(|(found, _)| found).collect();
    let extent = |verdict| extent(set, metric, &with(verdict), (arms, all));
    Some(Standing {
        facet,
        comparisons: rated.len(),
        better: extent(Verdict::Faster),
        worse: extent(Verdict::Slower),
        all_equal: with(Verdict::NoDifference).len() == rated.len(),
        all_close: rated.iter().all(|(_, ratio)| overlaps(*ratio)),
        range: range(&rated)?,
        trials_needed: trials_needed(&open),
    })
}

/// The smallest and the largest ratio; `None` without any.
fn range(rated: &[(&Comparison, f64)]) -> Option<[f64; 2]> {
    let ratios = rated.iter().map(|(_, ratio)| *ratio);
    let low = ratios.clone().reduce(f64::min)?;
    Some([low, ratios.reduce(f64::max)?])
}

/// The extent of comparisons with one verdict.
fn extent(
    set: &ComparisonSet,
    metric: &Metric,
    rated: &[(&Comparison, f64)],
    (arms, all): (&[String], &[Params]),
) -> Option<Extent> {
    let distance = |ratio: f64| ratio.ln().abs();
    let most = rated.iter().max_by(|(_, a), (_, b)| distance(*a).total_cmp(&distance(*b)))?;
    let has = |point: &Params, arm: &String| {
        rated.iter().any(|(found, _)| found.params == *point && found.arm == *arm)
    };
    let at: Vec<Params> =
        all.iter().filter(|point| arms.iter().any(|arm| has(point, arm))).cloned().collect();
    let complete = at.iter().all(|point| arms.iter().all(|arm| has(point, arm)));
    let value = |arm: &str| metric.of(set.cell(arm, &most.0.params)?);
    Some(Extent {
        comparisons: rated.len(),
        points: complete.then(|| Points::among(at, all)),
        range: range(rated)?,
        most: RatioAt { ratio: most.1, params: most.0.params.clone() },
        arm: most.0.arm.clone(),
        figures: Pair::of(value(&most.0.arm), value(&most.0.baseline)),
    })
}
