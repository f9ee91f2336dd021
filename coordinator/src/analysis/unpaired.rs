//! Comparison of two independent samples, such as those of two runs: Welch's t test on logarithms. There a ratio is a
//! difference, and a spread in proportion to the value is a constant one.
//!
//! ```text
//! d  = mean(ln arm) - mean(ln baseline)
//! se = sqrt(s1²/n1 + s2²/n2)
//! df = (s1²/n1 + s2²/n2)² / ((s1²/n1)²/f1 + (s2²/n2)²/f2)      (Welch, Satterthwaite)
//! interval: exp(d ± t(df) * se)        p: P(|T(df)| >= |d| / se)
//! ```
//!
//! A sample has `f = n - 1` degrees of freedom; if precision decided the number of trials, it has those of
//! [`Length::freedom`], as within a run.

use crate::{
    metric::Better,
    stats::{
        difference::{Length, ROUNDING},
        mean, moments, t_quantile, t_tail,
        verdict::{Evidence, verdict},
    },
    summary::Verdict,
};

/// One value per trial.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The values.
    pub values: &'a [f64],
    /// How their number was decided.
    pub length: Length,
}

/// The ratio of two samples, with its uncertainty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio {
    /// Mean of the arm over mean of the baseline; `None` if either has no sample.
    pub ratio: Option<f64>,
    /// Its confidence interval; `None` if a side has fewer than two samples, or one that is not above zero.
    pub ci95: Option<[f64; 2]>,
    /// The probability of a difference of this size if there is none, two-sided.
    pub p_value: Option<f64>,
    /// The basis of a verdict: the ratio of geometric means, with its interval.
    pub evidence: Option<Evidence>,
}

impl Ratio {
    /// The verdict by the corrected p-value, with the rules of comparisons within a run; *inconclusive* without
    /// evidence.
    #[must_use]
    pub fn verdict(&self, adjusted_p: Option<f64>, better: Better, margin: f64) -> Verdict {
        let judged = self.evidence.zip(adjusted_p);
        judged.map_or(Verdict::Inconclusive, |(found, p)| verdict(found, p, better, margin))
    }
}

/// Compares an arm with the baseline. Samples without any spread are percentiles that fall into the same counter of the
/// histogram in each trial; their interval is the ratio itself.
#[must_use]
pub fn compare(arm: Sample<'_>, baseline: Sample<'_>) -> Ratio {
    let ratio = match (mean(arm.values), mean(baseline.values)) {
        (Some(arm), Some(baseline)) if baseline > 0.0 => Some(arm / baseline),
        _ => None,
    };
    let Some((evidence, p_value)) = welch(arm, baseline) else {
        return Ratio { ratio, ..Ratio::default() };
    };
    Ratio { ratio, ci95: evidence.ci95, p_value: Some(p_value), evidence: Some(evidence) }
}

/// Mean of the logarithms, the square of its standard error, and degrees of freedom. `None` with fewer than two values,
/// or one that is not above zero.
fn logs(sample: Sample<'_>) -> Option<(f64, f64, f64)> {
    let logs = crate::stats::difference::logs(sample.values)?;
    let (mean, variance) = moments(&logs)?;
    Some((mean, variance / logs.len() as f64, sample.length.freedom(logs.len())))
}

