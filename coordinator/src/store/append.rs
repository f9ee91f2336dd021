//! Appends trials: first the histograms, then the line that names them.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    time::SystemTime,
};

use proto::outcome::Interval;
use rustix::fs::OFlags;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    HISTOGRAMS, RunDir, TRIALS,
    error::{At as _, StoreError},
    files::{file_name, sync_dir},
    hlog, jsonl,
    record::TrialRecord,
    seal,
};

impl RunDir {
    /// Records a trial: its histograms (by index of the host in the record), then its line. Both are on disk
    /// when this returns. Returns the record as written, with edges, file names and checksums filled in.
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
            let (name, digest) = self.write_hlog(&id, &host.host, started, intervals)?;
            (host.histograms, host.histograms_sha256) = (Some(name), Some(digest));
            // Overwrites the caller's values, because log and edges are read together and must agree.
            host.intervals = hlog::edges(intervals);
        }
        let path = self.path().join(TRIALS);
        let mut line = serde_json::to_vec(&record).map_err(io::Error::other).at(&path, "write it")?;
        seal::seal(&mut line);
        line.push(b'\n');
        let new = !path.exists();
        self.mend()?;
        let mut file = appending().create(true).open(&path).at(&path, "open it for appending")?;
        file.write_all(&line).and_then(|()| file.sync_all()).at(&path, "append to it")?;
        if new {
            sync_dir(self.path())?;
        }
        self.note(None)?;
        Ok(record)
    }

    /// Removes a truncated last line of `trials.jsonl`, so that the next record starts on its own line.
    fn mend(&self) -> Result<(), StoreError> {
        let path = self.path().join(TRIALS);
        match appending().open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => {
                let mut file = opened.at(&path, "open it for appending")?;
                jsonl::mend_end(&mut file).at(&path, "mend its last line")
            }
        }
    }

    /// Removes what a killed coordinator left: a truncated line of `trials.jsonl`, and histograms that no line names.
    ///
    /// # Errors
    /// A file cannot be read or changed.
    pub fn remove_leftovers(&mut self) -> Result<(), StoreError> {
        self.mend()?;
        for name in self.unnamed_logs()? {
            let path = self.path().join(HISTOGRAMS).join(name);
            fs::remove_file(&path).at(&path, "remove it")?;
        }
        Ok(())
    }

    /// Histograms that no trial names: those of a trial that was being recorded when the coordinator was killed.
    pub(super) fn unnamed_logs(&self) -> Result<Vec<String>, StoreError> {
        let records = self.read_trials()?.records;
        let named: BTreeSet<&str> = records
            .iter()
            .flat_map(|record| &record.hosts)
            .filter_map(|host| host.histograms.as_deref())
            .collect();
        let path = self.path().join(HISTOGRAMS);
        let mut unnamed = Vec::new();
        for entry in fs::read_dir(&path).at(&path, "read it")? {
            let name = entry.at(&path, "read it")?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".hlog") && !named.contains(format!("{HISTOGRAMS}/{name}").as_str()) {
                unnamed.push(name);
            }
        }
        unnamed.sort();
        Ok(unnamed)
    }

    /// Writes a log. Returns its name within the directory, and its checksum.
    fn write_hlog(
        &self,
        trial: &str,
        host: &str,
        started: SystemTime,
        intervals: &[Interval],
    ) -> Result<(String, String), StoreError> {
        let stem = format!("{}-{}", file_name(trial), file_name(host));
        let mut name = format!("{HISTOGRAMS}/{stem}.hlog");
        let mut suffix = 2;
        let (path, mut file) = loop {
            let path = self.path().join(&name);
            // Never overwrites an older log: a repeated trial keeps the log of its first attempt.
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    name = format!("{HISTOGRAMS}/{stem}-{suffix}.hlog");
                    suffix += 1;
                }
                opened => break (path.clone(), opened.at(&path, "make it")?),
            }
        };
        let mut text = Vec::new();
        let written = hlog::write(&mut text, trial, host, started, intervals)
            .and_then(|()| file.write_all(&text))
            .and_then(|()| file.sync_all());
        if written.is_err() {
            // No record will name it, and a full disk needs the space.
            let _ = fs::remove_file(&path);
        }
        written.at(&path, "write it")?;
        sync_dir(&self.path().join(HISTOGRAMS))?;
        Ok((name, seal::sha256(&text)))
    }
}

/// Options to append to a file that is not a link.
fn appending() -> OpenOptions {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags(nofollow);
    options
}
