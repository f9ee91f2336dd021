//! Means, intervals and verdicts from samples; a sample is a trial. Independent of the metrics.
//!
//! [`estimate`] describes one cell; [`difference`] compares two arms block by block; [`remerge`] prepares
//! percentiles for it; [`pooled`] shares the noise over a whole sweep, and [`holm`] and [`verdict`] judge it;
//! [`spending`] corrects for continued runs, and [`foresight`] tells how many trials more would decide.

pub mod confidence;
pub mod difference;
pub mod foresight;
pub mod holm;
pub mod pooled;
pub mod remerge;
#[cfg(test)]
mod simulation;
pub mod spending;
pub mod verdict;

use statrs::distribution::{ContinuousCDF, StudentsT};

use self::confidence::CONFIDENCE;
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

/// Student's interval of the mean: `mean ± t(n-1) * s / sqrt(n)`, with `s²` the unbiased variance. `None`
/// below two samples.
#[must_use]
pub fn t_interval(samples: &[f64]) -> Option<[f64; 2]> {
    let (mean, variance) = moments(samples)?;
    let n = samples.len() as f64;
    let half = t_quantile(n - 1.0)? * (variance / n).sqrt();
    Some([mean - half, mean + half])
}

/// Mean, interval and samples together.
#[must_use]
pub fn estimate(samples: Vec<f64>) -> Option<Estimate> {
    Some(Estimate { mean: mean(&samples)?, ci95: t_interval(&samples), samples })
}

#[cfg(test)]
mod tests {
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
}
