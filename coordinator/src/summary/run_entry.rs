//! A run in the list of runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An entry of the list of runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// The name of its directory.
    pub name: String,
    /// Its start, UTC, RFC 3339.
    pub started_at: String,
    /// The scenario's name.
    pub scenario: String,
    /// Whether it was shortened (`--quick`).
    pub quick: bool,
    /// The hosts that took part, each with its labels.
    pub hosts: BTreeMap<String, BTreeMap<String, String>>,
    /// The kernels of the hosts, each once.
    pub kernels: Vec<String>,
    /// The arms, in the scenario's order.
    pub arms: Vec<String>,
    /// Planned timed trials.
    pub trials_planned: u32,
    /// Timed trials that count.
    pub trials_complete: u32,
    /// The answer in a sentence; null if the run was never analysed.
    pub answer: Option<String>,
    /// Expectations that held.
    pub expectations_held: u32,
    /// Expectations that failed.
    pub expectations_failed: u32,
    /// Expectations that could not be evaluated.
    pub expectations_unknown: u32,
    /// The exit code that follows from the run's data; null if it was never analysed.
    pub exit: Option<u8>,
    /// Why the run cannot be read; null if it can.
    pub problem: Option<String>,
}

impl RunEntry {
    /// Whether the run is not known to have succeeded.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.exit != Some(0)
    }
}
