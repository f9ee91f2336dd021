//! Values, intervals, ratios and verdicts of a [`ComparisonSet`], for expectations. A comparison of the set is used as it
//! is. Others are computed from the trials of the two cells, paired by block, and judged alone.

use std::collections::BTreeMap;

use super::{
    expectations::Measured,
    unjudged::unjudged,
    unpaired::{self, Ratio, Sample},
};
use crate::{
    metric::Metric,
    params::Params,
    stats::{
        self,
        difference::{Length, difference, logs},
        verdict::{DEFAULT_MARGIN, Evidence},
    },
    summary::{CellSummary, Comparison, ComparisonSet, Verdict},
};

impl ComparisonSet {
    /// The comparison of two arms in the set, and whether its sides are exchanged.
    fn held(&self, arm: &str, other: &str, metric: &Metric, point: &Params) -> Option<(&Comparison, bool)> {
        let found = |arm: &str, other: &str| {
            self.compared_with(arm, other, metric, point).filter(|found| found.ratio.is_some())
        };
        let exchanged = || Some((found(other, arm)?, true));
        found(arm, other).map(|found| (found, false)).or_else(exchanged)
    }

    /// How the number of trials was decided.
    pub(super) fn length(&self) -> Length {
        self.least_trials.map_or(Length::Fixed, |min| Length::ByPrecision { min })
    }

    fn compare(&self, arm: &str, other: &str, metric: &Metric, point: &Params) -> Option<Ratio> {
        let (arm, other) = (self.cell(arm, point)?, self.cell(other, point)?);
        let (values, others) = (metric.samples(arm), metric.samples(other));
        let length = self.length();
        let sample = |values| Sample { values, length };
        let known = !values.is_empty() && !others.is_empty();
        known.then(|| {
            paired(arm, other, metric, length)
                .unwrap_or_else(|| unpaired::compare(sample(values), sample(others)))
        })
    }
}

/// A comparison by the rules of the set's own, but judged alone. `None` if no two trials share a block, or if a value is
/// not above zero.
fn paired(arm: &CellSummary, other: &CellSummary, metric: &Metric, length: Length) -> Option<Ratio> {
    let by_block = |cell: &CellSummary| -> BTreeMap<u32, f64> {
        let samples = metric.samples(cell);
        // If some trials lack the metric, the blocks of the others are unknown.
        let known = samples.len() == cell.blocks.len();
        cell.blocks.iter().copied().zip(samples.iter().copied()).filter(|_| known).collect()
    };
    let others = by_block(other);
    let both = by_block(arm).into_iter().filter_map(|(block, value)| Some((value, *others.get(&block)?)));
    let (values, others): (Vec<f64>, Vec<f64>) = both.unzip();
    let found = difference(&logs(&values)?, &logs(&others)?, None, length)?;
    let (ratio, ci95, p_value) = (Some(found.ratio()), found.ci95(), Some(found.p_value()?));
    Some(Ratio { ratio, ci95, p_value, evidence: Some(Evidence::from(&found)) })
}

impl Measured for ComparisonSet {
    fn value(&self, arm: &str, metric: &Metric, point: &Params) -> Option<f64> {
        metric.of(self.cell(arm, point)?)
    }

    fn interval(&self, arm: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]> {
        let cell = self.cell(arm, point)?;
        stats::positive_interval(metric.of(cell)?, metric.samples(cell))
    }

    fn ratio_interval(&self, arm: &str, other: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]> {
        match self.held(arm, other, metric, point) {
            Some((held, false)) => held.ci95,
            Some((held, true)) => held.ci95.map(|[low, high]| [1.0 / high, 1.0 / low]),
            None => self.compare(arm, other, metric, point)?.ci95,
        }
    }

