//! Means, intervals and verdicts from samples; a sample is a trial. Knows nothing of what was measured.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::set::{Estimate, Verdict};

/// Two arms whose ratio lies surely within 1 ± this are called equal.
pub const MARGIN: f64 = 0.02;
/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// As with operations per second.
    Higher,
    /// As with latency.
    Lower,
}

/// What two samples allow to say of their ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Mean of the arm over mean of the baseline.
    pub ratio: Option<f64>,
    /// 95 % confidence interval of it.
    pub ci95: Option<[f64; 2]>,
    /// Two-sided.
    pub p_value: Option<f64>,
    /// The conclusion.
    pub verdict: Verdict,
}

/// Arithmetic mean; `None` of nothing.
#[must_use]
pub fn mean(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| samples.iter().sum::<f64>() / samples.len() as f64)
}

/// Mean and unbiased variance, of two samples or more.
fn moments(samples: &[f64]) -> Option<(f64, f64)> {
    let mean = mean(samples)?;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (samples.len() > 1).then(|| (mean, squares / (samples.len() - 1) as f64))
}

/// The two-sided Student quantile: t such that |T| <= t with probability [`CONFIDENCE`].
fn t_quantile(freedom: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0))
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

/// Compares an arm with the baseline.
///
/// The ratio is that of the arithmetic means. Interval and p-value come from Welch's t on the logarithms,
/// where a ratio becomes a difference and spread in proportion to the value becomes equal spread:
///
/// ```text
/// d  = mean(ln arm) - mean(ln baseline)
/// se = sqrt(s1²/n1 + s2²/n2)
/// df = (s1²/n1 + s2²/n2)² / ((s1²/n1)²/(n1-1) + (s2²/n2)²/(n2-1))      (Welch, Satterthwaite)
/// interval: exp(d ± t(df) * se)        p: P(|T(df)| >= |d| / se)
/// ```
///
/// The verdict is *faster* or *slower* where the interval excludes 1; else *no difference* where it lies
/// within 1 ± [`MARGIN`]; else *inconclusive*, as with fewer than two samples on a side or with a value that
/// is not above zero.
///
/// Samples without any spread are those of percentiles that fell into one counter of the histogram each time:
/// their interval is the ratio itself, and a step of a counter must not pass for a difference, so within
/// 1 ± [`MARGIN`] they are *no difference*.
#[must_use]
pub fn compare(arm: &[f64], baseline: &[f64], better: Better) -> Ratio {
    let ratio = match (mean(arm), mean(baseline)) {
        (Some(arm), Some(baseline)) if baseline > 0.0 => Some(arm / baseline),
        _ => None,
    };
    let Some((ci95, p_value)) = welch_of_logs(arm, baseline) else {
        return Ratio { ratio, ci95: None, p_value: None, verdict: Verdict::Inconclusive };
    };
    let within = |edge: f64| (1.0 - MARGIN..=1.0 + MARGIN).contains(&edge);
    let verdict =
        if ci95[0] == ci95[1] && within(ci95[0]) { Verdict::NoDifference } else { verdict(ci95, better) };
    Ratio { ratio, ci95: Some(ci95), p_value: Some(p_value), verdict }
}

fn verdict([low, high]: [f64; 2], better: Better) -> Verdict {
    if low > 1.0 {
        if better == Better::Higher { Verdict::Faster } else { Verdict::Slower }
    } else if high < 1.0 {
        if better == Better::Higher { Verdict::Slower } else { Verdict::Faster }
    } else if low >= 1.0 - MARGIN && high <= 1.0 + MARGIN {
        Verdict::NoDifference
    } else {
        Verdict::Inconclusive
    }
}

