//! Completion paths on the real machine: inline through the page cache, by task work with direct I/O, and by kernel
//! worker threads with force_async. Needs root and perf.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use agent::{
    clock::monotonic_ns,
    counters::{audit::Audited, perf},
    skip::skip,
    topology::Topology,
    worker::{Places, WorkerEvent, WorkerPool},
};
use proto::{
    counters::Counters as _,
    outcome::PathCounts,
    trial::{
        Engine, EngineKind, FileTarget, Measure, QueueOptions, RingOptions, Sharing, Sqpoll, Target, Trial,
        Workload,
    },
    units::{ByteSize, Nanos},
};

const SIZE: u64 = 16 << 20;
const DEPTH: u32 = 16;

/// A file filled with data, on the disk with the build directory.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let mut file = File::create(&path).unwrap();
        file.write_all(&(0..SIZE).map(|at| (at % 251) as u8).collect::<Vec<_>>()).unwrap();
        file.sync_all().unwrap();
        Self(path)
    }

    fn open(&self, direct: bool) -> std::io::Result<OwnedFd> {
        let flags = if direct { libc::O_DIRECT } else { 0 };
        OpenOptions::new().read(true).custom_flags(flags).open(&self.0).map(Into::into)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs an audit of one or more workers, each with its own open file.
fn audit(engine: Engine, threads: u32, open: impl Fn() -> OwnedFd) -> Result<Vec<(Audited, u64)>, String> {
    let trial = Arc::new(Trial {
        id: "audit".into(),
        seed: 1,
        target: Target::File(FileTarget::new(ByteSize(SIZE), false)),
        workload: Workload {
            threads,
            warmup: Nanos(400_000_000),
            runtime: Nanos(300_000_000),
            ..Workload::default()
        },
        engine,
        measure: Measure::Audit,
    });
    // One at a time, because polling threads use much CPU time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let files = (0..threads).map(|_| open()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let topology = Topology::discover().unwrap();
        let cpus = |at: usize| vec![topology.cpus[at % topology.cpus.len()].id; threads as usize];
        let (workers, pollers) = (cpus(0), cpus(1));
        let places = Places { workers: &workers, pollers: &pollers, combiner: None };
        let mut pool = WorkerPool::launch(&trial, SIZE, files, places).unwrap();
        let (mut ready, mut reports) = (0, Vec::new());
        // Kept until the end: workers put their slices there.
        let mut slices = Vec::new();
        while reports.len() < pool.reports() {
            match pool.event().await.unwrap() {
                WorkerEvent::Ready(built) => {
                    let missing: Vec<_> = built.warnings.iter().map(|warning| warning.code()).collect();
                    eprintln!("worker {ready}: {missing:?}");
                    slices.push(built.slices);
                    ready += 1;
                    if ready == threads {
                        pool.start(monotonic_ns());
                    }
                }
                WorkerEvent::Done(done) => {
                    let report = done.map_err(|refusal| refusal.message())?;
                    let window = report.window.unwrap();
                    reports.push((window.audit, window.counts.syscalls.iter().map(|(_, count)| count).sum()));
                }
            }
        }
        Ok(reports)
    })
}

/// The paths of all workers' requests. Asserts that perf and the engine count the same calls.
#[track_caller]
fn paths(name: &str, audits: &[(Audited, u64)]) -> PathCounts {
    let mut sum = PathCounts::default();
    for (audit, own) in audits {
        sum.add(&audit.counts.paths.expect("recorded"));
        let counted = audit.counts.perf.as_ref().unwrap().syscalls_total;
        // A thread that is preempted between a call and its count may carry a few over an edge of the window.
        assert!(
            counted.abs_diff(*own) <= 8 + own / 100,
            "{name}: perf counted {counted} calls, the engine {own}"
        );
    }
    eprintln!("{name}: {sum:?}");
    assert!(sum.followed() > 50, "{name}: {sum:?}");
    assert_eq!(sum.lost, 0, "{name}");
    sum
}

fn punts(audits: &[(Audited, u64)]) -> u64 {
    audits.iter().map(|(audit, _)| audit.counts.perf.as_ref().unwrap().punted_to_io_wq.unwrap()).sum()
}

fn share(part: u64, counts: PathCounts) -> f64 {
    part as f64 / counts.followed() as f64
}

fn ring() -> Engine {
    Engine { queue: QueueOptions::of_depth(DEPTH), ..Engine::new(EngineKind::IoUring) }
}

/// Whether perf is available.
fn can_watch() -> bool {
    let capability = perf::self_test();
    if !capability.available {
        skip(&format!("perf: {}", capability.detail));
    }
    capability.available
}