fn welch(arm: Sample<'_>, baseline: Sample<'_>) -> Option<(Evidence, f64)> {
    let ((mean1, share1, freedom1), (mean2, share2, freedom2)) = (logs(arm)?, logs(baseline)?);
    let (difference, error) = (mean1 - mean2, (share1 + share2).sqrt());
    if error <= ROUNDING {
        let same = difference.abs() <= ROUNDING;
        let ratio = if same { 1.0 } else { difference.exp() };
        return Some((Evidence { ratio, ci95: Some([ratio; 2]), error: 0.0 }, f64::from(u8::from(same))));
    }
    let freedom = (share1 + share2).powi(2) / (share1.powi(2) / freedom1 + share2.powi(2) / freedom2);
    let half = t_quantile(freedom)? * error;
    let interval = [(difference - half).exp(), (difference + half).exp()];
    let evidence = Evidence { ratio: difference.exp(), ci95: Some(interval), error };
    let p_value = t_tail(difference / error, freedom)?;
    interval.iter().all(|edge| edge.is_finite()).then_some((evidence, p_value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::verdict::{DEFAULT_MARGIN, SIGNIFICANCE};

    const fn fixed(values: &[f64]) -> Sample<'_> {
        Sample { values, length: Length::Fixed }
    }

    fn of(arm: &[f64], baseline: &[f64]) -> Ratio {
        compare(fixed(arm), fixed(baseline))
    }

    fn alone(found: &Ratio, better: Better) -> Verdict {
        found.verdict(found.p_value, better, DEFAULT_MARGIN)
    }

    #[test]
    fn by_hand() {
        // Logs 1, 2, 3 against 2, 4, 6, 8: d = -3, se² = 1/3 + (20/3)/4 = 2, df = 4 / (1/18 + 25/27) = 4.0755.
        let e = |logs: &[f64]| logs.iter().map(|log| log.exp()).collect::<Vec<_>>();
        let found = of(&e(&[1.0, 2.0, 3.0]), &e(&[2.0, 4.0, 6.0, 8.0]));
        let [low, high] = found.ci95.unwrap();
        // SciPy: t.ppf(0.975, 4.075472) * sqrt(2), and 2 * t.sf(3 / sqrt(2), 4.075472).
        for (found, expected) in
            [(low.ln(), -6.897975), (high.ln(), 0.897975), (found.p_value.unwrap(), 0.099913)]
        {
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
        assert_eq!(alone(&found, Better::Higher), Verdict::Inconclusive);
    }

    #[test]
    fn half_of_the_trials_count_if_precision_decided_their_number() {
        let values: Vec<f64> = (0..21).map(|n| 100.0 + f64::from(n % 3)).collect();
        let others: Vec<f64> = values.iter().map(|value| 1.007 * value).collect();
        let open = |values| Sample { values, length: Length::ByPrecision { min: 5 } };
        let (all, half) = (of(&others, &values), compare(open(&others), open(&values)));
        // Twice 20 degrees of freedom make 40, twice 10 make 20. SciPy: t.ppf(0.975, 40) and t.ppf(0.975, 20).
        let width = |found: &Ratio| found.ci95.map(|[low, high]| (high / low).ln()).unwrap();
        assert!((width(&half) / width(&all) - 2.085_963 / 2.021_075).abs() < 1e-5);
        assert!(half.p_value > all.p_value);
        let one = compare(open(&others), fixed(&values));
        assert!(width(&all) < width(&one) && width(&one) < width(&half), "precision decided one of them");
    }

    #[test]
    fn verdicts_follow_the_rules_within_a_run() {
        let found = of(&[110.0, 112.0, 108.0], &[100.0, 101.0, 99.0]);
        let at = |p: f64| found.verdict(Some(p), Better::Higher, DEFAULT_MARGIN);
        assert_eq!([at(SIGNIFICANCE - 1e-6), at(SIGNIFICANCE)], [Verdict::Faster, Verdict::Inconclusive]);
        // Differences below the resolution count as none, however certain they are.
        let tiny = of(&[100.1, 100.11, 100.09, 100.1], &[100.0, 100.01, 99.99, 100.0]);
        assert!(tiny.p_value.unwrap() < 0.001);
        assert_eq!(tiny.verdict(tiny.p_value, Better::Higher, 1e-4), Verdict::NoDifference);
        let near = of(&[101.0, 103.0, 99.0], &[100.0, 101.0, 99.0]);
        let within = |margin| near.verdict(Some(1.0), Better::Higher, margin);
        assert_eq!([within(0.02), within(0.1)], [Verdict::Inconclusive, Verdict::NoDifference]);
    }

    #[test]
    fn verdicts_follow_from_samples() {
        let verdict = |arm: &[f64], more| {
            let better = if more { Better::Higher } else { Better::Lower };
            alone(&of(arm, &[100.0, 101.0, 99.0]), better)
        };
        assert_eq!(verdict(&[200.0, 202.0, 198.0], true), Verdict::Faster);
        assert_eq!(verdict(&[200.0, 202.0, 198.0], false), Verdict::Slower);
        assert_eq!(verdict(&[50.0, 51.0, 49.0], true), Verdict::Slower);
        assert_eq!(verdict(&[50.0, 51.0, 49.0], false), Verdict::Faster);
        assert_eq!(verdict(&[150.0, 60.0, 100.0], true), Verdict::Inconclusive);
        assert_eq!(
            alone(&of(&[100.1, 99.9, 100.0], &[100.0, 100.1, 99.9]), Better::Higher),
            Verdict::NoDifference
        );
        assert_eq!(
            alone(&of(&[13_111.0; 3], &[13_103.0; 3]), Better::Lower),
            Verdict::NoDifference,
            "the same counter of the histogram"
        );
        assert_eq!(alone(&of(&[7.0; 3], &[5.0; 3]), Better::Lower), Verdict::Slower);
    }

    #[test]
    fn too_few_samples_have_no_verdict() {
        let one = of(&[200.0], &[100.0, 101.0]);
        assert_eq!(
            (one.ci95, alone(&one, Better::Higher), one.ratio.is_some()),
            (None, Verdict::Inconclusive, true)
        );
        assert_eq!(of(&[], &[1.0, 2.0]).ratio, None);
        assert_eq!(alone(&of(&[1.0, 2.0], &[0.0, 0.0]), Better::Lower), Verdict::Inconclusive);
    }
}
