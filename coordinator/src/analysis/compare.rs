//! Each arm against the baseline, at each point and in each metric: paired over blocks, corrected for there being
//! many, and judged.

use std::collections::BTreeMap;

use super::{
    cells::{BlockValues, Row},
    urgent,
};
use crate::{
    stats::{
        self,
        difference::{Difference, Length, difference, logs},
        holm::{Adjusted, holm},
        remerge::{self, Jackknife, Merged, Recorded},
        verdict::{Better, trials_more, verdict},
    },
    summary::{Comparison, Verdict},
};

/// What is compared with, and how it is judged.
pub(super) struct Against<'a> {
    pub(super) baseline: &'a str,
    pub(super) length: Length,
    pub(super) margin: f64,
}

/// Metrics in the order of the summary.
pub(super) const METRICS: [(&str, Better); 7] = [
    ("iops", Better::Higher),
    ("latency_mean", Better::Lower),
    ("latency_p50", Better::Lower),
    ("latency_p99", Better::Lower),
    ("latency_p99_9", Better::Lower),
    ("cpu_per_io", Better::Lower),
    ("syscalls_per_io", Better::Lower),
];

/// The same, of cells in which some operations are urgent.
const URGENT: [(&str, Better); 3] =
    [("urgent_p50", Better::Lower), ("urgent_p99", Better::Lower), ("bulk_iops", Better::Higher)];

/// A ratio, and what is known of it.
#[derive(Default)]
struct Found {
    ratio: Option<f64>,
    difference: Option<Difference>,
    pairs: usize,
}

/// Each other arm against the baseline, at the same point.
pub(super) fn compare(rows: &[&Row], against: &Against<'_>) -> Vec<Comparison> {
    let mut found: Vec<([&Row; 2], Vec<Found>)> = Vec::new();
    for row in rows.iter().filter(|row| row.summary.arm != against.baseline) {
        let same_point = |other: &&&Row| {
            other.summary.arm == against.baseline && other.summary.params == row.summary.params
        };
        if let Some(base) = rows.iter().find(same_point) {
            found.push(([row, base], measure(&pairs(&row.blocks, &base.blocks), against.length)));
        }
    }
    // A family: one metric over all arms and points.
    let families: Vec<Vec<Option<(f64, Adjusted)>>> = (0..METRICS.len() + URGENT.len())
        .map(|metric| family(found.iter().map(|(_, found)| found.get(metric))))
        .collect();
    let mut comparisons = Vec::with_capacity(found.len() * METRICS.len());
    for (index, (rows, found)) in found.iter().enumerate() {
        for (metric, found) in found.iter().enumerate() {
            comparisons.push(judged(*rows, metric, found, families[metric][index], against));
        }
    }
    comparisons
}

/// p-values of a family, before and after correction.
fn family<'a>(found: impl Iterator<Item = Option<&'a Found>>) -> Vec<Option<(f64, Adjusted)>> {
    let p_values: Vec<Option<f64>> = found.map(|found| found?.difference?.p_value()).collect();
    let known: Vec<f64> = p_values.iter().flatten().copied().collect();
    let mut adjusted = holm(&known).into_iter();
    p_values.into_iter().map(|p| Some((p?, adjusted.next()?))).collect()
}

