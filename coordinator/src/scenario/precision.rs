//! `trials.until`, `margin`, and percentages in general.

/// The default of `min`.
pub const DEFAULT_MIN: u32 = 5;
/// The default of `max`.
pub const DEFAULT_MAX: u32 = 30;
/// The smallest `min`. The spread of two trials is not known well enough.
pub const LEAST_MIN: u32 = 3;
/// The largest percentage.
pub const LARGEST_PERCENT: f64 = 50.0;

/// When a run stops: once its intervals are narrow enough, never because a difference is significant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Minimum number of trials per cell.
    pub min: u32,
    /// Half the width of an interval, as a share of the ratio: 0.02 for ± 2 %.
    pub until: f64,
}

/// Parses `2%` or `0.5 %` to a share of 1. `None` unless it is above 0 and at most [`LARGEST_PERCENT`].
pub(crate) fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.trim().strip_suffix('%')?.trim_end().parse().ok()?;
    (number > 0.0 && number <= LARGEST_PERCENT).then_some(number / 100.0)
}

/// Formats a share as `2 %` or `0.5 %`.
#[must_use]
pub fn as_percent(share: f64) -> String {
    // Three decimals hide the rounding error of the division by 100.
    let number = (share * 1e5).round() / 1e3;
    format!("{number} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages() {
        assert_eq!([percent("2%"), percent(" 0.5 % ")], [Some(0.02), Some(0.005)]);
        for text in ["2", "0%", "-1%", "51%", "%", "nan%", "inf%", "two%", ""] {
            assert_eq!(percent(text), None, "{text}");
        }
        assert_eq!([as_percent(0.02), as_percent(0.005), as_percent(0.07)], ["2 %", "0.5 %", "7 %"]);
    }
}
