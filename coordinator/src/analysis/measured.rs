//! What expectations ask of a [`ComparisonSet`]: values, intervals, ratios and verdicts, by the names that
//! expectations use. A comparison that the set holds is taken as it is; what it does not hold is computed from the
//! trials of the two cells, block by block, and by itself.

use std::collections::BTreeMap;

use super::{
    unpaired::{self, Ratio, Sample},
    urgent,
};
use crate::{
    params::Params,
    scenario::expect::Measured,
    stats::{
        self,
        difference::{Length, difference, logs},
        verdict::{Better, DEFAULT_MARGIN, Evidence},
    },
    summary::{CellSummary, Comparison, ComparisonSet, Verdict},
};

/// Metrics of which more is better; of all others less is.
const MORE_IS_BETTER: [&str; 6] =
    ["iops", "bandwidth", "syncs_per_s", "sqes_per_enter", "urgent_iops", "bulk_iops"];

/// Metrics that have a value for each trial, and so can be compared.
pub const SAMPLED: [&str; 18] = [
    "iops",
    "bandwidth",
    "latency_mean",
    "p50",
    "p99",
    "sync_p50",
    "sync_p99",
    "syncs_per_s",
    "urgent_iops",
    "urgent_p50",
    "urgent_p99",
    "bulk_iops",
    "bulk_p50",
    "bulk_p99",
    "syscalls_per_io",
    "cpu_per_io",
    "context_switches_per_io",
    "interrupts_per_io",
];

/// Which way a metric is better, by the name that expectations use.
#[must_use]
pub fn better(metric: &str) -> Better {
    if MORE_IS_BETTER.contains(&metric) { Better::Higher } else { Better::Lower }
}

/// The metric's name in [`Comparison::metric`], where percentiles have a longer one.
fn in_comparisons(metric: &str) -> String {
    if metric == "max" || metric.starts_with('p') && metric[1..].starts_with(|c: char| c.is_ascii_digit()) {
        format!("latency_{metric}")
    } else {
        metric.to_owned()
    }
}

impl CellSummary {
    /// One value a trial that counts, in the order in which they ran, by the name that expectations use; empty of a
    /// metric that is known of all trials together only.
    #[must_use]
    pub fn samples(&self, metric: &str) -> &[f64] {
        let latency = self.latency_ns.as_ref();
        let sync = self.sync_latency_ns.as_ref();
        let found = match metric {
            "iops" => self.iops.as_ref().map(|estimate| &estimate.samples),
            "bandwidth" => self.bandwidth_bytes_per_s.as_ref().map(|estimate| &estimate.samples),
            "syncs_per_s" => self.syncs_per_s.as_ref().map(|estimate| &estimate.samples),
            "p50" => latency.map(|latency| &latency.samples.p50),
            "p99" => latency.map(|latency| &latency.samples.p99),
            "sync_p50" => sync.map(|sync| &sync.samples.p50),
            "sync_p99" => sync.map(|sync| &sync.samples.p99),
            other => match self.lane(other) {
                Some((lane, name)) => lane.samples(name),
                None => self.trial_values.get(other),
            },
        };
        found.map_or(&[], Vec::as_slice)
    }
}

impl Comparison {
    /// How far the ratios of single blocks are apart: the standard deviation of their logarithms, as the interval tells
    /// it. `None` where there is no interval, and without any spread.
    pub(super) fn spread(&self, length: Length) -> Option<f64> {
        let [low, high] = self.ci95.filter(|[low, high]| self.pairs > 1 && 0.0 < *low && low < high)?;
        let half = (high / low).ln() / 2.0;
        let spread =
            half / stats::t_quantile(length.freedom(self.pairs as usize))? * f64::from(self.pairs).sqrt();
        spread.is_finite().then_some(spread)
    }
}

