//! Shares the noise over all comparisons of a metric in a run: a hierarchical moderated t test.
//!
//! A comparison of few trials knows its own variance badly, and a t test of one degree of freedom finds nothing. The
//! comparisons of a run have similar variances, however. They are therefore estimated together (`prior`), and each
//! comparison gets a mixture of t distributions with more degrees of freedom (`mixture`). If its own variance does
//! not fit the others, it counts as an outlier and keeps its own. (G. Smyth, *Linear models and empirical Bayes methods
//! for assessing differential expression in microarray experiments*, Statistical Applications in Genetics and Molecular
//! Biology 3, 2004.) `docs/adr/0034-noise-is-shared-over-a-run.md` gives the reasons and the measurements.

mod mixture;
mod prior;

pub use self::{mixture::Term, prior::Cell};
use self::{
    mixture::{half_width, tail},
    prior::Prior,
};
use super::difference::{Difference, ROUNDING};

/// If the variance within blocks is at least this share of the variance between all trials, on average over the family,
/// trials of a block have nothing in common, and the variances of arm and baseline are added. They have up to twice the
/// degrees of freedom.
const NOTHING_SHARED: f64 = 0.8;
/// Comparisons with one baseline have partly the same variance. Of k comparisons, each counts `1 / (1 + (k - 1) * this)`.
const SHARED_BASELINE: f64 = 0.25;

/// A comparison of a family, which is one metric over all points and arms of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Member {
    /// The comparison.
    pub difference: Difference,
    /// Comparisons of the family with the same baseline at the same point, including this one.
    pub sharing: usize,
    /// The number of its arm. The comparisons of an arm at several points are often alike.
    pub arm: usize,
}

/// A comparison judged with the variances of its family.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// The comparison.
    pub difference: Difference,
    /// The distribution of its error, as that of one block; empty without spread.
    terms: Vec<Term>,
    /// Degrees of freedom per degree of freedom of pairs; `None` if the comparison was judged alone.
    rate: Option<f64>,
}

/// Which variance the comparisons of a family have. It is chosen once for all, because a choice for each would favour
/// those that are too small by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spread {
    /// That of the differences within blocks.
    Paired,
    /// Those of arm and baseline together, with this many degrees of freedom for each of pairs, on average.
    Unpaired(f64),
}

impl Spread {
    /// ```text
    /// unpaired, if mean(paired / (arm + baseline)) >= 0.8
    /// degrees of freedom: (n - 1) / mean((arm² + baseline²) / (arm + baseline)²)      (Welch, Satterthwaite)
    /// ```
    fn of(family: &[Member]) -> Self {
        let mean = |of: fn(&Difference) -> f64| {
            family.iter().map(|member| of(&member.difference)).sum::<f64>() / family.len() as f64
        };
        if mean(|found| found.variances.paired / found.variances.unpaired()) < NOTHING_SHARED {
            return Self::Paired;
        }
        Self::Unpaired(1.0 / mean(|found| found.variances.unevenness()))
    }

    /// Degrees of freedom for each of pairs: the mean of the family, but no more than the comparison's own, because
    /// one of uneven arms must not have those of the others.
    fn rate(self, difference: &Difference) -> f64 {
        match self {
            Self::Paired => 1.0,
            Self::Unpaired(rate) => rate.min(1.0 / difference.variances.unevenness()),
        }
    }

    fn cell(self, Member { difference, sharing, arm }: &Member) -> Cell {
        let variance = match self {
            Self::Paired => difference.variances.paired,
            Self::Unpaired(_) => difference.variances.unpaired(),
        };
        Cell {
            variance: variance.max(ROUNDING * ROUNDING),
            freedom: self.rate(difference) * difference.length.freedom(difference.pairs),
            weight: 1.0 / (1.0 + SHARED_BASELINE * (sharing.max(&1) - 1) as f64),
            arm: *arm,
        }
    }
}

/// Judges the comparisons of a family together, in the given order. One without spread stays exact, and one alone with
/// a spread has the t test of its own.
#[must_use]
pub fn pool(family: &[Member]) -> Vec<Pooled> {
    let uncertain: Vec<Member> =
        family.iter().filter(|member| !member.difference.is_exact()).copied().collect();
    let spread = Spread::of(&uncertain);
    let cells: Vec<Cell> = uncertain.iter().map(|member| spread.cell(member)).collect();
    let Some(prior) = Prior::of(&cells) else {
        return family.iter().map(|member| Pooled::alone(member.difference)).collect();
    };
    let of = |member: &Member| match member.difference.is_exact() {
        true => Pooled::alone(member.difference),
        false => Pooled {
            difference: member.difference,
            terms: prior.mixture(&spread.cell(member)),
            rate: Some(spread.rate(&member.difference)),
        },
    };
    family.iter().map(of).collect()
}

/// The smallest mean that is significant at this level for the first cell of a family, times the root of the number of
/// blocks. `None` for fewer than two cells.
#[must_use]
pub fn critical(family: &[Cell], level: f64) -> Option<f64> {
    half_width(&Prior::of(family)?.mixture(family.first()?), level)
}

impl Pooled {
    /// A comparison that is judged alone.
    #[must_use]
    pub fn alone(difference: Difference) -> Self {
        let freedom = difference.length.freedom(difference.pairs);
        let variance = difference.error.powi(2) * difference.pairs as f64;
        let terms = vec![Term { weight: 1.0, freedom, variance }];
        Self { difference, terms: if difference.is_exact() { Vec::new() } else { terms }, rate: None }
    }

    /// Standard deviation of the logarithm of a block's ratio; 0 without spread.
    #[must_use]
    pub fn spread(&self) -> f64 {
        self.terms.iter().map(|term| term.weight * term.variance).sum::<f64>().sqrt()
    }

    /// The two-sided p-value: the probability of a difference at least this large if there is none.
    #[must_use]
    pub fn p_value(&self) -> Option<f64> {
        if self.rate.is_none() {
            return self.difference.p_value();
        }
        let blocks = self.difference.log_ratio.abs() * (self.difference.pairs as f64).sqrt();
        Some(tail(&self.terms, blocks)).filter(|p| p.is_finite())
    }

    /// The confidence interval of the ratio: the differences whose p-value is above 5 %.
    #[must_use]
    pub fn ci95(&self) -> Option<[f64; 2]> {
        if self.difference.is_exact() {
            return self.difference.ci95();
        }
        let half = half_width(&self.terms, 1.0 - super::confidence::CONFIDENCE)?
            / (self.difference.pairs as f64).sqrt();
        let centre = self.difference.log_ratio;
        let interval = [(centre - half).exp(), (centre + half).exp()];
        interval.iter().all(|edge| edge.is_finite()).then_some(interval)
    }

    /// The distributions of the error of one block; empty without spread.
    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Degrees of freedom that come with further blocks, `pairs` in all.
    pub(super) fn further_freedom(&self, pairs: usize) -> f64 {
        let Difference { length, pairs: now, .. } = self.difference;
        self.rate.unwrap_or(1.0) * (length.freedom(pairs) - length.freedom(now))
    }
}

#[cfg(test)]
mod tests;
