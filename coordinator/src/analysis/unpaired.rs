//! Two samples whose trials have nothing to do with each other, as those of two runs: Welch's t on logarithms, where a
//! ratio is a difference and spread in proportion to the value is equal spread.
//!
//! ```text
//! d  = mean(ln arm) - mean(ln baseline)
//! se = sqrt(s1²/n1 + s2²/n2)
//! df = (s1²/n1 + s2²/n2)² / ((s1²/n1)²/(n1-1) + (s2²/n2)²/(n2-1))      (Welch, Satterthwaite)
//! interval: exp(d ± t(df) * se)        p: P(|T(df)| >= |d| / se)
//! ```

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{
    set::Verdict,
    stats::{CONFIDENCE, mean, verdict::DEFAULT_MARGIN},
};

/// Logarithms that are nearer than this differ by rounding only.
const ROUNDING: f64 = 1e-12;

/// What two samples allow to say of their ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Mean of the arm over mean of the baseline; `None` where either has no sample.
    pub ratio: Option<f64>,
    /// 95 % confidence interval of it; `None` below two samples on a side, and with one that is not above zero.
    pub ci95: Option<[f64; 2]>,
    /// Two-sided: how likely a difference of this size is if there is none.
    pub p_value: Option<f64>,
    /// *faster* or *slower* where the interval excludes 1; else *no difference* where it lies within 1 ± [`DEFAULT_MARGIN`];
    /// else *inconclusive*.
    pub verdict: Verdict,
}

/// Compares an arm with the baseline. Samples without any spread are percentiles that fell into one counter of the
/// histogram each time: their interval is the ratio itself, and a step of a counter must not pass for a difference.
#[must_use]
pub fn compare(arm: &[f64], baseline: &[f64], more_is_better: bool) -> Ratio {
    let ratio = match (mean(arm), mean(baseline)) {
        (Some(arm), Some(baseline)) if baseline > 0.0 => Some(arm / baseline),
        _ => None,
    };
    let Some((ci95, p_value)) = welch(arm, baseline) else {
        return Ratio { ratio, ci95: None, p_value: None, verdict: Verdict::Inconclusive };
    };
    let [low, high] = ci95;
    let equal = low >= 1.0 - DEFAULT_MARGIN && high <= 1.0 + DEFAULT_MARGIN;
    let verdict = match (low > 1.0, high < 1.0) {
        _ if low == high && equal => Verdict::NoDifference,
        (true, _) if more_is_better => Verdict::Faster,
        (_, true) if !more_is_better => Verdict::Faster,
        (true, _) | (_, true) => Verdict::Slower,
        _ if equal => Verdict::NoDifference,
        _ => Verdict::Inconclusive,
    };
    Ratio { ratio, ci95: Some(ci95), p_value: Some(p_value), verdict }
}

/// Count, mean and unbiased variance of logarithms, of two samples or more, all above zero.
fn logs(samples: &[f64]) -> Option<(f64, f64, f64)> {
    let log = |sample: &f64| (*sample > 0.0 && sample.is_finite()).then(|| sample.ln());
    let logs = samples.iter().map(log).collect::<Option<Vec<f64>>>()?;
    let (centre, n) = (mean(&logs)?, logs.len() as f64);
    let squares: f64 = logs.iter().map(|log| (log - centre).powi(2)).sum();
    (logs.len() > 1).then_some((n, centre, squares / (n - 1.0)))
}

fn welch(arm: &[f64], baseline: &[f64]) -> Option<([f64; 2], f64)> {
    let ((n1, mean1, variance1), (n2, mean2, variance2)) = (logs(arm)?, logs(baseline)?);
    let (share1, share2) = (variance1 / n1, variance2 / n2);
    let (difference, error) = (mean1 - mean2, (share1 + share2).sqrt());
    if error <= ROUNDING {
        let same = difference.abs() <= ROUNDING;
        let ratio = if same { 1.0 } else { difference.exp() };
        return Some(([ratio, ratio], if same { 1.0 } else { 0.0 }));
    }
    let freedom = (share1 + share2).powi(2) / (share1.powi(2) / (n1 - 1.0) + share2.powi(2) / (n2 - 1.0));
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let half = student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * error;
    let p_value = (2.0 * student.sf((difference / error).abs())).min(1.0);
    let interval = [(difference - half).exp(), (difference + half).exp()];
    interval.iter().all(|edge| edge.is_finite()).then_some((interval, p_value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Logs 1, 2, 3 against 2, 4, 6, 8: d = -3, se² = 1/3 + (20/3)/4 = 2, df = 4 / (1/18 + 25/27) = 4.0755.
        let e = |logs: &[f64]| logs.iter().map(|log| log.exp()).collect::<Vec<_>>();
        let found = compare(&e(&[1.0, 2.0, 3.0]), &e(&[2.0, 4.0, 6.0, 8.0]), true);
        let [low, high] = found.ci95.unwrap();
        // SciPy: t.ppf(0.975, 4.075472) * sqrt(2), and 2 * t.sf(3 / sqrt(2), 4.075472).
        for (found, expected) in
            [(low.ln(), -6.897975), (high.ln(), 0.897975), (found.p_value.unwrap(), 0.099913)]
        {
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
        assert_eq!(found.verdict, Verdict::Inconclusive);
    }

    #[test]
    fn verdicts() {
        let verdict = |arm: &[f64], more| compare(arm, &[100.0, 101.0, 99.0], more).verdict;
        assert_eq!(verdict(&[200.0, 202.0, 198.0], true), Verdict::Faster);
        assert_eq!(verdict(&[200.0, 202.0, 198.0], false), Verdict::Slower);
        assert_eq!(verdict(&[50.0, 51.0, 49.0], true), Verdict::Slower);
        assert_eq!(verdict(&[50.0, 51.0, 49.0], false), Verdict::Faster);
        assert_eq!(verdict(&[150.0, 60.0, 100.0], true), Verdict::Inconclusive);
        assert_eq!(
            compare(&[100.1, 99.9, 100.0], &[100.0, 100.1, 99.9], true).verdict,
            Verdict::NoDifference
        );
        assert_eq!(
            compare(&[13_111.0; 3], &[13_103.0; 3], false).verdict,
            Verdict::NoDifference,
            "one counter"
        );
        assert_eq!(compare(&[7.0; 3], &[5.0; 3], false).verdict, Verdict::Slower);
    }

    #[test]
    fn too_little_gives_no_verdict() {
        let one = compare(&[200.0], &[100.0, 101.0], true);
        assert_eq!((one.ci95, one.verdict, one.ratio.is_some()), (None, Verdict::Inconclusive, true));
        assert_eq!(compare(&[], &[1.0, 2.0], true).ratio, None);
        assert_eq!(compare(&[1.0, 2.0], &[0.0, 0.0], false).verdict, Verdict::Inconclusive);
    }
}
