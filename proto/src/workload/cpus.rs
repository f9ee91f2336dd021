//! Reads CPUs: `auto` or a list. An untagged enum would lose the place of an error.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Cpus;

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Cpus;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto` or a list of CPU numbers such as [2, 3]")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cpus, E> {
        match text {
            "auto" => Ok(Cpus::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Cpus, A::Error> {
        let mut list = Vec::new();
        while let Some(cpu) = seq.next_element()? {
            list.push(cpu);
        }
        Ok(Cpus::List(list))
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::List(list) => list.serialize(serializer),
        }
    }
}

impl JsonSchema for Cpus {
    fn schema_name() -> Cow<'static, str> {
        "Cpus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "CPUs for the workers: auto, or a list such as [2, 3].",
            "oneOf": [
                { "const": "auto" },
                { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 0 } },
            ],
        })
    }
}
