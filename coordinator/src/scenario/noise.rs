//! `noise`: what becomes of a trial that something else disturbed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a trial during which something else was going on in a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoisePolicy {
    /// It is kept out of verdicts and run again, within bounds; lesser noise is warned of.
    #[default]
    Mark,
    /// It counts, and is warned of.
    Warn,
    /// It counts, and nothing is said.
    Ignore,
}
