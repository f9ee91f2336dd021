//! Reads block sizes: one size or a distribution. An untagged enum would lose the place of an error.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
    ser::SerializeMap as _,
};

use crate::{limits::MAX_SIZES, rule::SizesProblem, units::ByteSize};

/// Sizes of operations with their percentages. Written as one size (`4KiB`), or as
/// `{4KiB: 70, 64KiB: 30}`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BlockSizes(Vec<(ByteSize, u32)>);

impl BlockSizes {
    /// An unchecked distribution; [`BlockSizes::problem`] checks it.
    #[must_use]
    pub fn new(parts: Vec<(ByteSize, u32)>) -> Self {
        Self(parts)
    }

    /// Each size with its share in percent, in the order in which they are written.
    #[must_use]
    pub fn parts(&self) -> &[(ByteSize, u32)] {
        &self.0
    }

    /// The size, if there is only one.
    #[must_use]
    pub fn single(&self) -> Option<ByteSize> {
        match self.0.as_slice() {
            [(size, 100)] => Some(*size),
            _ => None,
        }
    }

    /// The largest size, which a buffer and the target must hold.
    #[must_use]
    pub fn largest(&self) -> ByteSize {
        self.0.iter().map(|(size, _)| *size).max().unwrap_or_default()
    }

    /// The greatest common divisor of the sizes, of which every offset and length is a multiple.
    #[must_use]
    pub fn unit(&self) -> ByteSize {
        ByteSize(self.0.iter().fold(0, |unit, (size, _)| gcd(unit, size.0)))
    }

    /// The problem of the sizes as a set, if any; each size alone is checked with the trial.
    #[must_use]
    pub fn problem(&self) -> Option<SizesProblem> {
        let sum: u64 = self.0.iter().map(|(_, percent)| u64::from(*percent)).sum();
        let twice = |i: usize| self.0[..i].iter().any(|(size, _)| *size == self.0[i].0);
        if self.0.is_empty() || self.0.len() > MAX_SIZES {
            return Some(SizesProblem::Count(self.0.len()));
        }
        if let Some((size, _)) = self.0.iter().find(|(_, percent)| *percent == 0) {
            return Some(SizesProblem::NoShare(*size));
        }
        if let Some(i) = (1..self.0.len()).find(|i| twice(*i)) {
            return Some(SizesProblem::Twice(self.0[i].0));
        }
        (sum != 100).then_some(SizesProblem::Sum(sum))
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl From<ByteSize> for BlockSizes {
    fn from(size: ByteSize) -> Self {
        Self(vec![(size, 100)])
    }
}

impl fmt::Display for BlockSizes {
    /// Writes the notation of scenarios.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.single() {
            return size.fmt(f);
        }
        let parts: Vec<String> = self.0.iter().map(|(size, percent)| format!("{size}: {percent}")).collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

impl fmt::Debug for BlockSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = BlockSizes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 4KiB, or sizes with their percentages, such as {4KiB: 70, 64KiB: 30}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<BlockSizes, E> {
        text.parse::<ByteSize>().map(Into::into).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<BlockSizes, E> {
        Ok(ByteSize(bytes).into())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<BlockSizes, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<BlockSizes, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<BlockSizes, A::Error> {
        let mut parts = Vec::new();
        while let Some(size) = map.next_key::<ByteSize>()? {
            parts.push((size, map.next_value::<u32>()?));
            // One size too many suffices for a refusal.
            if parts.len() > MAX_SIZES {
                break;
            }
        }
        let sizes = BlockSizes(parts);
        match sizes.problem() {
            Some(problem) => Err(de::Error::custom(format!("the distribution {problem}"))),
            None => Ok(sizes),
        }
    }
}

impl<'de> Deserialize<'de> for BlockSizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts)
    }
}

impl Serialize for BlockSizes {
    /// Writes a single size alone, so that a swept size is shown as it is written.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(size) = self.single() {
            return size.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (size, percent) in &self.0 {
            map.serialize_entry(size, percent)?;
        }
        map.end()
    }
}

impl JsonSchema for BlockSizes {
    fn schema_name() -> Cow<'static, str> {
        "BlockSizes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = generator.subschema_for::<ByteSize>();
        json_schema!({
            "description": "A size, or sizes with their percentages: {4KiB: 70, 64KiB: 30}.",
            "oneOf": [
                size,
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": MAX_SIZES,
                    "additionalProperties": { "type": "integer", "minimum": 1, "maximum": 100 },
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BlockSizes, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_one_size_or_several() {
        assert_eq!(read(r#""4KiB""#).unwrap().single(), Some(ByteSize(4096)));
        assert_eq!(read("512").unwrap().single(), Some(ByteSize(512)));
        let text = r#"{"4KiB":70,"6KiB":20,"512B":10}"#;
        let mix = read(text).unwrap();
        assert_eq!((mix.largest().0, mix.unit().0, mix.single()), (6144, 512, None));
        assert_eq!(serde_json::to_string(&mix).unwrap(), text);
        assert_eq!(mix.to_string(), "{4KiB: 70, 6KiB: 20, 512B: 10}");
    }

    #[test]
    fn invalid_distributions_are_refused() {
        for (text, says) in [
            (r#"{"4KiB": 70}"#, "adds up to 70 percent"),
            (r#"{"4KiB": 50, "4096": 50}"#, "has 4KiB twice"),
            (r#"{"4KiB": 100, "8KiB": 0}"#, "gives 8KiB no share"),
            ("{}", "has 0 sizes"),
            (r#"{"4k": 100}"#, "a bare k could be either"),
            ("true", "sizes with their percentages"),
            ("-1", "not a size"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let many: Vec<String> = (1..=17).map(|i| format!("\"{i}KiB\": 5")).collect();
        assert!(read(&format!("{{{}}}", many.join(","))).unwrap_err().contains("has 17 sizes"));
    }
}
