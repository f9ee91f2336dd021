//! The number of further trials that a verdict needs: a range, because neither the true difference nor the noise is
//! known.
//!
//! Both are drawn from what the trials so far show, as are the trials to come. For a number of further trials, the share
//! of draws that reach a verdict is the probability of one. (D. Spiegelhalter, L. Freedman, P. Blackburn, *Monitoring
//! clinical trials: conditional or predictive power?*, Controlled Clinical Trials 7, 1986.) The draws are the points of
//! a Halton sequence, so that the result is always the same.

use statrs::distribution::{ChiSquared, ContinuousCDF as _, Normal, StudentsT};

use super::{
    confidence::CONFIDENCE,
    pooled::Pooled,
    verdict::{SIGNIFICANCE, is_within},
};
use crate::summary::TrialsRange;

/// The most blocks considered.
const MOST_BLOCKS: usize = 1000;
/// The number of draws.
const DRAWS: u32 = 200;
/// The probabilities of a verdict at the ends of the range, and between them.
const LEAST: f64 = 0.1;
const LIKELY: f64 = 0.5;
const MOST: f64 = 0.9;

/// Further trials that a verdict needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialsMore {
    /// With this number, a verdict is as likely as not; `None` if `MOST_BLOCKS` would not suffice.
    pub likely: Option<u32>,
    /// With the least number one run in ten has a verdict, with the most nine in ten.
    pub range: TrialsRange,
}

/// A possible truth, and how the trials to come may turn out.
struct Draw {
    /// The true logarithm of the ratio.
    log_ratio: f64,
    /// The true variance of a block.
    variance: f64,
    /// The variance and its degrees of freedom, as far as they are known.
    known: (f64, f64),
    /// The mean of the trials to come, in standard errors from the truth.
    luck: f64,
}

/// Point `index` of the van der Corput sequence: the digits of the index, reversed behind the point.
fn radical_inverse(index: u32, base: u32) -> f64 {
    let (mut rest, mut scale, mut value) = (index, 1.0, 0.0);
    while rest > 0 {
        scale /= f64::from(base);
        value += scale * f64::from(rest % base);
        rest /= base;
    }
    value
}

fn draw(found: &Pooled, index: u32) -> Option<Draw> {
    let [which, spread, truth, luck] = [2, 3, 5, 7].map(|base| radical_inverse(index, base));
    let mut below = 0.0;
    let term = found.terms().iter().find(|term| {
        below += term.weight;
        which < below
    });
    let term = term.or(found.terms().last())?;
    let chi = ChiSquared::new(term.freedom).ok()?.inverse_cdf(spread);
    let variance = term.freedom * term.variance / chi;
    let normal = Normal::standard();
    let error = (variance / found.difference.pairs as f64).sqrt();
    Some(Draw {
        log_ratio: found.difference.log_ratio + error * normal.inverse_cdf(truth),
        variance,
        known: (term.variance, term.freedom),
        luck: normal.inverse_cdf(luck),
    })
}

/// The smallest number of further blocks, up to `MOST_BLOCKS` in all, that decides with this probability.
fn smallest(found: &Pooled, probability: f64, decided: impl Fn(usize) -> Option<f64>) -> Option<u32> {
    let decides = |pairs: usize| Some(decided(pairs)? >= probability);
    if !decides(MOST_BLOCKS)? {
        return None;
    }
    // The probability rises with the number of blocks, so a binary search finds the limit.
    let (mut few, mut enough) = (found.difference.pairs, MOST_BLOCKS);
    while few + 1 < enough {
        let middle = usize::midpoint(few, enough);
        if decides(middle)? { enough = middle } else { few = middle }
    }
    u32::try_from(enough - found.difference.pairs).ok()
}

