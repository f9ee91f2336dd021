//! Expressions: the sides of a comparison.

use std::{fmt, ops::Range};

use super::{Literal, Unit};
use crate::metric::Metric;

/// A place in the text. Places do not affect equality: any two are equal.
#[derive(Clone, Debug, Default)]
pub struct Place(pub(super) Range<usize>);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

/// A measured value: a metric of an arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The arm.
    pub arm: String,
    /// The metric.
    pub metric: &'static Metric,
    pub(super) arm_at: Place,
}

impl Quantity {
    pub(super) fn unit(&self) -> Unit {
        Unit::of(self.metric.unit)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.arm, self.metric.name)
    }
}

/// An edge of a confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `low(…)`
    Low,
    /// `high(…)`
    High,
}

/// An operation on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

impl Arithmetic {
    pub(super) fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
        }
    }

    /// Precedence; a higher operation binds more tightly.
    fn binds(self) -> u8 {
        match self {
            Self::Add | Self::Subtract => 0,
            Self::Multiply | Self::Divide => 1,
        }
    }

    pub(crate) fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
        }
    }
}

/// A value that depends on the point.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// A measured value.
    Quantity(Quantity),
    /// An edge of the interval of a value that has one; see [`Expr::has_interval`].
    Edge(Edge, Box<Expr>),
    /// Two values.
    Both(Arithmetic, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// Every measured value, from left to right.
    pub(super) fn quantities(&self) -> Vec<&Quantity> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Quantity(quantity) => vec![quantity],
            Self::Edge(_, of) => of.quantities(),
            Self::Both(_, left, right) => [left.quantities(), right.quantities()].concat(),
        }
    }

    /// Whether it contains no measured value.
    pub(crate) fn is_constant(&self) -> bool {
        self.quantities().is_empty()
    }

    /// The two sides of a ratio of one metric of two arms. Such a ratio has an interval of its own, from a comparison
    /// of the arms' trials.
    pub(crate) fn ratio(&self) -> Option<(&Quantity, &Quantity)> {
        let Self::Both(Arithmetic::Divide, left, right) = self else { return None };
        let (Self::Quantity(left), Self::Quantity(right)) = (&**left, &**right) else { return None };
        (left.metric == right.metric && left.arm != right.arm).then_some((left, right))
    }

    /// Whether it can have an interval: a metric with a value per trial, a ratio of one metric of two arms, and either
    /// combined with constants.
    #[must_use]
    pub fn has_interval(&self) -> bool {
        match self {
            Self::Quantity(quantity) => quantity.metric.is_sampled(),
            Self::Literal(_) | Self::Edge(..) => false,
            Self::Both(_, left, right) => {
                self.ratio().is_some()
                    || (left.is_constant() && right.has_interval())
                    || (right.is_constant() && left.has_interval())
            }
        }
    }
}

impl fmt::Display for Expr {
    /// The text parses to the same expression.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(f),
            Self::Quantity(quantity) => quantity.fmt(f),
            Self::Edge(Edge::Low, of) => write!(f, "low({of})"),
            Self::Edge(Edge::High, of) => write!(f, "high({of})"),
            Self::Both(operation, left, right) => {
                // Operations of equal precedence associate to the left.
                let looser =
                    |side: &Self, than: u8| matches!(side, Self::Both(inner, ..) if inner.binds() < than);
                let side = |f: &mut fmt::Formatter<'_>, side: &Self, than: u8| {
                    if looser(side, than) { write!(f, "({side})") } else { side.fmt(f) }
                };
                side(f, left, operation.binds())?;
                write!(f, " {} ", operation.sign())?;
                side(f, right, operation.binds() + 1)
            }
        }
    }
}
