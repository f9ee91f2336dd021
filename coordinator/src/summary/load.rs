//! How arms in open loop cope with increasing offered load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// The p99 latency at the knee, as a multiple of that at a lower load.
pub const KNEE: f64 = 3.0;

/// An arm in open loop, over the offered rates of a sweep, with the other axes fixed. Rates are requests per second, of
/// all hosts together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadCurve {
    /// The arm.
    pub arm: String,
    /// The values of the other axes.
    pub params: Params,
    /// The highest offered rate up to which it keeps up with every one; null if it falls behind at the lowest.
    pub keeps_up_to_per_s: Option<f64>,
    /// The lowest offered rate at which it falls behind; null if it keeps up with all.
    pub falls_behind_at_per_s: Option<f64>,
    /// The knee: the lowest offered rate at which the 99th percentile of latency is at least 3 times that at a lower
    /// rate, and their intervals do not overlap; null if the figures show none up to the rate at which the arm falls behind.
    pub knee_at_per_s: Option<f64>,
}
