//! Values requested of a host and granted by it: typed values that are written as texts.
//!
//! A knob is an engine option ([`crate::engine::OPTIONS`]) or one of the names below.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    engine::{EngineOption, Sharing},
    urgent::UrgentBy,
};

/// The depth: requests in flight.
pub const DEPTH: &str = "depth";
/// The CPUs of the threads that poll submission queues.
pub const SQPOLL_CPU: &str = "sqpoll_cpu";
/// How threads share a ring.
pub const RING: &str = "ring";
/// The means by which urgent requests are preferred.
pub const URGENT: &str = "urgent";
/// The I/O priority of urgent requests.
pub const URGENT_IOPRIO: &str = "urgent_ioprio";

/// A value requested of a host, and the value that it granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Knob {
    /// The knob's name in a scenario.
    pub name: String,
    /// As requested.
    pub requested: KnobValue,
    /// As granted.
    pub granted: KnobValue,
}

impl Knob {
    /// A knob with its requested and granted values.
    pub fn new(name: impl Into<String>, requested: KnobValue, granted: KnobValue) -> Self {
        Self { name: name.into(), requested, granted }
    }

    /// A switch that was requested.
    pub fn switch(name: impl Into<String>, granted: bool) -> Self {
        Self::new(name, KnobValue::Switch(true), KnobValue::Switch(granted))
    }

    /// Whether it is a switch that is granted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.granted == KnobValue::Switch(true)
    }

    /// Whether the granted value differs from the requested one. A value that the agent chose counts as requested, and so
    /// does a depth, which the engine decides.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.requested != self.granted && self.requested != KnobValue::Auto && self.name != DEPTH
    }
}

impl<'de> Deserialize<'de> for Knob {
    /// The name decides the type of the values.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Knob")]
        struct Texts {
            name: String,
            requested: String,
            granted: String,
        }
        let Texts { name, requested, granted } = Texts::deserialize(deserializer)?;
        let value = |text| KnobValue::read(&name, text);
        let (requested, granted) = (value(requested), value(granted));
        Ok(Self { name, requested, granted })
    }
}

/// A value of a knob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnobValue {
    /// On or off.
    Switch(bool),
    /// A number.
    Count(u32),
    /// The agent's choice.
    Auto,
    /// CPUs, in ascending order.
    Cpus(Vec<u32>),
    /// How threads share a ring.
    Sharing(Sharing),
    /// The means by which urgent requests are preferred.
    Urgent(UrgentBy),
    /// The I/O priority of urgent requests.
    Priority(Priority),
    /// A value of another release.
    Other(String),
}

/// The I/O priority of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The real-time class.
    RealTime,
    /// The highest level of the best-effort class.
    HighestBestEffort,
}

impl Priority {
    /// The word used in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RealTime => "real-time",
            Self::HighestBestEffort => "best-effort-0",
        }
    }
}

impl KnobValue {
    /// Reads the value of a knob; an unknown value is kept as text.
    #[must_use]
    pub fn read(name: &str, text: String) -> Self {
        let value = match (name, text.as_str()) {
            (_, "true") => Some(Self::Switch(true)),
            (_, "false") => Some(Self::Switch(false)),
            (_, "auto") => Some(Self::Auto),
            (SQPOLL_CPU, "") => Some(Self::Cpus(Vec::new())),
            (SQPOLL_CPU, list) => {
                list.split(',').map(|cpu| cpu.trim().parse().ok()).collect::<Option<_>>().map(Self::Cpus)
            }
            (RING, word) => [Sharing::PerThread, Sharing::Shared, Sharing::Combiner]
                .into_iter()
                .find(|sharing| sharing.as_str() == word)
                .map(Self::Sharing),
            (URGENT, word) => UrgentBy::ALL.into_iter().find(|by| by.as_str() == word).map(Self::Urgent),
            (URGENT_IOPRIO, word) => [Priority::RealTime, Priority::HighestBestEffort]
                .into_iter()
                .find(|priority| priority.as_str() == word)
                .map(Self::Priority),
            (_, number) => number.parse().ok().map(Self::Count),
        };
        // A number such as `+1` would not be written back unchanged.
        value.filter(|value| value.to_string() == text).unwrap_or(Self::Other(text))
    }
}

impl fmt::Display for KnobValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => on.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Auto => f.write_str("auto"),
            Self::Cpus(cpus) => {
                let cpus: Vec<String> = cpus.iter().map(u32::to_string).collect();
                f.write_str(&cpus.join(","))
            }
            Self::Sharing(sharing) => f.write_str(sharing.as_str()),
            Self::Urgent(by) => f.write_str(by.as_str()),
            Self::Priority(priority) => f.write_str(priority.as_str()),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Serialize for KnobValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for KnobValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KnobValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Knobs by name, each with the distinct values of several hosts or trials, in the order in which they occurred.
