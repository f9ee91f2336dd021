//! A mixture of Student's t distributions: its tail, and the inverse of that.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// One of the distributions: `sqrt(variance) * T(freedom)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Its probability.
    pub weight: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// The square of its scale: the variance of one block, as far as it is known.
    pub variance: f64,
}

/// The probability of a value at least this far from 0, two-sided.
pub(super) fn tail(terms: &[Term], value: f64) -> f64 {
    let of = |term: &Term| {
        let student = StudentsT::new(0.0, 1.0, term.freedom).ok()?;
        Some(2.0 * term.weight * student.sf(value / term.variance.sqrt()))
    };
    terms.iter().map(of).sum::<Option<f64>>().map_or(f64::NAN, |p| p.min(1.0))
}

/// The value with this two-sided tail, by bisection. `None` if there is none below `1e9` times the largest scale.
pub(super) fn half_width(terms: &[Term], probability: f64) -> Option<f64> {
    const DOUBLINGS: u32 = 30;
    let scale = terms.iter().map(|term| term.variance).fold(0.0, f64::max).sqrt();
    let beyond = |value: &f64| tail(terms, *value) <= probability;
    let mut high = (0..DOUBLINGS).map(|power| scale * 2f64.powi(power as i32)).find(beyond)?;
    let mut low = if high > scale { high / 2.0 } else { 0.0 };
    while high - low > 1e-9 * high {
        let middle = f64::midpoint(low, high);
        if beyond(&middle) { high = middle } else { low = middle }
    }
    Some(high)
}
