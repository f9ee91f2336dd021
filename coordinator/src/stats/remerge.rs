//! Latencies of a cell, merged over its trials, and the contribution of each trial: the jackknife.
//!
//! A percentile of all requests is not a mean of percentiles: it is read from the merged histograms of all trials.
//! Its uncertainty follows from leaving out each trial in turn and merging the rest again. With `v` of all trials
//! and `v_i` without trial `i`, both as logarithms, the *pseudo-values* `n v - (n - 1) v_i` behave like
//! independent samples with the mean `v`, and [`difference`](super::difference::difference) treats them as such.
//! (J. Tukey 1958; R. Miller, *The jackknife: a review*, Biometrika 61, 1974.) Unlike a bootstrap of five blocks
//! it gives p-values small enough to survive Holm's correction, and draws no random numbers.

use hdrhistogram::Histogram;

/// The non-empty counters of a histogram: a few hundred to a few thousand of 27,600.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Least value, number of values, and count of a counter; by rising value.
    counters: Vec<(u64, u64, u64)>,
    /// All counts.
    total: u64,
    /// The sum of all values.
    sum: f64,
}

impl Recorded {
    /// Reads the counters of a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let counter = |value: u64, count: u64| {
            let low = histogram.lowest_equivalent(value);
            (low, histogram.highest_equivalent(value) - low + 1, count)
        };
        let counters = histogram
            .iter_recorded()
            .map(|step| counter(step.value_iterated_to(), step.count_at_value()))
            .collect();
        let total = histogram.len();
        Self { counters, total, sum: histogram.mean() * total as f64 }
    }

    /// Makes counters for tests: least value, number of values, count.
    #[cfg(test)]
    pub(super) fn made_up(counters: Vec<(u64, u64, u64)>) -> Self {
        let total = counters.iter().map(|(_, _, count)| count).sum();
        let middle =
            |(low, width, count): &(u64, u64, u64)| (*low as f64 + *width as f64 / 2.0) * *count as f64;
        Self { sum: counters.iter().map(middle).sum(), total, counters }
    }

    /// Sum and number of the values.
    #[must_use]
    pub fn sum(&self) -> (f64, u64) {
        (self.sum, self.total)
    }
}

/// A statistic of all trials and its pseudo-values, one per trial; all as logarithms.
#[derive(Clone, Debug, PartialEq)]
pub struct Jackknife {
    /// The value of all trials.
    pub value: f64,
    /// The pseudo-values, one per trial.
    pub pseudo: Vec<f64>,
}

impl Jackknife {
    /// `without` gives the statistic without a trial, or with all of them.
    fn of(trials: usize, without: impl Fn(Option<usize>) -> Option<f64>) -> Option<Self> {
        let log = |left_out| without(left_out).filter(|value| *value > 0.0).map(f64::ln);
        let value = log(None)?;
        let n = trials as f64;
        let pseudo = |trial| Some(n * value - (n - 1.0) * log(Some(trial))?);
        let pseudo =
            if trials == 1 { vec![value] } else { (0..trials).map(pseudo).collect::<Option<_>>()? };
        Some(Self { value, pseudo })
    }
}

/// The mean of all values, from sum and number of each trial.
#[must_use]
pub fn mean(trials: &[(f64, u64)]) -> Option<Jackknife> {
    Jackknife::of(trials.len(), |left_out| {
        let kept = trials.iter().enumerate().filter(|(index, _)| Some(*index) != left_out);
        let (sum, total) = kept.fold((0.0, 0), |(sum, total), (_, part)| (sum + part.0, total + part.1));
        (total > 0).then(|| sum / total as f64)
    })
}

/// Several trials on one scale.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Least value and number of values of each counter that any trial has.
    scale: Vec<(u64, u64)>,
    /// Counts of all trials.
    all: Vec<u64>,
    /// Counts of each trial.
    trials: Vec<Vec<u64>>,
}

