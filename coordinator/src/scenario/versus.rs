//! A comparison of two arms besides those with the baseline.

use schemars::JsonSchema;
use serde::Deserialize;

/// Two arms that are compared at every point.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Versus {
    /// The arm.
    pub arm: String,
    /// The arm that it is compared with.
    pub against: String,
}

impl Versus {
    /// Whether both compare the same two arms, in either order.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        self == other || (self.arm == other.against && self.against == other.arm)
    }
}
