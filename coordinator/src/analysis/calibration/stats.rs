//! Spread, and the smallest difference that can be found in spite of it.

use statrs::distribution::{ChiSquared, Continuous as _, ContinuousCDF as _, Normal, StudentsT};

use rand_core::{RngCore as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::POWER;
use crate::stats::{
    confidence::CONFIDENCE,
    difference::{CHOICE, Length},
    pooled::{Cell, critical},
    verdict::SIGNIFICANCE,
};

/// Families of comparisons that are simulated to find what the pooled test requires.
const FAMILIES: u32 = 150;
/// The most comparisons of a simulated family; more tell no more about the noise.
const LARGEST: u32 = 24;

/// The spread of the logarithms of ratios within blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// The interval of the mean.
    pub(super) ci95: [f64; 2],
    /// The probability of a mean this far from 0 by chance, two-sided.
    pub(super) p_value: f64,
    /// Standard deviation.
    pub(super) sd: f64,
    /// The interval of the standard deviation.
    pub(super) sd_ci95: [f64; 2],
}

/// Mean and standard deviation of two or more values, with their intervals:
///
/// ```text
/// mean ± t(0.975; n-1) * s / sqrt(n)
/// s * sqrt((n-1) / chi²(0.975; n-1))  to  s * sqrt((n-1) / chi²(0.025; n-1))
/// ```
pub(super) fn spread(values: &[f64]) -> Option<Spread> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let student = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
    let chi = ChiSquared::new(n - 1.0).ok()?;
    let error = sd / n.sqrt();
    let half = student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * error;
    // Without any spread except for rounding, the mean is exact.
    let p_value = match error > 1e-12 {
        true => (2.0 * student.sf((mean / error).abs())).min(1.0),
        false => f64::from(mean.abs() <= 1e-12),
    };
    let end = |probability: f64| sd * ((n - 1.0) / chi.inverse_cdf(probability)).sqrt();
    let sd_ci95 = [end(0.5 + CONFIDENCE / 2.0), end(0.5 - CONFIDENCE / 2.0)];
    Some(Spread { mean, ci95: [mean - half, mean + half], p_value, sd, sd_ci95 })
}

/// How a comparison is judged in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Blocks in which both sides count.
    pub(super) pairs: u32,
    /// How that number was decided.
    pub(super) length: Length,
    /// Comparisons of the metric that are judged together, including this one.
    pub(super) comparisons: u32,
}

impl Judged {
    /// The true difference that is found with [`POWER`], in standard deviations of the logarithm of a ratio:
    /// `l / sqrt(n)`, and so a difference of `exp(l * sd / sqrt(n)) - 1`. `None` below two pairs.
    ///
    /// The level is that of [`SIGNIFICANCE`] divided by the number of comparisons, which Holm's correction requires of the
    /// smallest p-value. It is thus exact if there is one difference; if there are several, smaller ones are found. One
    /// comparison is judged by a t test of its own, and several by the [pooled](crate::stats::pooled) one.
    ///
    /// The usual formula for the size of a paired sample (NIST/SEMATECH e-Handbook of Statistical Methods, 7.2.2.2) uses
    /// central quantiles instead. At 5 % for one comparison, it is nearly the same from ten trials on and too small
    /// below: with three trials, a difference of its size is found in only 85 of 100 experiments, with two in 78.
    pub(super) fn deviations(self) -> Option<f64> {
        let freedom = f64::from(self.pairs.checked_sub(1).filter(|freedom| *freedom > 0)?);
        // If precision decided the number of trials, half of them count in the test, but all in the spread.
        let counted = self.length.freedom(self.pairs as usize);
        let l = if self.comparisons > 1 {
            self.pooled(freedom, counted)?
        } else {
            let student = StudentsT::new(0.0, 1.0, counted).ok()?;
            let critical = student.inverse_cdf(1.0 - SIGNIFICANCE / CHOICE / 2.0);
            least(3.0 * (critical + student.inverse_cdf(POWER)), |l| power(l, critical, freedom))?
        };
        Some(l / f64::from(self.pairs).sqrt())
    }

