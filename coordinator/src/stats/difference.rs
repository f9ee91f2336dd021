//! Compares two arms over the same blocks: the logarithm of their ratio and its uncertainty.
//!
//! In logarithms a ratio is a difference, and a spread proportional to the value is a constant spread. A block
//! runs every cell once, close in time, so drift between blocks affects both arms and cancels in their difference.
//! `docs/adr/0018-paired-over-blocks.md` gives the reasons and the measurements.

use super::{moments, t_quantile, t_tail};

/// Smaller differences, in logarithms, are rounding errors.
pub(crate) const ROUNDING: f64 = 1e-12;

/// A comparison alone takes the smaller of two variances, which raises false verdicts at a level of 5 % to between 5.5 and
/// 5.7 %. Its p-value is multiplied by this, so that it is a p-value all the same.
pub const CHOICE: f64 = 1.14;

/// How the number of blocks was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// Fixed in advance by the scenario.
    #[default]
    Fixed,
    /// By the width of the intervals, from `min` blocks on.
    ByPrecision {
        /// The fewest blocks.
        min: u32,
    },
}

impl Length {
    /// Degrees of freedom of `n` pairs: `n - 1`.
    ///
    /// A run that continues until its intervals are narrow stops early if they are narrow by chance. Therefore
    /// only half of its length counts: `(n - 1) / 2`, but at least `min - 1`, which does not depend on chance.
    #[must_use]
    pub fn freedom(self, pairs: usize) -> f64 {
        let all = pairs as f64 - 1.0;
        match self {
            Self::Fixed => all,
            Self::ByPrecision { min } => (all / 2.0).max(f64::from(min) - 1.0).min(all),
        }
    }
}

/// The variances of the logarithms of one block's values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variances {
    /// Of the difference within a block.
    pub paired: f64,
    /// Of the arm.
    pub arm: f64,
    /// Of the baseline.
    pub baseline: f64,
}

impl Variances {
    /// Of the difference, if nothing is common to the trials of a block.
    #[must_use]
    pub fn unpaired(&self) -> f64 {
        self.arm + self.baseline
    }

    /// The inverse of the degrees of freedom of [`unpaired`](Self::unpaired) for each of pairs, by Welch and Satterthwaite:
    /// from 1/2 if arm and baseline have the same variance, to 1 if one has all of it.
    #[must_use]
    pub fn unevenness(&self) -> f64 {
        (self.arm.powi(2) + self.baseline.powi(2)) / self.unpaired().powi(2)
    }
}

/// The logarithm of a ratio, from at least two pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// `ln(arm / baseline)`; minus infinity if all values of the arm are zero.
    pub log_ratio: f64,
    /// Its standard error, from this comparison alone; 0 without spread.
    pub error: f64,
    /// The variances from which the error follows; [`pool`](super::pooled::pool) uses those of a whole run.
    pub variances: Variances,
    /// The number of blocks.
    pub pairs: usize,
    /// How that number was decided.
    pub length: Length,
}

/// The difference of two arms with one value each in the same blocks, as logarithms in the same order.
///
/// ```text
/// d_i = arm_i - baseline_i        centre: mean(d), or the caller's value
/// s²  = min(var(d), var(arm) + var(baseline))        error: s / sqrt(n)
/// ```
///
/// `var(d)` is `var(arm) + var(baseline) - 2 cov`. Trials of a block have a common component, which makes the
/// covariance positive. A negative covariance is chance and counts as zero, as is usual for components of
/// variance.
#[must_use]
pub fn difference(arm: &[f64], baseline: &[f64], centre: Option<f64>, length: Length) -> Option<Difference> {
    let finite = arm.len() == baseline.len() && arm.iter().chain(baseline).all(|value| value.is_finite());
    let differences: Vec<f64> = arm.iter().zip(baseline).map(|(arm, baseline)| arm - baseline).collect();
    let (mean, paired) = moments(&differences).filter(|_| finite)?;
    let variances = Variances { paired, arm: moments(arm)?.1, baseline: moments(baseline)?.1 };
    let error = (paired.min(variances.unpaired()) / arm.len() as f64).sqrt();
    let error = if error <= ROUNDING { 0.0 } else { error };
    let log_ratio = centre.unwrap_or(mean);
    Some(Difference { log_ratio, error, variances, pairs: arm.len(), length })
}

impl Difference {
    /// An arm with zero in every one of `pairs` blocks, and a baseline with a value above zero in each.
    #[must_use]
    pub fn nothing(pairs: usize, length: Length) -> Self {
        let variances = Variances::default();
        Self { log_ratio: f64::NEG_INFINITY, error: 0.0, variances, pairs, length }
    }

