//! Verdicts on differences, and the number of further trials that a verdict needs.

use super::difference::Difference;
use crate::{metric::Better, summary::Verdict};

/// The default equivalence margin: arms count as equal if the interval of their ratio lies within 1 ± this value.
pub const DEFAULT_MARGIN: f64 = 0.02;
/// The limit of the adjusted p-value of a difference. It is slightly below the usual 0.05, so that false verdicts
/// stay below 5 % even if trials do not match Student's assumptions: see the simulation.
pub const SIGNIFICANCE: f64 = 0.035;
/// Ratios closer to 1 cannot be resolved: a percentile is accurate to 0.1 % on each side.
pub const RESOLUTION: f64 = 0.002;
/// Blocks with a standard error below this agree within the resolution of counters.
const STEADY: f64 = 1e-4;
/// The most blocks considered when estimating how many more are needed.
const MOST_BLOCKS: usize = 1000;

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

fn is_within(ci95: Option<[f64; 2]>, margin: f64) -> bool {
    ci95.is_some_and(|[low, high]| low >= 1.0 - margin && high <= 1.0 + margin)
}

/// The number of further blocks needed for a verdict, if spread and ratio stay the same: with them the p-value,
/// times the `factor` of its correction, is below [`SIGNIFICANCE`], or the interval lies within the margin. `None`
/// if `MOST_BLOCKS` would not suffice.
#[must_use]
pub fn trials_more(difference: &Difference, factor: f64, margin: f64) -> Option<u32> {
    let decides = |pairs: usize| {
        let then = difference.of_pairs(pairs);
        then.p_value().is_some_and(|p| p * factor < SIGNIFICANCE) || is_within(then.ci95(), margin)
    };
    if !decides(MOST_BLOCKS) {
        return None;
    }
    // The condition is monotonic in the number of blocks, so a binary search finds the limit.
    let (mut few, mut enough) = (difference.pairs, MOST_BLOCKS);
    while few + 1 < enough {
        let middle = usize::midpoint(few, enough);
        if decides(middle) { enough = middle } else { few = middle }
    }
    u32::try_from(enough - difference.pairs).ok()
}

#[cfg(test)]
mod tests {
    use super::{super::difference::Length, *};

    fn of(ratio: f64, error: f64, pairs: usize) -> Difference {
        Difference { log_ratio: ratio.ln(), error, pairs, length: Length::Fixed }
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

    #[test]
    fn the_needed_blocks_decide_and_one_fewer_does_not() {
        let margin = DEFAULT_MARGIN;
        for found in [of(1.03, 0.02, 5), of(1.001, 0.02, 5), of(1.2, 0.2, 2)] {
            for factor in [1.0, 12.0] {
                let more = trials_more(&found, factor, margin).unwrap() as usize;
                let decided = |pairs: usize| {
                    let then = found.of_pairs(pairs);
                    let p = then.p_value().unwrap() * factor;
                    verdict(&then, p, Better::Higher, margin) != Verdict::Inconclusive
                };
                assert!(more > 0 && decided(found.pairs + more), "{found:?} {more}");
                assert!(more == 1 || !decided(found.pairs + more - 1), "{found:?} {more}");
            }
        }
        // SciPy: at 1.03 ± 0.02 of 5 blocks, 2 * t.sf(ln(1.03) / 0.02 * sqrt(n / 5), n - 1) < 0.035 from n = 13 on.
        assert_eq!(trials_more(&of(1.03, 0.02, 5), 1.0, margin), Some(8));
        assert_eq!(trials_more(&of(1.02, 0.5, 5), 1.0, margin), None, "hopeless");
    }
}