    fn verdict(&self, arm: &str, other: Option<&str>, metric: &Metric, point: &Params) -> Option<Verdict> {
        let other = other.or(self.baseline.as_deref())?;
        if arm == other {
            return None;
        }
        match self.held(arm, other, metric, point) {
            Some((held, false)) => Some(held.verdict),
            // Exchanged sides reverse the verdict.
            Some((held, true)) => Some(held.verdict.reversed()),
            None => {
                let found = self.compare(arm, other, metric, point)?;
                let cells = [self.cell(arm, point)?, self.cell(other, point)?];
                if unjudged(metric, cells).is_some() {
                    return Some(Verdict::Inconclusive);
                }
                let margin = self.margin.unwrap_or(DEFAULT_MARGIN);
                Some(found.verdict(found.p_value, metric.better, margin))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            expectations::evaluate,
            fixture::{Fixture, params},
        },
        *,
    };
    use crate::{metric, metric::throughput::IOPS, scenario::expect::parse};

    #[test]
    fn claims_about_a_run_are_evaluated() {
        let mut run = Fixture::new(&["sync", "uring-tuned", "uring"], &[1, 32], 3, &["local"]);
        run.execute(usize::MAX);
        let set = run.analyse(Some("sync"));
        let points = [params(1), params(32)];
        let passed = |text: &str| evaluate(&parse(text).unwrap(), &set, &points).passed;
        assert_eq!(passed("low(uring-tuned.iops / sync.iops) >= 2 at depth >= 32"), Some(true));
        assert_eq!(passed("low(uring-tuned.iops / sync.iops) >= 2"), Some(false));
        assert_eq!(passed("high(sync.iops / uring-tuned.iops) <= 0.5 at depth >= 32"), Some(true));
        assert_eq!(passed("verdict(uring-tuned.iops) == faster at depth = 32"), Some(true));
        assert_eq!(passed("verdict(sync.iops / uring-tuned.iops) == slower at depth = 32"), Some(true));
        // Neither arm is the baseline.
        assert_eq!(passed("verdict(uring-tuned.iops / uring.iops) == faster at depth = 32"), Some(true));
        assert_eq!(passed("verdict(sync.iops) == faster"), None);
        assert_eq!(
            passed("uring-tuned.syscalls_per_io / sync.syscalls_per_io <= 0.1 at depth = 32"),
            Some(true)
        );
        for metric in ["iops", "bandwidth", "p50", "p99", "cpu_per_io", "syscalls_per_io", "latency_mean"] {
            assert_eq!(
                passed(&format!("low(uring.{metric}) <= high(uring.{metric})")),
                Some(true),
                "{metric}"
            );
            let ratio =
                format!("low(uring.{metric} / sync.{metric}) <= high(uring.{metric} / sync.{metric})");
            assert_eq!(passed(&ratio), Some(true), "{metric}");
        }
        let cell = set.cell("uring", &params(1)).unwrap();
        // The run has no syncs and no urgent operations.
        let elsewhere = ["sync", "urgent", "bulk"];
        for metric in metric::claimable() {
            let here = metric.is_sampled() && !elsewhere.iter().any(|word| metric.name.contains(word));
            assert_eq!(metric.samples(cell).len(), if here { 3 } else { 0 }, "{}", metric.name);
        }
        let kept = metric::all().filter(|metric| metric.is_kept()).map(|metric| metric.name);
        let stored: Vec<&str> = cell.trial_values.keys().map(String::as_str).collect();
        assert_eq!(stored, kept.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn claims_respect_the_margin_and_the_rule_for_the_number_of_trials() {
        let mut run = Fixture::new(&["sync", "uring"], &[1], 9, &["local"]);
        run.model = |_, _| (80_000.0, 12_000, 1.0);
        run.execute(usize::MAX);
        // Without a baseline, each claim is judged alone.
        let set = run.analyse(None);
        let verdict = |set: &ComparisonSet| set.verdict("uring", Some("sync"), &IOPS, &params(1)).unwrap();
        let [low, high] = set.ratio_interval("uring", "sync", &IOPS, &params(1)).unwrap();
        assert!(low < 0.999 && high > 1.001, "{low} {high}");
        assert_eq!(verdict(&set), Verdict::NoDifference);
        let narrow = ComparisonSet { margin: Some(0.001), ..set.clone() };
        assert_eq!(verdict(&narrow), Verdict::Inconclusive);
        let open = ComparisonSet { least_trials: Some(3), ..set };
        let wider = open.ratio_interval("uring", "sync", &IOPS, &params(1)).unwrap();
        assert!(wider[0] < low && wider[1] > high, "{wider:?}");
    }

    #[test]
    fn one_trial_has_no_interval_and_no_claim_on_it_passes() {
        let mut run = Fixture::new(&["sync", "uring"], &[1], 1, &["local"]);
        run.execute(usize::MAX);
        let set = run.analyse(Some("sync"));
        for text in ["low(uring.iops / sync.iops) > 0", "high(uring.p99) < 1s"] {
            let outcome = evaluate(&parse(text).unwrap(), &set, &[params(1)]);
            assert_eq!(outcome.passed, None, "{text}: {}", outcome.detail);
            assert!(outcome.detail.contains("at least two trials"), "{}", outcome.detail);
        }
    }
}
