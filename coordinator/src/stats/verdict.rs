//! Verdicts on differences.

use super::{difference::Difference, pooled::Pooled};
use crate::{metric::Better, summary::Verdict};

/// The default equivalence margin: arms count as equal if the interval of their ratio lies within 1 ± this value.
pub const DEFAULT_MARGIN: f64 = 0.02;
/// The limit of the adjusted p-value of a difference. It is slightly below the usual 0.05, so that false verdicts
/// stay below 5 % even if trials do not match Student's assumptions: see the simulation.
pub const SIGNIFICANCE: f64 = 0.042;
/// Ratios closer to 1 cannot be resolved: a percentile is accurate to 0.1 % on each side.
pub const RESOLUTION: f64 = 0.002;
/// Blocks with a standard error below this agree within the resolution of counters.
const STEADY: f64 = 1e-4;

/// The inputs of a verdict, apart from the p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// The ratio of the arm to the baseline.
    pub ratio: f64,
    /// The confidence interval around it.
    pub ci95: Option<[f64; 2]>,
    /// The standard error of its logarithm.
    pub error: f64,
}

impl From<&Difference> for Evidence {
    fn from(found: &Difference) -> Self {
        Self { ratio: found.ratio(), ci95: found.ci95(), error: found.error }
    }
}

impl From<&Pooled> for Evidence {
    fn from(found: &Pooled) -> Self {
        // The error is the comparison's own: it shows whether its trials agree to the resolution of counters.
        let Difference { error, .. } = found.difference;
        Self { ratio: found.difference.ratio(), ci95: found.ci95(), error }
    }
}

/// The verdict on a difference, with its p-value after correction. The same rule applies within a run and between
/// two runs.
///
/// *faster* or *slower*: the adjusted p is below [`SIGNIFICANCE`], and so the confidence interval excludes 1 too; and
/// the ratio is farther from 1 than [`RESOLUTION`]; otherwise it is *no difference*. Also *no difference*: the
/// interval lies within 1 ± `margin`. Otherwise *inconclusive*.
///
/// Trials that all agree show no chance variation. Within the margin they are *no difference*, because a single step of
/// a counter must not count as a difference.
#[must_use]
pub fn verdict(of: impl Into<Evidence>, adjusted_p: f64, better: Better, margin: f64) -> Verdict {
    let Evidence { ratio, ci95, error } = of.into();
    if adjusted_p < SIGNIFICANCE {
        let floor = if error < STEADY { margin.max(RESOLUTION) } else { RESOLUTION };
        return match (ratio > 1.0, better) {
            _ if (ratio - 1.0).abs() <= floor => Verdict::NoDifference,
            (true, Better::Higher) | (false, Better::Lower) => Verdict::Faster,
            (true, Better::Lower) | (false, Better::Higher) => Verdict::Slower,
        };
    }
    if is_within(ci95, margin) { Verdict::NoDifference } else { Verdict::Inconclusive }
}

pub(super) fn is_within(ci95: Option<[f64; 2]>, margin: f64) -> bool {
    ci95.is_some_and(|[low, high]| low >= 1.0 - margin && high <= 1.0 + margin)
}

#[cfg(test)]
mod tests {
    use super::{
        super::difference::{Length, Variances},
        *,
    };

    fn of(ratio: f64, error: f64, pairs: usize) -> Difference {
        let variances = Variances::default();
        Difference { log_ratio: ratio.ln(), error, variances, pairs, length: Length::Fixed }
    }

    fn judge(found: &Difference, better: Better) -> Verdict {
        verdict(found, found.p_value().unwrap(), better, DEFAULT_MARGIN)
    }

    #[test]
    fn judges_by_p_value_and_margin() {
        let (up, down) = (of(1.1, 0.01, 5), of(0.9, 0.01, 5));
        assert_eq!(judge(&up, Better::Higher), Verdict::Faster);
        assert_eq!(judge(&up, Better::Lower), Verdict::Slower);
        assert_eq!(judge(&down, Better::Higher), Verdict::Slower);
        assert_eq!(judge(&down, Better::Lower), Verdict::Faster);
        assert_eq!(judge(&of(1.001, 0.004, 5), Better::Higher), Verdict::NoDifference);
        assert_eq!(judge(&of(1.001, 0.02, 5), Better::Higher), Verdict::Inconclusive);
        assert_eq!(judge(&Difference::nothing(3, Length::Fixed), Better::Lower), Verdict::Faster);
        // Significant alone, but not as one of many comparisons.
        assert_eq!(verdict(&up, 0.2, Better::Higher, DEFAULT_MARGIN), Verdict::Inconclusive);
    }

    #[test]
    fn unresolvable_ratios_are_no_difference() {
        let found = of(1.015, 0.001, 5);
        assert_eq!(judge(&found, Better::Higher), Verdict::Faster);
        assert_eq!(judge(&of(1.001_9, 0.000_1, 9), Better::Higher), Verdict::NoDifference);
        let (step, real) = (of(1.015, 0.0, 3), of(1.5, 0.0, 3));
        assert_eq!(judge(&step, Better::Lower), Verdict::NoDifference);
        assert_eq!(judge(&of(1.015, 1e-7, 2), Better::Lower), Verdict::NoDifference);
        assert_eq!(judge(&real, Better::Lower), Verdict::Slower);
        let narrow = of(1.001, 0.002, 5);
        assert_eq!(verdict(&narrow, 0.6, Better::Higher, 0.005), Verdict::Inconclusive);
    }
}