impl Merged {
    /// Aligns the counters of the trials.
    #[must_use]
    pub fn of(trials: &[&Recorded]) -> Self {
        let mut scale: Vec<(u64, u64)> = trials
            .iter()
            .flat_map(|trial| trial.counters.iter().map(|(low, width, _)| (*low, *width)))
            .collect();
        scale.sort_unstable();
        scale.dedup();
        let laid = |trial: &&Recorded| {
            let mut counters = trial.counters.iter().peekable();
            let on = |(low, _): &(u64, u64)| {
                counters.next_if(|counter| counter.0 == *low).map_or(0, |(_, _, count)| *count)
            };
            scale.iter().map(on).collect::<Vec<u64>>()
        };
        let trials: Vec<Vec<u64>> = trials.iter().map(laid).collect();
        let all = (0..scale.len()).map(|at| trials.iter().map(|trial| trial[at]).sum()).collect();
        Self { scale, all, trials }
    }

    /// A quantile, from 0 to 1. It is interpolated within a counter, because leaving out one of many trials may
    /// move it by less than the width of a counter.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Jackknife> {
        Jackknife::of(self.trials.len(), |left_out| self.value_at(quantile, left_out))
    }

    fn value_at(&self, quantile: f64, left_out: Option<usize>) -> Option<f64> {
        let left_out = left_out.map(|trial| &self.trials[trial]);
        let count = |at: usize| self.all[at] - left_out.map_or(0, |trial| trial[at]);
        let total: u64 = (0..self.scale.len()).map(count).sum();
        let rank = quantile * total as f64;
        let mut below = 0;
        for (at, (low, width)) in self.scale.iter().enumerate() {
            let here = count(at);
            if here > 0 && (below + here) as f64 >= rank {
                let part = (rank - below as f64) / here as f64;
                return Some(*low as f64 + *width as f64 * part.clamp(0.0, 1.0));
            }
            below += here;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = proto::histogram::empty();
        values.iter().for_each(|value| histogram.saturating_record(*value));
        histogram
    }

    #[test]
    fn agrees_with_a_manual_jackknife() {
        // Means: all 20, without the first 25, without the second 15, without the third 20.
        let found = mean(&[(10.0, 1), (30.0, 1), (20.0, 1)]).unwrap();
        let by_hand = |without: f64| 3.0 * 20f64.ln() - 2.0 * without.ln();
        assert_eq!(found.value, 20f64.ln());
        for (pseudo, without) in found.pseudo.iter().zip([25.0, 15.0, 20.0]) {
            assert!((pseudo - by_hand(without)).abs() < 1e-12);
        }
        assert_eq!(mean(&[(7.0, 1)]).unwrap().pseudo, [7f64.ln()]);
        assert_eq!((mean(&[]), mean(&[(0.0, 0)])), (None, None));
        assert_eq!(Merged::of(&[]).quantile(0.5), None);
    }

    #[test]
    fn weights_trials_by_requests() {
        let (many, few) = (Recorded::of(&histogram(&[1000; 990])), Recorded::of(&histogram(&[9000; 10])));
        let found = Merged::of(&[&many, &few]).quantile(0.9).unwrap();
        assert!((found.value.exp() / 1000.0 - 1.0).abs() < 1e-3, "{}", found.value.exp());
        assert!((few.sum().0 / 90_000.0 - 1.0).abs() < 1e-3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn merging_agrees_with_the_histogram(
            trials in prop::collection::vec(prop::collection::vec(1..10_000_000u64, 1..60), 1..5),
        ) {
            let recorded: Vec<Recorded> = trials.iter().map(|trial| Recorded::of(&histogram(trial))).collect();
            let merged = Merged::of(&recorded.iter().collect::<Vec<_>>());
            let all = histogram(&trials.concat());
            for quantile in [0.5, 0.9, 0.99, 0.999] {
                let (found, exact) = (merged.value_at(quantile, None).unwrap(), all.value_at_quantile(quantile));
                let (low, high) = (all.lowest_equivalent(exact) as f64, all.highest_equivalent(exact) as f64);
                prop_assert!(found >= low && found <= high + 1.0, "{} is not in {}..{}", found, low, high);
            }
            if trials.len() > 1 {
                let rest = histogram(&trials[1..].concat());
                let (found, exact) = (merged.value_at(0.5, Some(0)).unwrap(), rest.value_at_quantile(0.5) as f64);
                prop_assert!((found - exact).abs() <= 1.0 + exact * 1e-3);
            }
            let means = mean(&recorded.iter().map(Recorded::sum).collect::<Vec<_>>()).unwrap();
            prop_assert!((means.value.exp() / all.mean() - 1.0).abs() < 1e-9);
        }
    }
}
