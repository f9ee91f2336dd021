//! Reads the log of a host in a trial interval by interval, joins it with the edges and bytes of the record, and compares
//! both. Only one interval is in memory at a time, because a trial may have any number of them.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read as _, Seek as _},
    path::Path,
};

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use proto::outcome::{Interval, Series};
use sha2::{Digest as _, Sha256};

use super::{
    error::{At as _, StoreError},
    hlog,
    record::{HostTrial, IntervalEdges, TrialRecord},
    seal,
};

/// The longest line: a full histogram takes less.
const MAX_LINE: u64 = 1 << 20;

/// An error in a log, and its place.
type Fault = (String, String);

/// A histogram of the log, still encoded.
struct Entry {
    tag: String,
    encoded: String,
}

/// The lines of a log.
struct Lines<R> {
    text: R,
    line: Vec<u8>,
    /// An entry that was read but not taken.
    ahead: Option<Entry>,
    /// Histograms read.
    number: usize,
}

/// Passes the intervals of a log to `visit`, in order. The log must name the trial and the host, and have the checksum in
/// the record, or contain as many operations as the host counted if an earlier release recorded no checksum.
pub(super) fn read(
    path: &Path,
    trial: &TrialRecord,
    host: &HostTrial,
    visit: &mut dyn FnMut(Interval),
) -> Result<(), StoreError> {
    if !fs::metadata(path).at(path, "read it")?.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput)).at(path, "read it");
    }
    let mut file = File::open(path).at(path, "read it")?;
    if let Some(known) = &host.histograms_sha256 {
        let mut digest = Sha256::new();
        io::copy(&mut file, &mut digest).and_then(|_| file.rewind()).at(path, "read it")?;
        if seal::hex(digest) != *known {
            return Err(StoreError::changed(path.to_owned(), "contents"));
        }
    }
    let mut lines = Lines { text: BufReader::new(file), line: Vec::new(), ahead: None, number: 0 };
    lines.join(trial, host, visit).map_err(|(place, message)| StoreError::Corrupt {
        path: path.to_owned(),
        place,
        message,
    })
}

impl<R: BufRead> Lines<R> {
    fn join(
        &mut self,
        trial: &TrialRecord,
        host: &HostTrial,
        visit: &mut dyn FnMut(Interval),
    ) -> Result<(), Fault> {
        self.check_header(trial, host)?;
        let mut ops = 0;
        for edge in &host.intervals {
            let interval = self.interval(edge)?;
            ops += interval.ops();
            visit(interval);
        }
        if self.next()?.is_some() {
            let place = format!("histogram {}", self.number + 1);
            return Err((place, "more histograms than intervals".into()));
        }
        // A log with a checksum is as it was written. In a trial with marks, intervals may be lost; a mark then names
        // them.
        let by_count = trial.counts() && host.histograms_sha256.is_none();
        match host.finished.as_ref().filter(|finished| by_count && ops != finished.ops()) {
            Some(finished) => {
                let message = format!("{ops} operations, but the host counted {}", finished.ops());
                Err(("histograms".into(), message))
            }
            None => Ok(()),
        }
    }

    /// The comments at the beginning name the trial and the host.
    fn check_header(&mut self, trial: &TrialRecord, host: &HostTrial) -> Result<(), Fault> {
        let (mut of_trial, mut of_host) = (None, None);
        while self.read_line()? && self.line.starts_with(b"#") {
            let line = String::from_utf8_lossy(&self.line).into_owned();
            for (key, value) in [("#trial: ", &mut of_trial), ("#host: ", &mut of_host)] {
                if let (Some(found), None) = (line.trim_end().strip_prefix(key), &value) {
                    *value = Some(found.to_owned());
                }
            }
        }
        self.ahead = self.entry()?;
        for (key, wanted, found) in [("trial", &trial.id, of_trial), ("host", &host.host, of_host)] {
            if found.as_ref() != Some(wanted) {
                let found = found.unwrap_or_else(|| "none".into());
                return Err(("header".into(), format!("the log is of the {key} {found}, not {wanted}")));
            }
        }
        Ok(())
    }

    /// Reads the histograms of an interval.
    fn interval(&mut self, edge: &IntervalEdges) -> Result<Interval, Fault> {
        let mut series = Vec::with_capacity(edge.bytes.len());
        for (direction, bytes) in &edge.bytes {
            let name = direction.as_str();
            let Some(entry) = self.next()? else {
                return Err((format!("histogram {}", self.number + 1), "missing".into()));
            };
            self.number += 1;
            if entry.tag != name {
                let message = format!("interval {} has {name}s here, the log has another tag", edge.index);
                return Err(self.here(message));
            }
            let latency = self.decode(&entry)?;
            let service = match self.next()? {
                Some(entry) if entry.tag == hlog::service_tag(*direction) => {
                    self.number += 1;
                    Some(self.decode(&entry)?)
                }
                other => {
                    self.ahead = other;
                    None
                }
            };
            series.push(Series { direction: *direction, bytes: *bytes, latency, service });
        }
        let IntervalEdges { index, begin_ns, end_ns, .. } = *edge;
        Ok(Interval { index, begin_ns, end_ns, series })
    }

    fn decode(&self, entry: &Entry) -> Result<hdrhistogram::Histogram<u64>, Fault> {
        hlog::decode(&entry.encoded).map_err(|message| self.here(message))
    }

    fn here(&self, message: String) -> Fault {
        (format!("histogram {}", self.number), message)
    }

    /// The next histogram; `None` at the end.
    fn next(&mut self) -> Result<Option<Entry>, Fault> {
        if let Some(entry) = self.ahead.take() {
            return Ok(Some(entry));
        }
        while self.read_line()? {
            if let Some(entry) = self.entry()? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The histogram of the current line; `None` if it has none.
    fn entry(&self) -> Result<Option<Entry>, Fault> {
        let place = |message: String| (format!("histogram {}", self.number + 1), message);
        match IntervalLogIterator::new(&self.line).next() {
            Some(Ok(LogEntry::Interval(entry))) => Ok(Some(Entry {
                tag: entry.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default(),
                encoded: entry.encoded_histogram().to_owned(),
            })),
            Some(Ok(_)) | None => Ok(None),
            Some(Err(error)) => Err(place(format!("not an interval log: {error:?}"))),
        }
    }

    /// Reads a line; `false` at the end.
    fn read_line(&mut self) -> Result<bool, Fault> {
        self.line.clear();
        let read = self.text.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line);
        match read {
            Ok(length) if length as u64 == MAX_LINE => {
                Err((format!("histogram {}", self.number + 1), "the line has no end".into()))
            }
            Ok(length) => Ok(length > 0),
            Err(error) => Err((format!("histogram {}", self.number + 1), error.to_string())),
        }
    }
}
