//! `noise`: how a trial is treated that other activity on a host disturbed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a trial is treated that other activity on a host disturbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoisePolicy {
    /// The trial is excluded from verdicts and run again, within bounds. Minor noise causes a warning.
    #[default]
    Mark,
    /// The trial counts; a warning is issued.
    Warn,
    /// The trial counts, without a warning.
    Ignore,
}
