//! Means, intervals and verdicts from samples; a sample is a trial. Independent of the metrics.
//!
//! [`estimate`] describes one cell, by an interval that is positive where the quantity is; [`difference`] compares two
//! arms block by block; [`remerge`] prepares percentiles for it; [`pooled`] shares the noise over a whole sweep, and
//! [`holm`] and [`verdict`] judge it; [`spending`] corrects for continued runs, and [`foresight`] tells how many trials
//! more would decide.

pub mod confidence;
pub mod difference;
pub mod foresight;
pub mod holm;
#[cfg(test)]
mod interval_simulation;
pub mod pooled;
pub mod remerge;
#[cfg(test)]
mod simulation;
pub mod spending;
pub mod verdict;

use statrs::distribution::{ContinuousCDF, StudentsT};

use self::{confidence::CONFIDENCE, difference::logs};
use crate::summary::Estimate;

/// Arithmetic mean; `None` without samples.
#[must_use]
pub fn mean(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| samples.iter().sum::<f64>() / samples.len() as f64)
}

/// Mean and unbiased variance of at least two samples.
pub(super) fn moments(samples: &[f64]) -> Option<(f64, f64)> {
    let mean = mean(samples)?;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (samples.len() > 1).then(|| (mean, squares / (samples.len() - 1) as f64))
}

/// The two-sided Student quantile: t such that |T| <= t with probability [`CONFIDENCE`].
pub(super) fn t_quantile(freedom: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0))
}

/// P(|T| >= t), two-sided.
pub(super) fn t_tail(t: f64, freedom: f64) -> Option<f64> {
    Some((2.0 * StudentsT::new(0.0, 1.0, freedom).ok()?.sf(t.abs())).min(1.0))
}

/// Student's interval of the mean of a quantity of either sign: `mean ± t(n-1) * s / sqrt(n)`, with `s²` the unbiased
/// variance. `None` below two samples.
#[must_use]
pub fn t_interval(samples: &[f64]) -> Option<[f64; 2]> {
    let (mean, half) = (mean(samples)?, half_width(samples)?);
    Some([mean - half, mean + half])
}

/// The interval of a quantity that cannot be negative, around the value that is shown for it:
///
/// ```text
/// [centre / f, centre * f]        f = exp(t(n-1) * s / sqrt(n)), with s² the variance of the samples' logarithms
/// ```
///
/// This is Student's interval of the mean of the logarithms, moved to the centre. It is positive and contains the
/// centre, and for a small spread it is the usual one, because `ln x` is then linear. For log-normal trials it covers
/// the true mean about as often as Cox's interval, which adds `s⁴ / 2(n-1)` to the variance and is preferred to
/// Student's for skewed data (Zhou and Gao, "Confidence intervals for the log-normal mean", Statistics in Medicine 16,
/// 1997).
///
/// Zero has no logarithm. If a sample is zero, this is Student's interval around the centre, cut off at zero. `None`
/// below two samples, and for a negative number or one that is not finite.
#[must_use]
pub fn positive_interval(centre: f64, samples: &[f64]) -> Option<[f64; 2]> {
    if [centre].iter().chain(samples).any(|value| !value.is_finite() || *value < 0.0) {
        return None;
    }
    let [low, high] = match logs(samples).filter(|_| centre > 0.0) {
        Some(logs) => {
            let factor = half_width(&logs)?.exp();
            [centre / factor, centre * factor]
        }
        None => {
            let half = half_width(samples)?;
            [(centre - half).max(0.0), centre + half]
        }
    };
    high.is_finite().then_some([low, high])
}

/// Half of Student's interval of the mean.
fn half_width(samples: &[f64]) -> Option<f64> {
    let (_, variance) = moments(samples)?;
    let n = samples.len() as f64;
    Some(t_quantile(n - 1.0)? * (variance / n).sqrt())
}

/// Mean, interval and samples of a quantity that cannot be negative; see [`positive_interval`].
#[must_use]
pub fn estimate(samples: Vec<f64>) -> Option<Estimate> {
    let mean = mean(&samples)?;
    Some(Estimate { mean, ci95: positive_interval(mean, &samples), samples })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1e-3), "{a} is not {b}");
    }

    #[test]
    fn t_quantiles_agree_with_the_tables() {
        for (freedom, t) in [(1.0, 12.7062), (2.0, 4.30265), (4.0, 2.77645), (30.0, 2.04227)] {
            close(t_quantile(freedom).unwrap(), t);
        }
        // SciPy: 2 * t.sf(2.5, 3.5).
        close(t_tail(-2.5, 3.5).unwrap(), TAIL);
    }
    const TAIL: f64 = 0.075_695;

    #[test]
    fn interval_of_a_known_sample() {
        // s = 1, n = 3: 2 ± 4.30265 / sqrt(3).
        let [low, high] = t_interval(&[1.0, 2.0, 3.0]).unwrap();
        close(low, -0.48414);
        close(high, 4.48414);
        assert_eq!(t_interval(&[1.0]), None);
        assert_eq!(estimate(vec![]), None);
    }

    #[test]
    fn the_interval_of_a_positive_quantity_is_a_factor() {
        // ln: 0, ln 2, 2 ln 2; s = ln 2; the factor is 2 ^ (4.30265 / sqrt(3)) = 5.5950.
        let [low, high] = positive_interval(2.5, &[1.0, 2.0, 4.0]).unwrap();
        close(low, 2.5 / 5.595);
        close(high, 2.5 * 5.595);
        assert_eq!(positive_interval(1.0, &[1.0]), None);
        assert_eq!(positive_interval(1.0, &[1.0, f64::NAN]), None);
        assert_eq!(positive_interval(1.0, &[1.0, -1.0]), None);
    }

    #[test]
    fn for_a_small_spread_it_is_the_usual_interval() {
        let samples = [1.001e6, 0.999e6, 1.0e6, 1.002e6];
        let ([low, high], [usual_low, usual_high]) =
            (estimate(samples.to_vec()).unwrap().ci95.unwrap(), t_interval(&samples).unwrap());
        let width = usual_high - usual_low;
        assert!((low - usual_low).abs() < 0.01 * width && (high - usual_high).abs() < 0.01 * width);
    }

    #[test]
    fn zeros_have_an_interval_that_ends_at_zero() {
        assert_eq!(positive_interval(0.0, &[0.0, 0.0, 0.0]), Some([0.0, 0.0]));
        let [low, high] = positive_interval(1.0, &[0.0, 1.0, 2.0]).unwrap();
        assert_eq!(low, 0.0);
        close(high, 1.0 + 4.30265 / 3f64.sqrt());
    }

    proptest! {
        #[test]
        fn positive_samples_have_a_positive_interval_around_the_centre(
            samples in prop::collection::vec(1e-6..1e9f64, 2..12),
            centre in 1e-6..1e9f64,
        ) {
            for centre in [centre, mean(&samples).unwrap()] {
                if let Some([low, high]) = positive_interval(centre, &samples) {
                    prop_assert!(0.0 < low && low <= centre && centre <= high, "{low} {centre} {high}");
                } else {
                    prop_assert!(samples.len() == 2, "only the factor of two trials is that large");
                }
            }
        }

        #[test]
        fn samples_with_zeros_have_an_interval_around_the_mean(
            samples in prop::collection::vec(prop_oneof![Just(0.0), 1.0..1e6f64], 2..12),
        ) {
            let found = estimate(samples).unwrap();
            let [low, high] = found.ci95.unwrap();
            prop_assert!(0.0 <= low && low <= found.mean && found.mean <= high, "{found:?}");
        }
    }
}
