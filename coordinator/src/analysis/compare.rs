//! Compares each arm with the baseline, and with further arms that the scenario names, at each point in each metric of
//! [`COMPARED`]: paired over blocks, with the noise of all, corrected for multiple comparisons and looks, and judged.

use std::collections::BTreeMap;

use super::{
    cells::{BlockValues, Row},
    unjudged::unjudged,
};
use crate::{
    metric::{COMPARED, Compared, Operations, Statistic},
    scenario::Versus,
    stats::{
        self,
        difference::{Difference, Length, difference, logs},
        foresight::trials_more,
        holm::holm,
        pooled::{Member, Pooled, pool},
        remerge::{self, Jackknife, Merged, Recorded},
        spending,
        verdict::verdict,
    },
    summary::{Comparison, Verdict},
};

/// The pairs of arms that are compared, and the rules for their verdicts.
pub(super) struct Against<'a> {
    pub(super) baseline: &'a str,
    pub(super) further: &'a [Versus],
    pub(super) length: Length,
    pub(super) margin: f64,
    /// How often the run was looked at, this time included: once more than it was continued.
    pub(super) looks: u32,
}

/// A comparison with the noise of its family.
struct Judged {
    pooled: Pooled,
    p: f64,
    /// p after Holm's correction and that for looks.
    adjusted: f64,
    /// The factor of Holm's correction.
    factor: f64,
}

/// The ratio of a metric, and its uncertainty.
#[derive(Default)]
struct Found {
    ratio: Option<f64>,
    difference: Option<Difference>,
    pairs: usize,
}

impl<'a> Against<'a> {
    /// The rows of the arms that are compared at the same point, those with the baseline first.
    fn pairs(&self, rows: &[&'a Row]) -> Vec<[&'a Row; 2]> {
        let others = rows.iter().filter(|row| row.summary.arm != self.baseline);
        let with_baseline = others.map(|row| (*row, self.baseline));
        let further = self.further.iter().flat_map(|versus| {
            let of_arm = rows.iter().filter(|row| row.summary.arm == versus.arm);
            of_arm.map(|row| (*row, versus.against.as_str()))
        });
        let pair = |(row, base): (&'a Row, &str)| {
            let same_point =
                |other: &&&Row| other.summary.arm == base && other.summary.params == row.summary.params;
            Some([row, *rows.iter().find(same_point)?])
        };
        with_baseline.chain(further).filter_map(pair).collect()
    }
}

/// Compares arms at the same point.
pub(super) fn compare<'a>(rows: &[&'a Row], against: &Against<'a>) -> Vec<Comparison> {
    let measured = |[row, base]: [&Row; 2]| measure(&pairs(&row.blocks, &base.blocks), against.length);
    let found: Vec<_> = against.pairs(rows).into_iter().map(|pair| (pair, measured(pair))).collect();
    // A family: one metric over all pairs of arms and all points.
    let mut families: Vec<_> = (0..COMPARED.len())
        .map(|metric| {
            let of_metric: Vec<_> = found
                .iter()
                .map(|(pair, found)| (*pair, found[metric].as_ref().and_then(|found| found.difference)))
                .collect();
            family(&of_metric, against.looks)
        })
        .collect();
    let mut comparisons = Vec::with_capacity(found.len() * COMPARED.len());
    for (index, (rows, found)) in found.iter().enumerate() {
        for ((compared, found), family) in COMPARED.iter().zip(found).zip(&mut families) {
            let Some(found) = found else { continue };
            comparisons.push(comparison(*rows, compared, found, family[index].take(), against));
        }
    }
    comparisons
}

/// Judges a family together, with the rows of each comparison and its baseline. `None` for comparisons without trials
/// enough.
fn family(found: &[([&Row; 2], Option<Difference>)], looks: u32) -> Vec<Option<Judged>> {
    let sharing = |base: &Row| {
        found.iter().filter(|([_, other], known)| known.is_some() && std::ptr::eq(*other, base)).count()
    };
    let names = |rows: &[&Row; 2]| rows.map(|row| row.summary.arm.clone());
    let mut arms: Vec<_> = found.iter().map(|(rows, _)| names(rows)).collect();
    arms.sort();
    arms.dedup();
    let member = |(rows, difference): &([&Row; 2], Option<Difference>)| {
        let arm = arms.binary_search(&names(rows)).ok()?;
        Some(Member { difference: (*difference)?, sharing: sharing(rows[1]), arm })
    };
    let members: Vec<Member> = found.iter().filter_map(member).collect();
    let pooled: Vec<Option<(Pooled, f64)>> =
        pool(&members).into_iter().map(|pooled| pooled.p_value().map(|p| (pooled, p))).collect();
    let known: Vec<f64> = pooled.iter().flatten().map(|(_, p)| *p).collect();
    let (mut pooled, mut corrected) = (pooled.into_iter(), holm(&known).into_iter());
    let mut judged = || {
        let (pooled, p) = pooled.next()??;
        let corrected = corrected.next()?;
        let adjusted = spending::adjust(corrected.p, looks);
        Some(Judged { pooled, p, adjusted, factor: corrected.factor })
    };
    found.iter().map(|(_, difference)| difference.and_then(|_| judged())).collect()
}

