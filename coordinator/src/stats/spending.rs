//! The correction for looking more than once: a run that is continued because its result was inconclusive gets
//! another chance of a false verdict.
//!
//! Each look may spend a part of the probability of a false verdict (K. Lan, D. DeMets, *Discrete sequential boundaries
//! for clinical trials*, Biometrika 70, 1983). The first look, at the trials that were planned, may use the whole level,
//! so that a run that is never continued loses nothing. Each continuation may use half of the one before it.
//! Looks at the same trials agree in part, so that all of them together spend less than the sum: see the simulation.

use super::verdict::SIGNIFICANCE;

/// What the first continuation may use.
const FIRST_CONTINUATION: f64 = 0.006;

/// The probability of a false verdict that a look may use. The first look is number 1.
#[must_use]
pub fn spent(look: u32) -> f64 {
    match look.checked_sub(2) {
        None => SIGNIFICANCE,
        Some(before) => FIRST_CONTINUATION * 0.5_f64.powi(before.min(1000) as i32),
    }
}

/// The p-value of a look, so that it can be compared with [`SIGNIFICANCE`]: `p * SIGNIFICANCE / spent(look)`, at most 1.
#[must_use]
pub fn adjust(p: f64, look: u32) -> f64 {
    (p * penalty(look)).min(1.0)
}

/// The factor of [`adjust`].
#[must_use]
pub fn penalty(look: u32) -> f64 {
    SIGNIFICANCE / spent(look)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_looks_need_smaller_p_values() {
        assert_eq!((spent(1), spent(0)), (SIGNIFICANCE, SIGNIFICANCE));
        assert_eq!([2, 3, 4].map(spent), [0.006, 0.003, 0.0015]);
        assert_eq!(adjust(0.04, 1), 0.04);
        assert!((adjust(0.006, 2) - SIGNIFICANCE).abs() < 1e-12);
        assert_eq!(adjust(0.5, 3), 1.0);
        assert_eq!((adjust(0.0, 9), adjust(1e-9, u32::MAX)), (0.0, 1.0));
    }
}
