//! The JSON Schema of a scenario, for editors. The schemas of the blocks come from their types; only the frame around
//! them is written here.

use proto::{
    engine::OPTIONS,
    trial::{Engine, FileTarget, Target, Workload},
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    ARM_PATTERN, MAX_NAME, MAX_TRIALS, NAME_PATTERN, Versus,
    host_loss::HostLossPolicy,
    noise::NoisePolicy,
    option,
    precision::{DEFAULT_MAX, DEFAULT_MIN, LEAST_MIN},
};
use crate::stats::confidence::INTERVAL;

/// Percentages such as `2%`, as a regular expression.
const PERCENT_PATTERN: &str = r"^\s*[0-9]*\.?[0-9]+\s*%\s*$";

/// The JSON Schema of a scenario in draft-07, the newest draft that yaml-language-server supports.
#[must_use]
pub fn scenario_schema() -> Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    let target = reference::<Target>(&mut generator);
    let workload = reference::<Workload>(&mut generator);
    let noise = reference::<NoisePolicy>(&mut generator);
    let on_host_loss = reference::<HostLossPolicy>(&mut generator);
    let _ = (reference::<FileTarget>(&mut generator), reference::<Engine>(&mut generator));
    let mut definitions = generator.take_definitions(true);
    if let Some(engine) = definitions.remove("Engine") {
        definitions.insert("Arm".to_owned(), arm(engine));
    }
    let mut definitions = Value::Object(definitions);
    unwrap_lines(&mut definitions);
    let axes = axes(&definitions);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Ringbench scenario",
        "description": "What is compared, on which target, and what is expected.",
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "target", "arms"],
        "properties": {
            "name": {
                "description": "The scenario's name, which becomes part of a directory's name.",
                "type": "string",
                "maxLength": MAX_NAME,
                "pattern": NAME_PATTERN,
            },
            "question": {
                "description": "The question that the scenario answers.",
                "type": "string",
            },
            "target": { "description": "The target of the I/O.", "allOf": [target] },
            "workload": { "description": "The I/O pattern.", "allOf": [workload] },
            "arms": {
                "description": "The alternatives that are compared, by name.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": { "pattern": ARM_PATTERN, "maxLength": MAX_NAME },
                "additionalProperties": { "$ref": "#/definitions/Arm" },
            },
            "sweep": {
                "description": "Axes: keys of the workload, the target or the arms, each with a list of values. \
                                Every arm runs at every combination.",
                "type": "object",
                "additionalProperties": false,
                "properties": axes,
            },
            "trials": {
                "description": "Trials per cell. The trial is the statistical sample: fewer than 5 do not find small \
                 differences. As a mapping, a run stops once its intervals are narrow enough.",
                "default": 3,
                "anyOf": [
                    { "type": "integer", "minimum": 1, "maximum": MAX_TRIALS },
                    open_trials(),
                ],
            },
            "margin": {
                "description": "Two arms are equal if the interval of their ratio lies within 1 \u{b1} this.",
                "default": "2%",
                "type": "string",
                "pattern": PERCENT_PATTERN,
            },
            "baseline": {
                "description": "The arm that the others are compared with; the first arm if absent.",
                "type": "string",
            },
            "compare": {
                "description": "Comparisons besides those with the baseline, such as `{arm: uring, against: threads}`.",
                "type": "array",
                "items": versus(),
            },
            "ladder": {
                "description": "Arms in order, each one change away from its predecessor. The report shows the saving \
                 of each step as a waterfall.",
                "type": "array",
                "minItems": 2,
                "uniqueItems": true,
                "items": { "type": "string" },
            },
            "expect": {
                "description": "Claims, such as `uring.iops >= 1.5 * sync.iops at depth >= 32`; the exit code of a \
                 run reports whether they held.",
                "type": "array",
                "items": { "type": "string" },
            },
            "noise": {
                "description": "How a trial is treated that other activity on a host disturbed: `mark` excludes it \
                 from verdicts and repeats it, within limits; `warn` counts it with a warning; `ignore` counts it \
                 without one.",
                "allOf": [noise],
                "default": "mark",
            },
            "on_host_loss": {
                "description": "What happens when a host is lost: `fail` runs no further trial that needs it; `retry` \
                 waits for it, up to two minutes, and repeats the trial; `continue` repeats the trial without it and \
                 leaves it out of all figures.",
                "allOf": [on_host_loss],
                "default": "fail",
            },
            "seed": {
                "description": "Determines the order of the trials and every offset; chosen anew for each run if \
                 absent.",
                "type": "integer",
                "minimum": 0,
            },
        },
        "definitions": definitions,
    })
}

