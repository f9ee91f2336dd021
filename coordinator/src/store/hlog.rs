//! Interval histograms as an HdrHistogram interval log: text, one line for each direction of each interval,
//! with the V2 payload deflated and in base64, which the log readers for Java and Python accept.
//!
//! The log's time stamps are rounded to milliseconds by its format. The exact edges of the intervals are in
//! `trials.jsonl`; a log is read together with them. Its wall-clock times assume that the first interval began
//! when the trial was started. They identify a log, but they do not align hosts.

use std::{
    io,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer, V2DeflateSerializer,
        interval_log::{
            IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, IntervalLogWriterError,
            LogEntry, Tag,
        },
    },
};
use proto::{
    histogram::{DIGITS, HIGHEST_NS, LOWEST_NS},
    outcome::{Direction, Interval, Series},
};

use super::record::{HostTrial, IntervalEdges, TrialRecord};

/// The header of the log of a host in a trial.
pub(super) fn head(trial: &str, host: &str, started: SystemTime) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    IntervalLogWriterBuilder::new()
        .add_comment(&format!("trial: {trial}"))
        .add_comment(&format!("host: {host}"))
        .add_comment(
            "unit: ns; tags: read, write, sync, urgent-read, urgent-write, and in open loop their service times (read-service and so on); \
             start and duration in seconds, exact edges in trials.jsonl",
        )
        .with_start_time(started)
        .with_base_time(started)
        .begin_log_with(&mut text, &mut V2DeflateSerializer::new())?;
    Ok(text)
}

/// The lines of an interval. `first_ns` is the beginning of the log's first interval.
pub(super) fn lines(interval: &Interval, first_ns: u64) -> io::Result<Vec<u8>> {
    let (mut head, mut text) = (Vec::new(), Vec::new());
    let mut serializer = V2DeflateSerializer::new();
    IntervalLogWriterBuilder::new().begin_log_with(&mut head, &mut serializer)?;
    let mut log = IntervalLogWriterBuilder::new().begin_log_with(&mut text, &mut serializer)?;
    let start = Duration::from_nanos(interval.begin_ns.saturating_sub(first_ns));
    let duration = Duration::from_nanos(interval.end_ns.saturating_sub(interval.begin_ns));
    for series in &interval.series {
        let service_tag = service_tag(series.direction);
        let service = series.service.iter().map(|service| (service_tag.as_str(), service));
        let latency = (series.direction.as_str(), &series.latency);
        for (tag, histogram) in std::iter::once(latency).chain(service) {
            log.write_histogram(histogram, start, duration, Tag::new(tag)).map_err(|error| match error {
                IntervalLogWriterError::IoError(error) => error,
                IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
            })?;
        }
    }
    // The writer begins every text with a header, which the log already has.
    Ok(text.split_off(head.len()))
}

/// The tag of service times, which follow the latencies of the same operations.
fn service_tag(direction: Direction) -> String {
    format!("{}-service", direction.as_str())
}

/// Reads the log of a host in a trial, joins it with the edges and bytes of the record, and compares both. An error
/// names the place.
pub(super) fn read(
    text: &[u8],
    trial: &TrialRecord,
    host: &HostTrial,
) -> Result<Vec<Interval>, (String, String)> {
    for (key, wanted) in [("trial", &trial.id), ("host", &host.host)] {
        let found = header(text, key);
        if found.as_ref() != Some(wanted) {
            let found = found.unwrap_or_else(|| "none".into());
            return Err(("header".into(), format!("the log is of the {key} {found}, not {wanted}")));
        }
    }
    let intervals = join(text, &host.intervals)?;
    // A log with a checksum is as it was written. In a trial with marks, intervals may be lost; a mark then names them.
    let by_count = trial.counts() && host.histograms_sha256.is_none();
    if let Some(finished) = host.finished.as_ref().filter(|_| by_count) {
        let ops: u64 = intervals.iter().map(Interval::ops).sum();
        if ops != finished.ops() {
            let message = format!("{ops} operations, but the host counted {}", finished.ops());
            return Err(("histograms".into(), message));
        }
    }
    Ok(intervals)
}

/// The value of a comment in the log's header, such as `#trial: 0001-sync`.
fn header(text: &[u8], key: &str) -> Option<String> {
    let start = format!("#{key}: ");
    let comments = text.split(|byte| *byte == b'\n').take_while(|line| line.starts_with(b"#"));
    let mut values = comments.filter_map(|line| line.strip_prefix(start.as_bytes()));
    values.next().map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Joins histograms with edges and bytes.
fn join(text: &[u8], edges: &[IntervalEdges]) -> Result<Vec<Interval>, (String, String)> {
    let mut deserializer = Deserializer::new();
    let mut number = 0;
    let entries = IntervalLogIterator::new(text).filter_map(|entry| match entry {
        Ok(LogEntry::Interval(entry)) => Some(Ok(entry)),
        Ok(_) => None,
        Err(error) => Some(Err(format!("not an interval log: {error:?}"))),
    });
    let mut entries = entries.peekable();
    let mut intervals = Vec::with_capacity(edges.len());
    for edge in edges {
        let mut series = Vec::with_capacity(edge.bytes.len());
        for (direction, bytes) in &edge.bytes {
            number += 1;
            let here = number;
            let place = move |message: String| (format!("histogram {here}"), message);
            let entry = entries.next().ok_or_else(|| place("missing".into()))?.map_err(place)?;
            if entry.tag().map(|tag| tag.as_str()) != Some(direction.as_str()) {
                return Err(place(format!(
                    "interval {} has {}s here, the log has another tag",
                    edge.index,
                    direction.as_str()
                )));
            }
            let latency = decode(&mut deserializer, entry.encoded_histogram()).map_err(place)?;
            let serves = |entry: &Result<IntervalLogHistogram<'_>, String>| {
                entry
                    .as_ref()
                    .is_ok_and(|entry| entry.tag().is_some_and(|tag| tag.as_str() == service_tag(*direction)))
            };
            let service = match entries.next_if(serves) {
                Some(entry) => {
                    number += 1;
                    let entry = entry.map_err(place)?;
                    Some(decode(&mut deserializer, entry.encoded_histogram()).map_err(place)?)
                }
                None => None,
            };
            series.push(Series { direction: *direction, bytes: *bytes, latency, service });
        }
        intervals.push(Interval { index: edge.index, begin_ns: edge.begin_ns, end_ns: edge.end_ns, series });
    }
    match entries.next() {
        None => Ok(intervals),
        Some(_) => Err((format!("histogram {}", number + 1), "more histograms than intervals".into())),
    }
}

fn decode(deserializer: &mut Deserializer, encoded: &str) -> Result<Histogram<u64>, String> {
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|error| error.to_string())?;
    let histogram: Histogram<u64> =
        deserializer.deserialize(&mut bytes.as_slice()).map_err(|error| error.to_string())?;
    // Histograms with other bounds could not be added without loss.
    if (histogram.low(), histogram.high(), histogram.sigfig()) != (LOWEST_NS, HIGHEST_NS, DIGITS) {
        return Err("bounds other than 1 ns to 60 s at 3 digits".into());
    }
    Ok(histogram)
}

/// The part of an interval that goes into the record.
pub(super) fn edges(interval: &Interval) -> IntervalEdges {
    IntervalEdges {
        index: interval.index,
        begin_ns: interval.begin_ns,
        end_ns: interval.end_ns,
        bytes: interval.series.iter().map(|series| (series.direction, series.bytes)).collect(),
    }
}
