//! The tree to the typed model. Reading goes on after a problem wherever it can, so that a scenario is mended
//! in one go.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use proto::trial::{Engine, EngineKind, Target, Workload};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    ARM_PATTERN, Arm, DEFAULT_TRIALS, Expectation, MAX_NAME, MAX_TRIALS, Problem, Scenario,
    document::{Document, Spot, remove},
    expect,
    keys::{self, Block},
    message::humane,
    spans::{KeyPath, Step},
    yaml,
};
use crate::plan::cells::{canonical, home};

/// Reads the whole tree; cells are checked by [`super::cells::cells`].
pub(super) fn scenario(document: &Document, tree: Value) -> Result<Scenario, Vec<Problem>> {
    let Value::Object(mut top) = tree else {
        let root = KeyPath::default();
        let problem =
            document.problem(&root, Spot::Value, "a scenario is a mapping of keys", "not a mapping");
        return Err(vec![
            problem.help("begin with `name: …`; shipped scenarios in scenarios/ show the rest"),
        ]);
    };
    let mut reader = Reader { document, problems: Vec::new() };
    reader.known(Block::Scenario, &mut top, &KeyPath::default());
    let name = reader.name(top.remove("name"));
    let question = reader.optional::<String>(&mut top, "question");
    let target = reader.target(top.remove("target"));
    let workload = reader.workload(top.remove("workload"));
    let (arms, fixed) = reader.arms(top.remove("arms"));
    let trials = reader.trials(&mut top);
    let seed = reader.optional::<u64>(&mut top, "seed");
    let baseline = reader.optional::<String>(&mut top, "baseline");
    let sweep = reader.sweep(top.remove("sweep"), (&workload, &arms, &target), &fixed);
    reader.baseline(baseline.as_deref(), &fixed);
    // Without arms and axes, every name in an expectation would seem wrong.
    let names: Vec<&str> = fixed.keys().map(String::as_str).collect();
    let expect = reader.expect(top.remove("expect"), &names, &sweep);
    match (reader.problems.is_empty(), target, workload) {
        (true, Some(target), Some(workload)) => {
            Ok(Scenario { name, question, target, workload, arms, sweep, trials, baseline, expect, seed })
        }
        _ => Err(reader.problems),
    }
}

struct Reader<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

type Arms = IndexMap<String, Arm>;
/// Arms that were written, well or not, with the keys that each fixes.
type Fixed = IndexMap<String, Vec<String>>;

