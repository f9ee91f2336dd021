//! A point of the sweep, and its text form.

use serde_json::Value;

/// A point of the sweep: axis to value, in the order of the scenario; sizes and durations as text.
pub type Params = serde_json::Map<String, Value>;

/// `at depth 128`.
#[must_use]
pub fn at(params: &Params) -> String {
    format!("at {}", point(params))
}

/// `depth 128, block_size 4KiB`; empty without an axis.
#[must_use]
pub fn point(params: &Params) -> String {
    let named: Vec<String> = params.iter().map(|(axis, v)| format!("{axis} {}", value(v))).collect();
    named.join(", ")
}

/// `uring at depth 128`; the arm alone without an axis.
#[must_use]
pub fn cell(arm: &str, params: &Params) -> String {
    let point = point(params);
    if point.is_empty() { arm.to_owned() } else { format!("{arm} at {point}") }
}

/// A value of an axis as text.
#[must_use]
pub fn value(of: &Value) -> String {
    match of {
        Value::String(text) => text.clone(),
        Value::Object(parts) => {
            let parts: Vec<String> =
                parts.iter().map(|(key, part)| format!("{key}: {}", value(part))).collect();
            format!("{{{}}}", parts.join(", "))
        }
        other => other.to_string(),
    }
}
