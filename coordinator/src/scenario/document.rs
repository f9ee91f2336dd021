//! The text of a scenario with its `--set` overrides. It maps every place in the tree to where it was written, and
//! locates problems there.

use std::{ops::Range, sync::Arc};

use proto::plain::clean_in_place;
use serde_json::{Map, Value};

use super::{
    error::Problem,
    keys,
    spans::{KeyPath, Spans, Step},
    yaml,
};
use crate::input::{YamlError, check_yaml};

/// A scenario's text and overrides.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    name: String,
    text: Arc<str>,
    /// The same text with the same places, as a terminal may show it.
    shown: Arc<str>,
    spans: Spans,
    overrides: Vec<Override>,
}

/// One `--set PATH=VALUE`.
#[derive(Clone, Debug)]
struct Override {
    text: Arc<str>,
    shown: Arc<str>,
    path: KeyPath,
    value: Range<usize>,
}

/// Which part of a place a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The key.
    Key,
    /// The value. A value of several lines is shown by its key.
    Value,
}

impl Document {
    /// Parses the text into a tree.
    pub fn read(name: &str, text: &str) -> Result<(Self, Value), Vec<Problem>> {
        // Some editors write a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let shown: Arc<str> = clean_in_place(text).into();
        let at = |at: usize, message: &str| {
            Problem::new(format!("this is not YAML: {message}"))
                .within(name, &shown)
                .label(at..at, "here, or just before")
                .help("check indentation, quotes and brackets; strings that contain `: ` or ` #` need quotes")
        };
        let spans = Spans::of(text).map_err(|error| match &error {
            YamlError::Syntax { message, at: place } => vec![at(*place, message)],
            YamlError::TooDeep { at } => {
                let problem = Problem::new(error.to_string()).within(name, &shown).label(*at..*at, "here");
                vec![problem.help("no value of a scenario is so deep")]
            }
        })?;
        let twice = |duplicate: &super::spans::Duplicate| {
            Problem::new(format!("`{}` is written twice", duplicate.path))
                .within(name, &shown)
                .label(duplicate.first.clone(), "here")
                .label(duplicate.again.clone(), "and again here")
                .help("keep one of them: YAML does not define which one counts")
        };
        if !spans.duplicates.is_empty() {
            return Err(spans.duplicates.iter().map(twice).collect());
        }
        let tree = yaml::parse(text)
            .map_err(|error| vec![at(error.at.unwrap_or(0).min(text.len()), &error.message)])?;
        Ok((Self { name: name.to_owned(), text: text.into(), shown, spans, overrides: Vec::new() }, tree))
    }

    /// Applies a `--set` to the tree and records where the value came from.
    pub fn set(&mut self, tree: &mut Value, text: &str) -> Result<(), Problem> {
        let shown: Arc<str> = clean_in_place(text).into();
        let refuse = |range: Range<usize>, message: String, label: &str| {
            Problem::new(message).within("--set", &shown).label(range, label)
        };
        let Some((path_text, value_text)) = text.split_once('=') else {
            return Err(refuse(0..text.len(), format!("`--set {text}` has no `=`"), "needs a value")
                .help("write PATH=VALUE, such as --set workload.runtime=2s"));
        };
        let mut keys_at = Vec::new();
        let mut at = 0;
        for key in path_text.split('.') {
            keys_at.push((key, at..at + key.len()));
            at += key.len() + 1;
        }
        if let Some((_, range)) = keys_at.iter().find(|(key, _)| key.trim().is_empty()) {
            return Err(refuse(
                range.clone(),
                format!("`--set {text}` has an empty key"),
                "a key is missing",
            )
            .help("write PATH=VALUE, such as --set workload.runtime=2s"));
        }
        if let Some((_, range)) = keys_at.iter().find(|(key, _)| key.contains(['[', ']'])) {
            return Err(refuse(range.clone(), "--set cannot change one element of a list".into(), "a list")
                .help("write the whole list, such as --set sweep.depth=[1,8]"));
        }
        let value_at = path_text.len() + 1;
        let not_yaml = |message: &str| {
            refuse(value_at..text.len(), format!("the value is not YAML: {message}"), "this value")
        };
        check_yaml(value_text).map_err(|error| not_yaml(&error.to_string()))?;
        let value = yaml::parse(value_text).map_err(|error| not_yaml(&error.message))?;

        let mut path = KeyPath::default();
        let mut place = tree;
        for (depth, (key, range)) in keys_at.iter().enumerate() {
            let holder = path.clone();
            let Value::Object(mapping) = place else {
                return Err(refuse(range.clone(), format!("`{holder}` has no keys"), "not a mapping")
                    .help(format!("set `{holder}` itself, or edit the scenario")));
            };
            path = path.key(key);
            if depth + 1 == keys_at.len() {
                mapping.insert((*key).to_owned(), value);
                self.overrides.push(Override { text: text.into(), shown, path, value: value_at..text.len() });
                return Ok(());
            }
            if depth == 1 && keys_at[0].0 == "arms" && !mapping.contains_key(*key) {
                let names: Vec<&str> = mapping.keys().map(String::as_str).collect();
                return Err(refuse(range.clone(), format!("there is no arm `{key}`"), "unknown arm")
                    .help(keys::one_of("the arms are", key, &names)));
            }
            place = mapping.entry((*key).to_owned()).or_insert_with(|| Value::Object(Map::new()));
        }
        Ok(())
    }

    /// Whether a `--set` determined this place or a part of it.
    pub fn is_set(&self, path: &KeyPath) -> bool {
        self.overrides.iter().any(|set| set.path.is_within(path) || path.is_within(&set.path))
    }