impl Reader<'_> {
    fn report(&mut self, path: &KeyPath, message: impl Into<String>, label: &str, help: impl Into<String>) {
        self.problems.push(self.document.problem(path, Spot::Value, message, label).help(help));
    }

    /// Reports keys that there are not, and takes them out.
    fn known(&mut self, block: Block, mapping: &mut Map<String, Value>, at: &KeyPath) {
        let unknown: Vec<String> = mapping.keys().filter(|key| !block.has(key)).cloned().collect();
        for key in unknown {
            mapping.remove(&key);
            let (message, help) = block.unknown(&key);
            let problem = self.document.problem(&at.key(&key), Spot::Key, message, "unknown key");
            self.problems.push(problem.help(help));
        }
    }

    /// Reads a value. A part that is refused is reported and taken out, and the rest is read again, so that
    /// all problems of a block are found.
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
            // What is missing because it was taken out has been reported already.
            if !sound && (error.path.0.is_empty() || error.message.starts_with("missing field")) {
                return None;
            }
            sound = false;
            let place = at.join(&error.path);
            let (message, label, help) = humane(&error.message, &place);
            let about = place.last_key().and_then(|key| Some((key, block?.describe(key)?)));
            let problem = self.document.problem(&place, Spot::Value, message, &label);
            self.problems.push(match (help, about) {
                (Some(help), _) => problem.help(help),
                (None, Some((key, about))) => problem.help(format!("`{key}`: {about}")),
                (None, None) => problem,
            });
            if !remove(&mut value, &error.path) {
                return None;
            }
        }
    }

    fn optional<T: DeserializeOwned>(&mut self, top: &mut Map<String, Value>, key: &str) -> Option<T> {
        let value = top.remove(key).filter(|value| !value.is_null())?;
        self.typed(value, &KeyPath::of([key]), Some(Block::Scenario))
    }

    /// A section that must be there and be a mapping.
    fn section(&mut self, key: &str, value: Option<Value>, example: &str) -> Option<Map<String, Value>> {
        let at = KeyPath::of([key]);
        match value {
            Some(Value::Object(mapping)) => return Some(mapping),
            Some(Value::Null) => {
                self.report(&at, format!("`{key}` is empty"), "nothing below", format!("write {example}"));
            }
            Some(_) => {
                self.report(
                    &at,
                    format!("`{key}` is a mapping"),
                    "not a mapping",
                    format!("write {example}"),
                );
            }
            None => {
                let root = KeyPath::default();
                let message = format!("the scenario has no `{key}`");
                self.report(&root, message, "missing from this scenario", format!("add {example}"));
            }
        }
        None
    }

    fn name(&mut self, value: Option<Value>) -> String {
        let at = KeyPath::of(["name"]);
        let Some(value) = value.filter(|value| !value.is_null()) else {
            let message = "the scenario has no `name`";
            let help = "add a line such as `name: my-scenario`; it names the directory of results";
            self.report(&KeyPath::default(), message, "missing from this scenario", help);
            return String::new();
        };
        let name = match value {
            // `name: 2024` is a number to YAML and a name to people.
            Value::Number(number) => number.to_string(),
            value => {
                self.typed::<String>(value, &at, Some(Block::Scenario)).unwrap_or_else(|| "x".to_owned())
            }
        };
        if !is_name(&name, true) {
            let message = format!("`{name}` cannot be a scenario's name");
            let help = format!(
                "it becomes a directory's name: letters, digits, `-`, `_` and `.`, beginning with a letter or \
                 digit, at most {MAX_NAME}"
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
        if let Some(Value::Object(file)) = target.get_mut("file") {
            self.known(Block::File, file, &at.key("file"));
        }
        let target = if target.is_empty() && self.problems.len() > before {
            None
        } else {
            self.typed(Value::Object(target), &at, Some(Block::File))
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

    fn arms(&mut self, value: Option<Value>) -> (Arms, Fixed) {
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

    /// Looks at the engine's name before serde does: a bare `null` is a name here, and some names are known
    /// but not there yet.
    fn engine_kind(&mut self, mapping: &mut Map<String, Value>, at: &KeyPath) {
        let at = at.key("engine");
        let engines = "this release has null, nop, psync and io_uring";
        let refused = match mapping.get("engine") {
            Some(Value::Null) if self.document.written(&at).is_some_and(|text| text.trim() == "null") => {
                mapping.insert("engine".to_owned(), Value::from("null"));
                return;
            }
            Some(Value::String(name)) if keys::LATER_ENGINES.contains(&name.as_str()) => {
                (format!("the engine `{name}` is not in this release"), "not in this release", engines)
            }
            Some(Value::Null) => ("`engine` is empty".to_owned(), "no engine", engines),
            None => {
                let message = "the arm has no `engine`".to_owned();
                (message, "missing here", "add `engine: io_uring` or `engine: psync`")
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

    fn trials(&mut self, top: &mut Map<String, Value>) -> u32 {
        let trials = self.optional::<u32>(top, "trials").unwrap_or(DEFAULT_TRIALS);
        if !(1..=MAX_TRIALS).contains(&trials) {
            let message = format!("`trials`: {trials} is out of range: it must be from 1 to {MAX_TRIALS}");
            self.report(&KeyPath::of(["trials"]), message, "out of range", "3 to 10 is usual");
        }
        trials
    }

    fn baseline(&mut self, baseline: Option<&str>, arms: &Fixed) {
        let Some(name) = baseline else { return };
        if !arms.contains_key(name) && !arms.is_empty() {
            let names: Vec<&str> = arms.keys().map(String::as_str).collect();
            let help = keys::one_of("the arms are", name, &names);
            let message = format!("the baseline `{name}` is no arm");
            self.report(&KeyPath::of(["baseline"]), message, "no such arm", help);
        }
    }

    fn sweep(
        &mut self,
        value: Option<Value>,
        (workload, arms, target): (&Option<Workload>, &Arms, &Option<Target>),
        fixed: &Fixed,
    ) -> IndexMap<String, Vec<Value>> {
        let mut sweep = IndexMap::new();
        let Some(value) = value.filter(|value| !value.is_null()) else { return sweep };
        let Some(mut axes) = self.section("sweep", Some(value), "`sweep: {depth: [1, 8, 32]}`") else {
            return sweep;
        };
        let at = KeyPath::of(["sweep"]);
        self.known(Block::Sweep, &mut axes, &at);
        // An axis is checked against blocks that are sound, so that it is not blamed for them.
        let workload = workload.clone().unwrap_or_default();
        let engine =
            arms.values().next().map_or_else(|| Engine::new(EngineKind::IoUring), |arm| arm.engine.clone());
        for (axis, value) in axes {
            let at = at.key(&axis);
            for arm in fixed.iter().filter(|(_, keys)| keys.contains(&axis)).map(|(arm, _)| arm) {
                let place = KeyPath::of(["arms", arm, &axis]);
                let message = format!("`{axis}` is swept, and the arm `{arm}` fixes it");
                let help = format!("take `{axis}` out of the arm, or out of `sweep`");
                self.report(&place, message, "fixed here", help);
            }
            let values = match value {
                Value::Array(values) if !values.is_empty() => values,
                Value::Array(_) => {
                    let help = format!("list its values, such as `{axis}: [1, 8]`, or leave the axis out");
                    self.report(&at, format!("the axis `{axis}` has no values"), "empty", help);
                    continue;
                }
                _ => {
                    let help =
                        format!("write a list, such as `{axis}: [1, 8]`; a single value goes elsewhere");
                    self.report(&at, format!("the axis `{axis}` is no list"), "not a list", help);
                    continue;
                }
            };
            let Some(target) = target.as_ref() else {
                sweep.insert(axis, values);
                continue;
            };
            if axis == "size" && matches!(target, Target::Path(_)) {
                let help = "take the axis out, or let the agent make the file: `target: {file: {size: …}}`";
                self.report(&at, "a target that exists already has its size", "no axis here", help);
                continue;
            }
            let values = self.values(&axis, values, &at, (&workload, &engine, target));
            sweep.insert(axis, values);
        }
        sweep
    }

    /// Each value as it is printed; the same twice would make two cells that nothing tells apart.
    fn values(
        &mut self,
        axis: &str,
        values: Vec<Value>,
        at: &KeyPath,
        parts: (&Workload, &Engine, &Target),
    ) -> Vec<Value> {
        let mut known: Vec<Value> = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let place = at.index(index);
            let null = Err("invalid type: null, expected a value".to_owned());
            let read = if value.is_null() { null } else { canonical(axis, &value, parts) };
            match read {
                Err(why) => {
                    let (message, label, help) = humane(&why, &place);
                    let about = help.or_else(|| Some(format!("`{axis}`: {}", Block::Sweep.describe(axis)?)));
                    let problem = self.document.problem(&place, Spot::Value, message, &label);
                    self.problems.push(match about {
                        Some(about) => problem.help(about),
                        None => problem,
                    });
                }
                Ok(value) if known.contains(&value) => {
                    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let message = format!("the axis `{axis}` has {shown} twice");
                    self.report(&place, message, "again", "take one out; `trials` says how often to repeat");
                }
                Ok(value) => known.push(value),
            }
        }
        debug_assert!(home(axis).is_some(), "unknown axes are taken out before");
        known
    }

    fn expect(
        &mut self,
        value: Option<Value>,
        arms: &[&str],
        sweep: &IndexMap<String, Vec<Value>>,
    ) -> Vec<Expectation> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
        let at = KeyPath::of(["expect"]);
        let Value::Array(list) = value else {
            let help = "write a list of texts: `- \"uring.iops >= sync.iops\"`";
            self.report(&at, "`expect` is a list", "not a list", help);
            return Vec::new();
        };
        let axes: Vec<(&str, &[Value])> =
            sweep.iter().map(|(axis, values)| (axis.as_str(), values.as_slice())).collect();
        let mut claims = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let place = KeyPath(vec![Step::Key("expect".to_owned()), Step::Index(index)]);
            let Some(text) = self.typed::<String>(value, &place, Some(Block::Scenario)) else { continue };
            let errors = match expect::parse(&text) {
                Ok(claim) => {
                    let errors = if arms.is_empty() { Vec::new() } else { claim.check(arms, &axes) };
                    claims.push(claim);
                    errors
                }
                Err(error) => vec![error],
            };
            for error in errors {
                let part = error.part.clone();
                let problem = self.document.problem_within(&place, &text, part, error.message, "here");
                self.problems.push(problem.help(error.help));
            }
        }
        claims
    }
}

/// Whether a text can be the name of a scenario, or of an arm.
fn is_name(name: &str, points: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (points && c == '.');
    name.len() <= MAX_NAME && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits)
}
