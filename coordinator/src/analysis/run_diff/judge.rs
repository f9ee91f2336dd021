//! The comparison of one metric in two cells, and the verdicts on all comparisons of a metric.

use super::cells::CellPair;
use crate::{
    analysis::{
        unjudged::unjudged,
        unpaired::{self, Ratio, Sample},
    },
    metric::{Better, Metric, throughput::IOPS},
    stats::holm::holm,
    summary::{CellSummary, ComparisonSet, Verdict, run_diff::CellDiff},
};

/// Compares a pair of cells in a metric, without a verdict yet. `None` if both cells were measured and neither has the
/// metric, such as latencies of syncs without syncs. A pair of which neither cell was measured stays, unjudged.
pub(super) fn compare(
    metric: &Metric,
    [old_set, new_set]: [&ComparisonSet; 2],
    pair: CellPair<'_>,
    alike: bool,
) -> Option<(CellDiff, Ratio)> {
    let baseline = old_set.cell(&pair.baseline.arm, &pair.baseline.params);
    let run = new_set.cell(&pair.run.arm, &pair.run.params);
    let value = |cell: Option<&CellSummary>, metric: &Metric| metric.of(cell?);
    let (was, is) = (value(baseline, metric), value(run, metric));
    let measured = value(baseline, &IOPS).or(value(run, &IOPS)).is_some();
    if was.is_none() && is.is_none() && measured {
        return None;
    }
    let samples =
        |cell: Option<&CellSummary>| cell.map_or_else(Vec::new, |cell| metric.samples(cell).to_vec());
    let (arm, base) = (samples(run), samples(baseline));
    let found = unpaired::compare(
        Sample { values: &arm, length: new_set.length() },
        Sample { values: &base, length: old_set.length() },
    );
    let comparison = CellDiff {
        arm: pair.run.arm.clone(),
        baseline_arm: pair.baseline.arm.clone(),
        params: pair.run.params.clone(),
        metric: metric.name.to_owned(),
        baseline: was,
        run: is,
        ratio: found.ratio,
        ci95: found.ci95,
        p_value: found.p_value,
        p_adjusted: None,
        verdict: Verdict::Inconclusive,
        reason: run.zip(baseline).and_then(|(run, baseline)| unjudged(metric, [run, baseline])),
        alike,
    };
    Some((comparison, found))
}

/// Judges a family of comparisons with Holm's correction, as those within a run are judged.
pub(super) fn judge<'a>(
    family: impl Iterator<Item = &'a mut (CellDiff, Ratio)>,
    better: Better,
    margin: f64,
) {
    let family: Vec<_> = family.filter(|(found, _)| found.p_value.is_some()).collect();
    let p_values: Vec<f64> = family.iter().filter_map(|(found, _)| found.p_value).collect();
    for ((found, ratio), adjusted) in family.into_iter().zip(holm(&p_values)) {
        found.p_adjusted = Some(adjusted.p);
        if found.reason.is_none() {
            found.verdict = ratio.verdict(found.p_adjusted, better, margin);
        }
    }
}
