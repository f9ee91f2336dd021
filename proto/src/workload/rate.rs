//! Reads a rate: a number or a mapping. An untagged enum would lose the place of an error.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, value::MapAccessDeserializer},
};

use super::{Arrival, Rate};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Requests per second on each host, over all its workers.
    #[schemars(range(min = 1))]
    per_second: u64,
    /// The distribution of the distances between requests.
    #[serde(default)]
    arrival: Arrival,
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of requests per second, or {per_second: 10000, arrival: fixed|poisson}")
    }

    fn visit_u64<E: de::Error>(self, per_second: u64) -> Result<Rate, E> {
        Ok(Rate { per_second, arrival: Arrival::default() })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Rate, A::Error> {
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Rate { per_second: fields.per_second, arrival: fields.arrival })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Rate {
    /// Writes the number alone for a fixed arrival, so that a swept rate is shown as it is written.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.arrival {
            Arrival::Fixed => serializer.serialize_u64(self.per_second),
            arrival => Fields { per_second: self.per_second, arrival }.serialize(serializer),
        }
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = Fields::json_schema(generator);
        json_schema!({
            "description": "Requests per second on each host: a number, or a mapping with the arrival.",
            "oneOf": [{ "type": "integer", "minimum": 1 }, fields],
        })
    }
}
