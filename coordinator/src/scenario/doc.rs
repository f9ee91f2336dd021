//! `docs/options.md` lists the engines, the keys of an arm and the keys of `workload`. The tables are generated from the
//! JSON Schema and the tables of engines and options.

use std::fmt::Write as _;

use proto::engine::{EngineKind, EngineOption, Feature};
use serde_json::Value;

use super::{option, schema::scenario_schema};
use crate::docs;

/// The features that have a column in the table of engines, with its heading.
const FEATURES: [(Feature, &str); 4] = [
    (Feature::Queue, "`depth` above 1 per thread"),
    (Feature::Data, "Transfers data"),
    (Feature::ReadBack, "`verify`"),
    (Feature::SharedRing, "Shared `ring`"),
];

/// The schema of a scenario.
struct Schema(Value);

/// A key with its schema. Keys of a nested mapping are written with a dot.
struct Key<'a> {
    name: String,
    schema: &'a Value,
    required: bool,
}

impl Schema {
    /// The keys of a block, each followed by those of its mapping, if it has one.
    fn keys(&self, block: &str) -> Vec<Key<'_>> {
        let mut keys = Vec::new();
        self.collect("", &self.0["definitions"][block], &mut keys);
        keys
    }

    fn collect<'a>(&'a self, prefix: &str, block: &'a Value, keys: &mut Vec<Key<'a>>) {
        for (key, schema) in block["properties"].as_object().into_iter().flatten() {
            let name = format!("{prefix}{key}");
            let nested = format!("{name}.");
            let required = block["required"].as_array().is_some_and(|all| all.iter().any(|one| one == key));
            keys.push(Key { name, schema, required });
            for alternative in self.alternatives(schema) {
                self.collect(&nested, alternative, keys);
            }
        }
    }

    /// The forms that a value may have, with references resolved.
    fn alternatives<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(path) = schema["$ref"].as_str() {
            let target = self.0.pointer(path.trim_start_matches('#'));
            return target.map(|target| self.alternatives(target)).unwrap_or_default();
        }
        let lists = ["allOf", "anyOf", "oneOf"];
        match lists.into_iter().find_map(|list| schema[list].as_array()) {
            Some(forms) => forms.iter().flat_map(|form| self.alternatives(form)).collect(),
            None if schema["type"] == "null" => Vec::new(),
            None => vec![schema],
        }
    }

    /// The values of a key.
    fn values(&self, key: &Key<'_>) -> String {
        if key.name == "engine" {
            return "an [engine](#engines)".to_owned();
        }
        let values: Vec<String> = self.alternatives(key.schema).into_iter().map(form).collect();
        values.join(", ")
    }

    /// The description of a key, followed by those of its words.
    fn meaning(&self, key: &Key<'_>) -> String {
        let mut text = key.schema["description"].as_str().unwrap_or_default().to_owned();
        if let Some(option) = EngineOption::named(&key.name) {
            option.doc.trim().clone_into(&mut text);
        }
        let words = self.alternatives(key.schema).into_iter().filter(|_| key.name != "engine");
        for word in words {
            if let (Some(name), Some(about)) = (word["const"].as_str(), word["description"].as_str()) {
                let _ = write!(text, " `{name}`: {about}");
            }
        }
        text
    }
}

/// A form of a value in words.
fn form(schema: &Value) -> String {
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match (kind, schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (Some("boolean"), ..) => "`true`, `false`".to_owned(),
        (Some("integer"), Some(least), Some(most)) => format!("{least} to {most}"),
        (Some("integer"), Some(least), None) => format!("{least} or more"),
        (Some("array"), ..) => "list".to_owned(),
        (Some("object"), ..) => "mapping".to_owned(),
        (Some("string"), ..) => "text".to_owned(),
        (kind, ..) => kind.unwrap_or_default().to_owned(),
    }
}

fn default(key: &Key<'_>) -> String {
    match &key.schema["default"] {
        Value::Null if key.required => "required".to_owned(),
        Value::Null => "none".to_owned(),
        Value::String(word) => format!("`{word}`"),
        other => format!("`{other}`"),
    }
}

/// A Markdown table.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&head.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    text += &line(&vec!["---".to_owned(); head.len()]);
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text += &line(&cells);
    }
    text
}

fn engines(schema: &Schema) -> String {
    let mut head = vec!["Engine"];
    head.extend(FEATURES.map(|(_, heading)| heading));
    head.push("Meaning");
    let kinds = schema.alternatives(&schema.0["definitions"]["EngineKind"]);
    let rows = EngineKind::ALL.iter().map(|kind| {
        let about = kinds.iter().find(|entry| entry["const"] == kind.name());
        let mut row = vec![format!("`{kind}`")];
        row.extend(FEATURES.map(|(feature, _)| if kind.has(feature) { "yes" } else { "" }.to_owned()));
        row.push(about.and_then(|entry| entry["description"].as_str()).unwrap_or_default().to_owned());
        row
    });
    table(&head, rows)
}

fn arm(schema: &Schema) -> String {
    let rows = schema.keys("Arm").into_iter().map(|key| {
        let option = EngineOption::named(&key.name);
        let engines = option.map(|option| match option::engines(option) {
            None => "all".to_owned(),
            Some(names) => names.join(", "),
        });
        let since = option.and_then(|option| option.since).unwrap_or_default().to_owned();
        let relations = option.map(|option| option::relations(option).join("; ")).unwrap_or_default();
        vec![
            format!("`{}`", key.name),
            schema.values(&key),
            default(&key),
            engines.unwrap_or_default(),
            since,
            relations,
            schema.meaning(&key),
        ]
    });
    table(&["Key", "Values", "Default", "Engines", "Since Linux", "Conditions", "Meaning"], rows)
}

fn workload(schema: &Schema) -> String {
    let rows = schema
        .keys("Workload")
        .into_iter()
        .map(|key| vec![format!("`{}`", key.name), schema.values(&key), default(&key), schema.meaning(&key)]);
    table(&["Key", "Values", "Default", "Meaning"], rows)
}

#[test]
fn the_page_lists_every_option() {
    let schema = Schema(scenario_schema());
    docs::check(
        "docs/options.md",
        &[("engines", &engines(&schema)), ("arm", &arm(&schema)), ("workload", &workload(&schema))],
    );
}