fn welch_of_logs(arm: &[f64], baseline: &[f64]) -> Option<([f64; 2], f64)> {
    let logs = |samples: &[f64]| -> Option<Vec<f64>> {
        samples.iter().map(|sample| (*sample > 0.0 && sample.is_finite()).then(|| sample.ln())).collect()
    };
    let (arm, baseline) = (logs(arm)?, logs(baseline)?);
    let ((mean1, variance1), (mean2, variance2)) = (moments(&arm)?, moments(&baseline)?);
    let (n1, n2) = (arm.len() as f64, baseline.len() as f64);
    let (share1, share2) = (variance1 / n1, variance2 / n2);
    let (difference, error) = (mean1 - mean2, (share1 + share2).sqrt());
    // Samples without any spread, but for rounding, say nothing about chance: the ratio is what it is.
    if error <= 1e-12 {
        let same = difference.abs() <= 1e-12;
        let ratio = if same { 1.0 } else { difference.exp() };
        return Some(([ratio, ratio], if same { 1.0 } else { 0.0 }));
    }
    let freedom = (share1 + share2).powi(2) / (share1.powi(2) / (n1 - 1.0) + share2.powi(2) / (n2 - 1.0));
    let half = t_quantile(freedom)? * error;
    let tail = StudentsT::new(0.0, 1.0, freedom).ok()?.sf((difference / error).abs());
    let interval = [(difference - half).exp(), (difference + half).exp()];
    interval.iter().all(|edge| edge.is_finite()).then_some((interval, (2.0 * tail).min(1.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1e-3), "{a} is not {b}");
    }

    #[test]
    fn t_quantiles_are_those_of_the_tables() {
        for (freedom, t) in [(1.0, 12.7062), (2.0, 4.30265), (4.0, 2.77645), (30.0, 2.04227)] {
            close(t_quantile(freedom).unwrap(), t);
        }
    }

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
    fn welch_on_logs_by_hand() {
        // Logs 1, 2, 3 against 2, 4, 6, 8: d = -3, se² = 1/3 + (20/3)/4 = 2, df = 4 / (1/18 + 25/27) = 4.0755.
        let e = |logs: &[f64]| logs.iter().map(|x| x.exp()).collect::<Vec<_>>();
        let found = compare(&e(&[1.0, 2.0, 3.0]), &e(&[2.0, 4.0, 6.0, 8.0]), Better::Higher);
        let [low, high] = found.ci95.unwrap();
        close((low.ln() + high.ln()) / 2.0, -3.0);
        let (half, p) = ((high.ln() - low.ln()) / 2.0, found.p_value.unwrap());
        // SciPy: t.ppf(0.975, 4.075472) * sqrt(2), and 2 * t.sf(3 / sqrt(2), 4.075472).
        close(half, HALF);
        close(p, P);
        assert_eq!(found.verdict, Verdict::Inconclusive);
    }
    const HALF: f64 = 3.897975;
    const P: f64 = 0.099913;

    #[test]
    fn verdicts() {
        let base = [100.0, 101.0, 99.0];
        let verdict = |arm: &[f64], better| compare(arm, &base, better).verdict;
        assert_eq!(verdict(&[200.0, 202.0, 198.0], Better::Higher), Verdict::Faster);
        assert_eq!(verdict(&[200.0, 202.0, 198.0], Better::Lower), Verdict::Slower);
        assert_eq!(verdict(&[50.0, 51.0, 49.0], Better::Higher), Verdict::Slower);
        assert_eq!(verdict(&[50.0, 51.0, 49.0], Better::Lower), Verdict::Faster);
        assert_eq!(verdict(&[100.1, 99.9, 100.0, 100.05], Better::Higher), Verdict::Inconclusive);
        let steady = [100.0, 100.1, 99.9];
        let same = compare(&[100.1, 99.9, 100.0], &steady, Better::Higher);
        assert_eq!(same.verdict, Verdict::NoDifference);
        assert_eq!(verdict(&[150.0, 60.0, 100.0], Better::Higher), Verdict::Inconclusive);
    }

    #[test]
    fn too_little_gives_no_verdict() {
        let one = compare(&[200.0], &[100.0, 101.0], Better::Higher);
        assert_eq!(one.ratio.map(|ratio| ratio > 1.9), Some(true));
        assert_eq!((one.ci95, one.p_value, one.verdict), (None, None, Verdict::Inconclusive));
        assert_eq!(compare(&[], &[1.0, 2.0], Better::Higher).ratio, None);
        assert_eq!(compare(&[1.0, 2.0], &[0.0, 0.0], Better::Lower).verdict, Verdict::Inconclusive);
        let flat = compare(&[5.0, 5.0], &[5.0, 5.0], Better::Higher);
        assert_eq!((flat.ci95, flat.p_value), (Some([1.0, 1.0]), Some(1.0)));
        assert_eq!(flat.verdict, Verdict::NoDifference);
        let next_counter = compare(&[13_111.0; 3], &[13_103.0; 3], Better::Lower);
        assert_eq!(next_counter.verdict, Verdict::NoDifference);
        assert_eq!(compare(&[7.0; 3], &[5.0; 3], Better::Lower).verdict, Verdict::Slower);
    }

    proptest! {
        #[test]
        fn swapping_sides_inverts(
            a in prop::collection::vec(1.0..1e9f64, 2..6),
            b in prop::collection::vec(1.0..1e9f64, 2..6),
        ) {
            let (there, back) = (compare(&a, &b, Better::Higher), compare(&b, &a, Better::Higher));
            if let (Some([low, high]), Some([back_low, back_high])) = (there.ci95, back.ci95) {
                prop_assert!((low.ln() + back_high.ln()).abs() < 1e-6);
                prop_assert!((high.ln() + back_low.ln()).abs() < 1e-6);
            }
            let swapped = match there.verdict {
                Verdict::Faster => Verdict::Slower,
                Verdict::Slower => Verdict::Faster,
                same => same,
            };
            prop_assert!(back.verdict == swapped || there.verdict == Verdict::NoDifference || back.verdict == Verdict::NoDifference);
        }

        #[test]
        fn scale_does_not_matter(a in prop::collection::vec(1.0..1e6f64, 2..6), factor in 1e-3..1e3f64) {
            let scaled: Vec<f64> = a.iter().map(|x| x * factor).collect();
            let found = compare(&scaled, &a, Better::Higher);
            prop_assert!((found.ratio.unwrap() / factor - 1.0).abs() < 1e-9);
        }
    }
}
