//! `run.json`: how a run was started and how it went, apart from its results.

use std::path::PathBuf;

use proto::outcome::Refusal;
use serde::{Deserialize, Serialize};

use crate::summary::course::{HostChange, Pause};

/// The version of the run directory. It is raised if an earlier release could no longer continue a run.
pub const FORMAT: u32 = 1;

/// The contents of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// The version of the run directory.
    pub format: u32,
    /// The coordinator's release.
    pub version: String,
    /// What the run is for.
    pub purpose: Purpose,
    /// When it began, in UTC, RFC 3339.
    pub started_at: String,
    /// Where its agents are.
    pub agents: Agents,
    /// The checksum of `scenario.yaml`.
    pub scenario_sha256: String,
    /// The checksum of `hosts.json`.
    pub hosts_sha256: String,
    /// How often its figures were judged: once by plan, and once more for each continuation after a report.
    pub looks: u32,
    /// Its pauses, in order.
    pub pauses: Vec<Pause>,
    /// Changes of hosts that were accepted when it was resumed.
    pub changes: Vec<HostChange>,
    /// Hosts lost since it was last resumed.
    pub lost: Vec<LostHost>,
    /// Hosts that were lost and came back, in order; once for each return.
    #[serde(default)]
    pub returned: Vec<ReturnedHost>,
}

impl Default for Journal {
    /// The journal of a run that has none, because an earlier release made it.
    fn default() -> Self {
        Self {
            format: 0,
            version: String::new(),
            purpose: Purpose::Run,
            started_at: String::new(),
            agents: Agents::Served,
            scenario_sha256: String::new(),
            hosts_sha256: String::new(),
            looks: 1,
            pauses: Vec::new(),
            changes: Vec::new(),
            lost: Vec::new(),
            returned: Vec::new(),
        }
    }
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The comparison of a scenario.
    Run,
    /// A calibration.
    Calibration,
}

/// Where the agents of a run are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agents {
    /// They serve at the addresses in `hosts.json`.
    Served,
    /// The coordinator starts one on its own machine.
    Embedded {
        /// The directory of the agent's files, absolute.
        data_dir: PathBuf,
    },
}

/// A host that was lost and came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReturnedHost {
    /// Its name.
    pub host: String,
    /// Why it was lost.
    pub refusal: Refusal,
    /// When it was back, in UTC, RFC 3339.
    pub at: String,
}

/// A host that was lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LostHost {
    /// Its name.
    pub host: String,
    /// The reason.
    pub refusal: Refusal,
}
