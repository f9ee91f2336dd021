//! The known keys with their descriptions, and suggestions for misspelt ones. Everything comes from the JSON Schema,
//! which is derived from the types, so there is no second list to maintain.

use std::sync::LazyLock;

use serde_json::Value;

use super::schema::scenario_schema;

static SCHEMA: LazyLock<Value> = LazyLock::new(scenario_schema);

/// A mapping with a known set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// The scenario itself.
    Scenario,
    /// `workload`.
    Workload,
    /// An arm.
    Arm,
    /// `target`.
    Target,
    /// `target.file`.
    File,
    /// `target.ramdisk`.
    Ramdisk,
    /// `target.device`.
    Device,
    /// `sweep`.
    Sweep,
    /// `trials`, if it is a mapping.
    Trials,
    /// An entry of `compare`.
    Compare,
}

impl Block {
    fn properties(self) -> Option<&'static serde_json::Map<String, Value>> {
        SCHEMA
            .pointer(match self {
                Self::Scenario => "/properties",
                Self::Workload => "/definitions/Workload/properties",
                Self::Arm => "/definitions/Arm/properties",
                Self::Target => "/definitions/Target/properties",
                Self::File => "/definitions/FileTarget/properties",
                Self::Ramdisk => "/definitions/RamdiskTarget/properties",
                Self::Device => "/definitions/DeviceTarget/properties",
                Self::Sweep => "/properties/sweep/properties",
                Self::Trials => "/properties/trials/anyOf/1/properties",
                Self::Compare => "/properties/compare/items/properties",
            })?
            .as_object()
    }

    /// The block's keys.
    pub fn keys(self) -> Vec<&'static str> {
        self.properties().map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// Whether the block has the key.
    pub fn has(self, key: &str) -> bool {
        self.properties().is_some_and(|keys| keys.contains_key(key))
    }

    /// The description of the key.
    pub fn describe(self, key: &str) -> Option<&'static str> {
        self.properties()?.get(key)?.get("description")?.as_str()
    }

    /// Help for a key: its description and range.
    pub fn about(self, key: &str) -> Option<String> {
        let schema = self.properties()?.get(key)?;
        let values = schema.get("items").unwrap_or(schema);
        let limit = |name: &str| values.get(name).and_then(Value::as_u64);
        let range = match (limit("minimum"), limit("maximum")) {
            (least, Some(most)) => format!(" From {} to {most}.", least.unwrap_or(0)),
            _ => String::new(),
        };
        Some(format!("`{key}`: {}{range}", self.describe(key)?))
    }

    /// The message and help for an unknown key.
    pub fn unknown(self, key: &str) -> (String, String) {
        let what = match self {
            Self::Sweep => "axis",
            _ => "key",
        };
        let keys = self.keys();
        let place = match self {
            Self::Scenario => "a scenario",
            Self::Workload => "`workload`",
            Self::Arm => "an arm",
            Self::Target => "`target`",
            Self::File => "`target.file`",
            Self::Ramdisk => "`target.ramdisk`",
            Self::Device => "`target.device`",
            Self::Sweep => "`sweep`",
            Self::Trials => "`trials`",
            Self::Compare => "an entry of `compare`",
        };
        let mut help = one_of("the keys are", key, &keys);
        let elsewhere = [Self::Workload, Self::Arm, Self::Scenario];
        if let Some(home) = elsewhere.into_iter().find(|home| *home != self && home.has(key)) {
            help = match home {
                Self::Workload => format!("`{key}` belongs in `workload`"),
                Self::Arm => format!("`{key}` belongs in an arm or in `sweep`"),
                _ => format!("`{key}` belongs at the top level of the scenario"),
            };
            if self == Self::Sweep {
                help = one_of("the keys are", key, &keys);
            }
        }
        (format!("{place} has no {what} `{key}`"), help)
    }
}

/// The candidate that was probably meant, if one is close enough.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase().replace('-', "_");
    candidates
        .iter()
        .map(|candidate| {
            let known = candidate.to_lowercase().replace('-', "_");
            (strsim::damerau_levenshtein(&lower, &known), *candidate)
        })
        .min()
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the list of candidates.
pub(crate) fn one_of(intro: &str, word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{intro}: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_key() {
        let keys = Block::Arm.keys();
        assert!(keys.contains(&"hosts") && keys.contains(&"submit_batch") && keys.contains(&"engine"));
        assert_eq!(nearest("fixed-file", &keys), Some("fixed_files"));
        assert_eq!(nearest("dept", &keys), Some("depth"));
        assert_eq!(nearest("wibble", &keys), None);
        assert!(Block::Arm.unknown("threads").1.contains("belongs in `workload`"));
        assert!(keys.contains(&"ring"));
        assert!(Block::Arm.unknown("verify").1.contains("belongs in `workload`"));
    }

    #[test]
    fn every_key_has_a_description() {
        let targets = [Block::Target, Block::File, Block::Ramdisk, Block::Device];
        for block in [Block::Scenario, Block::Workload, Block::Arm, Block::Sweep].into_iter().chain(targets) {
            assert!(!block.keys().is_empty(), "{block:?}");
            for key in block.keys() {
                assert!(block.describe(key).is_some(), "{block:?}.{key}");
            }
        }
    }

    #[test]
    fn scenario_reference_names_every_key_that_the_options_page_does_not() {
        let page = include_str!("../../../docs/scenario.md");
        let blocks = [
            Block::Scenario,
            Block::Target,
            Block::File,
            Block::Ramdisk,
            Block::Device,
            Block::Trials,
            Block::Compare,
        ];
        for word in blocks.into_iter().flat_map(Block::keys) {
            let named = ["`", "{", ", "].iter().any(|before| {
                ["`", ":"].iter().any(|after| page.contains(&format!("{before}{word}{after}")))
            });
            assert!(named, "docs/scenario.md does not name `{word}`");
        }
    }
}
