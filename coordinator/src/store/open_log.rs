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
    files::file_name,
    hlog,
    record::IntervalEdges,
    seal,
};

/// The log of a host in a trial. Each interval is in the file when [`OpenLog::add`] returns.
#[derive(Debug)]
pub(super) struct OpenLog {
    /// The file within the run directory.
    name: String,
    path: PathBuf,
    file: File,
    digest: Sha256,
    edges: Vec<IntervalEdges>,
}

/// A log that is complete and on the disk.
#[derive(Debug)]
pub(super) struct FinishedLog {
    /// The file within the run directory.
    pub(super) name: String,
    pub(super) sha256: String,
    /// The edges of its intervals.
    pub(super) edges: Vec<IntervalEdges>,
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
        let mut log = Self { name, path, file, digest: Sha256::new(), edges: Vec::new() };
        log.write(hlog::head(trial, host, started))?;
        Ok(log)
    }

    /// Appends an interval.
    pub(super) fn add(&mut self, interval: &Interval) -> Result<(), StoreError> {
        let first_ns = self.edges.first().map_or(interval.begin_ns, |first| first.begin_ns);
        self.write(hlog::lines(interval, first_ns))?;
        self.edges.push(hlog::edges(interval));
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

    /// Writes its contents to the disk. The directory is synced once for all logs.
    pub(super) fn finish(self) -> Result<FinishedLog, StoreError> {
        self.or_remove(self.file.sync_all())?;
        Ok(FinishedLog { name: self.name, sha256: seal::hex(self.digest), edges: self.edges })
    }
}
