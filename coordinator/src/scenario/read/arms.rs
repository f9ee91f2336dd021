//! `arms`: an engine block each, with hosts and description.

use std::collections::BTreeMap;

use proto::trial::{Engine, EngineKind};
use serde_json::{Map, Value};

use super::{Arms, Fixed, Reader, is_name};
use crate::scenario::{ARM_PATTERN, Arm, MAX_NAME, document::Spot, keys::Block, spans::KeyPath};

impl Reader<'_> {
    pub(super) fn arms(&mut self, value: Option<Value>) -> (Arms, Fixed) {
        let (mut arms, mut fixed) = (Arms::new(), Fixed::new());
        let at = KeyPath::of(["arms"]);
        let example = "`arms: {sync: {engine: psync}, uring: {engine: io_uring}}`";
        let Some(section) = self.section("arms", value, example) else { return (arms, fixed) };
        if section.is_empty() {
            self.report(&at, "`arms` is empty", "no arms", format!("write {example}"));
        }
        for (name, value) in section {
            let at = at.key(&name);
            if !is_name(&name, false) {
                let message = format!("`{name}` is not a valid name for an arm");
                let help = format!(
                    "use letters, digits, `-` and `_`, starting with a letter or digit, at most {MAX_NAME} characters \
                     ({ARM_PATTERN})"
                );
                let problem = self.document.problem(&at, Spot::Key, message, "this name");
                self.problems.push(problem.help(help));
            }
            let Value::Object(mapping) = value else {
                let message = format!("the arm `{name}` must be a mapping");
                self.report(&at, message, "not a mapping", "write {engine: io_uring} and add options");
                fixed.insert(name, Vec::new());
                continue;
            };
            fixed.insert(name.clone(), mapping.keys().cloned().collect());
            if let Some(arm) = self.arm(mapping, &at) {
                arms.insert(name, arm);
            }
        }
        (arms, fixed)
    }

    fn arm(&mut self, mut mapping: Map<String, Value>, at: &KeyPath) -> Option<Arm> {
        let before = self.problems.len();
        self.known(Block::Arm, &mut mapping, at);
        let hosts = mapping.remove("hosts").filter(|hosts| !hosts.is_null());
        let hosts = hosts.map(|hosts| self.labels(hosts, &at.key("hosts"))).unwrap_or_default();
        let description = mapping.remove("description").filter(|text| !text.is_null());
        let description =
            description.and_then(|text| self.typed::<String>(text, &at.key("description"), Some(Block::Arm)));
        if !self.has_engine(&mut mapping, at) {
            // Only to find further problems of the arm.
            mapping.insert("engine".to_owned(), Value::from(EngineKind::IoUring.to_string()));
        }
        let engine: Option<Engine> = self.typed(Value::Object(mapping), at, Some(Block::Arm));
        engine.filter(|_| self.problems.len() == before).map(|engine| Arm { engine, hosts, description })
    }

    /// Whether the arm names an engine; reports it otherwise. A bare `null` is the name of an engine, and becomes one
    /// here.
    fn has_engine(&mut self, mapping: &mut Map<String, Value>, at: &KeyPath) -> bool {
        let at = at.key("engine");
        let known: Vec<_> = EngineKind::ALL.iter().map(|kind| kind.name()).collect();
        let (message, label, help) = match mapping.get("engine") {
            Some(Value::Null) if self.document.written(&at).is_some_and(|text| text.trim() == "null") => {
                mapping.insert("engine".to_owned(), Value::from("null"));
                return true;
            }
            Some(Value::Null) => {
                ("`engine` is empty", "no engine", format!("the engines are: {}", known.join(", ")))
            }
            None => (
                "the arm has no `engine`",
                "missing here",
                "add `engine: io_uring` or `engine: psync`".to_owned(),
            ),
            Some(_) => return true,
        };
        self.report(&at, message, label, help);
        false
    }

    fn labels(&mut self, value: Value, at: &KeyPath) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        let Value::Object(mapping) = value else {
            self.report(
                at,
                "`hosts` must be a mapping of labels",
                "not a mapping",
                "write {kernel: patched}",
            );
            return labels;
        };
        for (label, value) in mapping {
            match value {
                Value::String(text) => labels.insert(label, text),
                Value::Number(number) => labels.insert(label, number.to_string()),
                Value::Bool(truth) => labels.insert(label, truth.to_string()),
                _ => {
                    let message = format!("the label `{label}` must have a plain value");
                    self.report(&at.key(&label), message, "this value", "write a word, such as patched");
                    None
                }
            };
        }
        labels
    }
}
