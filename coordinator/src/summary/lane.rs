//! Urgent and bulk operations separately.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Estimate, Latency};

/// The urgent operations of a cell and the others (*bulk*). Both are null without urgent operations, or if none
/// completed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lanes {
    /// Urgent operations, which are included in the numbers of all operations.
    #[serde(default)]
    pub urgent: Option<Lane>,
    /// Bulk operations: all others.
    #[serde(default)]
    pub bulk: Option<Lane>,
}

/// The urgent or the bulk operations of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// Their share of all operations, from 0 to 1.
    pub share: f64,
    /// Completed operations in all trials that count; hosts are added up.
    #[serde(default)]
    pub ops: u64,
    /// Operations per second; hosts are added up. A trial without any has a rate of zero, and no percentiles.
    pub iops: Option<Estimate>,
    /// Bytes per second; hosts are added up.
    pub bandwidth_bytes_per_s: Option<Estimate>,
    /// Latency seen by the application.
    pub latency_ns: Latency,
    /// Overtaken urgent operations; null for bulk operations.
    pub overtaken: Option<Overtaken>,
    /// Starved bulk operations; null for urgent operations.
    pub starved: Option<Starved>,
}

/// Inversions in all trials that count. A bulk operation overtakes an urgent one if it is submitted with it or later
/// and completes earlier. The numbers are a lower bound if operations complete out of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overtaken {
    /// The share of urgent operations that were overtaken, from 0 to 1.
    pub share: f64,
    /// The mean number of bulk operations that overtook an urgent one, over all urgent operations.
    pub mean: f64,
    /// The most that overtook one urgent operation.
    pub max: u64,
}

/// Bulk operations that waited more than ten times the median of bulk operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Starved {
    /// The limit: ten times the median, in nanoseconds.
    pub above_ns: u64,
    /// Their number.
    pub count: u64,
    /// Their share of bulk operations, from 0 to 1.
    pub share: f64,
}
