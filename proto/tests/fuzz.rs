//! Mutated messages and histograms: each is read or refused, without a panic and without taking memory.
//! `RINGBENCH_FUZZ_CASES` sets the number of cases of each test.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../tests-support/fuzz.rs"]
mod fuzz;

use hdrhistogram::Histogram;
use prost::Message as _;
use proto::{
    histogram,
    outcome::{Direction, Finished, Interval, Ready, Series},
    refusal::{Refusal, SessionRefusal},
    trial::{Engine, EngineKind, FileTarget, Measure, Target, Trial, Workload},
    units::ByteSize,
    wire,
};

fn filled() -> Histogram<u64> {
    let mut latency = histogram::empty();
    for value in 0..50u64 {
        latency.saturating_record_n(value * 997 + 1, value);
    }
    latency
}

fn messages() -> Vec<Vec<u8>> {
    let trial = Trial {
        id: "0001-a".into(),
        seed: 7,
        target: Target::File(FileTarget::new(ByteSize(1 << 20), true)),
        workload: Workload::default(),
        engine: Engine::new(EngineKind::IoUring),
        measure: Measure::Timed,
    };
    let series = vec![Series { direction: Direction::Read, bytes: 9, latency: filled(), service: None }];
    let interval = Interval { index: 1, begin_ns: 2, end_ns: 3, series }.to_wire("t".into()).unwrap();
    vec![
        wire::Trial::from(&trial).encode_to_vec(),
        interval.encode_to_vec(),
        Ready::default().into_wire("t".into()).encode_to_vec(),
        Finished::default().into_wire("t".into()).encode_to_vec(),
        Refusal::from(SessionRefusal::StartTooFar {}).into_wire("t".into()).encode_to_vec(),
    ]
}

/// Reads bytes as each of the messages.
fn read_all(bytes: &[u8]) {
    if let Ok(message) = wire::Trial::decode(bytes) {
        let _ = Trial::try_from(message);
    }
    if let Ok(message) = wire::Interval::decode(bytes) {
        let _ = Interval::try_from(message);
    }
    if let Ok(message) = wire::Ready::decode(bytes) {
        let _ = Ready::try_from(message);
    }
    if let Ok(message) = wire::Finished::decode(bytes) {
        let _ = Finished::try_from(message);
    }
    if let Ok(message) = wire::Failed::decode(bytes) {
        let _ = Refusal::try_from(message);
    }
}

#[test]
fn any_message_is_read_or_refused() {
    fuzz::run("messages", &messages(), read_all);
}

#[test]
fn any_histogram_is_read_or_refused() {
    let samples = [filled(), histogram::empty()].map(|histogram| histogram::encode(&histogram).unwrap());
    fuzz::run("histograms", &samples, |bytes| drop(histogram::decode(bytes)));
}
