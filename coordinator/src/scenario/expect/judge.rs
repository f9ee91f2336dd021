//! Evaluates claims against the measured values.

use super::{
    Claim, Edge, Expectation, Expr, Op, Quantity, Statement, Unit, expr::Arithmetic, place, unit::figures,
};
use crate::{metric::Metric, params::Params};

/// The source of the measured values. Times are nanoseconds, bandwidth is bytes per second; `None` means *not
/// measured*.
pub trait Measured {
    /// A metric of an arm at a point.
    fn value(&self, arm: &str, metric: &Metric, point: &Params) -> Option<f64>;
    /// Its 95 % confidence interval.
    fn interval(&self, arm: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]>;
    /// The 95 % confidence interval of the ratio of a metric of an arm to that of another one.
    fn ratio_interval(&self, arm: &str, other: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]>;
    /// The verdict on a metric of an arm against another one, or against the baseline: one of
    /// [`VERDICTS`](super::VERDICTS).
    fn verdict(
        &self,
        arm: &str,
        other: Option<&str>,
        metric: &Metric,
        point: &Params,
    ) -> Option<&'static str>;
}

/// The outcome of an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it held; `None` if it could not be evaluated, for the reason given in the detail.
    pub passed: Option<bool>,
    /// The worst point, with its figures.
    pub detail: String,
}

/// The result at one point.
struct Judged<'a> {
    point: &'a Params,
    found: Found,
    holds: bool,
    /// The distance from failure as a share of the limit; negative if the claim failed.
    margin: f64,
}

/// The values found at the point.
enum Found {
    Values(f64, f64),
    Verdict(&'static str),
}

impl Expectation {
    /// Evaluates the claim at these points.
    #[must_use]
    pub fn evaluate(&self, measured: &dyn Measured, points: &[Params]) -> Outcome {
        let mut missing = None;
        let mut worst: Option<Judged<'_>> = None;
        let mut judged = 0;
        for point in points.iter().filter(|point| self.selects(point)) {
            match self.claim.judge(measured, point) {
                Ok(now) => {
                    judged += 1;
                    // A failed point is always worse than one that holds.
                    let key = |judged: &Judged<'_>| (judged.holds, judged.margin);
                    if worst.as_ref().is_none_or(|worst| key(&now) < key(worst)) {
                        worst = Some(now);
                    }
                }
                Err(what) => missing = missing.or(Some(what)),
            }
        }
        match (worst, missing) {
            (Some(worst), None) => {
                Outcome { passed: Some(worst.holds), detail: self.claim.detail(&worst, judged) }
            }
            (Some(worst), Some(_)) if !worst.holds => {
                Outcome { passed: Some(false), detail: self.claim.detail(&worst, judged) }
            }
            (_, Some(what)) => Outcome { passed: None, detail: what },
            (None, None) => {
                Outcome { passed: None, detail: "no point of the sweep meets the conditions".into() }
            }
        }
    }

