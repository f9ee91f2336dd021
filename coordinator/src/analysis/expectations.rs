//! Evaluates the scenario's expectations against what was measured.

use crate::{
    metric::Metric,
    params::Params,
    scenario::expect::{
        Arithmetic, Claim, Edge, Expectation, Expr, Op, Quantity, Statement, Unit, figures, place,
    },
    summary::{self, ComparisonSet, Verdict},
};

/// Where values come from. Times are nanoseconds, bandwidth is bytes per second; `None` means not measured.
pub trait Measured {
    /// A metric of an arm at a point.
    fn value(&self, arm: &str, metric: &Metric, point: &Params) -> Option<f64>;
    /// Its confidence interval.
    fn interval(&self, arm: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]>;
    /// The confidence interval of the ratio of one arm's metric to another arm's.
    fn ratio_interval(&self, arm: &str, other: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]>;
    /// The verdict on an arm's metric against another arm, or against the baseline.
    fn verdict(&self, arm: &str, other: Option<&str>, metric: &Metric, point: &Params) -> Option<Verdict>;
}

/// The result of an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it held; `None` if it could not be evaluated, for the reason in `detail`.
    pub passed: Option<bool>,
    /// The worst point with its figures.
    pub detail: String,
}

/// Evaluates every expectation of a scenario at the points of the sweep.
#[must_use]
pub fn judge(
    expectations: &[Expectation],
    set: &ComparisonSet,
    points: &[Params],
) -> Vec<summary::Expectation> {
    let judged = expectations.iter().map(|expectation| {
        let Outcome { passed, detail } = evaluate(expectation, set, points);
        summary::Expectation {
            text: expectation.text.clone(),
            passed: passed == Some(true),
            evaluated: passed.is_some(),
            detail,
        }
    });
    judged.collect()
}

/// Evaluates an expectation at those of the points that it selects.
#[must_use]
pub fn evaluate(expectation: &Expectation, measured: &dyn Measured, points: &[Params]) -> Outcome {
    let claim = &expectation.claim;
    let mut missing = None;
    let mut worst: Option<Judged<'_>> = None;
    let mut judged = 0;
    for point in points.iter().filter(|point| expectation.selects(point)) {
        match at_point(claim, measured, point) {
            Ok(now) => {
                judged += 1;
                // A failed point is worse than any that holds, however small the margins.
                let key = |judged: &Judged<'_>| (judged.holds, judged.margin);
                if worst.as_ref().is_none_or(|worst| key(&now) < key(worst)) {
                    worst = Some(now);
                }
            }
            Err(what) => missing = missing.or(Some(what)),
        }
    }
    match (worst, missing) {
        (Some(worst), None) => Outcome { passed: Some(worst.holds), detail: detail(claim, &worst, judged) },
        (Some(worst), Some(_)) if !worst.holds => {
            Outcome { passed: Some(false), detail: detail(claim, &worst, judged) }
        }
        (_, Some(what)) => Outcome { passed: None, detail: what },
        (None, None) => Outcome { passed: None, detail: "no point of the sweep meets its conditions".into() },
    }
}

/// A claim evaluated at one point.
struct Judged<'a> {
    point: &'a Params,
    found: Found,
    holds: bool,
    /// The distance from failing, as a share of the limit; negative if the claim failed.
    margin: f64,
}

/// What was measured at the point.
enum Found {
    Values(f64, f64),
    Verdict(Verdict),
}

/// The error names what is missing.
fn at_point<'a>(claim: &Claim, measured: &dyn Measured, point: &'a Params) -> Result<Judged<'a>, String> {
    match &claim.statement {
        Statement::Compare { left, op, right } => {
            let (left, right) = (value(left, measured, point)?, value(right, measured, point)?);
            let scale = if right == 0.0 { 1.0 } else { right.abs() };
            let margin = match op {
                Op::AtMost | Op::Below => (right - left) / scale,
                _ => (left - right) / scale,
            };
            Ok(Judged { point, found: Found::Values(left, right), holds: op.holds(left, right), margin })
        }
        Statement::Verdict { of, against, is, verdict } => {
            let other = against.as_ref().map(|quantity| quantity.arm.as_str());
            let found = measured
                .verdict(&of.arm, other, of.metric, point)
                .ok_or_else(|| format!("there is no verdict on {of}{}", at(point)))?;
            let holds = (found == *verdict) == *is;
            let margin = if holds { 1.0 } else { -1.0 };
            Ok(Judged { point, found: Found::Verdict(found), holds, margin })
        }
    }
}

/// ` at depth=8`; empty without a sweep.
fn at(point: &Params) -> String {
    match place(point).as_str() {
        "" => String::new(),
        place => format!(" {place}"),
    }
}

