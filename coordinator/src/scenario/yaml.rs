//! The only module that depends on the YAML library. It parses text into a tree of JSON values that keeps the order of
//! keys. Everything else works on that tree, so `--set` and the sweep are edits of values.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    fault::Fault,
    spans::{KeyPath, Step},
};

/// Why a text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The problem, without its place.
    pub message: String,
    /// Byte offset of the place, if known.
    pub at: Option<usize>,
}

/// Why a value does not have its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistyped {
    /// The place within the value.
    pub path: KeyPath,
    /// The reason.
    pub fault: Fault,
}

/// Parses one document.
pub(crate) fn parse(text: &str) -> Result<Value, Malformed> {
    serde_yaml::from_str(text).map_err(|error| {
        // Use line and column, because the library's index counts characters.
        let at = error.location().map(|place| offset(text, place.line(), place.column()));
        Malformed { message: without_place(&error), at }
    })
}

/// The message of the YAML library without the place at its end, which is shown in the text instead.
///
/// The library has the place as numbers but the message only as text. This is the only place that reads it; a test pins
/// its wording.
fn without_place(error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    message.split_once(" at line ").map_or(message.clone(), |(what, _)| what.to_owned())
}

/// Writes a tree.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print(tree: &Value) -> Result<String, String> {
    serde_yaml::to_string(tree).map_err(|error| format!("cannot write the scenario as YAML: {error}"))
}

/// Byte offset of a line and a column, both counted from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let within = text[start..].char_indices().nth(column.saturating_sub(1));
    within.map_or(text.len(), |(at, _)| start + at)
}

/// Deserialises a value. Errors have a place.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Mistyped> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let steps = error.path().iter().filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
        });
        Mistyped { path: KeyPath(steps.collect()), fault: Fault::of(error.inner()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_of_keys() {
        let tree = parse("b: 1\na: {z: 1, y: [2, x]}\n").unwrap();
        assert_eq!(tree.to_string(), r#"{"b":1,"a":{"z":1,"y":[2,"x"]}}"#);
    }

    #[test]
    fn errors_have_a_place() {
        let text = "a: 1\nb: [1, 2\nc: 3\n";
        let error = parse(text).unwrap_err();
        assert!(error.at.is_some_and(|at| at > 5 && at <= text.len()), "{error:?}");
        assert_eq!(error.message, "did not find expected ',' or ']'");
    }
}
