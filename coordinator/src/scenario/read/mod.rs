//! Reads the tree into the typed model. Reading continues after a problem where possible, so that all problems of a
//! scenario are reported together.

mod arms;
mod compare;
mod ladder;
mod sweep;
mod trials;

use indexmap::IndexMap;
use proto::trial::{Target, Workload};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Arm, MAX_NAME, Problem, Scenario,
    document::{Document, Spot, remove},
    error::MAX_SHOWN,
    fault::Fault,
    host_loss::HostLossPolicy,
    keys::{self, Block},
    noise::NoisePolicy,
    spans::KeyPath,
    yaml,
};

/// Reads the whole tree; cells are checked by [`super::cells::cells`].
pub(super) fn scenario(document: &Document, tree: Value) -> Result<Scenario, Vec<Problem>> {
    let Value::Object(mut top) = tree else {
        let root = KeyPath::default();
        let problem = document.problem(&root, Spot::Value, "a scenario must be a mapping", "not a mapping");
        return Err(vec![problem.help("start with `name: …`; see the shipped scenarios in scenarios/")]);
    };
    let mut reader = Reader { document, problems: Vec::new() };
    reader.known(Block::Scenario, &mut top, &KeyPath::default());
    let name = reader.name(top.remove("name"));
    let question = reader.optional::<String>(&mut top, "question");
    let target = reader.target(top.remove("target"));
    let workload = reader.workload(top.remove("workload"));
    let (arms, fixed) = reader.arms(top.remove("arms"));
    let (trials, precision) = reader.trials(&mut top);
    let margin = reader.margin(&mut top);
    let noise = reader.optional::<NoisePolicy>(&mut top, "noise").unwrap_or_default();
    let on_host_loss = reader.optional::<HostLossPolicy>(&mut top, "on_host_loss").unwrap_or_default();
    let seed = reader.optional::<u64>(&mut top, "seed");
    let baseline = reader.optional::<String>(&mut top, "baseline");
    let before = reader.problems.len();
    let sweep = reader.sweep(top.remove("sweep"), (&workload, &arms, &target), &fixed);
    // Invalid axes must not invalidate every expectation.
    let sound = (reader.problems.len() == before).then_some(&sweep);
    reader.baseline(baseline.as_deref(), &fixed);
    let compare = reader.compare(top.remove("compare"), &fixed, baseline.as_deref());
    let ladder = reader.ladder(top.remove("ladder"), &fixed);
    let names: Vec<&str> = fixed.keys().map(String::as_str).collect();
    let expect = reader.expect(top.remove("expect"), &names, sound);
    match (reader.problems.is_empty(), target, workload) {
        (true, Some(target), Some(workload)) => Ok(Scenario {
            name,
            question,
            target,
            workload,
            arms,
            sweep,
            trials,
            precision,
            margin,
            baseline,
            compare,
            ladder,
            expect,
            noise,
            on_host_loss,
            seed,
        }),
        _ => Err(reader.problems),
    }
}

struct Reader<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

type Arms = IndexMap<String, Arm>;
/// The written arms, valid or not, with the keys that each one fixes.
type Fixed = IndexMap<String, Vec<String>>;

