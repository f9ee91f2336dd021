//! Where each value of the tree is written in the text. Built from a parser's events, because the tree has no places.

use std::{borrow::Cow, collections::HashMap, fmt, ops::Range};

use saphyr_parser::Event;

use crate::input::{YamlError, yaml_events};

/// A step down the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// A place in the tree, such as `sweep.depth[2]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct KeyPath(pub Vec<Step>);

impl KeyPath {
    /// A path of keys.
    pub fn of<const N: usize>(keys: [&str; N]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// The path extended by a key.
    pub fn key(&self, key: &str) -> Self {
        self.join(&Self(vec![Step::Key(key.to_owned())]))
    }

    /// The path extended by a list element.
    pub fn index(&self, index: usize) -> Self {
        self.join(&Self(vec![Step::Index(index)]))
    }

    /// The path extended by another path.
    pub fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    /// The enclosing place.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// Whether the place is the other one or lies within it.
    pub fn is_within(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// The last key of the path.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Byte ranges of a value and of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The key; `None` for a list element and for the document.
    pub key: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
    /// Whether the value is a scalar.
    pub scalar: bool,
}

/// A key that occurs twice in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// The place.
    pub path: KeyPath,
    /// Where it is written first.
    pub first: Range<usize>,
    /// Where it is written again.
    pub again: Range<usize>,
}

/// The places of a document's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans {
    places: HashMap<KeyPath, Written>,
    /// Keys that occur twice in their mapping.
    pub duplicates: Vec<Duplicate>,
}

impl Spans {
    /// Parses the text. Aliases are not followed: a value below one is written at its anchor, and errors in it are
    /// shown at the alias.
    ///
    /// # Errors
    /// The text is not YAML, or too deep. The place is in bytes.
    pub fn of(text: &str) -> Result<Self, YamlError> {
        // The parser counts characters; everything else counts bytes.
        let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let byte = |index: usize| bytes.get(index).copied().unwrap_or(text.len());
        let mut walk = Walk::default();
        for event in yaml_events(text) {
            let (event, range) = event.map_err(|error| match error {
                YamlError::Syntax { message, at } => YamlError::Syntax { message, at: byte(at) },
                YamlError::TooDeep { at } => YamlError::TooDeep { at: byte(at) },
            })?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            walk.take(event, byte(range.start)..byte(range.end));
        }
        Ok(walk.spans)
    }

    /// Where this place is written.
    pub fn get(&self, path: &KeyPath) -> Option<&Written> {
        self.places.get(path)
    }

    /// Where this place or its nearest enclosing place is written, and whether it is the place itself.
    pub fn nearest(&self, path: &KeyPath) -> Option<(&Written, bool)> {
        let mut path = path.clone();
        let mut exact = true;
        loop {
            if let Some(written) = self.places.get(&path) {
                return Some((written, exact));
            }
            path = path.parent()?;
            exact = false;
        }
    }
}

/// An open mapping or list.
struct Open {
    path: KeyPath,
    key: Option<Range<usize>>,
    start: usize,
    inside: Inside,
}

enum Inside {
    /// Waiting for a key, or for the value of this key.
    Mapping(Option<(String, Range<usize>)>),
    /// The index of the next element.
    List(usize),
}

#[derive(Default)]
struct Walk {
    open: Vec<Open>,
    spans: Spans,
}

impl Walk {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Scalar(text, ..) => self.scalar(text, range),
            Event::Alias(_) => self.scalar(Cow::Borrowed(""), range),
            Event::MappingStart(..) => self.begin(range.start, Inside::Mapping(None)),
            Event::SequenceStart(..) => self.begin(range.start, Inside::List(0)),
            Event::MappingEnd | Event::SequenceEnd => {
                if let Some(open) = self.open.pop() {
                    let value = open.start..range.end.max(open.start);
                    self.spans.places.insert(open.path, Written { key: open.key, value, scalar: false });
                }
            }
            _ => {}
        }
    }

    /// The place of the next value.
    fn next(&mut self) -> (KeyPath, Option<Range<usize>>) {
        match self.open.last_mut() {
            None => (KeyPath::default(), None),
            Some(open) => match &mut open.inside {
                Inside::List(index) => {
                    *index += 1;
                    (open.path.index(*index - 1), None)
                }
                Inside::Mapping(waiting) => match waiting.take() {
                    Some((key, range)) => (open.path.key(&key), Some(range)),
                    // A mapping as a key is refused elsewhere.
                    None => (open.path.key(""), None),
                },
            },
        }
    }

    fn begin(&mut self, start: usize, inside: Inside) {
        let (path, key) = self.next();
        self.open.push(Open { path, key, start, inside });
    }

    fn scalar(&mut self, text: Cow<'_, str>, range: Range<usize>) {
        if let Some(Open { inside: Inside::Mapping(waiting @ None), path, .. }) = self.open.last_mut() {
            let path = path.key(&text);
            if let Some(Written { key: Some(first), .. }) = self.spans.places.get(&path) {
                let (first, again) = (first.clone(), range.clone());
                self.spans.duplicates.push(Duplicate { path, first, again });
            }
            *waiting = Some((text.into_owned(), range));
            return;
        }
        let (path, key) = self.next();
        self.spans.places.insert(path, Written { key, value: range, scalar: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<'a>(text: &'a str, path: &KeyPath) -> &'a str {
        &text[Spans::of(text).unwrap().get(path).unwrap().value.clone()]
    }

    #[test]
    fn block_and_flow_styles() {
        let text =
            "# µ counts two bytes\nname: x\narms:\n  sync: {engine: psync}\nsweep: {depth: [1, 8, 32]}\n";
        assert_eq!(shown(text, &KeyPath::of(["name"])), "x");
        assert_eq!(shown(text, &KeyPath::of(["arms", "sync", "engine"])), "psync");
        assert_eq!(shown(text, &KeyPath::of(["arms", "sync"])), "{engine: psync}");
        assert_eq!(shown(text, &KeyPath::of(["sweep", "depth"]).index(2)), "32");
        let spans = Spans::of(text).unwrap();
        let (near, exact) = spans.nearest(&KeyPath::of(["arms", "sync", "depth"])).unwrap();
        assert_eq!((&text[near.key.clone().unwrap()], exact), ("sync", false));
    }

    #[test]
    fn quotes_and_aliases() {
        let text = "a: &x \"q\"\nb: *x\nlist:\n- 'one'\n- two\n";
        assert_eq!(shown(text, &KeyPath::of(["b"])), "*x");
        assert_eq!(shown(text, &KeyPath::of(["list"]).index(0)), "'one'");
        assert_eq!(shown(text, &KeyPath::of(["list"]).index(1)), "two");
    }

    #[test]
    fn duplicate_keys() {
        let spans = Spans::of("a: 1\nb: {c: 1, c: 2}\na: 2\n").unwrap();
        let paths: Vec<String> = spans.duplicates.iter().map(|d| d.path.to_string()).collect();
        assert_eq!(paths, ["b.c", "a"]);
    }

    #[test]
    fn formats_paths() {
        assert_eq!(KeyPath::of(["sweep", "depth"]).index(2).to_string(), "sweep.depth[2]");
        assert_eq!(KeyPath::of(["sweep", "depth"]).index(2).last_key(), Some("depth"));
    }
}
