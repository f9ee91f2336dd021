//! `noise`: how trials disturbed by other activity are treated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a trial is treated during which other activity disturbed a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoisePolicy {
    /// Exclude it from verdicts and repeat it, within limits; warn of lesser noise.
    #[default]
    Mark,
    /// Count it, with a warning.
    Warn,
    /// Count it, without a warning.
    Ignore,
}
