//! One section of a job file as an engine, a workload and a target.

use indexmap::IndexMap;
use serde_json::Value;

/// A part of the job file that the scenario does not contain, or contains in another form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line in the job file, from 1.
    pub line: usize,
    /// The option or section as written.
    pub what: String,
    /// What stands for it in the scenario, such as `rate: 1000`; `None` if nothing does.
    pub became: Option<String>,
    /// Why it is not imported as it is, and the remedy if there is one.
    pub why: String,
    /// Whether the scenario therefore measures something else.
    pub grave: bool,
}

impl Note {
    /// A part that nothing stands for.
    pub(super) fn left_out(
        line: usize,
        what: impl Into<String>,
        why: impl Into<String>,
        grave: bool,
    ) -> Self {
        Self { line, what: what.into(), became: None, why: why.into(), grave }
    }

    /// `imported` if something stands for it, or `not imported`.
    #[must_use]
    pub fn fate(&self) -> &'static str {
        if self.became.is_some() { "imported" } else { "not imported" }
    }
}

/// A key of a scenario: its value, and its line in the job file.
pub(super) type Keys = IndexMap<&'static str, (Value, usize)>;

/// The target of the I/O.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// A file that the agent creates.
    File,
    /// A device, opened only for reading.
    Path(String),
    /// A device that the nvme engine reads directly.
    Nvme(String),
}

/// A parsed section.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) line: usize,
    /// The engine and its options.
    pub(super) engine: Keys,
    /// The workload, and `direct` and `cache` of the target.
    pub(super) work: Keys,
    pub(super) goal: Goal,
    /// Size of the file in bytes.
    pub(super) bytes: u64,
    pub(super) seed: Option<u64>,
    pub(super) description: Option<String>,
    /// Whether it waits for the preceding sections.
    pub(super) waits: bool,
    pub(super) notes: Vec<Note>,
}