    /// `l` for the pooled test: what it requires depends on the observed variances of the family, so they are drawn, and
    /// the power is averaged. Seeds are fixed.
    fn pooled(self, freedom: f64, counted: f64) -> Option<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let chi = ChiSquared::new(freedom).ok()?;
        let mut cell = |arm: usize| {
            let uniform = ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            Cell { variance: chi.inverse_cdf(uniform) / freedom, freedom: counted, weight: 1.0, arm }
        };
        let level = SIGNIFICANCE / f64::from(self.comparisons);
        let required = (0..FAMILIES).map(|_| {
            let family: Vec<Cell> = (0..self.comparisons.min(LARGEST) as usize).map(&mut cell).collect();
            critical(&family, level)
        });
        let required: Vec<f64> = required.collect::<Option<_>>()?;
        let normal = Normal::standard();
        let beyond = |l: f64| required.iter().map(|by| normal.cdf(l - by) + normal.cdf(-l - by)).sum::<f64>();
        least(2.0 * required.iter().fold(0.0, |most, by| by.max(most)) + 2.0, |l| {
            Some(beyond(l) / f64::from(FAMILIES))
        })
    }
}

/// The smallest value up to `high` at which this rising function is [`POWER`], by bisection.
fn least(mut high: f64, power: impl Fn(f64) -> Option<f64>) -> Option<f64> {
    let mut low = 0.0;
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if power(middle)? < POWER { low = middle } else { high = middle }
    }
    Some(high)
}