/// The number of further blocks that decide: the p-value, times the `factor` of its corrections, is below
/// [`SIGNIFICANCE`], or the interval lies within the margin. `None` without spread, and if hardly any run of
/// `MOST_BLOCKS` would have a verdict.
#[must_use]
pub fn trials_more(found: &Pooled, factor: f64, margin: f64) -> Option<TrialsMore> {
    if found.difference.is_exact() {
        return None;
    }
    // The first point of the sequence is 0, which has no quantile.
    let draws: Vec<Draw> = (1..=DRAWS).filter_map(|index| draw(found, index)).collect();
    let freedom = found.terms().iter().map(|term| term.weight * term.freedom).sum::<f64>();
    let decided = |pairs: usize| {
        let more = found.further_freedom(pairs);
        let student = StudentsT::new(0.0, 1.0, freedom + more).ok()?;
        let quantile = |level: f64| student.inverse_cdf(1.0 - level / 2.0);
        let (significant, shown) = (quantile(SIGNIFICANCE / factor), quantile(1.0 - CONFIDENCE));
        let (all, now) = (pairs as f64, found.difference.pairs as f64);
        let decides = |draw: &&Draw| {
            let to_come = all - now;
            let mean = draw.log_ratio + draw.luck * (draw.variance / to_come).sqrt();
            let centre = (now * found.difference.log_ratio + to_come * mean) / all;
            let (known, freedom) = draw.known;
            let variance = (freedom * known + more * draw.variance) / (freedom + more);
            let error = (variance / all).sqrt();
            let interval = [-shown, shown].map(|side| (centre + side * error).exp());
            centre.abs() > significant * error || is_within(Some(interval), margin)
        };
        Some(draws.iter().filter(decides).count() as f64 / f64::from(DRAWS))
    };
    let of = |probability: f64| smallest(found, probability, decided);
    let range = TrialsRange { least: of(LEAST)?, most: of(MOST) };
    Some(TrialsMore { likely: of(LIKELY), range })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{
        difference::{Difference, Length, Variances},
        verdict::DEFAULT_MARGIN,
    };

    fn of(ratio: f64, error: f64, pairs: usize) -> Pooled {
        let variances = Variances::default();
        Pooled::alone(Difference { log_ratio: ratio.ln(), error, variances, pairs, length: Length::Fixed })
    }

    fn more(ratio: f64, error: f64, pairs: usize, factor: f64) -> Option<TrialsMore> {
        trials_more(&of(ratio, error, pairs), factor, DEFAULT_MARGIN)
    }

    #[test]
    fn the_range_holds_the_number_for_trials_like_those_so_far() {
        // SciPy: at 1.03 ± 0.02 of 5 blocks, 2 * t.sf(ln(1.03) / 0.02 * sqrt(n / 5), n - 1) < 0.042 from n = 12 on.
        let found = more(1.03, 0.02, 5, 1.0).unwrap();
        let TrialsRange { least, most } = found.range;
        let (likely, most) = (found.likely.unwrap(), most.unwrap());
        assert!(least < 7 && 7 < most && (least..=most).contains(&likely), "{found:?}");
        let many = more(1.03, 0.02, 5, 12.0).unwrap();
        assert!(many.likely > found.likely && many.range.most > found.range.most, "{many:?}");
    }

    #[test]
    fn noise_without_end_has_no_number() {
        // The true ratio may be far from 1, so a verdict is possible, but not within reach of most runs.
        let wide = more(1.02, 0.5, 5, 1.0).unwrap();
        assert!(wide.range.most.is_none() && wide.likely > Some(20), "{wide:?}");
        assert_eq!(more(1.0, 0.0, 5, 1.0), None, "the trials agree");
    }

    #[test]
    fn the_points_of_the_sequence_are_those_of_the_literature() {
        assert_eq!([1, 2, 3, 4].map(|index| radical_inverse(index, 2)), [0.5, 0.25, 0.75, 0.125]);
        assert!((radical_inverse(5, 3) - 7.0 / 9.0).abs() < 1e-15);
    }
}
