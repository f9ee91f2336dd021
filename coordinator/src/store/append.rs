//! Appends trials: first the histograms, then the line that names them.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use proto::outcome::Interval;
use rustix::fs::OFlags;

use super::{
    HISTOGRAMS, RunDir, TRIALS,
    error::{At as _, StoreError},
    files::sync_dir,
    jsonl,
    log_writer::{Arrived, LogWriter},
    record::TrialRecord,
    seal,
};

impl RunDir {
    /// Records a trial: completes the logs of its intervals, then writes its line. Both are on disk when this returns.
    /// Returns the record as written, with edges, file names and checksums filled in.
    ///
    /// # Errors
    /// A file cannot be written, or an interval could not; earlier records are untouched.
    pub fn append_trial(&mut self, mut record: TrialRecord) -> Result<TrialRecord, StoreError> {
        if let Some(writer) = self.logs.take() {
            let (writer, mut logs) = writer.finish(&record.id)?;
            self.logs = Some(writer);
            for host in &mut record.hosts {
                let Some(log) = logs.remove(&host.host) else { continue };
                (host.histograms, host.histograms_sha256) = (Some(log.name), Some(log.sha256));
                host.intervals = log.edges;
            }
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

    /// Adds an interval of a running trial to its log. A thread encodes and writes it; this waits while more than a few
    /// intervals are ahead of it.
    ///
    /// # Errors
    /// An interval before this one could not be written.
    pub fn append_interval(
        &mut self,
        trial: &str,
        host: &str,
        started_at: &str,
        interval: Interval,
    ) -> Result<(), StoreError> {
        let writer = match self.logs.take() {
            Some(writer) => writer,
            None => LogWriter::start(self.path())?,
        };
        let (trial, host, started_at) = (trial.to_owned(), host.to_owned(), started_at.to_owned());
        self.logs = Some(writer.add(Arrived { trial, host, started_at, interval })?);
        Ok(())
    }
}

/// Options to append to a file that is not a link.
fn appending() -> OpenOptions {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags(nofollow);
    options
}