/// The probability of `|Z + l| > critical * sqrt(V / freedom)`, for a normal Z and a chi-squared V: the definition of
/// the noncentral t distribution, integrated over `u = sqrt(V / freedom)` by Simpson's rule.
fn power(l: f64, critical: f64, freedom: f64) -> Option<f64> {
    const STEPS: u32 = 400;
    let normal = Normal::standard();
    let chi = ChiSquared::new(freedom).ok()?;
    let beyond = |u: f64| normal.cdf(l - critical * u) + normal.cdf(-l - critical * u);
    // The density of u, which has a standard deviation of about 1 / sqrt(2 freedom).
    let density = |u: f64| 2.0 * freedom * u * chi.pdf(freedom * u * u);
    let width = (1.0 + 8.0 / (2.0 * freedom).sqrt()) / f64::from(STEPS);
    let weighted = (1..STEPS).map(|step| {
        let u = f64::from(step) * width;
        (if step % 2 == 1 { 4.0 } else { 2.0 }) * beyond(u) * density(u)
    });
    // At 0, the density is above zero for one degree of freedom only; at the upper end it is always negligible.
    let at_zero = if freedom == 1.0 { 2.0 / (2.0 * std::f64::consts::PI).sqrt() * beyond(0.0) } else { 0.0 };
    Some((at_zero + weighted.sum::<f64>()) * width / 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metric::Better,
        stats::{
            difference::{Difference, Variances},
            holm::holm,
            pooled::{Member, pool},
            verdict::{DEFAULT_MARGIN, verdict},
        },
        summary::Verdict,
    };

    fn close(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() <= by * b.abs(), "{a} is not {b}");
    }

    /// A normally distributed number, by the method of Box and Muller.
    fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
        let mut uniform = || ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        (-2.0 * uniform().ln()).sqrt() * (2.0 * std::f64::consts::PI * uniform()).cos()
    }

    #[test]
    fn the_spread_and_its_intervals_match_published_tables() {
        let found = spread(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        close(found.mean, 3.0, 1e-12);
        close(found.sd, 2.5f64.sqrt(), 1e-12);
        // t(0.975; 4) = 2.77645; chi²(0.975; 4) = 11.1433, chi²(0.025; 4) = 0.484419.
        close(found.ci95[1] - 3.0, 2.77645 * (2.5f64 / 5.0).sqrt(), 1e-5);
        close(found.sd_ci95[0], (10.0f64 / 11.1433).sqrt(), 1e-5);
        close(found.sd_ci95[1], (10.0f64 / 0.484419).sqrt(), 1e-5);
        assert_eq!(spread(&[1.0]), None);
        let still = spread(&[0.0; 4]).unwrap();
        assert_eq!((still.sd, still.p_value, still.ci95), (0.0, 1.0, [0.0; 2]));
        assert_eq!(spread(&[0.5; 4]).unwrap().p_value, 0.0);
    }

    const fn alone(pairs: u32) -> Judged {
        Judged { pairs, length: Length::Fixed, comparisons: 1 }
    }

    /// The share of experiments in which a difference of the smallest visible size is found, as the only one of its
    /// family, by the rules of a run's verdicts.
    fn found(judged: Judged, experiments: u32, random: &mut Xoshiro256PlusPlus) -> f64 {
        let sd = 0.02;
        let difference = judged.deviations().unwrap() * sd;
        let mut experiment = || {
            let of = |index: u32, random: &mut Xoshiro256PlusPlus| {
                let true_ = if index == 0 { difference } else { 0.0 };
                let values: Vec<f64> = (0..judged.pairs).map(|_| true_ + sd * normal(random)).collect();
                let Spread { mean, sd, .. } = spread(&values).unwrap();
                let pairs = judged.pairs as usize;
                // What the trials of a block have in common makes the paired variance the smaller one.
                let variances = Variances { paired: sd * sd, arm: sd * sd, baseline: sd * sd };
                let (error, length) = (sd / (pairs as f64).sqrt(), judged.length);
                let difference = Difference { log_ratio: mean, error, variances, pairs, length };
                Member { difference, sharing: 1, arm: index as usize }
            };
            let all: Vec<Member> = (0..judged.comparisons).map(|index| of(index, random)).collect();
            let all = pool(&all);
            let adjusted = holm(&all.iter().map(|found| found.p_value().unwrap()).collect::<Vec<_>>());
            verdict(&all[0], adjusted[0].p, Better::Higher, DEFAULT_MARGIN) == Verdict::Faster
        };
        f64::from((0..experiments).map(|_| u32::from(experiment())).sum::<u32>()) / f64::from(experiments)
    }

    #[test]
    fn visible_differences_are_found_with_the_stated_power() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for pairs in [2, 3, 5, 10] {
            // 0.9, within four standard deviations of a share of 10,000.
            close(found(alone(pairs), 10_000, &mut random), POWER, 4.0 * 0.003 / POWER);
        }
        assert_eq!((alone(1).deviations(), alone(0).deviations()), (None, None));
        // For many trials the limit is (2.08781 + 1.28155) / sqrt(n): quantiles of the normal distribution.
        close(alone(1000).deviations().unwrap(), 3.36936 / 1000f64.sqrt(), 0.01);
    }

    #[test]
    fn one_difference_among_many_is_found_with_the_stated_power() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
        for judged in [
            Judged { comparisons: 12, ..alone(5) },
            Judged { comparisons: 12, ..alone(10) },
            Judged { comparisons: 4, ..alone(3) },
        ] {
            // Four standard deviations of a share of 600; a little more, since a false one may lower the required level.
            let share = found(judged, 600, &mut random);
            assert!((POWER - 0.049..POWER + 0.057).contains(&share), "{judged:?}: {share}");
            let fewer = Judged { comparisons: 3, ..judged };
            assert!(judged.deviations() > fewer.deviations());
        }
    }

    #[test]
    fn a_number_of_trials_decided_by_precision_resolves_less() {
        let open = Judged { length: Length::ByPrecision { min: 5 }, ..alone(20) };
        assert!(open.deviations() > alone(20).deviations());
        let at_least = Judged { length: Length::ByPrecision { min: 5 }, ..alone(5) };
        assert_eq!(at_least.deviations(), alone(5).deviations());
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        close(found(open, 10_000, &mut random), POWER, 4.0 * 0.003 / POWER);
    }
}