/// An entry of `compare`.
fn versus() -> Value {
    let mut schema = Value::from(SchemaSettings::draft07().into_generator().into_root_schema_for::<Versus>());
    if let Some(schema) = schema.as_object_mut() {
        ["$schema", "title"].iter().for_each(|key| _ = schema.shift_remove(*key));
    }
    unwrap_lines(&mut schema);
    schema
}

/// `trials` as a mapping.
fn open_trials() -> Value {
    let number = |about: &str, default: u32| {
        json!({
            "description": about,
            "type": "integer",
            "minimum": LEAST_MIN,
            "maximum": MAX_TRIALS,
            "default": default,
        })
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["until"],
        "properties": {
            "min": number("Minimum number of trials per cell.", DEFAULT_MIN),
            "max": number("Maximum number of trials per cell.", DEFAULT_MAX),
            "until": {
                "description": format!(
                    "Trials end when every {INTERVAL} of IOPS and of mean latency, against the baseline, is within \
                     \u{b1} this, such as 2%."
                ),
                "type": "string",
                "pattern": PERCENT_PATTERN,
            },
        },
    })
}

fn reference<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().into()
}

/// An arm is an engine block with two more keys.
fn arm(mut engine: Value) -> Value {
    engine["description"] = json!("One of the alternatives that are compared: an engine and its options.");
    // YAML reads a bare `null` as no value; here it names an engine.
    let kind = engine["properties"]["engine"].take();
    engine["properties"]["engine"] =
        json!({ "description": "The engine.", "anyOf": [kind, { "type": "null" }] });
    for option in OPTIONS {
        let about = &mut engine["properties"][option.name]["description"];
        *about = json!(format!("{}{}", about.as_str().unwrap_or_default(), option::conditions(option)));
    }
    engine["properties"]["hosts"] = json!({
        "description": "Labels that a host must have to run this arm, such as `{kernel: patched}`; if absent, every \
         host runs it.",
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    });
    engine["properties"]["description"] = json!({
        "description": "A description in prose.",
        "type": "string",
    });
    engine
}

/// Puts each description on one line. In the types, it is a comment of several.
fn unwrap_lines(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    value => unwrap_lines(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(unwrap_lines),
        _ => {}
    }
}

/// Every key of these blocks is an axis, except those that define an arm.
fn axes(definitions: &Value) -> Map<String, Value> {
    let mut axes = Map::new();
    for block in ["Workload", "Arm", "FileTarget", "RamdiskTarget"] {
        for (key, schema) in definitions[block]["properties"].as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "engine" | "hosts" | "description") {
                let mut item = schema.clone();
                if let Some(item) = item.as_object_mut() {
                    item.remove("default");
                }
                let about = schema["description"].clone();
                let axis = json!({ "description": about, "type": "array", "minItems": 1, "items": item });
                // A key of two blocks, such as `size`, keeps the description of the first.
                axes.entry(key.clone()).or_insert(axis);
            }
        }
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_has_the_keys_of_an_engine_and_two_more() {
        let schema = scenario_schema();
        let arm = &schema["definitions"]["Arm"];
        assert_eq!(arm["additionalProperties"], json!(false));
        for key in ["engine", "depth", "complete_batch", "hosts", "description"] {
            assert!(!arm["properties"][key].is_null(), "{key}");
        }
        let axes = schema["properties"]["sweep"]["properties"].as_object().unwrap();
        assert!(axes.contains_key("depth") && axes.contains_key("block_size") && axes.contains_key("direct"));
        assert!(!axes.contains_key("engine") && !axes.contains_key("hosts"));
    }

    #[test]
    fn descriptions_of_options_name_their_conditions() {
        let schema = scenario_schema();
        let about = |key: &str| schema["definitions"]["Arm"]["properties"][key]["description"].to_string();
        let text = about("hybrid_iopoll");
        for part in ["Engine io_uring only.", "Since Linux 6.13.", "Needs `iopoll: true`"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(about("single_issuer").contains("Not with `ring: shared`."));
        assert_eq!(about("depth"), "\"Requests in flight.\"");
        assert!(!schema.to_string().contains("\\n"), "descriptions are on one line");
    }
}
