//! Scales from values to pixels, and their ticks.

use proto::units::{ByteSize, Nanos};
use serde_json::Value;

use super::figure::px;

/// The ratio of the largest to the smallest value from which on an axis of a sweep is logarithmic.
const LOG_SPAN: f64 = 16.0;

/// The ratio of the largest to the smallest measurement above which a scale is logarithmic: below it, the smallest is
/// still visible on a linear one.
const LOG_RATIO: f64 = 30.0;

/// A scale from values to pixels.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    pixels: [f64; 2],
    /// The values of the ticks.
    pub(super) ticks: Vec<f64>,
    /// The values of the ticks without labels; none on a linear scale.
    pub(super) minor: Vec<f64>,
}

impl Scale {
    /// A scale for values: logarithmic if all are positive and differ by more than [`LOG_RATIO`], otherwise linear.
    pub(super) fn of(values: &[f64], pixels: [f64; 2]) -> Self {
        if wide(values) { Self::log(values, pixels) } else { Self::linear(values, pixels) }
    }

    /// A linear scale from zero, or a round value below the lowest negative one, to a round value above the highest.
    pub(super) fn linear(values: &[f64], pixels: [f64; 2]) -> Self {
        let (low, high) = range(values);
        Self::between(low.min(0.0), high.max(0.0), pixels)
    }

    /// A linear scale between round values around the lowest and the highest value.
    pub(super) fn near(values: &[f64], pixels: [f64; 2]) -> Self {
        let (low, high) = range(values);
        Self::between(low, high, pixels)
    }

    fn between(low: f64, high: f64, pixels: [f64; 2]) -> Self {
        let step = step(high - low);
        let first = (low / step).floor();
        let last = (high / step).ceil().max(first + 1.0);
        let count = (last - first) as usize;
        let ticks = (0..=count).map(|index| (first + index as f64) * step).collect();
        Self { low: first * step, high: last * step, log: false, pixels, ticks, minor: Vec::new() }
    }

    /// A logarithmic scale between round values: 1, 2 or 5 times a power of ten. Only values above zero count.
    pub(super) fn log(values: &[f64], pixels: [f64; 2]) -> Self {
        let positive: Vec<f64> = values.iter().copied().filter(|value| *value > 0.0).collect();
        let (low, high) = if positive.is_empty() { (1.0, 10.0) } else { range(&positive) };
        let round = |factors: &[f64]| -> Vec<f64> {
            let powers = (low.log10().floor() as i32 - 1)..=(high.log10().ceil() as i32 + 1);
            powers
                .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
                .collect::<Vec<_>>()
        };
        let many = (high / low).log10() > 4.0;
        let ends = round(if many { &[1.0] } else { &[1.0, 2.0, 5.0] });
        let bottom = ends.iter().copied().rfind(|end| *end <= low * 1.000_001).unwrap_or(low);
        let above = |end: &f64| *end >= high * 0.999_999 && *end > bottom * 1.000_001;
        let top = ends.iter().copied().find(above).unwrap_or(high);
        let inside = |tick: &f64| (bottom * 0.999_999..=top * 1.000_001).contains(tick);
        let factors: &[f64] = match (top / bottom).log10() {
            d if d <= 0.8 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            d if d <= 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-6;
        let mut ticks: Vec<f64> = round(factors).into_iter().filter(inside).collect();
        // The ends have labels too.
        for end in [bottom, top] {
            if !ticks.iter().any(|tick| near(*tick, end)) {
                ticks.push(end);
            }
        }
        ticks.sort_by(f64::total_cmp);
        let minor = round(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]).into_iter();
        let minor = minor.filter(inside).filter(|at| !ticks.iter().any(|tick| near(*tick, *at))).collect();
        Self { low: bottom, high: top, log: true, pixels, ticks, minor }
    }

    pub(super) fn is_log(&self) -> bool {
        self.log
    }

