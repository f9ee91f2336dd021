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
    files::sync_dir,
    hlog, jsonl,
    open_log::OpenLog,
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
        let started_at = record.started_at.clone();
        for (index, intervals) in histograms {
            let id = record.id.clone();
            let Some(host) = record.hosts.get_mut(*index) else { continue };
            if intervals.is_empty() {
                continue;
            }
            let (name, digest) = self.finish_log(&id, &host.host, &started_at, intervals)?;
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
        // A log without a record is of a trial that was not kept.
        self.logs.clear();
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

    /// Writes an interval of a running trial to its log.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_interval(
        &mut self,
        trial: &str,
        host: &str,
        started_at: &str,
        interval: &Interval,
    ) -> Result<(), StoreError> {
        let mut log = self.log(trial, host, started_at)?;
        log.add(interval)?;
        self.logs.push(log);
        Ok(())
    }

    /// Completes the log of a host in a trial. Returns its name within the directory, and its checksum.
    fn finish_log(
        &mut self,
        trial: &str,
        host: &str,
        started_at: &str,
        intervals: &[Interval],
    ) -> Result<(String, String), StoreError> {
        let mut log = self.log(trial, host, started_at)?;
        for interval in intervals.iter().skip(log.intervals()) {
            log.add(interval)?;
        }
        log.finish()
    }

    /// Takes the open log of a host in a trial, or makes it.
    fn log(&mut self, trial: &str, host: &str, started_at: &str) -> Result<OpenLog, StoreError> {
        if let Some(open) = self.logs.iter().position(|log| log.is_of(trial, host)) {
            return Ok(self.logs.swap_remove(open));
        }
        let started =
            OffsetDateTime::parse(started_at, &Rfc3339).map_or_else(|_| SystemTime::now(), SystemTime::from);
        OpenLog::create(self.path(), trial, host, started)
    }
}

/// Options to append to a file that is not a link.
fn appending() -> OpenOptions {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags(nofollow);
    options
}