fn comparison(
    [row, base]: [&Row; 2],
    compared: &Compared,
    found: &Found,
    judged: Option<Judged>,
    against: &Against<'_>,
) -> Comparison {
    let params = &row.summary.params;
    let reason = unjudged(compared.metric, [&row.summary, &base.summary]);
    let trusted = judged.as_ref().filter(|_| reason.is_none());
    let verdict = trusted.map_or(Verdict::Inconclusive, |of| {
        verdict(&of.pooled, of.adjusted, compared.metric.better, against.margin)
    });
    let open = trusted.filter(|_| verdict == Verdict::Inconclusive);
    let more = open.and_then(|of| {
        // The next look is one more.
        trials_more(&of.pooled, of.factor * spending::penalty(against.looks + 1), against.margin)
    });
    Comparison {
        baseline: base.summary.arm.clone(),
        arm: row.summary.arm.clone(),
        params: params.clone(),
        metric: compared.name.into(),
        ratio: found.ratio,
        ci95: judged.as_ref().and_then(|of| of.pooled.ci95()),
        p_value: judged.as_ref().map(|of| of.p),
        p_adjusted: judged.as_ref().map(|of| of.adjusted),
        pairs: u32::try_from(found.pairs).unwrap_or(u32::MAX),
        verdict,
        spread: judged.as_ref().map(|of| of.pooled.spread()).filter(|spread| *spread > 0.0),
        trials_more: more.and_then(|more| more.likely),
        trials_more_range: more.map(|more| more.range),
        reason,
    }
}

/// The blocks in which both sides have a trial that counts; of a repeated trial, the last.
fn pairs<'a>(arm: &'a [BlockValues], baseline: &'a [BlockValues]) -> Vec<(&'a BlockValues, &'a BlockValues)> {
    let by_block = |values: &'a [BlockValues]| -> BTreeMap<u32, &'a BlockValues> {
        values.iter().map(|values| (values.block, values)).collect()
    };
    let baseline = by_block(baseline);
    by_block(arm).into_iter().filter_map(|(block, arm)| Some((arm, *baseline.get(&block)?))).collect()
}

/// The ratio in each metric of [`COMPARED`]; `None` for metrics of lanes if no operation was urgent.
fn measure(pairs: &[(&BlockValues, &BlockValues)], length: Length) -> Vec<Option<Found>> {
    let urgent = |block: &BlockValues| block.latencies.contains_key(&Operations::Urgent);
    let by_lane = pairs.iter().any(|(arm, baseline)| urgent(arm) && urgent(baseline));
    let mut merged: BTreeMap<Operations, [Latencies; 2]> = BTreeMap::new();
    let mut found = Vec::with_capacity(COMPARED.len());
    for (index, compared) in COMPARED.iter().enumerate() {
        found.push(if compared.by_lane && !by_lane {
            None
        } else if let Some((operations, statistic)) = compared.metric.statistic() {
            let sides = merged.entry(operations).or_insert_with(|| Latencies::of(pairs, operations));
            Some(of_merged(sides[0].statistic(statistic), sides[1].statistic(statistic), length))
        } else {
            let both = pairs.iter().filter_map(|(arm, base)| arm.values[index].zip(base.values[index]));
            let (arm, baseline): (Vec<f64>, Vec<f64>) = both.unzip();
            Some(of_values(&arm, &baseline, length))
        });
    }
    found
}

/// The latencies of one side, over the blocks in which both sides have latencies.
struct Latencies {
    sums: Vec<(f64, u64)>,
    merged: Merged,
}

impl Latencies {
    /// The latencies of the arm and of the baseline.
    fn of(pairs: &[(&BlockValues, &BlockValues)], operations: Operations) -> [Self; 2] {
        let both = pairs.iter().filter_map(|(arm, baseline)| {
            Some((arm.latencies.get(&operations)?, baseline.latencies.get(&operations)?))
        });
        let (arm, baseline): (Vec<&Recorded>, Vec<&Recorded>) = both.unzip();
        [arm, baseline].map(|side| Self {
            sums: side.iter().map(|recorded| recorded.sum()).collect(),
            merged: Merged::of(&side),
        })
    }

    fn statistic(&self, statistic: Statistic) -> Option<Jackknife> {
        match statistic.quantile() {
            Some(quantile) => self.merged.quantile(quantile),
            None => remerge::mean(&self.sums),
        }
    }
}