fn judged(
    [row, base]: [&Row; 2],
    metric: usize,
    found: &Found,
    p: Option<(f64, Adjusted)>,
    against: &Against<'_>,
) -> Comparison {
    let (name, better) =
        if metric < METRICS.len() { METRICS[metric] } else { URGENT[metric - METRICS.len()] };
    let params = &row.summary.params;
    let reason = urgent::untold(name, [&row.summary, &base.summary]);
    let judged = found.difference.zip(p).filter(|_| reason.is_none());
    let verdict = judged.map_or(Verdict::Inconclusive, |(difference, (_, adjusted))| {
        verdict(&difference, adjusted.p, better, against.margin)
    });
    let open = judged.filter(|_| verdict == Verdict::Inconclusive);
    Comparison {
        baseline: against.baseline.into(),
        arm: row.summary.arm.clone(),
        params: params.clone(),
        metric: name.into(),
        ratio: found.ratio,
        ci95: found.difference.and_then(|difference| difference.ci95()),
        p_value: p.map(|(p, _)| p),
        p_adjusted: p.map(|(_, adjusted)| adjusted.p),
        pairs: u32::try_from(found.pairs).unwrap_or(u32::MAX),
        verdict,
        trials_more: open.and_then(|(difference, (_, adjusted))| {
            trials_more(&difference, adjusted.factor, against.margin)
        }),
        reason,
    }
}

/// The blocks in which both have a trial that counts; of one that was repeated, the last.
fn pairs<'a>(arm: &'a [BlockValues], baseline: &'a [BlockValues]) -> Vec<(&'a BlockValues, &'a BlockValues)> {
    let by_block = |values: &'a [BlockValues]| -> BTreeMap<u32, &'a BlockValues> {
        values.iter().map(|values| (values.block, values)).collect()
    };
    let baseline = by_block(baseline);
    by_block(arm).into_iter().filter_map(|(block, arm)| Some((arm, *baseline.get(&block)?))).collect()
}

/// All metrics, in their order.
fn measure(pairs: &[(&BlockValues, &BlockValues)], length: Length) -> Vec<Found> {
    let scalar = |value: fn(&BlockValues) -> Option<f64>| {
        let both = pairs.iter().filter_map(|(arm, baseline)| Some((value(arm)?, value(baseline)?)));
        let (arm, baseline): (Vec<f64>, Vec<f64>) = both.unzip();
        of_values(&arm, &baseline, length)
    };
    let latencies = |side: fn(&(&'_ BlockValues, &'_ BlockValues)) -> Recorded| -> Vec<Recorded> {
        pairs.iter().map(side).collect()
    };
    let (arm, baseline) =
        (latencies(|(arm, _)| arm.latency.clone()), latencies(|(_, baseline)| baseline.latency.clone()));
    let means = |side: &[Recorded]| remerge::mean(&side.iter().map(Recorded::sum).collect::<Vec<_>>());
    let merged = |side: &[Recorded]| Merged::of(&side.iter().collect::<Vec<_>>());
    let (merged_arm, merged_baseline) = (merged(&arm), merged(&baseline));
    let quantile =
        |quantile: f64| of_merged(merged_arm.quantile(quantile), merged_baseline.quantile(quantile), length);
    let mut found = vec![
        scalar(|block| Some(block.iops)),
        of_merged(means(&arm), means(&baseline), length),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        scalar(|block| block.cpu_ns_per_io),
        scalar(|block| block.syscalls_per_io),
    ];
    let both = pairs.iter().filter_map(|(arm, baseline)| arm.urgent.as_ref().zip(baseline.urgent.as_ref()));
    let (arm, baseline): (Vec<&Recorded>, Vec<&Recorded>) = both.unzip();
    if !arm.is_empty() {
        let (arm, baseline) = (Merged::of(&arm), Merged::of(&baseline));
        for of in [0.5, 0.99] {
            found.push(of_merged(arm.quantile(of), baseline.quantile(of), length));
        }
        found.push(scalar(|block| block.bulk_iops));
    }
    found
}

