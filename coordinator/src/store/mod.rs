//! The run directory: the append-only source of all results of a run.
//!
//! The histograms of a trial are written interval by interval while it runs. When it ends, they are fsynced before
//! anything is evaluated, then the line in `trials.jsonl` that names them. A line thus never refers to missing histograms, and a crash loses at most the trial that was
//! being written. Derived files (`summary.json`, `summary.csv`, `report.html`) can be regenerated from these files
//! at any time. What is not derived has checksums, which are compared on reading.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use proto::outcome::Interval;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    input::{self, MAX_LOG},
    plan::Plan,
    summary::course::{HostChange, Pause, PauseReason},
};

mod append;
mod create;
mod error;
mod files;
mod hlog;
mod hosts;
pub mod journal;
mod jsonl;
mod lock;
mod log_reader;
mod log_writer;
mod open_log;
pub mod record;
mod seal;
#[cfg(test)]
mod tests;
pub mod verify;

use error::At as _;
pub use error::StoreError;
pub use hosts::HostEntry;
use journal::{FORMAT, Journal, LostHost, ReturnedHost};
pub use jsonl::Trials;
pub use lock::Writer;
use lock::{Lock, NotLocked};
use log_writer::LogWriter;
use record::TrialRecord;

/// The scenario as it was read.
pub const SCENARIO: &str = "scenario.yaml";
/// The plan of the run.
pub const PLAN: &str = "plan.json";
/// The hosts, with fingerprints and capabilities.
pub const HOSTS: &str = "hosts.json";
/// How the run was started, and its pauses.
pub const JOURNAL: &str = "run.json";
/// The lock of the process that writes the run.
pub const LOCK: &str = "run.lock";
/// One line for each executed trial.
pub const TRIALS: &str = "trials.jsonl";
/// The results; derived.
pub const SUMMARY: &str = "summary.json";
/// Interval logs.
pub const HISTOGRAMS: &str = "histograms";

/// A run directory.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Held by the process that writes the run.
    lock: Option<Lock>,
    /// The logs of the trial that runs; `None` before its first interval.
    logs: Option<LogWriter>,
}

impl RunDir {
    fn at(path: PathBuf) -> Self {
        Self { path, lock: None, logs: None }
    }

