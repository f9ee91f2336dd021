//! `arms`: an engine block each, with the hosts it is for and what is special about it.

use std::collections::BTreeMap;

use proto::trial::{Engine, EngineKind};
use serde_json::{Map, Value};

use super::{Arms, Fixed, Reader, is_name};
use crate::scenario::{ARM_PATTERN, Arm, MAX_NAME, Problem, document::Spot, keys::Block, spans::KeyPath};

impl Reader<'_> {
    pub(super) fn arms(&mut self, value: Option<Value>) -> (Arms, Fixed) {
        let (mut arms, mut fixed) = (Arms::new(), Fixed::new());
        let at = KeyPath::of(["arms"]);
        let example = "`arms: {sync: {engine: psync}, uring: {engine: io_uring}}`";
        let Some(section) = self.section("arms", value, example) else { return (arms, fixed) };
        if section.is_empty() {
            self.report(&at, "`arms` is empty", "nothing to run", format!("write {example}"));
        }
        for (name, value) in section {
            let at = at.key(&name);
            if !is_name(&name, false) {
                let message = format!("`{name}` cannot be an arm's name");
                let help = format!(
                    "letters, digits, `-` and `_`, beginning with a letter or digit, at most {MAX_NAME} \
                     ({ARM_PATTERN})"
                );
                let problem = self.document.problem(&at, Spot::Key, message, "this name");
                self.problems.push(problem.help(help));
            }
            let Value::Object(mapping) = value else {
                let message = format!("the arm `{name}` is a mapping");
                self.report(&at, message, "not a mapping", "write {engine: io_uring}, with knobs after it");
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
        self.engine_kind(&mut mapping, at);
        let engine: Option<Engine> = match self.problems[before..].iter().any(Problem::is_engine) {
            false => self.typed(Value::Object(mapping), at, Some(Block::Arm)),
            true => {
                // Only to find what else is wrong with the arm.
                mapping.insert("engine".to_owned(), Value::from(EngineKind::IoUring.to_string()));
                self.typed(Value::Object(mapping), at, Some(Block::Arm))
            }
        };
        engine.filter(|_| self.problems.len() == before).map(|engine| Arm { engine, hosts, description })
    }

    /// Looks at the engine's name before serde does: a bare `null` is a name here.
    fn engine_kind(&mut self, mapping: &mut Map<String, Value>, at: &KeyPath) {
        let at = at.key("engine");
        let known: Vec<_> = EngineKind::ALL.iter().map(|kind| kind.name()).collect();
        let engines = format!("the engines are: {}", known.join(", "));
        let refused = match mapping.get("engine") {
            Some(Value::Null) if self.document.written(&at).is_some_and(|text| text.trim() == "null") => {
                mapping.insert("engine".to_owned(), Value::from("null"));
                return;
            }
            Some(Value::Null) => ("`engine` is empty".to_owned(), "no engine", engines),
            None => {
                let message = "the arm has no `engine`".to_owned();
                (message, "missing here", "add `engine: io_uring` or `engine: psync`".to_owned())
            }
            Some(_) => return,
        };
        let (message, label, help) = refused;
        let problem = self.document.problem(&at, Spot::Value, message, label).help(help).of_engine();
        self.problems.push(problem);
    }

    fn labels(&mut self, value: Value, at: &KeyPath) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        let Value::Object(mapping) = value else {
            self.report(at, "`hosts` are labels", "not a mapping", "write {kernel: patched}");
            return labels;
        };
        for (label, value) in mapping {
            match value {
                Value::String(text) => labels.insert(label, text),
                Value::Number(number) => labels.insert(label, number.to_string()),
                Value::Bool(truth) => labels.insert(label, truth.to_string()),
                _ => {
                    let message = format!("the label `{label}` has no plain value");
                    self.report(&at.key(&label), message, "this value", "write a word, such as patched");
                    None
                }
            };
        }
        labels
    }
}
