//! `on_host_loss`: what a run does when a host is lost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run does when a host is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostLossPolicy {
    /// Cells that need the host are not run; all others continue.
    #[default]
    Fail,
    /// Wait up to two minutes until the host is back, and repeat the trial; then as `fail`.
    Retry,
    /// Repeat the trial without the host, and leave the host out of all figures.
    Continue,
}
