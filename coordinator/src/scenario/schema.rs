//! The JSON Schema of a scenario, for editors. The blocks' schemas come from the types that they are read
//! into; only the frame around them is written here.

use proto::trial::{Engine, FileTarget, Target, Workload};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    ARM_PATTERN, MAX_NAME, MAX_TRIALS, NAME_PATTERN,
    noise::NoisePolicy,
    precision::{DEFAULT_MAX, DEFAULT_MIN, LEAST_MIN},
};

/// Percentages such as `2%`, as a regular expression.
const PERCENT_PATTERN: &str = r"^\s*[0-9]*\.?[0-9]+\s*%\s*$";

/// The JSON Schema of a scenario, as draft-07: the newest that yaml-language-server knows.
#[must_use]
pub fn scenario_schema() -> Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    let target = reference::<Target>(&mut generator);
    let workload = reference::<Workload>(&mut generator);
    let noise = reference::<NoisePolicy>(&mut generator);
    let _ = (reference::<FileTarget>(&mut generator), reference::<Engine>(&mut generator));
    let mut definitions = generator.take_definitions(true);
    if let Some(engine) = definitions.remove("Engine") {
        definitions.insert("Arm".to_owned(), arm(engine));
    }
    let axes = axes(&definitions);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Ringbench scenario",
        "description": "What is compared, on what, and what is expected of it.",
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "target", "arms"],
        "properties": {
            "name": {
                "description": "The scenario's name; it becomes part of a directory's name.",
                "type": "string",
                "maxLength": MAX_NAME,
                "pattern": NAME_PATTERN,
            },
            "question": {
                "description": "The question that it answers, in plain words.",
                "type": "string",
            },
            "target": { "description": "What the I/O goes to.", "allOf": [target] },
            "workload": { "description": "What the I/O looks like.", "allOf": [workload] },
            "arms": {
                "description": "What is compared: a name and the way it does its I/O.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": { "pattern": ARM_PATTERN, "maxLength": MAX_NAME },
                "additionalProperties": { "$ref": "#/definitions/Arm" },
            },
            "sweep": {
                "description": "Axes: keys of the workload, the target or the arms, each with a list of values. \
                                Every arm is run at every combination.",
                "type": "object",
                "additionalProperties": false,
                "properties": axes,
            },
            "trials": {
                "description": "How often every arm is run at every point. The trial is the sample: with fewer \
                                than 5, small differences are not found. Or a mapping: until intervals are narrow.",
                "default": 3,
                "anyOf": [
                    { "type": "integer", "minimum": 1, "maximum": MAX_TRIALS },
                    open_trials(),
                ],
            },
            "margin": {
                "description": "Two arms are called equal where the interval of their ratio lies within 1 \u{b1} this.",
                "default": "2%",
                "type": "string",
                "pattern": PERCENT_PATTERN,
            },
            "baseline": {
                "description": "The arm that the others are held against; the first one if absent.",
                "type": "string",
            },
            "ladder": {
                "description": "Arms, each one change away from the one before: what each step saves is told as a \
                                waterfall.",
                "type": "array",
                "minItems": 2,
                "uniqueItems": true,
                "items": { "type": "string" },
            },
            "expect": {
                "description": "Claims, such as `uring.iops >= 1.5 * sync.iops at depth >= 32`; the exit code of \
                                a run says whether they held.",
                "type": "array",
                "items": { "type": "string" },
            },
            "noise": {
                "description": "What becomes of a trial that something else on a host disturbed: `mark` keeps it out \
                                of verdicts and runs it again, within bounds; `warn` counts it; `ignore` says \
                                nothing either.",
                "allOf": [noise],
                "default": "mark",
            },
            "seed": {
                "description": "Decides the order of the trials and every offset; a new one each run if absent.",
                "type": "integer",
                "minimum": 0,
            },
        },
        "definitions": definitions,
    })
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
            "min": number("The fewest trials of each cell.", DEFAULT_MIN),
            "max": number("The most trials of each cell.", DEFAULT_MAX),
            "until": {
                "description": "Trials end when every 95 % interval of IOPS and of mean latency, against the \
                                baseline, is within \u{b1} this, such as 2%.",
                "type": "string",
                "pattern": PERCENT_PATTERN,
            },
        },
    })
}

fn reference<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().into()
}

/// An arm is an engine block with two keys more.
fn arm(mut engine: Value) -> Value {
    engine["description"] = json!("One of the things compared: an engine and its knobs.");
    // YAML reads a bare `null` as no value; here it is the name of an engine.
    let kind = engine["properties"]["engine"].take();
    engine["properties"]["engine"] =
        json!({ "description": "The engine.", "anyOf": [kind, { "type": "null" }] });
    engine["properties"]["hosts"] = json!({
        "description": "Labels that a host must have to run this arm, such as {kernel: patched}; absent: every host.",
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    });
    engine["properties"]["description"] = json!({
        "description": "What is special about this arm, in plain words.",
        "type": "string",
    });
    engine
}

/// Every knob is an axis, but for what makes an arm an arm.
fn axes(definitions: &Map<String, Value>) -> Map<String, Value> {
    let mut axes = Map::new();
    for block in ["Workload", "Arm", "FileTarget", "RamdiskTarget"] {
        let Some(keys) = definitions.get(block).and_then(|block| block["properties"].as_object()) else {
            continue;
        };
        for (key, schema) in keys {
            if !matches!(key.as_str(), "engine" | "hosts" | "description") {
                let mut item = schema.clone();
                if let Some(item) = item.as_object_mut() {
                    item.remove("default");
                }
                let about = schema["description"].clone();
                let axis = json!({ "description": about, "type": "array", "minItems": 1, "items": item });
                // A key of two blocks, such as `size`, keeps the words of the first.
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
    fn an_arm_has_the_engines_keys_and_two_more() {
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
}
