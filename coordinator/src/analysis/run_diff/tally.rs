//! Verdicts counted by metric.

use crate::summary::{
    Verdict,
    run_diff::{CellDiff, CellName, MetricTally, VerdictTally},
};

/// One tally for each metric, in the order in which the metrics occur.
pub(super) fn tallies(comparisons: &[CellDiff]) -> Vec<MetricTally> {
    let mut metrics: Vec<&str> = Vec::new();
    for comparison in comparisons {
        if !metrics.contains(&comparison.metric.as_str()) {
            metrics.push(&comparison.metric);
        }
    }
    metrics.into_iter().map(|metric| tally(comparisons, metric)).collect()
}

fn tally(comparisons: &[CellDiff], metric: &str) -> MetricTally {
    let all: Vec<&CellDiff> = comparisons.iter().filter(|found| found.metric == metric).collect();
    let order = [Verdict::Slower, Verdict::Faster, Verdict::NoDifference, Verdict::Inconclusive];
    MetricTally {
        metric: metric.to_owned(),
        cells: all.len(),
        verdicts: order.into_iter().filter_map(|verdict| of_verdict(&all, verdict)).collect(),
        unmeasured: all.iter().filter(|found| found.ratio.is_none()).count(),
        unlike: all.iter().filter(|found| found.ratio.is_some() && !found.alike).count(),
        reason: all.iter().find_map(|found| found.reason.clone()),
    }
}

/// How often a verdict occurs among comparable cells; `None` if it does not.
fn of_verdict(all: &[&CellDiff], verdict: Verdict) -> Option<VerdictTally> {
    let rated = all.iter().filter(|found| found.verdict == verdict && found.alike);
    let found: Vec<(&CellDiff, f64)> = rated.filter_map(|found| Some((*found, found.ratio?))).collect();
    let (most, ratio) = found.iter().copied().max_by(|a, b| a.1.ln().abs().total_cmp(&b.1.ln().abs()))?;
    let name = CellName { arm: most.arm.clone(), params: most.params.clone() };
    let differs = matches!(verdict, Verdict::Slower | Verdict::Faster);
    Some(VerdictTally { verdict, cells: found.len(), most: differs.then_some((name, ratio)) })
}
