//! Scales from values to pixels, and their ticks.

use proto::units::{ByteSize, Nanos};
use serde_json::Value;

use super::figure::px;

/// The ratio of the largest to the smallest value from which on an axis of a sweep is logarithmic.
const LOG_SPAN: f64 = 16.0;

/// A scale from values to pixels.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    pixels: [f64; 2],
    /// The values of the ticks.
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// A linear scale from zero, or a round value below the lowest negative one, to a round value above the highest.
    pub(super) fn linear(values: &[f64], pixels: [f64; 2]) -> Self {
        let (low, high) = range(values);
        let (low, high) = (low.min(0.0), high.max(0.0));
        let step = step(high - low);
        let (first, last) = ((low / step).floor(), (high / step).ceil().max(1.0));
        let count = (last - first) as usize;
        let ticks = (0..=count).map(|index| (first + index as f64) * step).collect();
        Self { low: first * step, high: last * step, log: false, pixels, ticks }
    }

    /// A logarithmic scale from below the lowest to above the highest value. The fewer decades, the more ticks each
    /// has. Only values above zero count.
    pub(super) fn log(values: &[f64], pixels: [f64; 2]) -> Self {
        let positive: Vec<f64> = values.iter().copied().filter(|value| *value > 0.0).collect();
        let (low, high) = if positive.is_empty() { (1.0, 10.0) } else { range(&positive) };
        let (low, high) = (low / 1.1, high * 1.1);
        let decades = (high / low).log10();
        let factors: &[f64] = match decades {
            d if d <= 0.7 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            d if d <= 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let all = (from..=to).flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
        let ticks = all.filter(|tick| (low..=high).contains(tick)).collect();
        Self { low, high, log: true, pixels, ticks }
    }

    /// The pixel of a value, limited to the ends of the scale.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        px(self.pixels[0] + share.clamp(0.0, 1.0) * (self.pixels[1] - self.pixels[0]))
    }
}

/// A value of an axis as a number: numbers, sizes and durations are.
pub(super) fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let size = text.parse::<ByteSize>().map(|size| size.0 as f64);
            size.or_else(|_| text.parse::<Nanos>().map(|nanos| nanos.0 as f64)).ok()
        }
        _ => None,
    }
}

/// The places of an axis' values from 0 to 1: in proportion, logarithmic for a wide range, and evenly spaced if some
/// are not numbers.
pub(super) fn places(values: &[&Value]) -> Vec<f64> {
    let numbers: Option<Vec<f64>> = values.iter().map(|value| numeric(value)).collect();
    let scaled: Vec<f64> = match numbers {
        None => (0..values.len()).map(|index| index as f64).collect(),
        Some(numbers) => {
            let (low, high) = range(&numbers);
            let log = low > 0.0 && high / low >= LOG_SPAN;
            numbers.into_iter().map(|n| if log { n.log2() } else { n }).collect()
        }
    };
    let (low, high) = range(&scaled);
    let share = |n: f64| if high > low { (n - low) / (high - low) } else { 0.5 };
    scaled.into_iter().map(share).collect()
}

/// The smallest and the largest number.
pub(super) fn range(numbers: &[f64]) -> (f64, f64) {
    numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), n| (low.min(*n), high.max(*n)))
}

/// The distance of ticks: a round number, with two to five ticks in the span.
fn step(span: f64) -> f64 {
    if !span.is_finite() || span <= 0.0 {
        return 1.0;
    }
    let magnitude = 10f64.powf((span / 4.0).log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| step * 5.0 >= span)
        .unwrap_or(10.0 * magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_round_and_above() {
        for highest in [0.03, 1.0, 7.3, 73_500.0, 514_321.0, 9e6] {
            let scale = Scale::linear(&[highest], [100.0, 0.0]);
            assert!(scale.high >= highest * 0.999_999, "{highest}: {scale:?}");
            assert!((3..=6).contains(&scale.ticks.len()), "{highest}: {scale:?}");
        }
        let both = Scale::linear(&[-30.0, 100.0], [0.0, 100.0]);
        assert_eq!(both.ticks, [-50.0, 0.0, 50.0, 100.0]);
        assert_eq!(Scale::linear(&[0.0], [0.0, 1.0]).ticks, [0.0, 1.0]);
    }

    #[test]
    fn decades_are_equally_far() {
        let scale = Scale::log(&[100.0, 10_000_000.0], [0.0, 100.0]);
        let at: Vec<f64> = scale.ticks.iter().map(|tick| scale.at(*tick)).collect();
        assert_eq!(scale.ticks.len(), 6);
        assert!(at.windows(3).all(|w| ((w[1] - w[0]) - (w[2] - w[1])).abs() < 0.3), "{at:?}");
        assert_eq!(Scale::log(&[150.0, 1500.0], [0.0, 1.0]).ticks, [200.0, 500.0, 1000.0]);
    }

    #[test]
    fn wide_axes_are_logarithmic() {
        let values = [1, 4, 16].map(Value::from);
        assert_eq!(places(&values.iter().collect::<Vec<_>>()), [0.0, 0.5, 1.0]);
        let sizes = ["1KiB", "2KiB", "3KiB"].map(Value::from);
        assert_eq!(places(&sizes.iter().collect::<Vec<_>>()), [0.0, 0.5, 1.0]);
        let words = ["a", "b", "x"].map(Value::from);
        assert_eq!(places(&words.iter().collect::<Vec<_>>()), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[&Value::from(8)]), [0.5]);
    }
}
