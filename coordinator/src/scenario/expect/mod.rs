//! Expectations: claims of a scenario that a run confirms or refutes.
//!
//! ```text
//! claim     = ( expr OP expr | verdict ) [ "at" condition { "and" condition } ]
//! expr      = term { ( "+" | "-" ) term }
//! term      = factor { ( "*" | "/" ) factor }
//! factor    = NUMBER | ARM.METRIC | "(" expr ")" | "low(" expr ")" | "high(" expr ")"
//! verdict   = "verdict(" ARM.METRIC [ "/" ARM.METRIC ] ")" ( "==" | "!=" ) VERDICT
//! condition = AXIS ( OP | "=" | "!=" ) VALUE
//! ```
//!
//! `OP` is `>=`, `<=`, `>` or `<`. A number may have `k`, `M` or `G`; it may be a duration beside a metric that is a
//! time (`p99 <= 200us`; a bare number is nanoseconds) and a size beside `bandwidth` (a second). Values of axes are
//! numbers, sizes, durations or words (`at block_size >= 4KiB and pattern = random`).
//!
//! A claim holds only if it holds at **every** point that its conditions select. If they select none, or a value is
//! missing at one of the points and no other point fails, the claim cannot be evaluated.
//!
//! `lex` turns the text into tokens, `parse` the tokens into a claim. [`crate::analysis::expectations`] evaluates it.

mod condition;
mod error;
mod expr;
mod lex;
mod parse;
mod unit;

use std::fmt;

use serde_json::Value;

pub(crate) use self::unit::figures;
pub use self::{
    condition::Condition,
    error::ExpectError,
    expr::{Arithmetic, Edge, Expr, Place, Quantity},
    parse::parse,
    unit::{Literal, Unit},
};
use super::keys::one_of;
use crate::{params::Params, summary::Verdict};

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
    /// `=` or `==`; only for axes and verdicts.
    Equal,
    /// `!=`; only for axes and verdicts.
    Differs,
}

impl Op {
    /// How operators are written, longer ones first.
    const SIGNS: [(&str, Self); 7] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("==", Self::Equal),
        ("!=", Self::Differs),
        (">", Self::Above),
        ("<", Self::Below),
        ("=", Self::Equal),
    ];

    /// Whether the comparison holds.
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
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

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::SIGNS.iter().find(|(_, op)| op == self).map_or("", |(sign, _)| sign))
    }
}

/// The claim made at each point.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// A comparison of two values.
    Compare {
        /// The left side.
        left: Expr,
        /// The operator.
        op: Op,
        /// The right side.
        right: Expr,
    },
    /// A verdict on an arm.
    Verdict {
        /// The arm's metric.
        of: Quantity,
        /// The same metric of the arm it is compared with; `None` for the baseline.
        against: Option<Quantity>,
        /// Whether the verdict must be this one, or any other.
        is: bool,
        /// The verdict.
        verdict: Verdict,
    },
}

/// A parsed expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The statement.
    pub statement: Statement,
    /// The unit of both sides.
    pub unit: Unit,
    /// The conditions that select points.
    pub conditions: Vec<Condition>,
}

impl Claim {
    /// Every measured value in the claim.
    fn quantities(&self) -> Vec<&Quantity> {
        match &self.statement {
            Statement::Compare { left, right, .. } => [left.quantities(), right.quantities()].concat(),
            Statement::Verdict { of, against, .. } => {
                [Some(of), against.as_ref()].into_iter().flatten().collect()
            }
        }
    }
}

impl fmt::Display for Claim {
    /// The text parses to the same claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.statement {
            Statement::Compare { left, op, right } => write!(f, "{left} {op} {right}")?,
            Statement::Verdict { of, against, is, verdict } => {
                let other = against.as_ref().map_or_else(String::new, |other| format!(" / {other}"));
                let verdict = verdict.as_str();
                let quote = if verdict.contains(' ') { "\"" } else { "" };
                let sign = if *is { Op::Equal } else { Op::Differs };
                write!(f, "verdict({of}{other}) {sign} {quote}{verdict}{quote}")?;
            }
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            write!(f, " {} {condition}", if index == 0 { "at" } else { "and" })?;
        }
        Ok(())
    }
}

/// An expectation as written in a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The text as written.
    pub text: String,
    /// The claim.
    pub claim: Claim,
}

impl Expectation {
    /// Whether the claim is about this point.
    #[must_use]
    pub fn selects(&self, point: &Params) -> bool {
        self.claim.conditions.iter().all(|condition| {
            point.get(&condition.axis).and_then(|value| condition.selects(value)) == Some(true)
        })
    }

    /// Errors of conditions that select no value of their axis, so that the claim is about no point of the sweep.
    #[must_use]
    pub fn check_points(&self, axes: &[(&str, &[Value])]) -> Vec<ExpectError> {
        let mut errors = Vec::new();
        for (axis, values) in axes {
            let on_axis = || self.claim.conditions.iter().filter(|condition| condition.axis == *axis);
            let selected = |value: &Value| on_axis().all(|condition| condition.selects(value) == Some(true));
            let comparable = |value: &Value| on_axis().all(|condition| condition.selects(value).is_some());
            let Some(first) = on_axis().next().filter(|_| values.iter().all(comparable)) else { continue };
            if !values.iter().any(selected) {
                let list: Vec<String> = values.iter().map(shown).collect();
                let message = format!("the sweep has no such point: no {axis} meets the conditions");
                let help = format!("its values are {}", list.join(", "));
                errors.push(ExpectError::new(first.value_at.0.clone(), message, help));
            }
        }
        errors
    }

    /// Checks the names of arms and, if the axes are known, their names and that their values can be compared as the
    /// conditions do.
    #[must_use]
    pub fn check(&self, arms: &[&str], axes: Option<&[(&str, &[Value])]>) -> Vec<ExpectError> {
        let mut errors = Vec::new();
        for quantity in self.claim.quantities() {
            if !arms.contains(&quantity.arm.as_str()) {
                let message = format!("there is no arm `{}`", quantity.arm);
                let help = one_of("the arms are", &quantity.arm, arms);
                errors.push(ExpectError::new(quantity.arm_at.0.clone(), message, help));
            }
        }
        let Some(axes) = axes else { return errors };
        let names: Vec<&str> = axes.iter().map(|(name, _)| *name).collect();
        for condition in &self.claim.conditions {
            let Some((_, values)) = axes.iter().find(|(name, _)| *name == condition.axis) else {
                let message = format!("`{}` is not swept here", condition.axis);
                let help = if names.is_empty() {
                    "there is no `sweep`: remove `at …`".to_owned()
                } else {
                    one_of("the axes are", &condition.axis, &names)
                };
                errors.push(ExpectError::new(condition.axis_at.0.clone(), message, help));
                continue;
            };
            if values.iter().any(|value| condition.selects(value).is_none()) {
                let message = format!("`{}` cannot be compared with {}", condition.value, condition.axis);
                let list: Vec<String> = values.iter().map(shown).collect();
                let help = format!("its values are {}", list.join(", "));
                errors.push(ExpectError::new(condition.value_at.0.clone(), message, help));
            }
        }
        errors
    }
}

/// `at depth=8 block_size=4KiB`; empty without a sweep.
pub(crate) fn place(point: &Params) -> String {
    let axes: Vec<String> = point.iter().map(|(axis, value)| format!("{axis}={}", shown(value))).collect();
    if axes.is_empty() { String::new() } else { format!("at {}", axes.join(" ")) }
}

/// A value, without quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
