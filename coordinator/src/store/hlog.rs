//! Interval histograms as an HdrHistogram interval log: text, one line for each direction of each interval,
//! with the V2 payload deflated and in base64, which the log readers for Java and Python accept.
//!
//! The log's time stamps are rounded to milliseconds by its format. The exact edges of the intervals are in
//! `trials.jsonl`; a log is read together with them. Its wall-clock times assume that the first interval began
//! when the trial was started. They identify a log, but they do not align hosts.

use std::{
    io::{self, Read as _},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::read::ZlibDecoder;
use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag},
    },
};
use proto::{
    histogram,
    outcome::{Direction, Interval},
};

use super::record::IntervalEdges;

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
pub(super) fn service_tag(direction: Direction) -> String {
    format!("{}-service", direction.as_str())
}

/// Decodes a histogram as the log has it: deflated after 8 bytes, the cookie and the length. It is inflated up to the
/// size of a full histogram, so that a few bytes cannot fill the memory.
pub(super) fn decode(encoded: &str) -> Result<Histogram<u64>, String> {
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|error| error.to_string())?;
    let deflated = bytes.get(8..).ok_or("shorter than its header")?;
    let mut inflated = Vec::new();
    let limit = histogram::MAX_ENCODED as u64 + 1;
    ZlibDecoder::new(deflated).take(limit).read_to_end(&mut inflated).map_err(|error| error.to_string())?;
    histogram::decode(&inflated).map_err(|error| error.to_string())
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
