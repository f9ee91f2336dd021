//! Shares of operations, written as percentages.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A share of operations, in millionths. Written as a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(pub u32);

/// The largest share of urgent operations.
pub const MAX_URGENT: Share = Share(500_000);
/// The smallest share of urgent operations.
pub const MIN_URGENT: Share = Share(10);

impl Share {
    /// From 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("`{text}` is not a share: {why}");
        let number = text.trim().strip_suffix('%').ok_or_else(|| refuse("write a percentage, such as 1%"))?;
        let number = number.trim();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || number.ends_with('.') || !digits(whole) || !digits(fraction) {
            return Err(refuse("a percentage is a number, such as 1% or 0.5%"));
        }
        if fraction.len() > 4 {
            return Err(refuse("at most four digits may follow the point"));
        }
        let digits = format!("{whole}{fraction:0<4}");
        digits.parse().map(Self).map_err(|_| refuse("it is too large"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

struct Percentage;

impl de::Visitor<'_> for Percentage {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a percentage, such as 1%")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Percentage)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\s*[0-9]+(\.[0-9]{1,4})?\s*%\s*$",
            "title": "percentage",
            "description": "A share of the operations, such as 1% or 0.5%.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_back_as_written() {
        for (text, millionths) in [("1%", 10_000), ("0.5 %", 5_000), (" 12.3456% ", 123_456), ("0.001%", 10)]
        {
            let share: Share = text.parse().unwrap();
            assert_eq!(share, Share(millionths), "{text}");
            assert_eq!(share.to_string().parse(), Ok(share));
        }
        assert_eq!([Share(10_000).to_string(), Share(5_000).to_string()], ["1%", "0.5%"]);
        for text in ["1", "%", "-1%", "1.%", "1. %", "1.%x", "1.00001%", "one%", "99999999999%", ".5%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
