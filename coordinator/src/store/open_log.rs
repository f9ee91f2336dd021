//! An interval log that is written while its trial runs.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use proto::outcome::Interval;
use sha2::{Digest as _, Sha256};

use super::{
    HISTOGRAMS,
    error::{At as _, StoreError},
    files::{file_name, sync_dir},
    hlog, seal,
};

/// The log of a host in a trial. Each interval is in the file when [`OpenLog::add`] returns.
#[derive(Debug)]
pub(super) struct OpenLog {
    trial: String,
    host: String,
    /// The file within the run directory.
    name: String,
    path: PathBuf,
    file: File,
    digest: Sha256,
    /// The beginning of the first interval.
    first_ns: Option<u64>,
    intervals: usize,
}

impl OpenLog {
    /// Makes the log in a run directory. An older log is never overwritten: a repeated trial keeps that of its first
    /// attempt.
    pub(super) fn create(
        directory: &Path,
        trial: &str,
        host: &str,
        started: SystemTime,
    ) -> Result<Self, StoreError> {
        let stem = format!("{}-{}", file_name(trial), file_name(host));
        let mut name = format!("{HISTOGRAMS}/{stem}.hlog");
        let mut suffix = 2;
        let (path, file) = loop {
            let path = directory.join(&name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    name = format!("{HISTOGRAMS}/{stem}-{suffix}.hlog");
                    suffix += 1;
                }
                opened => break (path.clone(), opened.at(&path, "make it")?),
            }
        };
        let (trial, host) = (trial.to_owned(), host.to_owned());
        let (digest, first_ns, intervals) = (Sha256::new(), None, 0);
        let mut log = Self { trial, host, name, path, file, digest, first_ns, intervals };
        let head = hlog::head(&log.trial, &log.host, started);
        log.write(head)?;
        Ok(log)
    }

    /// Whether it is the log of this host in this trial.
    pub(super) fn is_of(&self, trial: &str, host: &str) -> bool {
        (self.trial.as_str(), self.host.as_str()) == (trial, host)
    }

    /// The number of intervals in it.
    pub(super) fn intervals(&self) -> usize {
        self.intervals
    }

    /// Appends an interval.
    pub(super) fn add(&mut self, interval: &Interval) -> Result<(), StoreError> {
        let first_ns = *self.first_ns.get_or_insert(interval.begin_ns);
        self.write(hlog::lines(interval, first_ns))?;
        self.intervals += 1;
        Ok(())
    }

    fn write(&mut self, text: io::Result<Vec<u8>>) -> Result<(), StoreError> {
        let written = text.and_then(|text| {
            self.digest.update(&text);
            self.file.write_all(&text)
        });
        self.or_remove(written)
    }

    /// Removes the file after an error: no record will name it, and a full disk needs the space.
    fn or_remove(&self, written: io::Result<()>) -> Result<(), StoreError> {
        if written.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        written.at(&self.path, "write it")
    }

    /// Writes it to the disk. Returns its name within the run directory, and its checksum.
    pub(super) fn finish(self) -> Result<(String, String), StoreError> {
        self.or_remove(self.file.sync_all())?;
        if let Some(parent) = self.path.parent() {
            sync_dir(parent)?;
        }
        Ok((self.name, seal::hex(self.digest)))
    }
}