#[test]
fn cached_reads_complete_inline() {
    if !can_watch() {
        return;
    }
    let scratch = Scratch::new("warm");
    let deferred =
        Engine { ring: RingOptions { single_issuer: true, defer_taskrun: true, ..ring().ring }, ..ring() };
    for (name, engine) in
        [("warm", ring()), ("warm, deferred", deferred), ("nop", Engine { kind: EngineKind::Nop, ..ring() })]
    {
        let attempt = || -> Result<(bool, PathCounts), String> {
            let warm = std::fs::read(&scratch.0).unwrap();
            assert_eq!(warm.len() as u64, SIZE);
            let audits = audit(engine.clone(), 1, || scratch.open(false).unwrap())?;
            let counts = paths(name, &audits);
            assert_eq!(punts(&audits), 0, "{name}");
            Ok((share(counts.inline, counts) > 0.99, counts))
        };
        // The kernel may reclaim pages in the meantime (DAMON does so proactively), which are then read from the disk.
        // This is unlikely to happen in every attempt.
        let mut outcome = attempt();
        for _ in 0..2 {
            if matches!(outcome, Ok((false, _))) {
                outcome = attempt();
            }
        }
        match outcome {
            Ok((inline, counts)) => assert!(inline, "{name}: {counts:?}"),
            Err(why) => return skip(&why),
        }
    }
}

#[test]
fn direct_reads_complete_by_task_work() {
    if !can_watch() {
        return;
    }
    let scratch = Scratch::new("direct");
    if let Err(error) = scratch.open(true) {
        return skip(&format!("no direct I/O in the build directory: {error}"));
    }
    let deferred =
        Engine { ring: RingOptions { single_issuer: true, defer_taskrun: true, ..ring().ring }, ..ring() };
    for (name, engine) in [("direct", ring()), ("direct, deferred", deferred)] {
        let audits = audit(engine, 1, || scratch.open(true).unwrap()).unwrap();
        let counts = paths(name, &audits);
        // Requests that would wait for a full device queue go to io-wq, and are counted as punted.
        assert!(share(counts.task_work, counts) > 0.9, "{name}: {counts:?}");
        assert_eq!(counts.polled, 0, "{name}");
    }
}

#[test]
fn forced_requests_are_punted_by_every_submitter() {
    if !can_watch() {
        return;
    }
    let scratch = Scratch::new("forced");
    let forced = Engine { ring: RingOptions { force_async: true, ..ring().ring }, ..ring() };
    let polled =
        Engine { ring: RingOptions { sqpoll: Some(Sqpoll::default()), ..forced.ring }, ..forced.clone() };
    let shared = Engine {
        ring: RingOptions { sqpoll: Some(Sqpoll { shared: true, ..Sqpoll::default() }), ..forced.ring },
        ..forced.clone()
    };
    let combined =
        Engine { ring: RingOptions { sharing: Sharing::Combiner, ..forced.ring }, ..forced.clone() };
    let one_ring = Engine { ring: RingOptions { sharing: Sharing::Shared, ..polled.ring }, ..polled.clone() };
    for (name, engine, threads) in [
        ("forced", forced, 2),
        ("forced, SQPOLL", polled, 1),
        ("forced, SQPOLL shared", shared, 2),
        ("forced, combiner", combined, 2),
        ("forced, SQPOLL of one ring", one_ring, 2),
    ] {
        let audits = match audit(engine, threads, || scratch.open(false).unwrap()) {
            Ok(audits) => audits,
            Err(why) => return skip(&why),
        };
        let counts = paths(name, &audits);
        assert!(share(counts.punted, counts) > 0.99, "{name}: {counts:?}");
        assert!(punts(&audits) > 50, "{name}: punted requests are counted on the submitting thread");
    }
}

#[test]
fn a_polling_thread_completes_cached_reads_inline() {
    if !can_watch() {
        return;
    }
    let scratch = Scratch::new("sqpoll");
    let engine = Engine { ring: RingOptions { sqpoll: Some(Sqpoll::default()), ..ring().ring }, ..ring() };
    for (name, direct) in [("SQPOLL, warm", false), ("SQPOLL, direct", true)] {
        if let Err(error) = scratch.open(direct) {
            return skip(&format!("no direct I/O in the build directory: {error}"));
        }
        let audits = audit(engine.clone(), 1, || scratch.open(direct).unwrap()).unwrap();
        let counts = paths(name, &audits);
        let part = if direct { counts.task_work } else { counts.inline };
        assert!(share(part, counts) > 0.9, "{name}: {counts:?}");
    }
}
