//! Tests of the ledger with synthetic requests, and of worker pools on damaged files.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    sync::Arc,
    time::Duration,
};

use proto::{
    trial::{self, BlockSizes, EngineKind, FileTarget, Measure, Target, Workload},
    units::{ByteSize, Nanos},
};

use super::*;
use crate::{
    clock::monotonic_ns,
    stream::Merger,
    worker::{Places, WorkerEvent, WorkerPool},
};

const SIZE: u64 = 4 << 20;

fn trial(kind: EngineKind, change: impl FnOnce(&mut Trial)) -> Arc<Trial> {
    let mut trial = Trial {
        id: "0001-verified".into(),
        seed: 7,
        target: Target::File(FileTarget::new(ByteSize(SIZE), false)),
        workload: Workload {
            read_percent: 50,
            warmup: Nanos(10_000_000),
            runtime: Nanos(100_000_000),
            verify: true,
            ..Workload::default()
        },
        engine: trial::Engine { queue: trial::QueueOptions::of_depth(32), ..trial::Engine::new(kind) },
        measure: Measure::Timed,
    };
    change(&mut trial);
    trial.validate().unwrap();
    Arc::new(trial)
}

/// A file filled like a target.
fn filled(trial: &Trial) -> File {
    let file = tempfile::tempfile().unwrap();
    for offset in (0..SIZE).step_by(SECTOR) {
        let mut sector = [0x5a; SECTOR];
        codec::write(&mut sector, codec::Stamp { mark: mark(trial), offset, sequence: 0 });
        file.write_all_at(&sector, offset).unwrap();
    }
    file
}

/// Runs a pool of workers on a file that `damage` modifies during the run. Returns the outcome and the number of
/// writes.
async fn run(trial: &Arc<Trial>, file: &File, damage: impl FnOnce(&File)) -> Option<(Outcome, u64)> {
    let files: Vec<OwnedFd> = (0..trial.workers()).map(|_| file.try_clone().unwrap().into()).collect();
    let workers = vec![0; trial.workers() as usize];
    let places = Places { workers: &workers, pollers: &[], combiner: None };
    let mut pool = WorkerPool::launch(trial, SIZE, files, places).unwrap();
    let mut slices = Vec::new();
    while slices.len() < trial.workers() as usize {
        match pool.event().await {
            Some(WorkerEvent::Ready(built)) => slices.push(built.slices),
            Some(WorkerEvent::Done(Err(refusal)))
                if ["ring-refused", "aio-refused"].contains(&refusal.code()) =>
            {
                crate::skip::skip(&refusal.message());
                return None;
            }
            _ => panic!("not ready"),
        }
    }
    pool.start(monotonic_ns());
    tokio::time::sleep(Duration::from_millis(50)).await;
    damage(file);
    let (mut sum, mut done, mut writes) = (Outcome::default(), 0, 0);
    while done < trial.workers() {
        if let Some(WorkerEvent::Done(report)) = pool.event().await {
            let report = report.unwrap();
            assert_eq!(report.errors, []);
            assert_eq!(report.tally.short, 0);
            writes += report.tally.ops[1];
            sum.add(&report.verified.unwrap());
            done += 1;
        }
    }
    let recorded: u64 = Merger::new(slices).poll().iter().map(proto::outcome::Interval::ops).sum();
    assert!(recorded > 0);
    assert_eq!(pool.read_back(), SIZE, "the whole target is read back");
    Some((sum, writes))
}

#[tokio::test]
async fn intact_data_verifies_with_every_engine() {
    for kind in [EngineKind::Psync, EngineKind::Pvsync2, EngineKind::Libaio, EngineKind::IoUring] {
        let trial = trial(kind, |trial| {
            trial.workload.threads = 2;
            trial.workload.block_size =
                BlockSizes::new(vec![(ByteSize(4096), 60), (ByteSize(512), 30), (ByteSize(32 << 10), 10)]);
        });
        let Some((outcome, writes)) = run(&trial, &filled(&trial), |_| {}).await else { continue };
        assert!(writes > 100, "{kind}: {writes} writes");
        assert!(outcome.counts.sectors > SIZE / SECTOR as u64, "{kind}: {outcome:?}");
        assert_eq!(outcome.counts.failures, 0, "{kind}: {:?}", outcome.warning("t"));
    }
}

#[tokio::test]
async fn intact_data_verifies_at_depth_32_with_contended_blocks() {
    // A skewed distribution, so that many operations need a block that is in flight.
    let trial = trial(EngineKind::IoUring, |trial| {
        trial.workload.runtime = Nanos(1_000_000_000);
        trial.workload.pattern = trial::Pattern::Zipf;
        trial.workload.sync = Some(trial::Sync { every: 64, call: trial::SyncCall::Fdatasync });
        trial.engine.ring.link_sync = true;
    });
    let Some((outcome, writes)) = run(&trial, &filled(&trial), |_| {}).await else { return };
    assert!(writes > 1000, "{writes} writes");
    assert_eq!(outcome.counts.failures, 0, "{:?}", outcome.warning("t"));
}

