//! Spread, and what can be seen through it. Knows nothing of what was measured.

use statrs::distribution::{ChiSquared, Continuous as _, ContinuousCDF as _, Normal, StudentsT};

use super::POWER;
use crate::stats::{confidence::CONFIDENCE, difference::Length, verdict::SIGNIFICANCE};

/// Logarithms of ratios within blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// Of the mean.
    pub(super) ci95: [f64; 2],
    /// Two-sided: how likely a mean so far from 0 is by chance.
    pub(super) p_value: f64,
    /// Standard deviation.
    pub(super) sd: f64,
    /// Of the standard deviation.
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
    // Without any spread, but for rounding, the mean is what it is.
    let p_value = match error > 1e-12 {
        true => (2.0 * student.sf((mean / error).abs())).min(1.0),
        false => f64::from(mean.abs() <= 1e-12),
    };
    let end = |probability: f64| sd * ((n - 1.0) / chi.inverse_cdf(probability)).sqrt();
    let sd_ci95 = [end(0.5 + CONFIDENCE / 2.0), end(0.5 - CONFIDENCE / 2.0)];
    Some(Spread { mean, ci95: [mean - half, mean + half], p_value, sd, sd_ci95 })
}

/// How a comparison is judged in the run that it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Blocks in which both sides count.
    pub(super) pairs: u32,
    /// What decided that number.
    pub(super) length: Length,
    /// Comparisons of the metric that are judged together, itself among them.
    pub(super) comparisons: u32,
}

impl Judged {
    /// Standard deviations of the logarithm of a ratio that a true difference must have, to be found with [`POWER`]:
    /// `l / sqrt(n)`, and so a difference of `exp(l * sd / sqrt(n)) - 1`. `None` below two pairs.
    ///
    /// `l` is the noncentrality at which the two-sided t test of `n - 1` degrees of freedom has that power at the level
    /// of [`SIGNIFICANCE`] over the number of comparisons: what Holm's correction asks of the first of them that it
    /// lets through. So it is exact for a difference that stands alone; where others are found too, more is seen.
    ///
    /// The usual formula for the size of a paired sample (NIST/SEMATECH e-Handbook of Statistical Methods, 7.2.2.2) has
    /// central quantiles in its place. At 5 % for one comparison, that is nearly the same from ten trials on, and too
    /// little below: at three trials a difference of its size is found in 85 of 100 experiments only, at two in 78.
    pub(super) fn deviations(self) -> Option<f64> {
        let freedom = f64::from(self.pairs.checked_sub(1).filter(|freedom| *freedom > 0)?);
        // Of a length that chance decided a half counts in the test, though the spread rests on all of it.
        let counted = self.length.freedom(self.pairs as usize);
        let level = SIGNIFICANCE / f64::from(self.comparisons.max(1));
        let student = StudentsT::new(0.0, 1.0, counted).ok()?;
        let critical = student.inverse_cdf(1.0 - level / 2.0);
        Some(noncentrality(critical, freedom)? / f64::from(self.pairs).sqrt())
    }
}

/// The noncentrality at which the two-sided t test with this critical value has [`POWER`], by bisection.
fn noncentrality(critical: f64, freedom: f64) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let (mut low, mut high) = (0.0, 3.0 * (critical + student.inverse_cdf(POWER)));
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if power(middle, critical, freedom)? < POWER { low = middle } else { high = middle }
    }
    Some(high)
}

/// How likely `|Z + l| > critical * sqrt(V / freedom)`, for a normal Z and a chi square V: the definition of the
/// noncentral t distribution, integrated over `u = sqrt(V / freedom)` by Simpson's rule.
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
    // At 0 a single degree of freedom has a density; all others have none, and at the far end nobody has.
    let at_zero = if freedom == 1.0 { 2.0 / (2.0 * std::f64::consts::PI).sqrt() * beyond(0.0) } else { 0.0 };
    Some((at_zero + weighted.sum::<f64>()) * width / 3.0)
}

#[cfg(test)]
mod tests {
    use rand_core::{RngCore as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::{
        metric::Better,
        stats::{
            difference::Difference,
            holm::holm,
            verdict::{DEFAULT_MARGIN, verdict},
        },
        summary::Verdict,
    };

    fn close(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() <= by * b.abs(), "{a} is not {b}");
    }

    /// Box and Muller's way to normal numbers.
    fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
        let mut uniform = || ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        (-2.0 * uniform().ln()).sqrt() * (2.0 * std::f64::consts::PI * uniform()).cos()
    }

    #[test]
    fn a_spread_and_its_intervals_are_those_of_the_tables() {
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

    /// The share of experiments in which a difference of the size that is said to be visible is found, as the only one
    /// of its family, by the rules of a run's verdicts.
    fn found(judged: Judged, experiments: u32, random: &mut Xoshiro256PlusPlus) -> f64 {
        let sd = 0.02;
        let difference = judged.deviations().unwrap() * sd;
        let mut experiment = || {
            let of = |index: u32, random: &mut Xoshiro256PlusPlus| {
                let true_ = if index == 0 { difference } else { 0.0 };
                let values: Vec<f64> = (0..judged.pairs).map(|_| true_ + sd * normal(random)).collect();
                let Spread { mean, sd, .. } = spread(&values).unwrap();
                let pairs = judged.pairs as usize;
                Difference {
                    log_ratio: mean,
                    error: sd / (pairs as f64).sqrt(),
                    pairs,
                    length: judged.length,
                }
            };
            let all: Vec<Difference> = (0..judged.comparisons).map(|index| of(index, random)).collect();
            let adjusted = holm(&all.iter().map(|found| found.p_value().unwrap()).collect::<Vec<_>>());
            verdict(&all[0], adjusted[0].p, Better::Higher, DEFAULT_MARGIN) == Verdict::Faster
        };
        f64::from((0..experiments).map(|_| u32::from(experiment())).sum::<u32>()) / f64::from(experiments)
    }

    #[test]
    fn what_is_said_to_be_visible_is_found_as_often_as_was_said() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for pairs in [2, 3, 5, 10] {
            // 0.9, within four standard deviations of a share of 10,000.
            close(found(alone(pairs), 10_000, &mut random), POWER, 4.0 * 0.003 / POWER);
        }
        assert_eq!((alone(1).deviations(), alone(0).deviations()), (None, None));
        // For many trials it is (2.10836 + 1.28155) / sqrt(n): quantiles of the normal distribution.
        close(alone(1000).deviations().unwrap(), 3.38991 / 1000f64.sqrt(), 0.01);
    }

    #[test]
    fn of_many_it_is_found_as_often_too() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
        for judged in [
            Judged { comparisons: 12, ..alone(5) },
            Judged { comparisons: 12, ..alone(10) },
            Judged { comparisons: 4, ..alone(3) },
        ] {
            // Four standard deviations of a share of 2,000; a little more, since a false one may help.
            let share = found(judged, 2_000, &mut random);
            assert!((POWER - 0.027..POWER + 0.035).contains(&share), "{judged:?}: {share}");
            let one = Judged { comparisons: 1, ..judged };
            assert!(judged.deviations() > one.deviations());
        }
    }

    #[test]
    fn a_length_that_chance_decided_sees_less() {
        let open = Judged { length: Length::ByPrecision { min: 5 }, ..alone(20) };
        assert!(open.deviations() > alone(20).deviations());
        let at_least = Judged { length: Length::ByPrecision { min: 5 }, ..alone(5) };
        assert_eq!(at_least.deviations(), alone(5).deviations());
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        close(found(open, 10_000, &mut random), POWER, 4.0 * 0.003 / POWER);
    }
}