impl ComparisonSet {
    /// The comparison of an arm with another one, as the set holds it; turned round where it holds the other way.
    fn held(&self, arm: &str, other: &str, metric: &str, point: &Params) -> Option<(&Comparison, bool)> {
        let name = in_comparisons(metric);
        let baseline = self.baseline.as_deref()?;
        let found = |arm: &str| self.comparison(arm, &name, point).filter(|found| found.ratio.is_some());
        if other == baseline {
            found(arm).map(|found| (found, false))
        } else if arm == baseline {
            found(other).map(|found| (found, true))
        } else {
            None
        }
    }

    /// What decided the number of trials.
    pub(super) fn length(&self) -> Length {
        self.least_trials.map_or(Length::Fixed, |min| Length::ByPrecision { min })
    }

    fn compared(&self, arm: &str, other: &str, metric: &str, point: &Params) -> Option<Ratio> {
        let (arm, other) = (self.cell(arm, point)?, self.cell(other, point)?);
        let (values, others) = (arm.samples(metric), other.samples(metric));
        let length = self.length();
        let sample = |values| Sample { values, length };
        let known = !values.is_empty() && !others.is_empty();
        known.then(|| {
            paired(arm, other, metric, length)
                .unwrap_or_else(|| unpaired::compare(sample(values), sample(others)))
        })
    }
}

