//! Records can be read back, and a truncated record affects no other.

use std::fs;

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use proptest::prelude::*;
use proto::outcome::{Direction, Interval, Series};
use tempfile::TempDir;

use super::*;
use crate::{
    analysis::fixture::{Fixture, SCENARIO as TEXT, keep},
    warning::RunWarning,
};

fn interval(index: u32, reads: &[u64], writes: &[u64]) -> Interval {
    let series = |(direction, values): (Direction, &[u64])| {
        let mut latency = proto::histogram::empty();
        values.iter().for_each(|value| latency.saturating_record(*value));
        let service = (direction == Direction::Write).then(|| latency.clone());
        Series { direction, bytes: 4096 * values.len() as u64, latency, service }
    };
    let both = [(Direction::Read, reads), (Direction::Write, writes)];
    let begin_ns = 123_456_789_012 + u64::from(index) * 1_000_000_007;
    let series = both.into_iter().filter(|(_, values)| !values.is_empty()).map(series).collect();
    Interval { index, begin_ns, end_ns: begin_ns + 1_000_000_007, series }
}

fn one_trial() -> (Fixture, TrialRecord) {
    let mut fixture = Fixture::new(&["sync"], &[1], 1, &["local"]);
    fixture.execute(1);
    let record = fixture.run.read_trials().unwrap().records.remove(0);
    (fixture, record)
}

#[test]
fn intervals_can_be_read_back_exactly() {
    let (mut fixture, mut record) = one_trial();
    // A silent interval in between has edges but no line in the log.
    let intervals =
        vec![interval(0, &[1, 2_000, 60_000_000_000], &[7]), interval(1, &[], &[]), interval(2, &[], &[9])];
    record.id = "0099-odd/../name".into();
    let written = keep(&mut fixture.run, record, vec![(0, intervals.clone())]);
    assert_eq!(written.hosts[0].histograms.as_deref(), Some("histograms/0099-odd-..-name-local.hlog"));
    let read = fixture.run.read_trials().unwrap().records.pop().unwrap();
    assert_eq!(read, written);
    assert_eq!(fixture.run.intervals(&read, 0).unwrap(), intervals);
}

#[test]
fn other_readers_can_parse_the_log() {
    let (fixture, record) = one_trial();
    let name = record.hosts[0].histograms.as_deref().unwrap();
    let text = fs::read(fixture.run.path().join(name)).unwrap();
    let head = String::from_utf8_lossy(&text);
    assert!(head.contains("trial: 0001-sync") && head.contains("host: local") && head.contains("unit: ns"));
    let mut tags = Vec::new();
    for entry in IntervalLogIterator::new(&text) {
        if let LogEntry::Interval(entry) = entry.unwrap() {
            tags.push((entry.tag().unwrap().as_str(), entry.start_timestamp(), entry.duration()));
        }
    }
    let half = std::time::Duration::from_millis(500);
    assert_eq!(tags, [("read", std::time::Duration::ZERO, half), ("read", half, half)]);
}

#[test]
fn names_a_damaged_log() {
    let (fixture, record) = one_trial();
    let name = record.hosts[0].histograms.clone().unwrap();
    let path = fixture.run.path().join(&name);
    let text = fs::read_to_string(&path).unwrap();
    for damaged in [text.replace("Tag=read", "Tag=write"), text.replacen("HISTF", "HISTG", 1), String::new()]
    {
        fs::write(&path, damaged).unwrap();
        let error = fixture.run.intervals(&record, 0).unwrap_err();
        assert!(error.to_string().contains(&name) && error.remedy().contains("restore"), "{error}");
    }
}

#[test]
fn a_repeated_trial_keeps_the_older_log() {
    let (mut fixture, record) = one_trial();
    let again = keep(&mut fixture.run, record.clone(), vec![(0, vec![interval(0, &[5], &[])])]);
    assert_eq!(again.hosts[0].histograms.as_deref(), Some("histograms/0001-sync-local-2.hlog"));
    assert_eq!(fixture.run.intervals(&record, 0).unwrap().len(), 2);
}

