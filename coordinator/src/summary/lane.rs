//! Urgent operations and the others, each by themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Estimate, Latency};

/// The urgent operations of a cell and the others. Both are null where no operation was to be urgent, and where no
/// urgent one completed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lanes {
    /// Urgent operations, which are included in the numbers of all operations.
    #[serde(default)]
    pub urgent: Option<Lane>,
    /// The others.
    #[serde(default)]
    pub bulk: Option<Lane>,
}

/// The urgent operations of a cell, or the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// Of all operations, from 0 to 1.
    pub share: f64,
    /// How many completed, in all trials that count; hosts added up.
    #[serde(default)]
    pub ops: u64,
    /// Per second; hosts added up. Zero in a trial without any, which has no percentiles then.
    pub iops: Option<Estimate>,
    /// Bytes per second; hosts added up.
    pub bandwidth_bytes_per_s: Option<Estimate>,
    /// What the application waited for one.
    pub latency_ns: Latency,
    /// Urgent ones: how many others overtook them. null of the others.
    pub overtaken: Option<Overtaken>,
    /// The others: how many of them were starved. null of urgent ones.
    pub starved: Option<Starved>,
}

/// An operation overtakes an urgent one that is handed over with it or after it, and is seen complete before it: an
/// inversion. Counted in all trials that count; a lower bound where operations do not come back in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overtaken {
    /// Urgent operations that some others overtook, of all urgent ones, from 0 to 1.
    pub share: f64,
    /// How many others overtook an urgent operation, on average over all of them.
    pub mean: f64,
    /// The most that overtook one.
    pub max: u64,
}

/// Operations that waited for more than ten times the median of those that are not urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Starved {
    /// That long, in nanoseconds.
    pub above_ns: u64,
    /// How many.
    pub count: u64,
    /// Of those that are not urgent, from 0 to 1.
    pub share: f64,
}
