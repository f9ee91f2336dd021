//! The course of a run: when it paused, and what changed meanwhile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pause of a run that was resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// When the run stopped, in UTC, RFC 3339. If the coordinator was killed, when it last recorded something.
    pub stopped_at: String,
    /// When it was resumed, in UTC, RFC 3339.
    pub resumed_at: String,
    /// Why it stopped.
    pub reason: PauseReason,
    /// The last trial recorded before the pause; null if there was none.
    pub after_trial: Option<String>,
}

/// Why a run stopped before its pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The coordinator ended without a note: it was killed, or its machine stopped.
    Killed,
    /// A host was lost.
    HostLost,
    /// A host refused cells of the run.
    Refused,
    /// The results could not be stored, for example because the disk was full.
    NotStored,
    /// The run was complete, and was continued by further trials.
    Complete,
}

/// A fact of a host that changed during a pause and was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostChange {
    /// The host.
    pub host: String,
    /// The fact, such as `kernel.release`.
    pub fact: String,
    /// Its value when the run began; absent if the host did not report it.
    pub was: Option<String>,
    /// Its value when the run was resumed.
    pub is: Option<String>,
    /// The last trial recorded before the change.
    pub after_trial: Option<String>,
}