/// One value a block.
fn of_values(arm: &[f64], baseline: &[f64], length: Length) -> Found {
    let pairs = arm.len();
    if let (Some(arm), Some(baseline)) = (logs(arm), logs(baseline)) {
        let mean = stats::mean(&arm).zip(stats::mean(&baseline));
        let difference = difference(&arm, &baseline, None, length);
        let ratio =
            difference.map(|found| found.ratio()).or(mean.map(|(arm, baseline)| (arm - baseline).exp()));
        return Found { ratio, difference, pairs };
    }
    // A polling thread may leave no system call at all.
    let none =
        pairs > 1 && arm.iter().all(|value| *value == 0.0) && baseline.iter().all(|value| *value > 0.0);
    let means = stats::mean(arm).zip(stats::mean(baseline)).filter(|(_, baseline)| *baseline > 0.0);
    Found {
        ratio: means.map(|(arm, baseline)| arm / baseline),
        difference: none.then(|| Difference::nothing(pairs, length)),
        pairs,
    }
}

/// Something of all trials together.
fn of_merged(arm: Option<Jackknife>, baseline: Option<Jackknife>, length: Length) -> Found {
    let Some((arm, baseline)) = arm.zip(baseline) else { return Found::default() };
    let centre = arm.value - baseline.value;
    Found {
        ratio: Some(centre.exp()),
        difference: difference(&arm.pseudo, &baseline.pseudo, Some(centre), length),
        pairs: arm.pseudo.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{Fixture, params};

    fn comparison(set: &crate::summary::ComparisonSet, metric: &str) -> Comparison {
        set.comparison("uring-tuned", metric, &params(32)).unwrap().clone()
    }

    #[test]
    fn only_blocks_with_both_trials_count() {
        let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1, 32], 5, &["local"]);
        fixture.change = |record| {
            // One of each arm, in different blocks.
            if (record.cell, record.block) == (2, 2) || (record.cell, record.block) == (3, 4) {
                record.marks.push("noise".into());
            }
        };
        fixture.execute(usize::MAX);
        let set = fixture.analyse(Some("sync"));
        for (metric, _) in METRICS {
            let found = comparison(&set, metric);
            assert_eq!(found.pairs, 3, "{metric}");
            let [low, high] = found.ci95.unwrap();
            assert!(low <= found.ratio.unwrap() && found.ratio.unwrap() <= high, "{found:?}");
            assert!(found.p_adjusted >= found.p_value && found.p_value.is_some(), "{found:?}");
        }
        assert_eq!(set.comparison("uring-tuned", "iops", &params(1)).unwrap().pairs, 5);
    }

    #[test]
    fn latencies_are_those_of_the_merged_histograms() {
        let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[32], 3, &["local"]);
        fixture.execute(usize::MAX);
        let set = fixture.analyse(Some("sync"));
        for (metric, name) in [
            ("latency_mean", "latency_mean"),
            ("latency_p50", "p50"),
            ("latency_p99", "p99"),
            ("latency_p99_9", "p99_9"),
        ] {
            let of = |arm: &str| set.metric(arm, name, &params(32)).unwrap();
            let found = comparison(&set, metric).ratio.unwrap() / (of("uring-tuned") / of("sync"));
            assert!((found - 1.0).abs() < 0.002, "{metric}: {found}");
        }
    }

    #[test]
    fn what_is_zero_has_no_logarithm_but_may_have_a_verdict() {
        let none = of_values(&[0.0, 0.0, 0.0], &[1.0, 1.1, 0.9], Length::Fixed);
        assert_eq!((none.ratio, none.difference.unwrap().ci95()), (Some(0.0), Some([0.0, 0.0])));
        let some = of_values(&[0.0, 0.1, 0.0], &[1.0, 1.0, 1.0], Length::Fixed);
        assert!((some.ratio.unwrap() - 0.1 / 3.0).abs() < 1e-12 && some.difference.is_none());
        let undefined = of_values(&[1.0, 2.0], &[0.0, 0.0], Length::Fixed);
        assert!(undefined.ratio.is_none() && undefined.difference.is_none());
        let one = of_values(&[2.0], &[1.0], Length::Fixed);
        assert!((one.ratio.unwrap() - 2.0).abs() < 1e-12 && one.difference.is_none());
        assert_eq!(of_values(&[], &[], Length::Fixed).ratio, None);
    }
}