fn detail(claim: &Claim, worst: &Judged<'_>, judged: usize) -> String {
    let at = at(worst.point);
    let several = judged > 1 && !worst.point.is_empty();
    match (&claim.statement, &worst.found) {
        (Statement::Compare { left, right, .. }, Found::Values(l, r)) => {
            let at = if several { format!("{at}, the worst of {judged} points") } else { at };
            compared((left, *l), (right, *r), claim.unit, &at)
        }
        (Statement::Verdict { of, against, .. }, Found::Verdict(found)) => {
            let other = against.as_ref().map_or_else(String::new, |other| format!(" against {other}"));
            let everywhere = if several && worst.holds {
                format!(", and as claimed at all {judged} points")
            } else {
                String::new()
            };
            format!("the verdict on {of}{other} is {}{at}{everywhere}", found.as_str())
        }
        _ => String::new(),
    }
}

/// Both sides with their figures.
fn compared((left, l): (&Expr, f64), (right, r): (&Expr, f64), unit: Unit, at: &str) -> String {
    let left_text = format!("{left} is {}", unit.show(l));
    if right.is_constant() {
        return format!("{left_text}{at}; the limit is {}", unit.show(r));
    }
    if left.is_constant() {
        return format!("{right} is {}{at}; the limit is {}", unit.show(r), unit.show(l));
    }
    // A claim about a multiple of a value is reported as a multiple of it.
    let (factor, other) = match right {
        Expr::Both(Arithmetic::Multiply, factor, other) => match (&**factor, &**other) {
            (Expr::Literal(factor), Expr::Quantity(other)) => (factor.number, Some(other)),
            _ => (1.0, None),
        },
        Expr::Quantity(other) => (1.0, Some(other)),
        _ => (1.0, None),
    };
    match (left, other) {
        (Expr::Quantity(_), Some(other)) if factor != 0.0 => {
            let base = r / factor;
            let times = if base == 0.0 { String::new() } else { format!("{} times ", figures(l / base)) };
            format!("{left_text}, {times}the {} of {other}{at}", unit.show(base))
        }
        _ => format!("{left_text} and {right} is {}{at}", unit.show(r)),
    }
}

/// The value of an expression at a point. The error names what is missing.
fn value(expr: &Expr, measured: &dyn Measured, point: &Params) -> Result<f64, String> {
    match expr {
        Expr::Literal(literal) => Ok(literal.number),
        Expr::Quantity(quantity) => find(quantity, measured, point),
        Expr::Edge(edge, of) => {
            let [low, high] = interval(of, measured, point)?;
            Ok(if *edge == Edge::Low { low } else { high })
        }
        Expr::Both(operation, left, right) => {
            let found = operation.apply(value(left, measured, point)?, value(right, measured, point)?);
            finite(expr, found, point)
        }
    }
}

/// The interval of an expression at a point; constants scale and shift it. The error names what is missing.
fn interval(expr: &Expr, measured: &dyn Measured, point: &Params) -> Result<[f64; 2], String> {
    let known = |interval: Option<[f64; 2]>| {
        interval.filter(|edges| edges.iter().all(|edge| edge.is_finite())).ok_or_else(|| {
            format!("{expr} has no interval{}: an interval needs at least two trials", at(point))
        })
    };
    if let Some((left, right)) = expr.ratio() {
        return known(measured.ratio_interval(&left.arm, &right.arm, left.metric, point));
    }
    match expr {
        Expr::Quantity(quantity) => known(measured.interval(&quantity.arm, quantity.metric, point)),
        Expr::Literal(_) | Expr::Edge(..) => value(expr, measured, point).map(|value| [value, value]),
        Expr::Both(operation, left, right) => {
            let side = |side: &Expr| {
                if side.is_constant() {
                    value(side, measured, point).map(|value| [value, value])
                } else {
                    interval(side, measured, point)
                }
            };
            let (left, right) = (side(left)?, side(right)?);
            // A quotient is unbounded if its divisor may be zero.
            if *operation == Arithmetic::Divide && right[0] <= 0.0 && right[1] >= 0.0 {
                return Err(format!("{expr} has no bounds{}", at(point)));
            }
            let edges = left.map(|left| right.map(|right| operation.apply(left, right)));
            let edges = edges.as_flattened();
            let low = edges.iter().copied().fold(f64::INFINITY, f64::min);
            let high = edges.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Ok([finite(expr, low, point)?, finite(expr, high, point)?])
        }
    }
}

fn finite(expr: &Expr, value: f64, point: &Params) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("{expr} is not a number{}", at(point))) }
}

fn find(quantity: &Quantity, measured: &dyn Measured, point: &Params) -> Result<f64, String> {
    let found = measured.value(&quantity.arm, quantity.metric, point).filter(|value| value.is_finite());
    found.ok_or_else(|| format!("{quantity} was not measured{}", at(point)))
}

#[cfg(test)]
mod tests;
