//! Points of a sweep, and ratios at them.

use serde_json::Value;

use crate::params::Params;

/// A ratio at a point.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioAt {
    /// The arm over the baseline.
    pub ratio: f64,
    /// The point.
    pub params: Params,
}

/// Some of the points at which an arm was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// These points.
    pub points: Vec<Params>,
    /// Whether they are the last points of a sweep along one axis of increasing numbers.
    pub last: bool,
    /// The number of all points.
    pub total: usize,
}

impl Points {
    /// These points among all points of an arm's comparisons, both in the plan's order.
    #[must_use]
    pub fn among(points: Vec<Params>, all: &[Params]) -> Self {
        let first = all.len().saturating_sub(points.len());
        let last = points.len() > 1 && first > 0 && all[first..] == points[..] && increase(all);
        Self { points, last, total: all.len() }
    }
}

/// Whether the points lie on one axis of increasing numbers.
fn increase(points: &[Params]) -> bool {
    let value = |point: &Params| match point.values().next() {
        Some(Value::Number(number)) if point.len() == 1 => number.as_f64(),
        _ => None,
    };
    points.windows(2).all(|pair| value(&pair[0]).zip(value(&pair[1])).is_some_and(|(a, b)| a < b))
}

/// The number of further trials of each cell that a verdict needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialsNeeded {
    /// At the point that needs the fewest.
    pub least: u32,
    /// At the point that needs the most; `None` if no number is enough for nine runs in ten.
    pub most: Option<u32>,
    /// Whether a number is known for every inconclusive point.
    pub everywhere: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_points_of_an_axis_are_recognised() {
        let depths = |values: &[u64]| -> Vec<Params> {
            values.iter().map(|depth| Params::from_iter([("depth".to_owned(), (*depth).into())])).collect()
        };
        let last = |some: &[u64], all: &[u64]| Points::among(depths(some), &depths(all)).last;
        assert!(last(&[8, 32], &[1, 8, 32]));
        assert!(!last(&[1, 8], &[1, 8, 32]) && !last(&[32], &[1, 8, 32]) && !last(&[1, 8], &[1, 8]));
        assert!(!last(&[8, 1], &[32, 8, 1]), "the values decrease");
    }
}