    /// The last `--set` that determined this place.
    fn override_of(&self, path: &KeyPath) -> Option<&Override> {
        self.overrides.iter().rev().find(|set| path.is_within(&set.path))
    }

    /// The value as written.
    pub fn written(&self, path: &KeyPath) -> Option<&str> {
        match self.override_of(path) {
            Some(set) if set.path == *path => set.text.get(set.value.clone()),
            Some(_) => None,
            None => self.text.get(self.spans.get(path)?.value.clone()),
        }
    }

    /// Whether this place was written at all.
    pub fn has(&self, path: &KeyPath) -> bool {
        self.override_of(path).is_some() || self.spans.get(path).is_some()
    }

    /// A problem located at its place.
    pub fn problem(&self, path: &KeyPath, spot: Spot, message: impl Into<String>, label: &str) -> Problem {
        let problem = Problem::new(message).about(path.last_key());
        if let Some(set) = self.override_of(path) {
            let key = spot == Spot::Key && set.path == *path;
            let range = if key { 0..set.value.start.saturating_sub(1) } else { set.value.clone() };
            return problem.within("--set", &set.shown).label(range, label);
        }
        let range = match self.spans.nearest(path) {
            Some((written, exact)) => {
                let one_line = self.text.get(written.value.clone()).is_some_and(|text| !text.contains('\n'));
                match &written.key {
                    Some(key) if !exact || spot == Spot::Key || !(written.scalar || one_line) => key.clone(),
                    None if path.0.is_empty() || !one_line => written.value.start..written.value.start,
                    _ => written.value.clone(),
                }
            }
            None => 0..0,
        };
        problem.within(&self.name, &self.shown).label(range, label)
    }

    /// A problem located at a part of a string value.
    pub fn problem_within(
        &self,
        path: &KeyPath,
        value: &str,
        part: Range<usize>,
        message: impl Into<String>,
        label: &str,
    ) -> Problem {
        let whole = match self.override_of(path) {
            Some(set) => Some((&set.text, &set.shown, set.value.clone(), "--set")),
            None => {
                let at = self.spans.get(path);
                at.map(|at| (&self.text, &self.shown, at.value.clone(), self.name.as_str()))
            }
        };
        let found = whole.and_then(|(text, shown, range, name)| {
            // Escapes and folds shift the columns; the whole value is shown then.
            let start = range.start + text.get(range.clone())?.find(value)?;
            Some((shown, start + part.start..start + part.end, name))
        });
        match found {
            Some((shown, range, name)) => {
                Problem::new(message).about(path.last_key()).within(name, shown).label(range, label)
            }
            None => self.problem(path, Spot::Value, message, label),
        }
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Removes a place from the tree; returns whether it existed.
pub(crate) fn remove(tree: &mut Value, path: &KeyPath) -> bool {
    let Some((last, way)) = path.0.split_last() else { return false };
    let mut place = tree;
    for step in way {
        let next = match step {
            Step::Key(key) => place.get_mut(key),
            Step::Index(index) => place.get_mut(*index),
        };
        match next {
            Some(value) => place = value,
            None => return false,
        }
    }
    match (last, place) {
        (Step::Key(key), Value::Object(mapping)) => mapping.shift_remove(key).is_some(),
        (Step::Index(index), Value::Array(list)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "name: x\narms:\n  uring: {engine: io_uring}\nsweep: {depth: [1, 8]}\n";

    fn set(text: &str) -> Result<String, String> {
        let (mut document, mut tree) = Document::read("x.yaml", TEXT).unwrap();
        document.set(&mut tree, text).map_err(|problem| problem.to_string())?;
        Ok(tree.to_string())
    }

    #[test]
    fn sets_existing_and_new_keys() {
        let changed = set("arms.uring.fixed_files=true").unwrap();
        assert!(changed.contains(r#"{"engine":"io_uring","fixed_files":true}"#), "{changed}");
        assert!(set("sweep.depth=[4]").unwrap().contains(r#""depth":[4]"#));
        assert!(set("workload.runtime=2s").unwrap().contains(r#""workload":{"runtime":"2s"}"#));
        assert!(set("question=a=b").unwrap().contains(r#""question":"a=b""#));
    }

    #[test]
    fn refusals_name_the_override() {
        assert_eq!(set("arms.urin.depth=1").unwrap_err(), "there is no arm `urin`");
        assert_eq!(set("name.x=1").unwrap_err(), "`name` has no keys");
        assert_eq!(set("sweep.depth[0]=1").unwrap_err(), "--set cannot change one element of a list");
        assert!(set("trials").unwrap_err().contains("has no `=`"));
        assert!(set("a..b=1").unwrap_err().contains("empty key"));
        assert!(set("trials=[1").unwrap_err().contains("the value is not YAML"));
    }

    proptest! {
        #[test]
        fn any_override_is_applied_or_refused(text in "[a-z.=\\[\\]{}: 0-9]{0,24}") {
            let _ = set(&text);
        }

        #[test]
        fn an_applied_override_is_in_the_tree(path in "[a-z]{1,5}(\\.[a-z]{1,5}){0,3}", value in 0u32..1000) {
            let (mut document, mut tree) = Document::read("x.yaml", TEXT).unwrap();
            prop_assume!(!path.starts_with("arms.") && !path.starts_with("name.") && path != "arms");
            document.set(&mut tree, &format!("{path}={value}")).unwrap();
            let pointer = format!("/{}", path.replace('.', "/"));
            prop_assert_eq!(tree.pointer(&pointer), Some(&Value::from(value)));
        }
    }
}
