//! How far apart the hosts of a trial began, and how many hosts figures rest on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far apart the hosts began, over the timed trials of several hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartSkew {
    /// Trials.
    pub trials: u64,
    /// The median over the trials: time between the first and the last host whose start line opened.
    pub median_ns: u64,
    /// The largest of them.
    pub max_ns: u64,
    /// The bound on their error: twice the largest error of a clock.
    pub error_ns: u64,
}

/// How many of the selected hosts the figures of a cell rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Hosts whose results are in the figures.
    pub hosts: u32,
    /// Hosts that the cell selects.
    pub of: u32,
}

impl Coverage {
    /// Whether a host is left out.
    #[must_use]
    pub fn is_partial(self) -> bool {
        self.hosts < self.of
    }
}
