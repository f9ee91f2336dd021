//! Reads the frequency of syncs: a number or a mapping. An untagged enum would lose the place of an error.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, value::MapAccessDeserializer},
};

/// The maximum number of writes before a sync.
pub const MAX_SYNC_EVERY: u32 = 1_000_000;

/// The frequency of syncs, which make writes durable. Written as `{every: 8, call: fdatasync}`, or as the number
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sync {
    /// Writes of a worker before each of its syncs.
    pub every: u32,
    /// The system call.
    pub call: SyncCall,
}

/// The call that makes writes durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncCall {
    /// Syncs the data and the metadata that is needed to read it.
    #[default]
    Fdatasync,
    /// Syncs the data and all metadata, such as timestamps.
    Fsync,
}

impl SyncCall {
    /// The name of the call.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fdatasync => "fdatasync",
            Self::Fsync => "fsync",
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Writes of a worker before each of its syncs.
    #[schemars(range(min = 1, max = 1_000_000))]
    every: u32,
    /// The system call.
    #[serde(default)]
    call: SyncCall,
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Sync;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of writes, or {every: 8, call: fdatasync|fsync}")
    }

    fn visit_u64<E: de::Error>(self, every: u64) -> Result<Sync, E> {
        let every =
            u32::try_from(every).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(every), &self))?;
        Ok(Sync { every, call: SyncCall::default() })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Sync, A::Error> {
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Sync { every: fields.every, call: fields.call })
    }
}

impl<'de> Deserialize<'de> for Sync {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Sync {
    /// Writes the number alone for fdatasync, so that a swept number is shown as it is written.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.call {
            SyncCall::Fdatasync => serializer.serialize_u32(self.every),
            call => Fields { every: self.every, call }.serialize(serializer),
        }
    }
}

impl JsonSchema for Sync {
    fn schema_name() -> Cow<'static, str> {
        "Sync".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = Fields::json_schema(generator);
        json_schema!({
            "description": "Writes before each sync: a number, or a mapping with the call.",
            "oneOf": [{ "type": "integer", "minimum": 1, "maximum": MAX_SYNC_EVERY }, fields],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_or_a_mapping() {
        let read = |text: &str| serde_json::from_str::<Sync>(text).map_err(|error| error.to_string());
        let written = |sync: &Sync| serde_json::to_string(sync).unwrap();
        let short = read("8").unwrap();
        assert_eq!((short, written(&short).as_str()), (Sync { every: 8, call: SyncCall::Fdatasync }, "8"));
        assert_eq!(read(r#"{"every": 8, "call": "fdatasync"}"#).unwrap(), short);
        let full = read(r#"{"every": 2, "call": "fsync"}"#).unwrap();
        assert_eq!(full.call, SyncCall::Fsync);
        assert_eq!(read(&written(&full)).unwrap(), full);
        assert!(read(r#""often""#).unwrap_err().contains("a number of writes"));
        assert!(read(r#"{"each": 1}"#).unwrap_err().contains("unknown field `each`"));
        assert!(read("99999999999").unwrap_err().contains("a number of writes"));
    }
}
