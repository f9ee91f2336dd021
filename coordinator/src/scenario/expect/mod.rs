//! Expectations: claims that a scenario makes and a run confirms or not.
//!
//! ```text
//! ARM.METRIC OP [FACTOR *] ARM.METRIC [at AXIS OP VALUE [and AXIS OP VALUE …]]
//! ARM.METRIC OP NUMBER                [at AXIS OP VALUE [and AXIS OP VALUE …]]
//! ```
//!
//! `OP` is `>=`, `<=`, `>` or `<`; an axis also takes `=` and `!=`. A number may be a duration for a metric
//! that is a time (`p99 <= 200us`; a bare number is nanoseconds) and a size for `bandwidth` (a second).
//! Values of axes are numbers, sizes, durations or words (`at block_size >= 4KiB and pattern = random`).
//!
//! A claim holds only if it holds at **every** point that its conditions select. If they select none, or a
//! value is missing at one of them and no other point fails, it could not be evaluated.

mod parse;

use std::ops::Range;

use serde_json::Value;

pub use self::parse::{ExpectError, parse};
use super::keys::one_of;
use crate::plan::Params;

/// The metrics that claims may be about, with what they are counted in.
pub const METRICS: [(&str, Unit); 24] = [
    ("iops", Unit::Count),
    ("bandwidth", Unit::Bytes),
    ("latency_mean", Unit::Nanos),
    ("p50", Unit::Nanos),
    ("p90", Unit::Nanos),
    ("p99", Unit::Nanos),
    ("p99_9", Unit::Nanos),
    ("p99_99", Unit::Nanos),
    ("max", Unit::Nanos),
    ("sync_p50", Unit::Nanos),
    ("sync_p99", Unit::Nanos),
    ("syncs_per_s", Unit::Count),
    ("syscalls_per_io", Unit::Count),
    ("cpu_per_io", Unit::Nanos),
    ("context_switches_per_io", Unit::Count),
    ("interrupts_per_io", Unit::Count),
    ("sqes_per_enter", Unit::Count),
    ("inline_share", Unit::Count),
    ("task_work_share", Unit::Count),
    ("polled_share", Unit::Count),
    ("punted_share", Unit::Count),
    ("lock_wait_per_io", Unit::Nanos),
    ("contended_share", Unit::Count),
    ("handover_per_io", Unit::Nanos),
];

/// What a value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A bare number.
    Count,
    /// Nanoseconds.
    Nanos,
    /// Bytes, or bytes a second.
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "bare numbers",
            Self::Nanos => "nanoseconds",
            Self::Bytes => "bytes",
        }
    }

    /// A value as people read it.
    fn show(self, value: f64) -> String {
        let scale = |steps: &[(f64, &str)]| {
            let (step, unit) = steps
                .iter()
                .find(|(step, _)| value.abs() >= *step)
                .or(steps.last())
                .map_or((1.0, ""), |(step, unit)| (*step, *unit));
            format!("{} {unit}", figures(value / step)).trim_end().to_owned()
        };
        match self {
            Self::Count if value.abs() < 10_000.0 => figures(value),
            Self::Count => scale(&[(1e9, "G"), (1e6, "M"), (1e3, "k")]),
            Self::Nanos => scale(&[(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")]),
            Self::Bytes => scale(&[
                (f64::from(1 << 30), "GiB/s"),
                (f64::from(1 << 20), "MiB/s"),
                (1024.0, "KiB/s"),
                (1.0, "B/s"),
            ]),
        }
    }
}

/// Four significant figures, without trailing zeros.
fn figures(value: f64) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = usize::try_from((3 - magnitude).clamp(0, 9)).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What a metric is counted in; none if there is no such metric.
#[must_use]
pub fn metric_unit(name: &str) -> Option<Unit> {
    METRICS.iter().find(|(metric, _)| *metric == name).map(|(_, unit)| *unit)
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `<`
    Below,
    /// `=`; of axes only.
    Equal,
    /// `!=`; of axes only.
    Differs,
}

impl Op {
    /// How they are written; the longer ones first.
    const SIGNS: [(&str, Self); 7] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("==", Self::Equal),
        ("!=", Self::Differs),
        (">", Self::Above),
        ("<", Self::Below),
        ("=", Self::Equal),
    ];

    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::AtLeast => left >= right,
            Self::AtMost => left <= right,
            Self::Above => left > right,
            Self::Below => left < right,
            Self::Equal => left == right,
            Self::Differs => left != right,
        }
    }
}

