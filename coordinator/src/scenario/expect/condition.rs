//! Conditions select the points of the sweep that a claim is about.

use std::fmt;

use serde_json::Value;

use super::{Literal, Op, Place, Unit, shown};

/// A condition on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub(super) axis: String,
    pub(super) axis_at: Place,
    pub(super) op: Op,
    /// As written.
    pub(super) value: String,
    pub(super) value_at: Place,
    pub(super) literal: Option<Literal>,
}

impl Condition {
    /// Whether it selects this value of the axis; `None` if the two cannot be compared.
    pub(super) fn selects(&self, actual: &Value) -> Option<bool> {
        let actual_has_parts = actual.is_object() || actual.is_array();
        let actual = match actual {
            Value::Number(number) => Some((number.as_f64()?, Unit::Count)),
            Value::String(text) => Literal::parse(text).map(|literal| (literal.number, literal.unit)),
            _ => None,
        }
        .map_or_else(|| Err(shown(actual)), Ok);
        match (actual, self.literal) {
            // A bare number goes with any unit; it is in bytes or nanoseconds then.
            (Ok((actual, unit)), Some(wanted)) if wanted.unit == unit || wanted.unit == Unit::Count => {
                Some(self.op.holds(actual, wanted.number))
            }
            // A value with parts, such as a distribution of sizes, equals no single value.
            (Err(_), _) if actual_has_parts => match self.op {
                Op::Equal => Some(false),
                Op::Differs => Some(true),
                _ => None,
            },
            (Err(word), None) => match self.op {
                Op::Equal => Some(word == self.value),
                Op::Differs => Some(word != self.value),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.axis, self.op, self.value)
    }
}
