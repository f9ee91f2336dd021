//! The run directory: the append-only source of all results of a run.
//!
//! Each trial is written and fsynced before it is evaluated: first its histograms, then the line in `trials.jsonl`
//! that names them. A line thus never refers to missing histograms, and a crash loses at most the trial that was
//! being written. Derived files (`summary.json`, `summary.csv`, `report.html`) can be regenerated from these files
//! at any time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use proto::outcome::Interval;
use serde::{Serialize, de::DeserializeOwned};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::plan::Plan;

mod error;
mod hlog;
mod hosts;
mod jsonl;
pub mod record;
#[cfg(test)]
mod tests;

use error::At as _;
pub use error::StoreError;
pub use hosts::HostEntry;
pub use jsonl::Trials;
use record::TrialRecord;

/// The scenario as it was read.
pub const SCENARIO: &str = "scenario.yaml";
/// The plan of the run.
pub const PLAN: &str = "plan.json";
/// The hosts, with fingerprints and capabilities.
pub const HOSTS: &str = "hosts.json";
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
}

impl RunDir {
    /// Makes the directory of a new run and writes the scenario into it. Without `out` it is
    /// `results/<time>-<name>`, and `results/latest` points at it.
    ///
    /// # Errors
    /// The directory cannot be made, or `out` already contains a run.
    pub fn create(out: Option<&Path>, scenario_name: &str, scenario_text: &str) -> Result<Self, StoreError> {
        match out {
            Some(out) => Self::create_at(out, scenario_text),
            None => Self::create_under(
                Path::new("results"),
                OffsetDateTime::now_utc(),
                scenario_name,
                scenario_text,
            ),
        }
    }

    /// Checks that a new run can use this directory.
    ///
    /// # Errors
    /// It already contains a run.
    pub fn check_free(path: &Path) -> Result<(), StoreError> {
        let taken = [SCENARIO, PLAN, TRIALS, HISTOGRAMS].iter().any(|name| path.join(name).exists());
        if taken { Err(StoreError::Taken { path: path.to_owned() }) } else { Ok(()) }
    }