    /// Opens an existing run directory for reading.
    ///
    /// # Errors
    /// It is not a run directory.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let run = Self::at(path.to_owned());
        if !run.path.join(PLAN).is_file() {
            return Err(StoreError::NotARun { path: run.path, missing: PLAN });
        }
        Ok(run)
    }

    /// Locks the directory for writing. The lock ends with this value.
    ///
    /// # Errors
    /// Another process writes the run, or the directory is not writable.
    pub fn lock(&mut self) -> Result<(), StoreError> {
        let path = self.path.join(LOCK);
        match Lock::take(&path) {
            Ok(lock) => {
                self.lock = Some(lock);
                Ok(())
            }
            Err(NotLocked::Held(writer)) => Err(StoreError::Locked { path: self.path.clone(), writer }),
            Err(NotLocked::Io(error)) => Err(error).at(&path, "lock it"),
        }
    }

    /// The process that wrote the run before this one locked it.
    #[must_use]
    pub fn previous_writer(&self) -> Option<&Writer> {
        self.lock.as_ref()?.previous()
    }

    /// Notes in the lock file that something was recorded now, or why this process stops. Without a lock it does
    /// nothing.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&mut self, ended: Option<PauseReason>) -> Result<(), StoreError> {
        let path = self.path.join(LOCK);
        self.lock.as_mut().map_or(Ok(()), |lock| lock.note(ended)).at(&path, "write it")
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's name: that of its directory, links resolved.
    #[must_use]
    pub fn id(&self) -> String {
        let real = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        real.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned())
    }

    /// The scenario as it was read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn scenario(&self) -> Result<String, StoreError> {
        let path = self.path.join(SCENARIO);
        input::text(&path).at(&path, "read it")
    }

    /// Writes `plan.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_plan(&mut self, plan: &Plan) -> Result<(), StoreError> {
        self.write_sealed(PLAN, plan)
    }

    /// Reads `plan.json`.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn plan(&self) -> Result<Plan, StoreError> {
        self.read_json(PLAN)
    }

    /// Writes `hosts.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_hosts(&mut self, hosts: &[HostEntry]) -> Result<(), StoreError> {
        self.write_json(HOSTS, hosts)
    }

    /// Reads `hosts.json`; a run that ended before it connected to its hosts has none.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn hosts(&self) -> Result<Vec<HostEntry>, StoreError> {
        if self.path.join(HOSTS).exists() { self.read_json(HOSTS) } else { Ok(Vec::new()) }
    }

    /// Writes `run.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_journal(&mut self, journal: &Journal) -> Result<(), StoreError> {
        self.write_sealed(JOURNAL, journal)
    }

    /// Reads `run.json`; `None` if an earlier release made the directory.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or has another format.
    pub fn journal(&self) -> Result<Option<Journal>, StoreError> {
        #[derive(serde::Deserialize)]
        struct Version {
            format: u32,
        }
        let path = self.path.join(JOURNAL);
        if !path.exists() {
            return Ok(None);
        }
        // The version first: the rest of another format may not be readable.
        let Version { format } = self.read_json(JOURNAL)?;
        if format != FORMAT {
            let remedy = "use the release that made the run";
            return Err(StoreError::OtherSchema { path, schema: format, reads: FORMAT, remedy });
        }
        self.read_json(JOURNAL).map(Some)
    }

    /// The checksum of a file of the directory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sha256(&self, name: &str) -> Result<String, StoreError> {
        let path = self.path.join(name);
        input::bytes(&path, MAX_LOG).map(|bytes| seal::sha256(&bytes)).at(&path, "read it")
    }

    /// Changes `run.json`.
    fn change_journal(&mut self, change: impl FnOnce(&mut Journal)) -> Result<(), StoreError> {
        let mut journal = self.journal()?.unwrap_or_default();
        change(&mut journal);
        self.write_journal(&journal)
    }

    /// Records that a host is lost.
    ///
    /// # Errors
    /// `run.json` cannot be written.
    pub fn lose(&mut self, host: LostHost) -> Result<(), StoreError> {
        self.change_journal(|journal| journal.lost.push(host))
    }

    /// Records that a lost host is back.
    ///
    /// # Errors
    /// `run.json` cannot be written.
    pub fn regain(&mut self, host: &str) -> Result<(), StoreError> {
        let now = now();
        self.change_journal(|journal| {
            let (back, lost) =
                std::mem::take(&mut journal.lost).into_iter().partition(|lost| lost.host == host);
            journal.lost = lost;
            let returned =
                |lost: LostHost| ReturnedHost { host: lost.host, refusal: lost.refusal, at: now.clone() };
            journal.returned.extend(Vec::into_iter(back).map(returned));
        })
    }

    /// Records that the run goes on after a pause. Hosts lost before it are back.
    ///
    /// # Errors
    /// `run.json` cannot be written.
    pub fn go_on(&mut self, pause: Pause, changes: Vec<HostChange>, looks: u32) -> Result<(), StoreError> {
        self.change_journal(|journal| {
            journal.pauses.push(pause);
            journal.changes.extend(changes);
            journal.lost.clear();
            journal.looks = looks;
        })
    }

    /// The trials recorded so far, and whether the last line was cut off.
    ///
    /// # Errors
    /// The file cannot be read, or a line other than the last is damaged.
    pub fn read_trials(&self) -> Result<Trials, StoreError> {
        let path = self.path.join(TRIALS);
        let bytes = match input::bytes(&path, MAX_LOG) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Trials::default()),
            read => read.at(&path, "read it")?,
        };
        jsonl::parse(&bytes).map_err(|(line, message)| StoreError::Corrupt {
            path,
            place: format!("line {line}"),
            message,
        })
    }

    /// Passes the intervals of a host (by its index in the record) to `visit`, in order: edges and bytes from the record,
    /// histograms from the interval log. The log must name the trial and the host, and have the checksum in the record, or
    /// contain as many operations as the host counted if an earlier release recorded no checksum. Nothing is passed on of a
    /// log with another checksum; other damage is found when it is reached.
    ///
    /// # Errors
    /// The log cannot be read or does not match the record.
    pub fn each_interval(
        &self,
        trial: &TrialRecord,
        host: usize,
        mut visit: impl FnMut(Interval),
    ) -> Result<(), StoreError> {
        let Some(host) = trial.hosts.get(host) else { return Ok(()) };
        let Some(name) = &host.histograms else { return Ok(()) };
        let path = self.path.join(name);
        if !is_log(Path::new(name)) {
            return Err(StoreError::Corrupt {
                path,
                place: TRIALS.into(),
                message: format!("trial {} names a file outside of {HISTOGRAMS}/", trial.id),
            });
        }
        log_reader::read(&path, trial, host, &mut visit)
    }

    /// All intervals of a host.
    #[cfg(test)]
    pub(crate) fn intervals(&self, trial: &TrialRecord, host: usize) -> Result<Vec<Interval>, StoreError> {
        let mut intervals = Vec::new();
        self.each_interval(trial, host, |interval| intervals.push(interval))?;
        Ok(intervals)
    }
}

/// Whether a name is that of a log: a file in the directory of histograms.
fn is_log(name: &Path) -> bool {
    let mut parts = name.components();
    parts.next() == Some(Component::Normal(HISTOGRAMS.as_ref()))
        && matches!(parts.next(), Some(Component::Normal(_)))
        && parts.next().is_none()
}

/// The present time in UTC, RFC 3339.
#[must_use]
pub fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