/// As the set's own comparisons are made, but for their being many; `None` where no two trials share a block, or a
/// value is not above zero.
fn paired(arm: &CellSummary, other: &CellSummary, metric: &str, length: Length) -> Option<Ratio> {
    let by_block = |cell: &CellSummary| -> BTreeMap<u32, f64> {
        let samples = cell.samples(metric);
        // Of a metric that some trials do not have, it is not known which do.
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
    fn value(&self, arm: &str, metric: &str, point: &Params) -> Option<f64> {
        self.metric(arm, metric, point)
    }

    fn interval(&self, arm: &str, metric: &str, point: &Params) -> Option<[f64; 2]> {
        stats::t_interval(self.cell(arm, point)?.samples(metric))
    }

    fn ratio_interval(&self, arm: &str, other: &str, metric: &str, point: &Params) -> Option<[f64; 2]> {
        match self.held(arm, other, metric, point) {
            Some((held, false)) => held.ci95,
            Some((held, true)) => held.ci95.map(|[low, high]| [1.0 / high, 1.0 / low]),
            None => self.compared(arm, other, metric, point)?.ci95,
        }
    }

    fn verdict(&self, arm: &str, other: Option<&str>, metric: &str, point: &Params) -> Option<&'static str> {
        let other = other.or(self.baseline.as_deref())?;
        if arm == other {
            return None;
        }
        match self.held(arm, other, metric, point) {
            Some((held, false)) => Some(held.verdict.as_str()),
            // What is faster one way is slower the other way.
            Some((held, true)) => Some(held.verdict.reversed().as_str()),
            None => {
                let found = self.compared(arm, other, metric, point)?;
                let cells = [self.cell(arm, point)?, self.cell(other, point)?];
                if urgent::untold(metric, cells).is_some() {
                    return Some(Verdict::Inconclusive.as_str());
                }
                let margin = self.margin.unwrap_or(DEFAULT_MARGIN);
                Some(found.verdict(found.p_value, better(metric), margin).as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixture::{Fixture, params},
        *,
    };
    use crate::scenario::expect::{METRICS, VERDICTS, parse};

    #[test]
    fn words_are_those_of_reports() {
        let all = [Verdict::Faster, Verdict::Slower, Verdict::NoDifference, Verdict::Inconclusive];
        assert_eq!(all.map(Verdict::as_str), VERDICTS);
    }

    #[test]
    fn claims_over_a_run() {
        let mut run = Fixture::new(&["sync", "uring-tuned", "uring"], &[1, 32], 3, &["local"]);
        run.execute(usize::MAX);
        let set = run.analyse(Some("sync"));
        let points = [params(1), params(32)];
        let passed = |text: &str| parse(text).unwrap().evaluate(&set, &points).passed;
        assert_eq!(passed("low(uring-tuned.iops / sync.iops) >= 2 at depth >= 32"), Some(true));
        assert_eq!(passed("low(uring-tuned.iops / sync.iops) >= 2"), Some(false));
        assert_eq!(passed("high(sync.iops / uring-tuned.iops) <= 0.5 at depth >= 32"), Some(true));
        assert_eq!(passed("verdict(uring-tuned.iops) == faster at depth = 32"), Some(true));
        assert_eq!(passed("verdict(sync.iops / uring-tuned.iops) == slower at depth = 32"), Some(true));
        // Neither is the baseline.
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
        let sampled: Vec<&str> =
            METRICS.iter().map(|(name, _)| *name).filter(|name| !cell.samples(name).is_empty()).collect();
        // Nothing is synced or urgent here.
        let elsewhere = ["sync", "urgent", "bulk"];
        let here = |name: &&str| !elsewhere.iter().any(|word| name.contains(word));
        assert_eq!(sampled, SAMPLED.into_iter().filter(here).collect::<Vec<_>>());
        for metric in cell.trial_values.keys() {
            assert!(METRICS.iter().any(|(name, _)| name == metric), "{metric} is no metric");
            assert_eq!(cell.samples(metric).len(), 3, "{metric}");
        }
    }

    #[test]
    fn a_claim_heeds_margin_and_length() {
        let mut run = Fixture::new(&["sync", "uring"], &[1], 9, &["local"]);
        run.model = |_, _| (80_000.0, 12_000, 1.0);
        run.execute(usize::MAX);
        // Nothing is the baseline, so each claim is judged by itself.
        let set = run.analyse(None);
        let verdict = |set: &ComparisonSet| set.verdict("uring", Some("sync"), "iops", &params(1)).unwrap();
        let [low, high] = set.ratio_interval("uring", "sync", "iops", &params(1)).unwrap();
        assert!(low < 0.999 && high > 1.001, "{low} {high}");
        assert_eq!(verdict(&set), "no difference");
        let narrow = ComparisonSet { margin: Some(0.001), ..set.clone() };
        assert_eq!(verdict(&narrow), "inconclusive");
        let open = ComparisonSet { least_trials: Some(3), ..set };
        let wider = open.ratio_interval("uring", "sync", "iops", &params(1)).unwrap();
        assert!(wider[0] < low && wider[1] > high, "{wider:?}");
    }

    #[test]
    fn the_spread_of_pairs_is_that_behind_the_interval() {
        let mut run = Fixture::new(&["sync", "uring"], &[1], 5, &["local"]);
        run.execute(usize::MAX);
        let set = run.analyse(Some("sync"));
        let found = set.comparison("uring", "iops", &params(1)).unwrap();
        let samples = |arm: &str| logs(set.cell(arm, &params(1)).unwrap().samples("iops")).unwrap();
        let error = difference(&samples("uring"), &samples("sync"), None, Length::Fixed).unwrap().error;
        let spread = found.spread(Length::Fixed).unwrap();
        assert!((spread / (error * 5f64.sqrt()) - 1.0).abs() < 1e-9, "{spread} {error}");
        assert_eq!(Comparison { ci95: None, ..found.clone() }.spread(Length::Fixed), None);
        assert_eq!(Comparison { ci95: Some([1.0, 1.0]), ..found.clone() }.spread(Length::Fixed), None);
    }

    #[test]
    fn one_trial_has_no_interval_and_no_claim_on_it_passes() {
        let mut run = Fixture::new(&["sync", "uring"], &[1], 1, &["local"]);
        run.execute(usize::MAX);
        let set = run.analyse(Some("sync"));
        for text in ["low(uring.iops / sync.iops) > 0", "high(uring.p99) < 1s"] {
            let outcome = parse(text).unwrap().evaluate(&set, &[params(1)]);
            assert_eq!(outcome.passed, None, "{text}: {}", outcome.detail);
            assert!(outcome.detail.contains("two trials or more"), "{}", outcome.detail);
        }
    }
}
