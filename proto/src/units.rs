//! Sizes and durations in the notation of scenarios: `4KiB`, `300ms`. A size without a unit is in bytes; a duration
//! always needs a unit.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A duration in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

/// Why a text is not a size or a duration. The message contains the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

/// Binary units come first: sizes are printed in them.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

const TIME_UNITS: [(&str, u64); 8] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Parses a text such as `12.5MiB`: the exact value, and whether it has a unit.
fn parse(text: &str, units: &[(&str, u64)]) -> Result<(u64, bool), ParseFailure> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = (text[..split].replace('_', ""), text[split..].trim());
    if number.is_empty() {
        return Err(ParseFailure::NoNumber);
    }
    let factor = match unit {
        "" => None,
        _ => Some(units.iter().find(|(name, _)| *name == unit).ok_or(ParseFailure::Unit)?.1),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let whole: u128 = whole.parse().map_err(|_| ParseFailure::NoNumber)?;
    let scale = 10u128.checked_pow(fraction.len() as u32).ok_or(ParseFailure::TooFine)?;
    let fraction: u128 =
        if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| ParseFailure::NoNumber)? };
    let total = whole
        .checked_mul(scale)
        .and_then(|n| n.checked_add(fraction))
        .and_then(|n| n.checked_mul(u128::from(factor.unwrap_or(1))))
        .ok_or(ParseFailure::TooLarge)?;
    if total % scale != 0 {
        return Err(ParseFailure::TooFine);
    }
    let value = u64::try_from(total / scale).map_err(|_| ParseFailure::TooLarge)?;
    Ok((value, factor.is_some()))
}

enum ParseFailure {
    NoNumber,
    Unit,
    TooFine,
    TooLarge,
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let explain = |failure| {
            let hint = match failure {
                ParseFailure::NoNumber => "a number and a unit, such as 4KiB or 1GiB",
                ParseFailure::Unit => {
                    "write KiB, MiB, GiB or TiB for powers of 1024, kB, MB, GB or TB for powers of 1000, \
                     or B (a bare k could be either)"
                }
                ParseFailure::TooFine => "the result must be a whole number of bytes",
                ParseFailure::TooLarge => "it is larger than any device",
            };
            UnitError(format!("`{text}` is not a size: {hint}"))
        };
        parse(text, &SIZE_UNITS).map(|(n, _)| Self(n)).map_err(explain)
    }
}

impl FromStr for Nanos {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let explain = |hint: &str| UnitError(format!("`{text}` is not a duration: {hint}"));
        match parse(text, &TIME_UNITS) {
            Ok((n, true)) => Ok(Self(n)),
            Ok((0, false)) => Ok(Self(0)),
            Ok((_, false)) => Err(explain(&format!("it has no unit; write {0}s or {0}ms", text.trim()))),
            Err(ParseFailure::NoNumber) => Err(explain("a number and a unit, such as 300ms or 2s")),
            Err(ParseFailure::Unit) => Err(explain("the units are ns, us, ms, s, min and h")),
            Err(ParseFailure::TooFine) => Err(explain("the result must be a whole number of nanoseconds")),
            Err(ParseFailure::TooLarge) => Err(explain("it is too long")),
        }
    }
}

impl fmt::Display for ByteSize {
    /// Writes the largest binary unit that divides the size, so that the text parses back to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZE_UNITS[..4].iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl fmt::Display for Nanos {
    /// Writes the largest unit that divides the duration, so that the text parses back to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
        match shown.iter().find(|(_, factor)| self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}ns", self.0),
        }
    }
}

impl From<Duration> for Nanos {
    /// Durations of more than 584 years become the maximum.
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Nanos {
    /// Converts to the standard library's type.
    #[must_use]
    pub fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The duration in seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.as_duration().as_secs_f64()
    }
}

struct TextOrNumber;

impl de::Visitor<'_> for TextOrNumber {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with a unit, such as 4KiB or 300ms")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

macro_rules! as_text {
    ($type:ident, $title:literal, $pattern:literal, $about:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextOrNumber)?.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "title": $title,
                    "type": ["string", "integer"],
                    "pattern": $pattern,
                    "description": $about,
                })
            }
        }
    };
}

as_text!(
    ByteSize,
    "size",
    r"^[0-9][0-9_]*(\.[0-9]+)? *(TiB|GiB|MiB|KiB|TB|GB|MB|kB|B)?$",
    "A size, such as 4KiB or 1GiB; a bare number is bytes."
);
as_text!(
    Nanos,
    "duration",
    r"^[0-9][0-9_]*(\.[0-9]+)? *(h|min|m|s|ms|us|µs|ns)$|^0$",
    "A duration with its unit, such as 300ms or 2s."
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_sizes_and_durations() {
        for (text, bytes) in [("4KiB", 4096), ("512", 512), ("1.5 MiB", 1_572_864), ("4kB", 4000), ("0B", 0)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for (text, ns) in [("300ms", 300_000_000), ("1s", 1_000_000_000), ("0.5us", 500), ("0", 0)] {
            assert_eq!(text.parse(), Ok(Nanos(ns)), "{text}");
        }
    }

    #[test]
    fn refusals_name_the_remedy() {
        let size = |text: &str| text.parse::<ByteSize>().unwrap_err().to_string();
        assert!(size("4k").contains("a bare k could be either"), "{}", size("4k"));
        assert!(size("KiB").contains("such as 4KiB"));
        assert!(size("0.3B").contains("whole number of bytes"));
        assert!(size("99999999999TiB").contains("larger than any device"));
        let time = |text: &str| text.parse::<Nanos>().unwrap_err().to_string();
        assert!(time("5").contains("write 5s or 5ms"));
        assert!(time("5 parsecs").contains("the units are"));
        assert!(time("-1s").contains("a number and a unit"));
    }

    proptest! {
        #[test]
        fn printed_sizes_parse_back(n in any::<u64>()) {
            prop_assert_eq!(ByteSize(n).to_string().parse(), Ok(ByteSize(n)));
        }

        #[test]
        fn printed_durations_parse_back(n in any::<u64>()) {
            prop_assert_eq!(Nanos(n).to_string().parse(), Ok(Nanos(n)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Nanos>();
        }
    }
}