/// Written as one text per knob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnobValues(BTreeMap<String, Vec<KnobValue>>);

/// The separator between the values of one knob.
const SEPARATOR: &str = " / ";

impl KnobValues {
    /// The distinct values.
    pub fn of<'a>(values: impl IntoIterator<Item = (&'a str, &'a KnobValue)>) -> Self {
        let mut all = BTreeMap::<String, Vec<KnobValue>>::new();
        for (name, value) in values {
            let known = all.entry(name.to_owned()).or_default();
            if !known.contains(value) {
                known.push(value.clone());
            }
        }
        Self(all)
    }

    /// The values of a knob; empty if it does not occur.
    #[must_use]
    pub fn get(&self, name: &str) -> &[KnobValue] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether an engine option is a switch that is on everywhere.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        debug_assert!(EngineOption::named(name).is_some(), "no engine option has the name {name}");
        self.get(name) == [KnobValue::Switch(true)]
    }

    fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, values)| {
            let values: Vec<String> = values.iter().map(KnobValue::to_string).collect();
            (name.as_str(), values.join(SEPARATOR))
        })
    }
}

impl Serialize for KnobValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.texts())
    }
}

impl<'de> Deserialize<'de> for KnobValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
        let values = |(name, text): (String, String)| {
            let values =
                text.split(SEPARATOR).map(|value| KnobValue::read(&name, value.to_owned())).collect();
            (name, values)
        };
        Ok(Self(texts.into_iter().map(values).collect()))
    }
}

impl JsonSchema for KnobValues {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KnobValues".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, String>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        let cases = [
            ("fixed_files", "true", KnobValue::Switch(true)),
            ("iopoll", "false", KnobValue::Switch(false)),
            (DEPTH, "32", KnobValue::Count(32)),
            (SQPOLL_CPU, "auto", KnobValue::Auto),
            (SQPOLL_CPU, "1", KnobValue::Cpus(vec![1])),
            (SQPOLL_CPU, "2,3", KnobValue::Cpus(vec![2, 3])),
            (SQPOLL_CPU, "", KnobValue::Cpus(vec![])),
            (RING, "combiner", KnobValue::Sharing(Sharing::Combiner)),
            (URGENT, "none", KnobValue::Urgent(UrgentBy::None)),
            (URGENT, "iosqe_urgent", KnobValue::Urgent(UrgentBy::IosqeUrgent)),
            (URGENT_IOPRIO, "best-effort-0", KnobValue::Priority(Priority::HighestBestEffort)),
            (DEPTH, "+32", KnobValue::Other("+32".into())),
            (SQPOLL_CPU, "2, 3", KnobValue::Other("2, 3".into())),
            ("fixed_files", "false (EINVAL)", KnobValue::Other("false (EINVAL)".into())),
        ];
        for (name, text, value) in cases {
            let json = format!(r#"{{"name":"{name}","requested":"true","granted":"{text}"}}"#);
            let knob: Knob = serde_json::from_str(&json).unwrap();
            assert_eq!((&knob.granted, &knob.requested), (&value, &KnobValue::Switch(true)), "{json}");
            assert_eq!(serde_json::to_string(&knob).unwrap(), json);
        }
    }

    #[test]
    fn a_value_that_differs_from_the_request_is_missing() {
        let missing = |name: &str, requested, granted| Knob::new(name, requested, granted).is_missing();
        assert!(missing("iopoll", KnobValue::Switch(true), KnobValue::Switch(false)));
        assert!(!missing("iopoll", KnobValue::Switch(true), KnobValue::Switch(true)));
        assert!(!missing(SQPOLL_CPU, KnobValue::Auto, KnobValue::Cpus(vec![1])));
        assert!(!missing(DEPTH, KnobValue::Count(8), KnobValue::Count(1)));
    }

    #[test]
    fn distinct_values_are_written_as_one_text() {
        let (on, off) = (KnobValue::Switch(true), KnobValue::Switch(false));
        let values = KnobValues::of([("iopoll", &on), ("sqpoll", &on), ("iopoll", &off), ("iopoll", &on)]);
        assert!(values.is_on("sqpoll") && !values.is_on("iopoll") && !values.is_on("hipri"));
        let text = serde_json::to_string(&values).unwrap();
        assert_eq!(text, r#"{"iopoll":"true / false","sqpoll":"true"}"#);
        assert_eq!(serde_json::from_str::<KnobValues>(&text).unwrap(), values);
    }
}