/// A measured value: a metric of an arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The arm.
    pub arm: String,
    /// One of [`METRICS`].
    pub metric: String,
    arm_at: Range<usize>,
}

impl Quantity {
    fn unit(&self) -> Unit {
        metric_unit(&self.metric).unwrap_or(Unit::Count)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Literal {
    number: f64,
    unit: Unit,
}

/// What a measured value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Right {
    /// A number, in the metric's own unit.
    Number(f64),
    /// Another measured value, times a factor.
    Other {
        /// The factor.
        factor: f64,
        /// The measured value.
        quantity: Quantity,
    },
}

/// A condition that selects points.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    axis: String,
    axis_at: Range<usize>,
    op: Op,
    value: String,
    value_at: Range<usize>,
    literal: Option<Literal>,
}

impl Condition {
    /// Whether it selects a point; none if the two cannot be compared.
    fn selects(&self, actual: &Value) -> Option<bool> {
        let actual_has_parts = actual.is_object() || actual.is_array();
        let actual = match actual {
            Value::Number(number) => Some((number.as_f64()?, Unit::Count)),
            Value::String(text) => parse::literal(text).map(|literal| (literal.number, literal.unit)),
            _ => None,
        }
        .map_or_else(|| Err(shown(actual)), Ok);
        match (actual, self.literal) {
            // A bare number goes with any unit: it is bytes or nanoseconds then.
            (Ok((actual, unit)), Some(wanted)) if wanted.unit == unit || wanted.unit == Unit::Count => {
                Some(self.op.holds(actual, wanted.number))
            }
            // What has parts, as a distribution of sizes, is no single value.
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

/// An expectation, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// What is claimed something of.
    pub left: Quantity,
    /// How it compares.
    pub op: Op,
    /// With what.
    pub right: Right,
    /// At which points.
    pub conditions: Vec<Condition>,
}

/// A claim written in a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// As written.
    pub text: String,
    /// What it says.
    pub claim: Claim,
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it held; none: it could not be evaluated, and the detail says why.
    pub passed: Option<bool>,
    /// The worst point, with its figures.
    pub detail: String,
}

/// How one point came out.
struct Judged<'a> {
    point: &'a Params,
    left: f64,
    right: f64,
    holds: bool,
    /// How far it is from failing, as a share of what it is compared with; negative: it failed.
    margin: f64,
}

impl Expectation {
    /// Checks the names of arms and, if they are known, those of axes, and that conditions suit their values.
    #[must_use]
    pub fn check(&self, arms: &[&str], axes: Option<&[(&str, &[Value])]>) -> Vec<ExpectError> {
        let mut errors = Vec::new();
        let other = match &self.claim.right {
            Right::Other { quantity, .. } => Some(quantity),
            Right::Number(_) => None,
        };
        for quantity in [Some(&self.claim.left), other].into_iter().flatten() {
            if !arms.contains(&quantity.arm.as_str()) {
                let message = format!("there is no arm `{}`", quantity.arm);
                let help = one_of("the arms are", &quantity.arm, arms);
                errors.push(ExpectError::new(quantity.arm_at.clone(), message, help));
            }
        }
        let Some(axes) = axes else { return errors };
        let names: Vec<&str> = axes.iter().map(|(name, _)| *name).collect();
        for condition in &self.claim.conditions {
            let Some((_, values)) = axes.iter().find(|(name, _)| *name == condition.axis) else {
                let message = format!("`{}` is not swept here", condition.axis);
                let help = if names.is_empty() {
                    "there is no `sweep`: leave the `at …` out".to_owned()
                } else {
                    one_of("the axes are", &condition.axis, &names)
                };
                errors.push(ExpectError::new(condition.axis_at.clone(), message, help));
                continue;
            };
            if values.iter().any(|value| condition.selects(value).is_none()) {
                let list: Vec<String> = values.iter().map(shown).collect();
                let message = format!("`{}` cannot be compared with {}", condition.value, condition.axis);
                let help = format!("its values are {}", list.join(", "));
                errors.push(ExpectError::new(condition.value_at.clone(), message, help));
            }
        }
        errors
    }