impl Reader<'_> {
    fn report(&mut self, path: &KeyPath, message: impl Into<String>, label: &str, help: impl Into<String>) {
        self.problems.push(self.document.problem(path, Spot::Value, message, label).help(help));
    }

    /// Reports unknown keys and removes them.
    fn known(&mut self, block: Block, mapping: &mut Map<String, Value>, at: &KeyPath) {
        let unknown: Vec<String> = mapping.keys().filter(|key| !block.has(key)).cloned().collect();
        for key in unknown {
            mapping.remove(&key);
            // Further problems are only counted.
            if self.problems.len() >= MAX_SHOWN {
                self.problems.push(Problem::new(String::new()));
                continue;
            }
            let (message, help) = block.unknown(&key);
            let problem = self.document.problem(&at.key(&key), Spot::Key, message, "unknown");
            self.problems.push(problem.help(help));
        }
    }

    /// Reads a value. An invalid part is reported and removed, and the rest is read again, so that all problems of a
    /// block are found.
    fn typed<T: DeserializeOwned>(
        &mut self,
        mut value: Value,
        at: &KeyPath,
        block: Option<Block>,
    ) -> Option<T> {
        let mut sound = true;
        loop {
            let error = match yaml::typed::<T>(value.clone()) {
                Ok(read) => return sound.then_some(read),
                Err(error) => error,
            };
            // A part that is missing because it was removed has been reported already.
            if !sound && (error.path.0.is_empty() || matches!(error.fault, Fault::Missing(_))) {
                return None;
            }
            sound = false;
            let place = at.join(&error.path);
            let (message, label, help) = error.fault.at(&place);
            let about = || place.last_key().and_then(|key| block?.about(key));
            let problem = self.document.problem(&place, Spot::Value, message, &label);
            self.problems.push(match help.or_else(about) {
                Some(help) => problem.help(help),
                None => problem,
            });
            if self.problems.len() > MAX_SHOWN || !remove(&mut value, &error.path) {
                return None;
            }
        }
    }

    fn optional<T: DeserializeOwned>(&mut self, top: &mut Map<String, Value>, key: &str) -> Option<T> {
        let value = top.remove(key).filter(|value| !value.is_null())?;
        self.typed(value, &KeyPath::of([key]), Some(Block::Scenario))
    }

    /// A required section, which must be a mapping.
    fn section(&mut self, key: &str, value: Option<Value>, example: &str) -> Option<Map<String, Value>> {
        let at = KeyPath::of([key]);
        match value {
            Some(Value::Object(mapping)) => return Some(mapping),
            Some(Value::Null) => {
                self.report(&at, format!("`{key}` is empty"), "empty", format!("write {example}"));
            }
            Some(_) => {
                self.report(
                    &at,
                    format!("`{key}` must be a mapping"),
                    "not a mapping",
                    format!("write {example}"),
                );
            }
            None => {
                let root = KeyPath::default();
                let message = format!("the scenario has no `{key}`");
                self.report(&root, message, "missing", format!("add {example}"));
            }
        }
        None
    }

    fn name(&mut self, value: Option<Value>) -> String {
        let at = KeyPath::of(["name"]);
        let Some(value) = value.filter(|value| !value.is_null()) else {
            let message = "the scenario has no `name`";
            let help = "add a line such as `name: my-scenario`; it names the directory of results";
            self.report(&KeyPath::default(), message, "missing", help);
            return String::new();
        };
        let name = match value {
            // `name: 2024` is a number in YAML.
            Value::Number(number) => number.to_string(),
            value => {
                self.typed::<String>(value, &at, Some(Block::Scenario)).unwrap_or_else(|| "x".to_owned())
            }
        };
        if !is_name(&name, true) {
            let message = format!("`{name}` is not a valid name for a scenario");
            let help = format!(
                "it becomes part of a directory's name: use letters, digits, `-`, `_` and `.`, starting with a letter \
                 or digit, at most {MAX_NAME} characters"
            );
            self.report(&at, message, "this name", help);
        }
        name
    }

    fn target(&mut self, value: Option<Value>) -> Option<Target> {
        let at = KeyPath::of(["target"]);
        let mut target =
            self.section("target", value, "`target: {file: {size: 1GiB}}` or `target: {path: …}`")?;
        let before = self.problems.len();
        self.known(Block::Target, &mut target, &at);
        let kinds = [("file", Block::File), ("ramdisk", Block::Ramdisk), ("device", Block::Device)];
        let mut about = Block::File;
        for (key, block) in kinds {
            if let Some(Value::Object(inner)) = target.get_mut(key) {
                self.known(block, inner, &at.key(key));
                about = block;
            }
        }
        let target = if target.is_empty() && self.problems.len() > before {
            None
        } else {
            self.typed(Value::Object(target), &at, Some(about))
        };
        target.filter(|_| self.problems.len() == before)
    }

    fn workload(&mut self, value: Option<Value>) -> Option<Workload> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Some(Workload::default()) };
        let at = KeyPath::of(["workload"]);
        let mut workload = self.section("workload", Some(value), "`workload: {runtime: 1s}`")?;
        let before = self.problems.len();
        self.known(Block::Workload, &mut workload, &at);
        let workload = self.typed(Value::Object(workload), &at, Some(Block::Workload));
        workload.filter(|_| self.problems.len() == before)
    }

    fn baseline(&mut self, baseline: Option<&str>, arms: &Fixed) {
        let Some(name) = baseline else { return };
        if !arms.contains_key(name) && !arms.is_empty() {
            let names: Vec<&str> = arms.keys().map(String::as_str).collect();
            let help = keys::one_of("the arms are", name, &names);
            let message = format!("the baseline `{name}` is not an arm");
            self.report(&KeyPath::of(["baseline"]), message, "no such arm", help);
        }
    }
}

/// Whether a text is a valid name; `points` allows dots, which names of arms must not have.
fn is_name(name: &str, points: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (points && c == '.');
    name.len() <= MAX_NAME && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits)
}
