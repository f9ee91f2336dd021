//! One section of a job file as an engine, a workload and a target.

use indexmap::IndexMap;
use serde_json::Value;

/// Something that a scenario does not have of the job file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line in the job file, from 1.
    pub line: usize,
    /// The option or section as it stands there.
    pub what: String,
    /// Why it is not taken over, and what to do where something can be done.
    pub why: String,
    /// Whether the scenario measures something else for it.
    pub grave: bool,
}

/// A key of a scenario: its value, and the line that it comes from.
pub(super) type Keys = IndexMap<&'static str, (Value, usize)>;

/// What the I/O goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// A file of the agent's own.
    File,
    /// A device that is only read.
    Path(String),
    /// A device that the nvme engine reads.
    Nvme(String),
}

/// A section, understood.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) line: usize,
    /// The engine and its knobs.
    pub(super) engine: Keys,
    /// The workload, and `direct` and `cache` of the target.
    pub(super) work: Keys,
    pub(super) goal: Goal,
    /// Of the file, in bytes.
    pub(super) bytes: u64,
    pub(super) seed: Option<u64>,
    pub(super) description: Option<String>,
    /// Whether it waits for the sections before it.
    pub(super) waits: bool,
    pub(super) notes: Vec<Note>,
}