    /// Holds the claim against what was measured. `lookup` finds a metric of an arm at a point: times in
    /// nanoseconds, bandwidth in bytes a second.
    #[must_use]
    pub fn evaluate(
        &self,
        lookup: &dyn Fn(&str, &str, &Params) -> Option<f64>,
        points: &[Params],
    ) -> Outcome {
        let find = |quantity: &Quantity, point: &Params| {
            let found = lookup(&quantity.arm, &quantity.metric, point).filter(|value| value.is_finite());
            found.ok_or_else(|| format!("no {}.{} {}", quantity.arm, quantity.metric, place(point)))
        };
        let mut missing = None;
        let mut worst: Option<Judged<'_>> = None;
        let mut judged = 0;
        for point in points.iter().filter(|point| self.selects(point)) {
            let values = find(&self.claim.left, point).and_then(|left| match &self.claim.right {
                Right::Number(number) => Ok((left, *number)),
                Right::Other { factor, quantity } => {
                    find(quantity, point).map(|value| (left, factor * value))
                }
            });
            match values {
                Ok((left, right)) => {
                    judged += 1;
                    let now = self.judge(point, left, right);
                    if worst.as_ref().is_none_or(|worst| now.margin < worst.margin) {
                        worst = Some(now);
                    }
                }
                Err(what) => missing = missing.or(Some(what)),
            }
        }
        match (worst, missing) {
            (Some(worst), None) => Outcome { passed: Some(worst.holds), detail: self.detail(&worst, judged) },
            (Some(worst), Some(_)) if !worst.holds => {
                Outcome { passed: Some(false), detail: self.detail(&worst, judged) }
            }
            (_, Some(what)) => Outcome { passed: None, detail: format!("{what} was measured") },
            (None, None) => {
                Outcome { passed: None, detail: "no point of the sweep meets its conditions".into() }
            }
        }
    }

    /// Whether the claim is about this point.
    #[must_use]
    pub fn selects(&self, point: &Params) -> bool {
        let selected = |condition: &Condition| {
            point.get(&condition.axis).and_then(|value| condition.selects(value)) == Some(true)
        };
        self.claim.conditions.iter().all(selected)
    }

    fn judge<'a>(&self, point: &'a Params, left: f64, right: f64) -> Judged<'a> {
        let scale = if right == 0.0 { 1.0 } else { right.abs() };
        let margin = match self.claim.op {
            Op::AtMost | Op::Below => (right - left) / scale,
            _ => (left - right) / scale,
        };
        Judged { point, left, right, holds: self.claim.op.holds(left, right), margin }
    }

    fn detail(&self, worst: &Judged<'_>, judged: usize) -> String {
        let Quantity { arm, metric, .. } = &self.claim.left;
        let unit = self.claim.left.unit();
        let left = format!("{arm}.{metric} is {}", unit.show(worst.left));
        let place = match (judged, worst.point.is_empty()) {
            (_, true) => String::new(),
            (1, false) => format!(" {}", place(worst.point)),
            (_, false) => format!(" {}, the worst of {judged} points", place(worst.point)),
        };
        match &self.claim.right {
            Right::Number(_) => format!("{left}{place}; the limit is {}", unit.show(worst.right)),
            Right::Other { factor, quantity } => {
                let base = worst.right / factor;
                let ratio = if base == 0.0 || *factor == 0.0 {
                    String::new()
                } else {
                    format!("{} times ", figures(worst.left / base))
                };
                let other = format!("{}.{}", quantity.arm, quantity.metric);
                let base = if *factor == 0.0 { "anything".to_owned() } else { unit.show(base) };
                format!("{left}, {ratio}the {base} of {other}{place}")
            }
        }
    }
}

/// A point in words; empty where there is no sweep.
fn place(point: &Params) -> String {
    let axes: Vec<String> = point.iter().map(|(axis, value)| format!("{axis}={}", shown(value))).collect();
    if axes.is_empty() { String::new() } else { format!("at {}", axes.join(" ")) }
}

/// A value without quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
