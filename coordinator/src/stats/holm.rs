//! Holm's correction for multiple comparisons: keeps the many comparisons of a sweep from finding differences by
//! chance.
//!
//! Of the p-values in rising order, the first is multiplied by their number, the next by one less, and so on; none
//! may be smaller than its predecessor. (S. Holm, *A simple sequentially rejective multiple test procedure*,
//! Scandinavian Journal of Statistics 6, 1979.) It does not require independence: arms may share a baseline.

/// A p-value after correction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjusted {
    /// The probability, at most 1.
    pub p: f64,
    /// The factor of the correction.
    pub factor: f64,
}

/// Corrects all p-values of a family, in the given order.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<Adjusted> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![Adjusted { p: 1.0, factor: 1.0 }; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let factor = (p_values.len() - rank) as f64;
        least = least.max(p_values[index] * factor).min(1.0);
        adjusted[index] = Adjusted { p: least, factor };
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_manual_calculation() {
        // By hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and never less than the predecessor.
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(found.iter().zip(expected).all(|(found, p)| (found.p - p).abs() < 1e-12), "{found:?}");
        assert_eq!(found.iter().map(|found| found.factor).collect::<Vec<_>>(), [3.0, 1.0, 2.0, 4.0]);
        assert_eq!(holm(&[0.7, 0.9]).iter().map(|found| found.p).collect::<Vec<_>>(), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