    fn create_at(path: &Path, scenario_text: &str) -> Result<Self, StoreError> {
        Self::check_free(path)?;
        fs::create_dir_all(path).at(path, "make it")?;
        let run = Self { path: path.to_owned() };
        let histograms = run.path.join(HISTOGRAMS);
        // create_dir, not create_dir_all: if two runs start in one directory at once, only one succeeds.
        match fs::create_dir(&histograms) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Taken { path: path.to_owned() });
            }
            made => made.at(&histograms, "make it")?,
        }
        run.replace(SCENARIO, scenario_text.as_bytes())?;
        Ok(run)
    }

    fn create_under(
        root: &Path,
        now: OffsetDateTime,
        scenario_name: &str,
        scenario_text: &str,
    ) -> Result<Self, StoreError> {
        fs::create_dir_all(root).at(root, "make it")?;
        let stamp = now
            .format(format_description!("[year][month][day]T[hour][minute][second]Z"))
            .map_err(io::Error::other)
            .at(root, "name a run by the time")?;
        let base = format!("{stamp}-{}", file_name(scenario_name));
        let mut name = base.clone();
        for suffix in 2.. {
            let path = root.join(&name);
            // create_dir, not create_dir_all: if two runs start in the same second, only one gets the name.
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    name = format!("{base}-{suffix}");
                }
                made => {
                    made.at(&path, "make it")?;
                    break;
                }
            }
        }
        let run = Self::create_at(&root.join(&name), scenario_text)?;
        sync_dir(root)?;
        // The link is a convenience; a failure to make it must not lose the run.
        if let Err(error) = point_latest_at(root, &name) {
            tracing::warn!(path = %root.join("latest").display(), %error, "cannot point it at the new run");
        }
        Ok(run)
    }

    /// Opens an existing run directory for reading and appending.
    ///
    /// # Errors
    /// It is not a run directory.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let run = Self { path: path.to_owned() };
        if !run.path.join(PLAN).is_file() {
            return Err(StoreError::NotARun { path: run.path, missing: PLAN });
        }
        Ok(run)
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
        fs::read_to_string(&path).at(&path, "read it")
    }

    /// Writes `plan.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_plan(&mut self, plan: &Plan) -> Result<(), StoreError> {
        self.write_json(PLAN, plan)
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

    /// Records a trial: its histograms (by index of the host in the record), then its line. Both are on disk
    /// when this returns. Returns the record as written, with edges and file names filled in.
    ///
    /// # Errors
    /// A file cannot be written; earlier records are untouched.
    pub fn append_trial(
        &mut self,
        mut record: TrialRecord,
        histograms: &[(usize, Vec<Interval>)],
    ) -> Result<TrialRecord, StoreError> {
        let started = OffsetDateTime::parse(&record.started_at, &Rfc3339)
            .map_or_else(|_| SystemTime::now(), SystemTime::from);
        for (index, intervals) in histograms {
            let id = record.id.clone();
            let Some(host) = record.hosts.get_mut(*index) else { continue };
            if intervals.is_empty() {
                continue;
            }
            host.histograms = Some(self.write_hlog(&id, &host.host, started, intervals)?);
            // Overwrites the caller's values, because log and edges are read together and must agree.
            host.intervals = hlog::edges(intervals);
        }
        let path = self.path.join(TRIALS);
        let mut line = serde_json::to_vec(&record).map_err(io::Error::other).at(&path, "write it")?;
        line.push(b'\n');
        let new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .at(&path, "open it for appending")?;
        jsonl::mend_end(&mut file).at(&path, "mend its last line")?;
        file.write_all(&line).and_then(|()| file.sync_all()).at(&path, "append to it")?;
        if new {
            sync_dir(&self.path)?;
        }
        Ok(record)
    }

    fn write_hlog(
        &self,
        trial: &str,
        host: &str,
        started: SystemTime,
        intervals: &[Interval],
    ) -> Result<String, StoreError> {
        let stem = format!("{}-{}", file_name(trial), file_name(host));
        let mut name = format!("{HISTOGRAMS}/{stem}.hlog");
        let mut suffix = 2;
        let (path, file) = loop {
            let path = self.path.join(&name);
            // Never overwrites an older log: a repeated trial keeps the log of its first attempt.
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    name = format!("{HISTOGRAMS}/{stem}-{suffix}.hlog");
                    suffix += 1;
                }
                opened => break (path.clone(), opened.at(&path, "make it")?),
            }
        };
        let mut out = io::BufWriter::new(file);
        let written = hlog::write(&mut out, trial, host, started, intervals)
            .and_then(|()| out.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all());
        if written.is_err() {
            // No record will name it, and a full disk needs the space.
            let _ = fs::remove_file(&path);
        }
        written.at(&path, "write it")?;
        sync_dir(&self.path.join(HISTOGRAMS))?;
        Ok(name)
    }

    /// The trials recorded so far, and whether the last line was cut off.
    ///
    /// # Errors
    /// The file cannot be read, or a line other than the last is damaged.
    pub fn read_trials(&self) -> Result<Trials, StoreError> {
        let path = self.path.join(TRIALS);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Trials::default()),
            read => read.at(&path, "read it")?,
        };
        jsonl::parse(&bytes).map_err(|(line, message)| StoreError::Corrupt {
            path,
            place: format!("line {line}"),
            message,
        })
    }

    /// The intervals of a host (by its index in the record): edges and bytes from the record, histograms from
    /// the interval log.
    ///
    /// # Errors
    /// The log cannot be read or does not match the record.
    pub fn intervals(&self, trial: &TrialRecord, host: usize) -> Result<Vec<Interval>, StoreError> {
        let Some(host) = trial.hosts.get(host) else { return Ok(Vec::new()) };
        let Some(name) = &host.histograms else { return Ok(Vec::new()) };
        let path = self.path.join(name);
        let text = fs::read(&path).at(&path, "read it")?;
        hlog::read(&text, &host.intervals).map_err(|(place, message)| StoreError::Corrupt {
            path,
            place,
            message,
        })
    }

    /// Writes a file atomically: to a temporary file, fsynced, then renamed over it.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let beside = self.path.join(format!(".{name}.{}", std::process::id()));
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, &path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written.at(&path, "write it")?;
        sync_dir(&self.path)
    }

    pub(crate) fn write_json(&self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let mut bytes = serde_json::to_vec_pretty(value).map_err(io::Error::other).at(&path, "write it")?;
        bytes.push(b'\n');
        self.replace(name, &bytes)
    }

    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let path = self.path.join(name);
        let bytes = fs::read(&path).at(&path, "read it")?;
        serde_json::from_slice(&bytes).map_err(|error| StoreError::Corrupt {
            path,
            place: format!("line {}", error.line()),
            message: error.to_string(),
        })
    }
}

/// A name that needs no quoting in a shell and cannot leave its directory.
fn file_name(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = text.chars().map(kept).take(100).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "unnamed".into() } else { name.into() }
}

fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|dir| dir.sync_all()).at(path, "write it to disk")
}

/// Points `latest` at a run atomically, so that the link always exists.
fn point_latest_at(root: &Path, name: &str) -> io::Result<()> {
    let beside = root.join(format!(".latest.{}", std::process::id()));
    let _ = fs::remove_file(&beside);
    std::os::unix::fs::symlink(name, &beside)?;
    fs::rename(&beside, root.join("latest")).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}
