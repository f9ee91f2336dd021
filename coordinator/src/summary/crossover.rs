//! Where an arm begins to be better than the baseline along an axis, and where it ceases to be.

use serde_json::Value;

use crate::params::Params;

/// A change of the verdict between two neighbouring values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossover {
    /// The arm.
    pub arm: String,
    /// The baseline.
    pub baseline: String,
    /// The axis, such as `depth`.
    pub axis: String,
    /// The metric of the comparisons.
    pub metric: CrossoverMetric,
    /// The values of the other axes.
    pub others: Params,
    /// The kind of change.
    pub kind: CrossoverKind,
}

/// A metric for which crossovers are determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossoverMetric {
    /// Operations per second.
    Iops,
    /// The 99th percentile of latency.
    LatencyP99,
}

/// The kind of a crossover.
#[derive(Clone, Debug, PartialEq)]
pub enum CrossoverKind {
    /// The arm is better from a value on.
    Begins {
        /// The last value at which it is not better.
        after: Value,
        /// The first value at which it is better.
        from: Value,
    },
    /// The arm is no longer better from a value on.
    Ends {
        /// The last value at which it is better.
        after: Value,
        /// The first value at which it is not better.
        from: Value,
    },
    /// The arm is better at every value.
    Everywhere {
        /// The first value.
        from: Value,
        /// The last value.
        to: Value,
    },
}

impl Crossover {
    /// The last value before the change; `None` if the arm is better at every value.
    #[must_use]
    pub fn after(&self) -> Option<&Value> {
        match &self.kind {
            CrossoverKind::Begins { after, .. } | CrossoverKind::Ends { after, .. } => Some(after),
            CrossoverKind::Everywhere { .. } => None,
        }
    }

    /// The first value after the change.
    #[must_use]
    pub fn from(&self) -> &Value {
        match &self.kind {
            CrossoverKind::Begins { from, .. }
            | CrossoverKind::Ends { from, .. }
            | CrossoverKind::Everywhere { from, .. } => from,
        }
    }

    /// Whether the arm ceases to be better here.
    #[must_use]
    pub fn ends(&self) -> bool {
        matches!(self.kind, CrossoverKind::Ends { .. })
    }
}
