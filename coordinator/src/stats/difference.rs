//! Two arms over the same blocks: the logarithm of their ratio, and how sure it is.
//!
//! In logarithms a ratio is a difference, and a spread in proportion to the value is an equal spread. A block
//! runs every cell once, close in time, so what drifts from block to block strikes both arms and cancels in
//! their difference. `docs/adr/0018-paired-over-blocks.md` gives the reasons and what was measured.

use super::{moments, t_quantile, t_tail};

/// Below this, in logarithms, differences are those of rounding.
pub(crate) const ROUNDING: f64 = 1e-12;

/// What decided how many blocks there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// The scenario, beforehand.
    #[default]
    Fixed,
    /// The width of the intervals, from so many blocks on.
    ByPrecision {
        /// The fewest blocks.
        min: u32,
    },
}

impl Length {
    /// Degrees of freedom of so many pairs: `n - 1`.
    ///
    /// A run that goes on until its intervals are narrow stops early when they are narrow by chance. So of its
    /// length only a half counts: `(n - 1) / 2`, but `min - 1` at least, which no chance decided.
    #[must_use]
    pub fn freedom(self, pairs: usize) -> f64 {
        let all = pairs as f64 - 1.0;
        match self {
            Self::Fixed => all,
            Self::ByPrecision { min } => (all / 2.0).max(f64::from(min) - 1.0).min(all),
        }
    }
}

/// The logarithm of a ratio, from two pairs or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// `ln(arm / baseline)`; minus infinity where the arm has nothing at all.
    pub log_ratio: f64,
    /// Its standard error; 0 where there is no spread.
    pub error: f64,
    /// How many blocks it rests on.
    pub pairs: usize,
    /// What decided that number.
    pub length: Length,
}

/// The difference of two arms that have a value each in the same blocks: logarithms, in the same order.
///
/// ```text
/// d_i = arm_i - baseline_i        centre: mean(d), or what the caller says
/// s²  = min(var(d), var(arm) + var(baseline))        error: s / sqrt(n)
/// ```
///
/// `var(d)` is `var(arm) + var(baseline) - 2 cov`. A block gives its trials something in common, which makes the
/// covariance positive; a negative one is chance, and is taken as none, as components of variance are in general.
#[must_use]
pub fn difference(arm: &[f64], baseline: &[f64], centre: Option<f64>, length: Length) -> Option<Difference> {
    let finite = arm.len() == baseline.len() && arm.iter().chain(baseline).all(|value| value.is_finite());
    let differences: Vec<f64> = arm.iter().zip(baseline).map(|(arm, baseline)| arm - baseline).collect();
    let (mean, paired) = moments(&differences).filter(|_| finite)?;
    let unpaired = moments(arm)?.1 + moments(baseline)?.1;
    let error = (paired.min(unpaired) / arm.len() as f64).sqrt();
    let error = if error <= ROUNDING { 0.0 } else { error };
    let log_ratio = centre.unwrap_or(mean);
    Some(Difference { log_ratio, error, pairs: arm.len(), length })
}

impl Difference {
    /// An arm that had nothing in any of so many blocks, of a baseline that had something in each.
    #[must_use]
    pub fn nothing(pairs: usize, length: Length) -> Self {
        Self { log_ratio: f64::NEG_INFINITY, error: 0.0, pairs, length }
    }

    /// The ratio itself.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.is_exact() && self.log_ratio.abs() <= ROUNDING { 1.0 } else { self.log_ratio.exp() }
    }

    /// Whether all blocks say the same: that says nothing about chance, and the ratio is what it is.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.error == 0.0
    }

    /// Half the length of the confidence interval, in logarithms: `t(freedom) * error`.
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

    /// Two-sided: how likely a difference of this size is if there is none.
    #[must_use]
    pub fn p_value(&self) -> Option<f64> {
        if self.is_exact() {
            return Some(if self.log_ratio.abs() <= ROUNDING { 1.0 } else { 0.0 });
        }
        t_tail(self.log_ratio / self.error, self.length.freedom(self.pairs))
    }

    /// What so many blocks would say, if they went on as they did.
    pub(super) fn of_pairs(&self, pairs: usize) -> Self {
        Self { error: self.error * (self.pairs as f64 / pairs as f64).sqrt(), pairs, ..*self }
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
    fn pairs_as_scipy_has_them() {
        // SciPy 1.17: ttest_rel(log(arm), log(baseline)), and exp of its confidence_interval(0.95).
        let found = of(&[105.0, 118.0, 95.0, 101.0, 110.0], &[100.0, 111.0, 93.0, 97.0, 103.0]);
        close(found.ratio(), 1.048_621_642);
        close(found.p_value().unwrap(), 0.003_921_714);
        let [low, high] = found.ci95().unwrap();
        close(low, 1.025_773_488);
        close(high, 1.071_978_718);
    }

    #[test]
    fn blocks_that_go_against_each_other_share_nothing() {
        let (arm, baseline) = ([100.0, 102.0, 99.0, 101.0], [101.0, 99.0, 102.0, 100.0]);
        let found = of(&arm, &baseline);
        let variance = |values: &[f64]| moments(&logs(values).unwrap()).unwrap().1;
        close(found.error, ((variance(&arm) + variance(&baseline)) / 4.0).sqrt());
        // SciPy: t.ppf(0.975, 3).
        close(found.half_width().unwrap(), 3.182_446_305 * found.error);
    }

    #[test]
    fn what_a_block_has_in_common_cancels() {
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
    fn too_little_is_no_difference_at_all() {
        let of = |arm: &[f64], baseline: &[f64]| difference(arm, baseline, None, Length::Fixed);
        assert_eq!(of(&[1.0], &[2.0]), None);
        assert_eq!(of(&[], &[]), None);
        assert_eq!(of(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(of(&[1.0, 2.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(logs(&[1.0, 0.0]), None);
    }

    #[test]
    fn a_length_that_chance_decided_counts_half() {
        assert_eq!(Length::Fixed.freedom(9), 8.0);
        let open = Length::ByPrecision { min: 5 };
        assert_eq!([5, 7, 9, 11, 30].map(|n| open.freedom(n)), [4.0, 4.0, 4.0, 5.0, 14.5]);
        // Marked trials may leave fewer than the least.
        assert_eq!([2, 3].map(|n| open.freedom(n)), [1.0, 2.0]);
    }

    proptest! {
        #[test]
        fn swapping_sides_inverts(pairs in prop::collection::vec((1.0..1e9f64, 1.0..1e9f64), 2..6)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let (there, back) = (of(&a, &b), of(&b, &a));
            prop_assert!((there.log_ratio + back.log_ratio).abs() < 1e-9);
            prop_assert!((there.error - back.error).abs() <= 1e-9 * there.error);
        }

        #[test]
        fn scale_does_not_matter(a in prop::collection::vec(1.0..1e6f64, 2..6), factor in 1e-3..1e3f64) {
            let scaled: Vec<f64> = a.iter().map(|x| x * factor).collect();
            prop_assert!((of(&scaled, &a).ratio() / factor - 1.0).abs() < 1e-9);
        }
    }
}