    /// Whether the claim applies to this point.
    #[must_use]
    pub fn selects(&self, point: &Params) -> bool {
        self.claim.conditions.iter().all(|condition| {
            point.get(&condition.axis).and_then(|value| condition.selects(value)) == Some(true)
        })
    }
}

impl Claim {
    fn judge<'a>(&self, measured: &dyn Measured, point: &'a Params) -> Result<Judged<'a>, String> {
        match &self.statement {
            Statement::Compare { left, op, right } => {
                let (left, right) = (left.value(measured, point)?, right.value(measured, point)?);
                let scale = if right == 0.0 { 1.0 } else { right.abs() };
                let margin = match op {
                    Op::AtMost | Op::Below => (right - left) / scale,
                    _ => (left - right) / scale,
                };
                Ok(Judged { point, found: Found::Values(left, right), holds: op.holds(left, right), margin })
            }
            Statement::Verdict { of, against, is, verdict } => {
                let other = against.as_ref().map(|quantity| quantity.arm.as_str());
                let found = measured.verdict(&of.arm, other, of.metric, point).ok_or_else(|| {
                    format!("there is no verdict on {of} {}", place(point)).trim_end().to_owned()
                })?;
                let holds = (found == *verdict) == *is;
                let margin = if holds { 1.0 } else { -1.0 };
                Ok(Judged { point, found: Found::Verdict(found), holds, margin })
            }
        }
    }

    fn detail(&self, worst: &Judged<'_>, judged: usize) -> String {
        let at = match (judged, worst.point.is_empty()) {
            (_, true) => String::new(),
            (1, false) => format!(" {}", place(worst.point)),
            (_, false) => format!(" {}, the worst of {judged} points", place(worst.point)),
        };
        match (&self.statement, &worst.found) {
            (Statement::Compare { left, right, .. }, Found::Values(l, r)) => {
                compared((left, *l), (right, *r), self.unit, &at)
            }
            (Statement::Verdict { of, against, .. }, Found::Verdict(found)) => {
                let other = against.as_ref().map_or_else(String::new, |other| format!(" against {other}"));
                let at = match (worst.point.is_empty(), worst.holds && judged > 1) {
                    (true, _) => String::new(),
                    (false, false) => format!(" {}", place(worst.point)),
                    (false, true) => {
                        format!(" {}, and as claimed at all {judged} points", place(worst.point))
                    }
                };
                format!("the verdict on {of}{other} is {found}{at}")
            }
            _ => String::new(),
        }
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

impl Expr {
    /// The value at a point, or the missing input.
    fn value(&self, measured: &dyn Measured, point: &Params) -> Result<f64, String> {
        match self {
            Self::Literal(literal) => Ok(literal.number),
            Self::Quantity(quantity) => find(quantity, measured, point),
            Self::Edge(edge, of) => {
                let [low, high] = of.interval(measured, point)?;
                Ok(if *edge == Edge::Low { low } else { high })
            }
            Self::Both(operation, left, right) => {
                let value = operation.apply(left.value(measured, point)?, right.value(measured, point)?);
                self.finite(value, point)
            }
        }
    }

    /// The interval at a point, or the missing input. Constants scale and shift it.
    fn interval(&self, measured: &dyn Measured, point: &Params) -> Result<[f64; 2], String> {
        let known = |interval: Option<[f64; 2]>| {
            interval.filter(|edges| edges.iter().all(|edge| edge.is_finite())).ok_or_else(|| {
                let place = place(point);
                let blank = if place.is_empty() { "" } else { " " };
                format!("{self}{blank}{place} has no interval: it needs at least two trials")
            })
        };
        if let Some((left, right)) = self.ratio() {
            return known(measured.ratio_interval(&left.arm, &right.arm, left.metric, point));
        }
        match self {
            Self::Quantity(quantity) => known(measured.interval(&quantity.arm, quantity.metric, point)),
            Self::Literal(_) | Self::Edge(..) => self.value(measured, point).map(|value| [value, value]),
            Self::Both(operation, left, right) => {
                let side = |side: &Self| {
                    if side.is_constant() {
                        side.value(measured, point).map(|value| [value, value])
                    } else {
                        side.interval(measured, point)
                    }
                };
                let (left, right) = (side(left)?, side(right)?);
                // A quotient has no bounds if the divisor can be zero.
                if *operation == Arithmetic::Divide && right[0] <= 0.0 && right[1] >= 0.0 {
                    return Err(format!("{self} has no bounds {}", place(point)).trim_end().to_owned());
                }
                let edges = left.map(|left| right.map(|right| operation.apply(left, right)));
                let edges = edges.as_flattened();
                let low = edges.iter().copied().fold(f64::INFINITY, f64::min);
                let high = edges.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Ok([self.finite(low, point)?, self.finite(high, point)?])
            }
        }
    }

    fn finite(&self, value: f64, point: &Params) -> Result<f64, String> {
        let refused = || format!("{self} is not a number {}", place(point)).trim_end().to_owned();
        if value.is_finite() { Ok(value) } else { Err(refused()) }
    }
}

fn find(quantity: &Quantity, measured: &dyn Measured, point: &Params) -> Result<f64, String> {
    let found = measured.value(&quantity.arm, quantity.metric, point).filter(|value| value.is_finite());
    found.ok_or_else(|| {
        let place = place(point);
        let blank = if place.is_empty() { "" } else { " " };
        format!("{quantity}{blank}{place} was not measured")
    })
}
