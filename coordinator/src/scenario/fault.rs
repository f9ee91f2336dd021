//! Why a value of a scenario does not have its type, in words for authors of scenarios.

use std::fmt;

use super::{keys::one_of, spans::KeyPath};

/// Why a value does not have its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A required key is missing.
    Missing(String),
    /// A word or a key that is not one of the known ones.
    Unknown {
        /// As written.
        word: String,
        /// The known ones.
        known: Vec<String>,
    },
    /// A value of another type, or out of the type's range.
    NotA {
        /// The value, as written.
        found: String,
        /// The expected type in words.
        wanted: String,
    },
    /// A message of the type's own parser, such as that of a size.
    Other(String),
}

impl Fault {
    /// Classifies an error of serde.
    ///
    /// serde has no types for its errors, only messages. This is the only place that reads them; a test pins their
    /// wording.
    pub fn of(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if let Some(key) = message.strip_prefix("missing field ") {
            return Self::Missing(key.trim_matches('`').to_owned());
        }
        for prefix in ["unknown variant `", "unknown field `"] {
            if let Some((word, known)) =
                message.strip_prefix(prefix).and_then(|rest| rest.split_once("`, expected "))
            {
                return Self::Unknown { word: word.to_owned(), known: quoted(known) };
            }
        }
        for prefix in ["invalid type: ", "invalid value: "] {
            if let Some((found, wanted)) =
                message.strip_prefix(prefix).and_then(|rest| rest.split_once(", expected "))
            {
                let kinds = ["string ", "integer ", "boolean ", "floating point "];
                let value = kinds.iter().find_map(|kind| found.strip_prefix(kind)).unwrap_or(found);
                let found = value.replace('`', "").replace("null", "nothing");
                return Self::NotA { found, wanted: plain(wanted) };
            }
        }
        Self::Other(message)
    }

    /// The message, the label and, if there is one, the remedy for a value at this place.
    pub fn at(&self, place: &KeyPath) -> (String, String, Option<String>) {
        let message = if place.0.is_empty() { self.to_string() } else { format!("`{place}`: {self}") };
        let (label, help) = match self {
            Self::Missing(key) => (format!("has no `{key}`"), Some(format!("add `{key}`"))),
            Self::Unknown { word, known } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                ("unknown word".to_owned(), Some(one_of("the known ones are", word, &known)))
            }
            Self::NotA { wanted, .. } => (format!("must be {wanted}"), None),
            Self::Other(_) => ("this value".to_owned(), None),
        };
        (message, label, help)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Unknown { word, .. } => write!(f, "there is no `{word}`"),
            Self::NotA { found, wanted } => write!(f, "{found} is not {wanted}"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

/// A Rust type in plain words.
fn plain(wanted: &str) -> String {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text".to_owned(),
        "string or map" => "a word".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") => "a mapping of keys".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, de::DeserializeOwned};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        One,
        Two,
        Three,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Block {
        #[allow(dead_code)]
        size: u32,
    }

    fn fault<T: DeserializeOwned + fmt::Debug>(value: Value) -> Fault {
        Fault::of(&serde_json::from_value::<T>(value).unwrap_err())
    }

    /// Fails if a version of serde words its messages differently.
    #[test]
    fn messages_of_serde_are_recognised() {
        let not_a =
            |found: &str, wanted: &str| Fault::NotA { found: found.to_owned(), wanted: wanted.to_owned() };
        let unknown = |word: &str, known: &[&str]| Fault::Unknown {
            word: word.to_owned(),
            known: known.iter().map(|&word| word.to_owned()).collect(),
        };
        let whole = "a whole number, 0 or more";
        assert_eq!(fault::<Block>(json!({})), Fault::Missing("size".into()));
        assert_eq!(fault::<Block>(json!({"size": 1, "siez": 2})), unknown("siez", &["size"]));
        assert_eq!(fault::<Word>(json!("tow")), unknown("tow", &["one", "two", "three"]));
        assert_eq!(fault::<u32>(json!("x")), not_a("\"x\"", whole));
        assert_eq!(fault::<u32>(json!(-1)), not_a("-1", whole));
        assert_eq!(fault::<u64>(json!(1.5)), not_a("1.5", whole));
        assert_eq!(fault::<u32>(Value::Null), not_a("nothing", whole));
        assert_eq!(fault::<bool>(json!("yes")), not_a("\"yes\"", "true or false"));
        assert_eq!(fault::<String>(json!(true)), not_a("true", "a text"));
        assert_eq!(fault::<Vec<u32>>(json!(1)), not_a("1", "a list"));
        assert_eq!(fault::<Block>(json!(1)), not_a("1", "a mapping of keys"));
        assert_eq!(fault::<Word>(json!(1)), not_a("1", "a word"));
    }

    #[test]
    fn remedies_follow_from_the_kind_of_fault() {
        let place = KeyPath::of(["workload", "pattern"]);
        let (message, _, help) = fault::<Word>(json!("tow")).at(&place);
        assert_eq!(message, "`workload.pattern`: there is no `tow`");
        assert_eq!(help.as_deref(), Some("did you mean `two`?"));
        let (message, label, help) = fault::<Block>(json!({})).at(&KeyPath::default());
        assert_eq!((message.as_str(), label.as_str()), ("`size` is missing", "has no `size`"));
        assert_eq!(help.as_deref(), Some("add `size`"));
    }
}
