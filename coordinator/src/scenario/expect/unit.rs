//! Units of values and constants, and how they are written.

use proto::units::{ByteSize, Nanos};

use crate::metric;

/// The unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A bare number.
    Count,
    /// Nanoseconds.
    Nanos,
    /// Bytes, or bytes per second.
    Bytes,
}

impl Unit {
    /// The unit in which a metric's values are written.
    pub(super) fn of(unit: metric::Unit) -> Self {
        match unit {
            metric::Unit::Nanoseconds => Self::Nanos,
            metric::Unit::BytesPerSecond => Self::Bytes,
            metric::Unit::PerSecond | metric::Unit::PerIo | metric::Unit::Share | metric::Unit::Count => {
                Self::Count
            }
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count => "bare numbers",
            Self::Nanos => "nanoseconds",
            Self::Bytes => "bytes",
        }
    }

    /// How to write a constant of this unit.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Count => "write a bare number",
            Self::Nanos => "write a duration, such as 200us",
            Self::Bytes => "write a size (per second), such as 100MiB",
        }
    }

    /// A value for display.
    pub(crate) fn show(self, value: f64) -> String {
        let scale = |steps: &[(f64, &str)]| {
            let (step, unit) = steps
                .iter()
                .find(|(step, _)| value.abs() >= *step)
                .or(steps.last())
                .map_or((1.0, ""), |(step, unit)| (*step, *unit));
            format!("{} {unit}", figures(value / step)).trim_end().to_owned()
        };
        match self {
            Self::Count if value.abs() < 10_000.0 => figures(value),
            Self::Count => scale(&[(1e9, "G"), (1e6, "M"), (1e3, "k")]),
            Self::Nanos => scale(&[(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")]),
            Self::Bytes => scale(&[
                (f64::from(1 << 30), "GiB/s"),
                (f64::from(1 << 20), "MiB/s"),
                (1024.0, "KiB/s"),
                (1.0, "B/s"),
            ]),
        }
    }
}

/// Four significant figures, without trailing zeros.
pub(crate) fn figures(value: f64) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = usize::try_from((3 - magnitude).clamp(0, 9)).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A constant. A bare number (unit [`Unit::Count`]) takes the unit of the other side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Literal {
    /// Finite; nanoseconds for times, bytes for sizes.
    pub number: f64,
    /// The unit as written.
    pub unit: Unit,
}

/// Powers of 1000 for bare numbers.
const FACTORS: [(char, f64); 3] = [('k', 1e3), ('M', 1e6), ('G', 1e9)];

impl Literal {
    /// Parses a number, optionally with `k`, `M` or `G`, a size or a duration.
    pub(super) fn parse(word: &str) -> Option<Self> {
        if !word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let number = |text: &str, factor: f64| {
            text.parse::<f64>().ok().map(|number| number * factor).filter(|number| number.is_finite())
        };
        let counted = |(suffix, factor): (char, f64)| number(word.strip_suffix(suffix)?, factor);
        number(word, 1.0)
            .or_else(|| FACTORS.into_iter().find_map(counted))
            .map(|number| (number, Unit::Count))
            .or_else(|| word.parse::<Nanos>().ok().map(|time| (time.0 as f64, Unit::Nanos)))
            .or_else(|| word.parse::<ByteSize>().ok().map(|size| (size.0 as f64, Unit::Bytes)))
            .map(|(number, unit)| Self { number, unit })
    }
}

impl std::fmt::Display for Literal {
    /// The text parses to the same value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.unit {
            Unit::Count => write!(f, "{}", self.number),
            // Whole numbers from 0 to 2^64, as parsed.
            Unit::Nanos => Nanos(self.number as u64).fmt(f),
            Unit::Bytes => ByteSize(self.number as u64).fmt(f),
        }
    }
}