/// A comparison of metrics with one value per block.
fn of_values(arm: &[f64], baseline: &[f64], length: Length) -> Found {
    let pairs = arm.len();
    if let (Some(arm), Some(baseline)) = (logs(arm), logs(baseline)) {
        let mean = stats::mean(&arm).zip(stats::mean(&baseline));
        let difference = difference(&arm, &baseline, None, length);
        let ratio =
            difference.map(|found| found.ratio()).or(mean.map(|(arm, baseline)| (arm - baseline).exp()));
        return Found { ratio, difference, pairs };
    }
    // With a polling thread, an arm may make no system call.
    let none =
        pairs > 1 && arm.iter().all(|value| *value == 0.0) && baseline.iter().all(|value| *value > 0.0);
    let means = stats::mean(arm).zip(stats::mean(baseline)).filter(|(_, baseline)| *baseline > 0.0);
    Found {
        ratio: means.map(|(arm, baseline)| arm / baseline),
        difference: none.then(|| Difference::nothing(pairs, length)),
        pairs,
    }
}

/// A comparison of statistics over all trials together.
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
    use crate::{
        analysis::fixture::{Fixture, params},
        metric::latency::{LATENCY_MEAN, P50, P99, P99_9},
    };

    fn comparison(set: &crate::summary::ComparisonSet, metric: &str) -> Comparison {
        set.comparison("uring-tuned", metric, &params(32)).unwrap().clone()
    }

    #[test]
    fn only_blocks_with_both_trials_count() {
        let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1, 32], 5, &["local"]);
        fixture.change = |record| {
            // One trial of each arm, in different blocks.
            if (record.cell, record.block) == (2, 2) || (record.cell, record.block) == (3, 4) {
                record.marks.push("noise".into());
            }
        };
        fixture.execute(usize::MAX);
        let set = fixture.analyse(Some("sync"));
        for compared in COMPARED.iter().filter(|compared| !compared.by_lane) {
            let found = comparison(&set, compared.name);
            assert_eq!(found.pairs, 3, "{}", compared.name);
            let [low, high] = found.ci95.unwrap();
            assert!(low <= found.ratio.unwrap() && found.ratio.unwrap() <= high, "{found:?}");
            assert!(found.p_adjusted >= found.p_value && found.p_value.is_some(), "{found:?}");
        }
        assert_eq!(set.comparison("uring-tuned", "iops", &params(1)).unwrap().pairs, 5);
    }

    #[test]
    fn further_pairs_share_the_correction_and_leave_the_baseline_alone() {
        let mut fixture = Fixture::new(&["sync", "uring", "uring-tuned"], &[1, 32], 3, &["local"]);
        fixture.execute(usize::MAX);
        let alone = fixture.analyse(Some("sync"));
        fixture.further = vec![Versus { arm: "uring-tuned".into(), against: "uring".into() }];
        let set = fixture.analyse(Some("sync"));
        assert_eq!(set.with_baseline().count(), alone.comparisons.len());
        let iops: Vec<&Comparison> = set.comparisons.iter().filter(|found| found.metric == "iops").collect();
        let pairs: Vec<_> = iops.iter().map(|found| (&*found.arm, &*found.baseline)).collect();
        let (plain, tuned) = (("uring", "sync"), ("uring-tuned", "sync"));
        let further = ("uring-tuned", "uring");
        assert_eq!(pairs, [plain, tuned, plain, tuned, further, further]);
        assert_eq!(comparison(&set, "iops").baseline, "sync");
        let fair = set.comparison_with("uring-tuned", "uring", "iops", &params(32)).unwrap();
        assert_eq!(fair.verdict, Verdict::Faster);
        // The smallest p-value is multiplied by the number of comparisons.
        let factors = iops.iter().map(|found| found.p_adjusted.unwrap() / found.p_value.unwrap());
        assert!((factors.fold(0.0, f64::max) - 6.0).abs() < 1e-9);
    }

    #[test]
    fn compares_latencies_of_the_merged_histograms() {
        let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[32], 3, &["local"]);
        fixture.execute(usize::MAX);
        let set = fixture.analyse(Some("sync"));
        for metric in [&LATENCY_MEAN, &P50, &P99, &P99_9] {
            let of = |arm: &str| metric.of(set.cell(arm, &params(32)).unwrap()).unwrap();
            let compared = set.compared("uring-tuned", metric, &params(32)).unwrap();
            let found = compared.ratio.unwrap() / (of("uring-tuned") / of("sync"));
            assert!((found - 1.0).abs() < 0.002, "{}: {found}", metric.name);
        }
    }

    #[test]
    fn compares_values_that_may_be_zero() {
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