#[tokio::test]
async fn a_changed_byte_is_detected_and_located() {
    // Only reads, so that no write repairs the damage.
    let trial = trial(EngineKind::Psync, |trial| trial.workload.read_percent = 100);
    let at = 1_234_567u64;
    let damage = |file: &File| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
    };
    let (outcome, _) = run(&trial, &filled(&trial), damage).await.unwrap();
    assert!(outcome.counts.failures >= 1);
    let first = outcome.first[0];
    assert_eq!((first.offset, first.found), (at / 512 * 512, Found::Damaged));
    let warning = outcome.warning("0001-verified").unwrap();
    assert_eq!(warning.code(), "verify-failed");
    let place = "at offset 1234432 (bytes 1536 to 2047 of block 301 of 4KiB) the checksum does not match";
    assert!(
        warning.message().contains(place) && warning.message().contains("sequence 0 was written"),
        "{warning:?}"
    );
}

#[tokio::test]
async fn swapped_blocks_are_detected() {
    let trial = trial(EngineKind::Psync, |trial| trial.workload.read_percent = 100);
    let swap = |file: &File| {
        let (mut a, mut b) = ([0; 4096], [0; 4096]);
        file.read_exact_at(&mut a, 8192).unwrap();
        file.read_exact_at(&mut b, 40960).unwrap();
        file.write_all_at(&b, 8192).unwrap();
        file.write_all_at(&a, 40960).unwrap();
    };
    let (outcome, _) = run(&trial, &filled(&trial), swap).await.unwrap();
    // Reading back finds at least the eight sectors of each block.
    assert!(outcome.counts.failures >= 16, "{outcome:?}");
    let first = outcome.first[0];
    let pair = (first.block, first.found);
    let of = |place: u64, other: u64| {
        (place..place + 4096).contains(&first.offset)
            && pair == (place, Found::Misplaced { from: first.offset - place + other })
    };
    assert!(of(8192, 40960) || of(40960, 8192), "{first:?}");
}

#[tokio::test]
async fn a_write_only_trial_is_read_back() {
    // The trial never writes the last block, so its damage must be found by reading back.
    let trial = trial(EngineKind::Psync, |trial| {
        trial.workload.read_percent = 0;
        trial.workload.pattern = trial::Pattern::Sequential;
        trial.workload.rate = Some(trial::Rate { per_second: 1000, arrival: trial::Arrival::Fixed });
    });
    // At 1,000 writes per second, about 110 of the 1,024 blocks are written, from the first on.
    let (outcome, _) =
        run(&trial, &filled(&trial), |file| file.write_all_at(&[0; 4096], SIZE - 4096).unwrap())
            .await
            .unwrap();
    assert_eq!((outcome.counts.failures, outcome.first[0].found), (8, Found::Zeros));
    assert_eq!((outcome.counts.sectors, outcome.first[0].offset), (SIZE / 512, SIZE - 4096));
}

#[test]
fn a_lost_write_is_detected_and_a_failed_write_may_leave_either_version() {
    let share = 0..16384;
    let mut ledger = Ledger::new(1, &share, 4096);
    let write = Op::new(OpKind::Write, 4096, 4096);
    let read = Op { kind: OpKind::Read, ..write };
    let (mut old, mut new, mut newer) = (vec![1; 4096], vec![2; 4096], vec![3; 4096]);
    for data in [&mut old, &mut new] {
        ledger.begin(write, data);
        assert!(ledger.busy(write) && ledger.busy(read), "one request per block");
        ledger.written(write, true);
    }
    let found = |ledger: &mut Ledger, data: &[u8]| {
        let mut outcome = Outcome::new();
        ledger.begin(read, &mut []);
        ledger.read(read, Some(data), &mut outcome);
        assert!(!ledger.busy(read));
        (outcome.counts.failures, outcome.first.first().map(|fault| (fault.found, fault.expected)))
    };
    assert_eq!(found(&mut ledger, &new), (0, None));
    assert_eq!(found(&mut ledger, &old), (8, Some((Found::Sequence(1), 2))));
    ledger.begin(write, &mut newer);
    ledger.written(write, false);
    let mut half = newer.clone();
    half[1024..].copy_from_slice(&new[1024..]);
    for either in [&new, &newer, &half] {
        assert_eq!(found(&mut ledger, either), (0, None));
    }
    // A later successful write makes the contents definite again.
    ledger.begin(write, &mut newer);
    ledger.written(write, true);
    assert_eq!(found(&mut ledger, &new), (8, Some((Found::Sequence(2), 4))));
    let other = Ledger::new(2, &share, 4096);
    let mut outcome = Outcome::new();
    other.check(4096..8192, &newer, &mut outcome);
    assert_eq!(outcome.first[0].found, Found::OtherTrial);
}
