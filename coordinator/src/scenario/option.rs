//! Conditions of engine options in words, from the table of options, for the JSON Schema and `docs/options.md`.

use std::fmt::Write as _;

use proto::engine::{EngineKind, EngineOption, Relation};

/// The engines that support an option; `None`: all.
pub(super) fn engines(option: &EngineOption) -> Option<Vec<&'static str>> {
    let names: Vec<_> = option.engines().map(EngineKind::name).collect();
    (names.len() < EngineKind::ALL.len()).then_some(names)
}

/// The settings that an option needs and excludes, such as ``needs `iopoll: true` `` and ``not with `ring: shared` ``.
pub(super) fn relations(option: &EngineOption) -> Vec<String> {
    let mut values: Vec<Option<&str>> = vec![None];
    for relation in option.requires.iter().chain(option.excludes) {
        let value = value_of(relation);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let mut parts = Vec::new();
    for value in values {
        let settings = |relations: &[Relation]| -> Vec<String> {
            let of_value = relations.iter().filter(|relation| value_of(relation) == value);
            of_value.map(|relation| format!("`{}`", relation.setting.text)).collect()
        };
        let (mut needs, excludes) = (settings(option.requires), settings(option.excludes));
        if option.starts_polling() && value.is_none() {
            needs.push("`direct: true` and a device with poll queues".to_owned());
        }
        let needs =
            Some(needs).filter(|needs| !needs.is_empty()).map(|all| format!("needs {}", all.join(" and ")));
        let excludes =
            Some(excludes).filter(|all| !all.is_empty()).map(|all| format!("not with {}", all.join(" or ")));
        let value = value.map(|value| format!("`{value}` ")).unwrap_or_default();
        parts.extend(needs.into_iter().chain(excludes).map(|relation| format!("{value}{relation}")));
    }
    parts
}

/// The value of the option that a relation applies to; `None`: all.
fn value_of(relation: &Relation) -> Option<&'static str> {
    relation.when.map(|when| when.text)
}

/// Sentences about the engines, the kernel and the settings that an option needs, each after a blank; empty if there
/// are none.
pub(super) fn conditions(option: &EngineOption) -> String {
    let mut text = String::new();
    match engines(option).as_deref() {
        None => {}
        Some([engine]) => _ = write!(text, " Engine {engine} only."),
        Some(engines) => _ = write!(text, " Engines: {}.", engines.join(", ")),
    }
    if let Some(since) = option.since {
        let _ = write!(text, " Since Linux {since}.");
    }
    for relation in relations(option) {
        let (first, rest) = relation.split_at(1);
        let _ = write!(text, " {}{rest}.", first.to_uppercase());
    }
    text
}