#[test]
fn reports_and_repairs_a_truncated_line() {
    let (mut fixture, record) = one_trial();
    let path = fixture.run.path().join(TRIALS);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &whole[..50]].concat()).unwrap();
    let trials = fixture.run.read_trials().unwrap();
    assert_eq!(trials.records.len(), 1);
    assert_eq!(trials.torn, Some(RunWarning::TornRecord { line: 2 }));
    fixture.run.append_trial(record.clone()).unwrap();
    assert_eq!(fixture.run.read_trials().unwrap().records.len(), 2);
    // A last line that lacks only its line end is a record.
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    fixture.run.append_trial(record).unwrap();
    assert_eq!(fixture.run.read_trials().unwrap().records.len(), 2);
    // Damage in the middle is an error, because no crash while appending causes it.
    fs::write(&path, [b"{}\n", &whole[..]].concat()).unwrap();
    let error = fixture.run.read_trials().unwrap_err().to_string();
    assert!(error.contains("trials.jsonl: line 1"), "{error}");
}

#[test]
fn names_new_directories() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("results");
    let now = OffsetDateTime::from_unix_timestamp(1_795_335_301).unwrap();
    let first = RunDir::create_under(&root, now, "qd sweep", TEXT).unwrap();
    let second = RunDir::create_under(&root, now, "qd sweep", TEXT).unwrap();
    assert_eq!(first.id(), "20261122T081501Z-qd-sweep");
    assert_eq!(second.id(), "20261122T081501Z-qd-sweep-2");
    assert_eq!(fs::read_link(root.join("latest")).unwrap(), Path::new(&second.id()));
    assert_eq!(second.scenario().unwrap(), TEXT);
    assert!(second.path().join(HISTOGRAMS).is_dir());
    let error = RunDir::create(Some(first.path()), "x", TEXT).unwrap_err();
    assert!(matches!(error, StoreError::Taken { .. }) && error.remedy().contains("--out"), "{error}");
    // Another run has started there but written nothing yet.
    let begun = dir.path().join("begun");
    fs::create_dir_all(begun.join(HISTOGRAMS)).unwrap();
    assert!(matches!(RunDir::create(Some(&begun), "x", TEXT), Err(StoreError::Taken { .. })));
    let error = RunDir::open(&root).unwrap_err();
    assert!(error.to_string().contains("not a run directory"), "{error}");
}

#[test]
fn write_errors_name_the_file_and_the_remedy() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = RunDir::create(Some(&file.join("run")), "x", TEXT).unwrap_err();
    assert!(error.to_string().contains("file/run: cannot make it"), "{error}");
    let full = StoreError::Io {
        path: "/r/trials.jsonl".into(),
        doing: "append to it",
        source: io::Error::from_raw_os_error(28),
    };
    assert!(full.remedy().contains("free space") && full.to_string().contains("/r/trials.jsonl"));
    let denied = StoreError::Io {
        path: "/r/x".into(),
        doing: "write it",
        source: io::ErrorKind::ReadOnlyFilesystem.into(),
    };
    assert!(denied.remedy().contains("writable"));
}

#[test]
fn plan_and_hosts_can_be_read_back() {
    let fixture = Fixture::new(&["sync", "uring"], &[1, 8], 2, &["n1", "n2"]);
    let run = RunDir::open(fixture.run.path()).unwrap();
    assert_eq!(run.plan().unwrap(), fixture.plan);
    assert_eq!(run.hosts().unwrap(), fixture.hosts);
    assert!(run.read_trials().unwrap().records.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_file_truncated_anywhere_keeps_its_complete_lines(lines in 1usize..4, share in 0.0..1.0f64) {
        let record = TrialRecord {
            id: "0001-ü".into(),
            cell: 0,
            arm: "ü".into(),
            params: crate::params::Params::new(),
            block: 1,
            measure: proto::trial::Measure::Timed,
            started_at: String::new(),
            marks: vec![],
            hosts: vec![],
        };
        let line = serde_json::to_string(&record).unwrap() + "\n";
        let text = line.repeat(lines);
        let cut = (text.len() as f64 * share) as usize;
        let trials = jsonl::parse(&text.as_bytes()[..cut]).unwrap();
        // A line that lacks only its line end is complete.
        let whole = (cut + 1) / line.len();
        prop_assert_eq!(trials.records.len(), whole);
        prop_assert_eq!(trials.torn.is_some(), ![cut, cut + 1].iter().any(|at| at.is_multiple_of(line.len())));
    }
}
