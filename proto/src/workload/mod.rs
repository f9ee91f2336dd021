//! What the I/O of a trial looks like. The names here are the names in a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Nanos};

mod sizes;
mod sync;

pub use self::{
    sizes::{BlockSizes, MAX_SIZES},
    sync::{MAX_SYNC_EVERY, Sync, SyncCall},
};

/// What the I/O looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// Where the offsets fall.
    pub pattern: Pattern,
    /// With `pattern: zipf`: how unequal the blocks are; the block of rank k is asked for in proportion to
    /// 1 / k^theta.
    pub zipf_theta: f64,
    /// Share of reads among the operations, in percent; the rest are writes.
    #[schemars(range(max = 100))]
    pub read_percent: u32,
    /// Size of one operation, whole sectors of 512 B; or sizes with their percent: `{4KiB: 70, 64KiB: 30}`.
    pub block_size: BlockSizes,
    /// Worker threads. With `concurrency: threads` each of them becomes as many as the depth says.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: u32,
    /// CPUs for the workers: `auto`, or a list such as `[2, 3]`.
    pub cpus: Cpus,
    /// Time before measuring begins.
    pub warmup: Nanos,
    /// Measured time.
    pub runtime: Nanos,
    /// Length of the slices that are streamed while the trial runs, at most; see [`Workload::slice`].
    pub interval: Nanos,
    /// Open loop: requests arrive by the clock, and latency counts from the time at which they were to arrive.
    /// Absent: closed loop, in which each completion makes room for the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Make writes durable: a sync after so many writes of a worker; it is not among the operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// Check every read against what was written, and all of the target at the end. Costs CPU time in the loop.
    #[serde(skip_serializing_if = "is_off")]
    pub verify: bool,
}

// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_off(value: &bool) -> bool {
    !*value
}

/// When requests arrive in open loop. Written as `{per_second: 10000, arrival: poisson}`, or as the number
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests a second on each host, over all its workers.
    pub per_second: u64,
    /// How they follow one another.
    pub arrival: Arrival,
}

/// How requests follow one another in open loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// At equal distances.
    #[default]
    Fixed,
    /// At random, independent of one another: exponential distances.
    Poisson,
}

impl Workload {
    /// Length of the slices that are streamed: the interval asked for, or a quarter of a runtime that is
    /// shorter than four of them. So a short trial shows its course too, and hosts whose starts differ by
    /// little have slices within their common window.
    #[must_use]
    pub fn slice(&self) -> Nanos {
        self.interval.min(Nanos((self.runtime.0 / 4).max(MIN_SLICE.0)))
    }

    /// Whether the target is written to: by operations, or to have contents that can be verified.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.read_percent < 100 || self.verify
    }
}

/// The shortest slice.
pub(crate) const MIN_SLICE: Nanos = Nanos(10_000_000);

impl Default for Workload {
    fn default() -> Self {
        Self {
            pattern: Pattern::Random,
            zipf_theta: 1.1,
            read_percent: 100,
            block_size: ByteSize(4096).into(),
            threads: 1,
            cpus: Cpus::Auto,
            warmup: Nanos(300_000_000),
            runtime: Nanos(1_000_000_000),
            interval: Nanos(1_000_000_000),
            rate: None,
            sync: None,
            verify: false,
        }
    }
}

/// Where offsets fall in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Uniform over whole blocks, seeded.
    Random,
    /// Block after block; each worker walks its own share of the target, round and round.
    Sequential,
    /// Some blocks far more often than others (Zipf's law, by `zipf_theta`), the favourites scattered over the
    /// target.
    Zipf,
}

/// The CPUs that workers are pinned to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cpus {
    /// The agent chooses: distinct physical cores first, away from the CPU of its own runtime.
    #[default]
    Auto,
    /// Worker i goes to entry i, round and round.
    List(Vec<u32>),
}

mod rate {
    //! A number or a mapping, told apart without an untagged enum, which would lose the place of an error.

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
        /// Requests a second on each host, over all its workers.
        per_second: u64,
        /// How they follow one another.
        #[serde(default)]
        arrival: Arrival,
    }

    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Rate;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of requests a second, or {per_second: 10000, arrival: fixed|poisson}")
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
        /// The number alone where it says all, so that a swept rate is shown as it is written.
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
                "description": "Requests a second on each host: a number, or with how they follow one another.",
                "oneOf": [{ "type": "integer", "minimum": 1 }, fields],
            })
        }
    }
}

mod cpus {
    //! `auto` or a list, told apart without an untagged enum, which would lose the place of an error.

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
}