    /// The value at the lower end.
    pub(super) fn low(&self) -> f64 {
        self.low
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

/// Whether all values are positive and differ by more than [`LOG_RATIO`].
fn wide(values: &[f64]) -> bool {
    let (low, high) = range(values);
    low > 0.0 && high / low > LOG_RATIO
}

/// A horizontal axis: the places of its values from 0 to 1, in proportion or, for a wide range, logarithmic.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Axis {
    pub(super) title: String,
    /// Places and labels, in ascending order.
    pub(super) ticks: Vec<(f64, String)>,
    /// Places of ticks without labels.
    pub(super) minor: Vec<f64>,
    /// Whether it is logarithmic.
    pub(super) log: bool,
}

impl Axis {
    /// The axis of numbers.
    pub(super) fn new(title: &str, values: &[(f64, String)]) -> Self {
        let numbers: Vec<f64> = values.iter().map(|(number, _)| *number).collect();
        let (low, high) = range(&numbers);
        let log = low > 0.0 && high / low >= LOG_SPAN;
        let place = |n: f64| match (log, high > low) {
            (_, false) => 0.5,
            (true, true) => (n / low).ln() / (high / low).ln(),
            (false, true) => (n - low) / (high - low),
        };
        let mut ticks: Vec<(f64, String)> =
            values.iter().map(|(number, label)| (place(*number), label.clone())).collect();
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let minor = if log { minor(&numbers, low, high) } else { Vec::new() };
        Self { title: title.into(), ticks, minor: minor.into_iter().map(place).collect(), log }
    }

    /// The title in a plot.
    pub(super) fn shown(&self) -> &str {
        if self.title == "rate" { "rate: offered I/O per second" } else { &self.title }
    }

    /// The place of a value by its label.
    pub(super) fn place(&self, label: &str) -> Option<f64> {
        self.ticks.iter().find(|(_, known)| known == label).map(|(place, _)| *place)
    }
}

/// Values between those of a logarithmic axis: powers of two if its own values are powers of two of the lowest, otherwise
/// multiples of powers of ten.
fn minor(values: &[f64], low: f64, high: f64) -> Vec<f64> {
    let doubled = |value: &f64| ((value / low).log2() - (value / low).log2().round()).abs() < 1e-9;
    let all: Vec<f64> = if values.iter().all(doubled) {
        (0..=(high / low).log2().round() as i32).map(|power| low * 2f64.powi(power)).collect()
    } else {
        let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
        powers
            .flat_map(|power| (1..10).map(move |digit| f64::from(digit) * 10f64.powi(power)))
            .collect::<Vec<_>>()
    };
    let new = |at: &f64| (low..=high).contains(at) && !values.iter().any(|v| (v / at - 1.0).abs() < 1e-9);
    all.into_iter().filter(new).collect()
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
    }

    #[test]
    fn logarithmic_scales_end_at_round_values() {
        let scale = Scale::log(&[150.0, 1500.0], [0.0, 1.0]);
        assert_eq!(scale.ticks, [100.0, 200.0, 500.0, 1000.0, 2000.0]);
        assert_eq!(scale.minor, [300.0, 400.0, 600.0, 700.0, 800.0, 900.0]);
        assert_eq!(Scale::log(&[100.0], [0.0, 1.0]).high, 200.0);
        assert!(Scale::of(&[1.0, 31.0], [0.0, 1.0]).is_log());
        for values in [[0.0, 31.0], [1.0, 30.0]] {
            assert!(!Scale::of(&values, [0.0, 1.0]).is_log());
        }
        assert_eq!(Scale::near(&[52_100.0, 53_900.0], [0.0, 1.0]).low(), 52_000.0);
    }

    #[test]
    fn wide_axes_are_logarithmic() {
        let axis = |values: &[f64]| {
            let values: Vec<(f64, String)> = values.iter().map(|v| (*v, v.to_string())).collect();
            Axis::new("depth", &values)
        };
        let places = |values: &[f64]| axis(values).ticks.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        assert_eq!(places(&[16.0, 4.0, 1.0]), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[1.0, 2.0, 3.0]), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[8.0]), [0.5]);
        assert_eq!(axis(&[1.0, 2.0, 3.0]).minor, [0.0; 0]);
        assert_eq!(axis(&[1.0, 4.0, 16.0]).minor, [0.25, 0.75]);
        assert_eq!(axis(&[1.0, 10.0, 100.0]).minor.len(), 16);
        assert_eq!(axis(&[1.0, 4.0, 16.0]).place("4"), Some(0.5));
    }
}