    /// The ratio itself.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.is_exact() && self.log_ratio.abs() <= ROUNDING { 1.0 } else { self.log_ratio.exp() }
    }

    /// Whether all blocks agree. The spread is then unknown, and the ratio counts as exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.error == 0.0
    }

    /// Half the width of the confidence interval, in logarithms: `t(freedom) * error`.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        if self.is_exact() {
            return Some(0.0);
        }
        Some(t_quantile(self.length.freedom(self.pairs))? * self.error)
    }

    /// The confidence interval of the ratio: `exp(log_ratio ± half_width)`.
    #[must_use]
    pub fn ci95(&self) -> Option<[f64; 2]> {
        if self.is_exact() {
            return Some([self.ratio(); 2]);
        }
        let half = self.half_width()?;
        let interval = [(self.log_ratio - half).exp(), (self.log_ratio + half).exp()];
        interval.iter().all(|edge| edge.is_finite()).then_some(interval)
    }

    /// The two-sided p-value: the probability of a difference at least this large if there is none. It is that of Student's
    /// t test times [`CHOICE`].
    #[must_use]
    pub fn p_value(&self) -> Option<f64> {
        if self.is_exact() {
            return Some(if self.log_ratio.abs() <= ROUNDING { 1.0 } else { 0.0 });
        }
        let p = t_tail(self.log_ratio / self.error, self.length.freedom(self.pairs))?;
        Some((CHOICE * p).min(1.0))
    }
}

/// `ln` of each, if all are above zero and finite.
#[must_use]
pub fn logs(values: &[f64]) -> Option<Vec<f64>> {
    values.iter().map(|value| (*value > 0.0 && value.is_finite()).then(|| value.ln())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-3), "{a} is not {b}");
    }

    fn of(arm: &[f64], baseline: &[f64]) -> Difference {
        difference(&logs(arm).unwrap(), &logs(baseline).unwrap(), None, Length::Fixed).unwrap()
    }

    #[test]
    fn agrees_with_scipy() {
        // SciPy 1.17: ttest_rel(log(arm), log(baseline)), and exp of its confidence_interval(0.95).
        let found = of(&[105.0, 118.0, 95.0, 101.0, 110.0], &[100.0, 111.0, 93.0, 97.0, 103.0]);
        close(found.ratio(), 1.048_621_642);
        close(found.p_value().unwrap(), CHOICE * 0.003_921_714);
        let [low, high] = found.ci95().unwrap();
        close(low, 1.025_773_488);
        close(high, 1.071_978_718);
    }

    #[test]
    fn a_negative_covariance_counts_as_zero() {
        let (arm, baseline) = ([100.0, 102.0, 99.0, 101.0], [101.0, 99.0, 102.0, 100.0]);
        let found = of(&arm, &baseline);
        let variance = |values: &[f64]| moments(&logs(values).unwrap()).unwrap().1;
        close(found.error, ((variance(&arm) + variance(&baseline)) / 4.0).sqrt());
        // SciPy: t.ppf(0.975, 3).
        close(found.half_width().unwrap(), 3.182_446_305 * found.error);
    }

    #[test]
    fn the_common_component_of_a_block_cancels() {
        let arm = [210.0, 420.0, 630.0, 840.5];
        let found = of(&arm, &[100.0, 200.0, 300.0, 400.0]);
        assert!((found.ratio() - 2.1).abs() < 1e-2 && found.error < 1e-3, "{found:?}");
        let exact = of(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0]);
        assert_eq!((exact.ci95(), exact.p_value()), (Some([exact.ratio(); 2]), Some(0.0)));
        let same = of(&[5.0, 5.0], &[5.0, 5.0]);
        assert_eq!((same.ci95(), same.p_value()), (Some([1.0, 1.0]), Some(1.0)));
        let none = Difference::nothing(3, Length::Fixed);
        assert_eq!((none.ratio(), none.ci95(), none.p_value()), (0.0, Some([0.0, 0.0]), Some(0.0)));
    }

    #[test]
    fn needs_two_pairs_of_positive_values() {
        let of = |arm: &[f64], baseline: &[f64]| difference(arm, baseline, None, Length::Fixed);
        assert_eq!(of(&[1.0], &[2.0]), None);
        assert_eq!(of(&[], &[]), None);
        assert_eq!(of(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(of(&[1.0, 2.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(logs(&[1.0, 0.0]), None);
    }

    #[test]
    fn a_length_by_precision_counts_half() {
        assert_eq!(Length::Fixed.freedom(9), 8.0);
        let open = Length::ByPrecision { min: 5 };
        assert_eq!([5, 7, 9, 11, 30].map(|n| open.freedom(n)), [4.0, 4.0, 4.0, 5.0, 14.5]);
        // Marked trials may leave fewer than the minimum.
        assert_eq!([2, 3].map(|n| open.freedom(n)), [1.0, 2.0]);
    }

    proptest! {
        #[test]
        fn swapping_the_arms_inverts_the_ratio(pairs in prop::collection::vec((1.0..1e9f64, 1.0..1e9f64), 2..6)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let (there, back) = (of(&a, &b), of(&b, &a));
            prop_assert!((there.log_ratio + back.log_ratio).abs() < 1e-9);
            prop_assert!((there.error - back.error).abs() <= 1e-9 * there.error);
        }

        #[test]
        fn scaling_does_not_change_the_ratio(a in prop::collection::vec(1.0..1e6f64, 2..6), factor in 1e-3..1e3f64) {
            let scaled: Vec<f64> = a.iter().map(|x| x * factor).collect();
            prop_assert!((of(&scaled, &a).ratio() / factor - 1.0).abs() < 1e-9);
        }
    }
}
