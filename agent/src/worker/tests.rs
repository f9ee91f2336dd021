//! Tests of worker pools on real files.

use std::{io::Write as _, os::fd::OwnedFd, sync::Arc, time::Duration};

use proto::{
    counters::Counters as _,
    outcome::{HandoverCosts, LockCosts, Refusal, SharingCosts},
    trial::{self, Concurrency, EngineKind, FileTarget, Measure, Sharing, Target, Trial, Workload},
    units::{ByteSize, Nanos},
};

use super::*;
use crate::{clock, stream::Merger, topology};

fn trial(engine: trial::Engine) -> Arc<Trial> {
    Arc::new(Trial {
        id: "t".into(),
        seed: 1,
        target: Target::File(FileTarget::new(ByteSize(1 << 20), false)),
        workload: Workload { warmup: Nanos(5_000_000), runtime: Nanos(60_000_000), ..Workload::default() },
        engine,
        measure: Measure::Timed,
    })
}

fn files(count: u32) -> Vec<OwnedFd> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 1 << 20]).unwrap();
    (0..count).map(|_| file.try_clone().unwrap().into()).collect()
}

fn on(cpus: &[u32]) -> Places<'_> {
    Places { workers: cpus, pollers: &[], combiner: None }
}

/// Runs a worker pool to its end, as the service does.
async fn run(trial: &Arc<Trial>, size: u64, stop_early: bool) -> Result<(Vec<Report>, u64, usize), Refusal> {
    let workers = trial.workers();
    // Tests with several threads on one CPU stay off the CPUs of tests that measure time.
    let cpus = topology::Topology::discover().unwrap().cpus;
    let cpu = if trial.engine.ring.sharing == Sharing::PerThread { 0 } else { cpus[cpus.len() - 1].id };
    let cpus = vec![cpu; workers as usize];
    let places = Places { combiner: Some((cpu, false)), ..on(&cpus) };
    let mut pool = WorkerPool::launch(trial, size, files(workers), places)?;
    let mut slices = Vec::new();
    while slices.len() < workers as usize {
        match pool.event().await {
            Some(WorkerEvent::Ready(built)) => slices.push(built.slices),
            Some(WorkerEvent::Done(done)) => return done.map(|report| (vec![report], 0, 0)),
            None => break,
        }
    }
    pool.start(clock::monotonic_ns());
    if stop_early {
        while pool.release().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        pool.stop();
    }
    let mut reports = Vec::new();
    while reports.len() < pool.reports() {
        if let Some(WorkerEvent::Done(done)) = pool.event().await {
            reports.push(done?);
        }
    }
    let intervals = Merger::new(slices).poll();
    Ok((reports, intervals.iter().map(proto::outcome::Interval::ops).sum(), intervals.len()))
}

#[tokio::test]
async fn every_engine_records_every_operation_of_its_window() {
    for kind in [
        EngineKind::Null,
        EngineKind::Nop,
        EngineKind::Psync,
        EngineKind::Pvsync2,
        EngineKind::Libaio,
        EngineKind::IoUring,
    ] {
        let engine = trial::Engine { queue: trial::QueueOptions::of_depth(8), ..trial::Engine::new(kind) };
        let (reports, recorded, intervals) = match run(&trial(engine), 1 << 20, false).await {
            Ok(done) => done,
            Err(refusal) if ["ring-refused", "aio-refused"].contains(&refusal.code()) => {
                crate::skip::skip(&format!("{kind}: {refusal}"));
                continue;
            }
            Err(refusal) => panic!("{kind}: {refusal:?}"),
        };
        let window = reports[0].window.clone().unwrap();
        let length = window.end_ns - window.begin_ns;
        assert!((60_000_000..200_000_000).contains(&length), "{kind}: {length} ns");
        assert!(!window.cut_short);
        let ops: u64 = reports[0].tally.ops.iter().sum();
        assert!(ops > 100, "{kind}: {ops} operations");
        assert_eq!(recorded, ops, "{kind}: every operation is in an interval");
        // Slices of 15 ms; a worker that is delayed past an edge merges two into one.
        assert!((1..=4).contains(&intervals), "{kind}: {intervals} intervals");
        assert_eq!(reports[0].errors, []);
        let calls: u64 = window.counts.syscalls.iter().map(|(_, count)| count).sum();
        match kind {
            EngineKind::Null => assert_eq!(calls, 0),
            EngineKind::Psync | EngineKind::Pvsync2 => {
                assert!(calls.abs_diff(ops) <= 1, "{kind}: {calls} calls for {ops} operations");
            }
            _ => assert!(
                calls >= ops / 8 && calls <= 2 * ops + 8,
                "{kind}: {calls} calls for {ops} operations"
            ),
        }
    }
}

#[tokio::test]
async fn open_loop_keeps_the_rate_with_every_engine() {
    let kinds = [EngineKind::Null, EngineKind::Psync, EngineKind::Libaio, EngineKind::IoUring];
    let deferred = [false, true];
    for (kind, defer) in kinds.into_iter().flat_map(|kind| deferred.map(|defer| (kind, defer))) {
        let ring = kind == EngineKind::IoUring && defer;
        let engine = trial::Engine {
            queue: trial::QueueOptions::of_depth(16),
            ring: trial::RingOptions {
                single_issuer: ring,
                defer_taskrun: ring,
                ..trial::RingOptions::default()
            },
            ..trial::Engine::new(kind)
        };
        let mut trial = (*trial(engine)).clone();
        trial.workload.rate = Some(trial::Rate { per_second: 5000, arrival: trial::Arrival::Fixed });
        trial.workload.warmup = Nanos(50_000_000);
        trial.workload.runtime = Nanos(200_000_000);
        let (reports, recorded, _) = match run(&Arc::new(trial), 1 << 20, false).await {
            Ok(done) => done,
            Err(refusal) => {
                crate::skip::skip(&format!("{kind}: {refusal}"));
                continue;
            }
        };
        // 1,000 operations are due; the edges of the window may cut some off. On a busy machine, late operations are
        // added: up to 250 of the warm-up, about as many that were due before the thread first ran, and those of a
        // window that ends late.
        let ops = reports[0].tally.ops[0];
        let window = reports[0].window.as_ref().unwrap();
        let due = 5000 * (window.end_ns - window.begin_ns) / 1_000_000_000;
        assert!((500..=due + 505).contains(&ops), "{kind}: {ops} operations, {due} due");
        assert_eq!(recorded, ops);
        let calls: u64 = reports[0].window.as_ref().unwrap().counts.syscalls.iter().map(|(_, n)| n).sum();
        assert!(calls <= 3 * ops, "{kind}: polling took {calls} calls for {ops} operations");
    }
}

#[tokio::test]
async fn open_loop_latency_counts_from_the_intended_time() {
    // A rate far above the capacity of one thread: the backlog grows with time, and latency with it.
    let mut trial = (*trial(trial::Engine::new(EngineKind::Psync))).clone();
    trial.workload.rate = Some(trial::Rate { per_second: 100_000_000, arrival: trial::Arrival::Poisson });
    let trial = Arc::new(trial);
    let mut pool = WorkerPool::launch(&trial, 1 << 20, files(1), on(&[0])).unwrap();
    let Some(WorkerEvent::Ready(built)) = pool.event().await else { panic!("not ready") };
    pool.start(clock::monotonic_ns());
    while !matches!(pool.event().await, Some(WorkerEvent::Done(_))) {}
    let last = Merger::new(vec![built.slices]).poll().pop().unwrap();
    let (latency, service) = (last.series[0].latency.min(), last.series[0].service.as_ref().unwrap().max());
    assert_eq!(last.series[0].latency.len(), last.series[0].service.as_ref().unwrap().len());
    assert!(latency > 20_000_000, "waiting for at least three slices of 15 ms: {latency} ns");
    assert!(service < latency, "service {service} ns, latency {latency} ns");
}

#[tokio::test]
async fn polling_threads_are_woken_for_requests_only() {
    let topology = topology::Topology::discover().unwrap();
    let [worker, .., poller] = &topology.cpus[..] else {
        return crate::skip::skip("a polling thread needs a second CPU");
    };
    // The thread sleeps after a millisecond without work, and a request arrives every ten.
    let sqpoll = trial::Sqpoll { idle: Nanos(1_000_000), ..trial::Sqpoll::default() };
    let engine = trial::Engine {
        ring: trial::RingOptions { sqpoll: Some(sqpoll), ..trial::RingOptions::default() },
        queue: trial::QueueOptions::of_depth(4),
        ..trial::Engine::new(EngineKind::IoUring)
    };
    let mut trial = (*trial(engine)).clone();
    trial.workload.rate = Some(trial::Rate { per_second: 100, arrival: trial::Arrival::Fixed });
    trial.workload.runtime = Nanos(300_000_000);
    let places = Places { pollers: &[poller.id], ..on(std::slice::from_ref(&worker.id)) };
    let mut pool = WorkerPool::launch(&Arc::new(trial), 1 << 20, files(1), places).unwrap();
    match pool.event().await {
        Some(WorkerEvent::Done(Err(refusal))) => return crate::skip::skip(&refusal.message()),
        event => assert!(matches!(event, Some(WorkerEvent::Ready(_)))),
    }
    pool.start(clock::monotonic_ns());
    let Some(WorkerEvent::Done(Ok(report))) = pool.event().await else { panic!("not done") };
    let (calls, ops) = (report.window.unwrap().counts.syscalls[0].1, report.tally.ops[0]);
    assert!((15..=60).contains(&ops), "{ops} operations");
    assert!(calls <= ops + 1, "{calls} calls to wake it for {ops} operations");
}

#[tokio::test]
async fn shared_rings_report_the_cost_of_sharing() {
    let rates = [None, Some(trial::Rate { per_second: 3000, arrival: trial::Arrival::Poisson })];
    for (kind, ring, rate, stop) in [
        (EngineKind::Nop, Sharing::Shared, rates[0], false),
        (EngineKind::IoUring, Sharing::Shared, rates[0], false),
        (EngineKind::IoUring, Sharing::Shared, rates[1], false),
        (EngineKind::IoUring, Sharing::Shared, rates[0], true),
        (EngineKind::Nop, Sharing::Combiner, rates[0], false),
        (EngineKind::IoUring, Sharing::Combiner, rates[0], false),
        (EngineKind::IoUring, Sharing::Combiner, rates[1], false),
        (EngineKind::IoUring, Sharing::Combiner, rates[0], true),
    ] {
        let tuned = ring == Sharing::Combiner;
        let engine = trial::Engine {
            queue: trial::QueueOptions::of_depth(8),
            ring: trial::RingOptions {
                sharing: ring,
                fixed_files: kind == EngineKind::IoUring,
                fixed_buffers: kind == EngineKind::IoUring,
                single_issuer: tuned,
                defer_taskrun: tuned,
                ..trial::RingOptions::default()
            },
            ..trial::Engine::new(kind)
        };
        let mut trial = (*trial(engine)).clone();
        (trial.workload.threads, trial.workload.rate) = (3, rate);
        if stop {
            // Long enough to be stopped early on a busy machine too.
            trial.workload.runtime = Nanos(10_000_000_000);
        }
        assert_eq!(trial.validate(), Ok(()));
        let what = format!("{kind}, {ring:?}, {rate:?}, stopped: {stop}");
        let (reports, recorded, _) = match run(&Arc::new(trial), 1 << 20, stop).await {
            Ok(done) => done,
            Err(refusal) if refusal.code() == "ring-refused" => {
                return crate::skip::skip(&refusal.message());
            }
            Err(refusal) => panic!("{what}: {refusal:?}"),
        };
        let threads = if ring == Sharing::Combiner { 4 } else { 3 };
        assert_eq!(reports.len(), threads, "{what}");
        if stop {
            // On a busy machine some workers have not started to measure by then.
            assert!(
                reports.iter().flat_map(|report| &report.window).all(|window| window.cut_short),
                "{what}"
            );
            continue;
        }
        let ops: u64 = reports.iter().map(|report| report.tally.ops[0]).sum();
        assert!(ops > 20 && ops == recorded, "{what}: {ops} operations, {recorded} recorded");
        assert!(reports.iter().all(|report| report.errors.is_empty()), "{what}");
        let windows: Vec<_> = reports.iter().map(|report| report.window.clone().unwrap()).collect();
        assert!(windows.iter().all(|window| !window.cut_short), "{what}");
        let submitted: u64 = windows.iter().map(|window| window.counts.submitted).sum();
        match ring {
            // The holder of the lock submits requests that others left, but that is rare.
            Sharing::Shared => {
                assert!(submitted.abs_diff(ops) <= 100, "{what}: {submitted} submitted, {ops} done");
            }
            // The combiner's window has different edges: it shares the CPU of the workers, which do not yield it in
            // open loop.
            _ => assert!(submitted <= ops + 100 && (submitted > 0 || rate.is_some()), "{what}: {submitted}"),
        }
        let mut sharing = windows[0].counts.sharing.unwrap();
        windows[1..].iter().for_each(|window| sharing.add(&window.counts.sharing.unwrap()));
        match sharing {
            SharingCosts::Lock(LockCosts { locks, contended, .. }) => {
                assert_eq!(ring, Sharing::Shared);
                assert!(locks > 0 && contended <= locks, "{what}: {sharing:?}");
            }
            SharingCosts::Handover(HandoverCosts { ns }) => {
                assert_eq!(ring, Sharing::Combiner);
                assert!(ns > ops, "{what}: {sharing:?}");
            }
        }
    }
}

#[tokio::test]
async fn refused_shared_rings_name_the_cause() {
    for ring in [Sharing::Shared, Sharing::Combiner] {
        // The kernel does not allow both together.
        let engine = trial::Engine {
            ring: trial::RingOptions {
                sharing: ring,
                coop_taskrun: true,
                sqpoll: Some(trial::Sqpoll::default()),
                ..trial::RingOptions::default()
            },
            ..trial::Engine::new(EngineKind::IoUring)
        };
        let mut trial = (*trial(engine)).clone();
        trial.workload.threads = 4;
        let refusal = run(&Arc::new(trial), 1 << 20, false).await.unwrap_err();
        if refusal.code() == "ring-refused" {
            return crate::skip::skip(&refusal.message());
        }
        assert_eq!((refusal.code(), refusal.field().as_str()), ("knob-refused", "engine.sqpoll"));
    }
}

#[test]
fn audits_count_the_calls_of_shared_rings() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for ring in [Sharing::Shared, Sharing::Combiner] {
        let engine = trial::Engine {
            queue: trial::QueueOptions::of_depth(4),
            ring: trial::RingOptions { sharing: ring, force_async: true, ..trial::RingOptions::default() },
            ..trial::Engine::new(EngineKind::IoUring)
        };
        let mut trial = (*trial(engine)).clone();
        trial.workload.threads = 3;
        trial.measure = Measure::Audit;
        let reports = match runtime.block_on(run(&Arc::new(trial), 1 << 20, false)) {
            Ok((reports, ..)) => reports,
            Err(refusal) => return crate::skip::skip(&refusal.message()),
        };
        let (mut calls, mut restarted) = (0, 0);
        for window in reports.iter().map(|report| report.window.as_ref().unwrap()) {
            assert!(!perf_failed(window), "{:?}", window.audit.warnings);
            let Some(counted) = &window.audit.counts.perf else {
                return crate::skip::skip("perf is not permitted");
            };
            let counted = &counted.syscalls_by_name;
            for (name, own) in window.counts.syscalls {
                let perf = counted.get(name).copied().unwrap_or(0);
                // A completion restarts the sleep of its submitter in the kernel, and perf counts the restart as a
                // call.
                let more =
                    if name == "futex" && ring == Sharing::Shared { perf.saturating_sub(own) } else { 0 };
                assert!(
                    (perf - more).abs_diff(own) <= 2,
                    "{ring:?}: perf counted {perf} calls of {name}, the engine {own}"
                );
                (calls, restarted) = (calls + own, restarted + more);
            }
            let others =
                counted.keys().filter(|name| !["io_uring_enter", "futex", "write"].contains(&name.as_str()));
            assert_eq!(others.count(), 0, "{ring:?}: {counted:?}");
        }
        let ops: u64 = reports.iter().map(|report| report.tally.ops[0]).sum();
        assert!(
            calls > 200 && restarted <= ops,
            "{ring:?}: {calls} calls, {restarted} restarts, {ops} operations"
        );
    }
}

#[tokio::test]
async fn concurrency_threads_gives_each_worker_depth_one() {
    let engine = trial::Engine {
        queue: trial::QueueOptions {
            depth: 3,
            concurrency: Concurrency::Threads,
            ..trial::QueueOptions::default()
        },
        ..trial::Engine::new(EngineKind::Psync)
    };
    let (reports, recorded, _) = run(&trial(engine), 1 << 20, false).await.unwrap();
    assert_eq!(reports.len(), 3);
    assert_eq!(recorded, reports.iter().map(|report| report.tally.ops[0]).sum::<u64>());
}

#[tokio::test]
async fn stopped_trials_keep_their_results() {
    let mut trial = (*trial(trial::Engine::new(EngineKind::Psync))).clone();
    // Long enough to be stopped early on a busy machine too.
    trial.workload.runtime = Nanos(10_000_000_000);
    let (reports, recorded, _) = run(&Arc::new(trial), 1 << 20, true).await.unwrap();
    let window = reports[0].window.clone().unwrap();
    assert!(window.cut_short && window.end_ns - window.begin_ns < 10_000_000_000);
    assert_eq!(recorded, reports[0].tally.ops[0]);
}

#[tokio::test]
async fn reads_past_the_end_count_as_short() {
    // The file is smaller than the trial assumes.
    let engine = trial::Engine::new(EngineKind::Psync);
    let (reports, ..) = run(&trial(engine), 1 << 40, false).await.unwrap();
    assert!(reports[0].tally.short > 100 && reports[0].tally.ops[0] < 10, "{:?}", reports[0].tally);
}

/// Whether perf was opened and failed later.
fn perf_failed(window: &window::Closed) -> bool {
    window.audit.warnings.iter().any(|warning| warning.code() == "perf-not-available")
}

#[test]
fn perf_and_engine_count_the_same_calls() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut trial = (*trial(trial::Engine::new(EngineKind::Psync))).clone();
    trial.measure = Measure::Audit;
    let (reports, ..) = runtime.block_on(run(&Arc::new(trial), 1 << 20, false)).unwrap();
    let window = reports[0].window.clone().unwrap();
    assert!(!perf_failed(&window), "{:?}", window.audit.warnings);
    match window.audit.counts.perf {
        None => crate::skip::skip("perf is not permitted"),
        Some(perf) => {
            let (perf, own) = (perf.syscalls_total, window.counts.syscalls[0].1);
            assert!(perf.abs_diff(own) * 1000 <= own, "perf counted {perf}, the engine {own}");
        }
    }
}

/// The writes and syncs of a trial with a sync after every `every` writes, at a depth.
async fn synced(
    kind: EngineKind,
    every: u32,
    linked: bool,
) -> Option<([u64; recorder::SERIES], Report, Vec<recorder::Slices>)> {
    let engine = trial::Engine {
        queue: trial::QueueOptions::of_depth(8),
        ring: trial::RingOptions { link_sync: linked, ..trial::RingOptions::default() },
        ..trial::Engine::new(kind)
    };
    let mut trial = (*trial(engine)).clone();
    trial.workload.read_percent = 30;
    trial.workload.sync = Some(trial::Sync { every, call: trial::SyncCall::Fdatasync });
    let trial = Arc::new(trial);
    let mut pool = WorkerPool::launch(&trial, 1 << 20, files(1), on(&[0])).unwrap();
    let slices = match pool.event().await {
        Some(WorkerEvent::Ready(built)) => vec![built.slices],
        Some(WorkerEvent::Done(Err(refusal))) => {
            crate::skip::skip(&format!("{kind}: {refusal}"));
            return None;
        }
        _ => panic!("not ready"),
    };
    pool.start(clock::monotonic_ns());
    let Some(WorkerEvent::Done(Ok(report))) = pool.event().await else { panic!("not done") };
    Some((report.tally.ops, report, slices))
}

#[tokio::test]
async fn every_engine_syncs_after_the_configured_number_of_writes() {
    let queues =
        [EngineKind::Null, EngineKind::Nop, EngineKind::Psync, EngineKind::Pvsync2, EngineKind::Libaio];
    let plain = queues.into_iter().chain([EngineKind::IoUring]).map(|kind| (kind, false));
    for (kind, linked) in plain.chain([(EngineKind::IoUring, true)]) {
        for every in [1, 5] {
            let Some(([_, writes, syncs, ..], report, slices)) = synced(kind, every, linked).await else {
                continue;
            };
            assert_eq!(report.errors, [], "{kind}");
            // Requests in flight at the ends of the window are in one count and not in the other.
            let expected = writes / u64::from(every);
            assert!(syncs > 0 && syncs.abs_diff(expected) <= 16, "{kind} {linked}: {writes}, {syncs}");
            let intervals = Merger::new(slices).poll();
            let series = || intervals.iter().flat_map(|interval| &interval.series);
            let of_sync = series().filter(|series| series.direction == proto::outcome::Direction::Sync);
            assert_eq!(of_sync.map(|series| series.latency.len()).sum::<u64>(), syncs, "{kind}");
            assert_eq!(series().map(|series| series.bytes).sum::<u64>(), report.tally.bytes);
            let calls = report.window.unwrap().counts.syscalls;
            if matches!(kind, EngineKind::Psync | EngineKind::Pvsync2) {
                assert!(calls[3].0 == "fdatasync" && calls[3].1.abs_diff(syncs) <= 1, "{calls:?}");
            }
        }
    }
}

#[tokio::test]
async fn counts_the_bytes_of_mixed_sizes() {
    let mut trial = (*trial(trial::Engine::new(EngineKind::Psync))).clone();
    let parts = vec![(ByteSize(512), 50), (ByteSize(8192), 50)];
    trial.workload.block_size = trial::BlockSizes::new(parts);
    let (reports, ops, _) = run(&Arc::new(trial), 1 << 20, false).await.unwrap();
    let (bytes, ops) = (reports[0].tally.bytes as f64, ops as f64);
    // Half of each: 4,352 bytes on average, within six standard deviations of the mean.
    let spread = 6.0 * 3840.0 / ops.sqrt();
    assert!((bytes / ops - 4352.0).abs() < spread, "{bytes} bytes in {ops} operations");
}

#[tokio::test]
async fn refuses_targets_that_cannot_sync() {
    // A pipe does not support fsync.
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut trial = (*trial(trial::Engine::new(EngineKind::Psync))).clone();
    trial.workload.read_percent = 0;
    trial.workload.sync = Some(trial::Sync { every: 1, call: trial::SyncCall::Fsync });
    let mut pool = WorkerPool::launch(&Arc::new(trial), 1 << 20, vec![writer.into()], on(&[0])).unwrap();
    let Some(WorkerEvent::Done(Err(refusal))) = pool.event().await else { panic!("not refused") };
    assert_eq!((refusal.code(), refusal.field().as_str()), ("sync-refused", "workload.sync"));
    assert!(
        refusal.message().contains("psync cannot do fsync on this target: Invalid argument"),
        "{refusal}"
    );
}

#[tokio::test]
async fn combiner_does_not_count_its_wake_up_reads() {
    let engine = trial::Engine {
        queue: trial::QueueOptions::of_depth(4),
        ring: trial::RingOptions { sharing: Sharing::Combiner, ..trial::RingOptions::default() },
        ..trial::Engine::new(EngineKind::IoUring)
    };
    let mut trial = (*trial(engine)).clone();
    trial.workload.threads = 2;
    trial.workload.read_percent = 0;
    trial.workload.sync = Some(trial::Sync { every: 4, call: trial::SyncCall::Fdatasync });
    let trial = Arc::new(trial);
    let mut seen = Vec::new();
    // The combiner's window has different edges. If the combiner waits for a CPU, as during other tests, its edges and
    // counts differ from the workers'; wake-up reads would add to the counts in every run.
    for _ in 0..5 {
        let reports = match run(&trial, 1 << 20, false).await {
            Ok((reports, ..)) => reports,
            Err(refusal) => return crate::skip::skip(&refusal.message()),
        };
        let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
        let (writes, syncs) = (sum(|report| report.tally.ops[1]), sum(|report| report.tally.ops[2]));
        assert!(syncs > 0 && (writes / 4).abs_diff(syncs) <= 8, "{writes} writes, {syncs} syncs");
        let submitted = sum(|report| report.window.as_ref().unwrap().counts.submitted);
        // Requests in flight at the edges are on one side only.
        if submitted.abs_diff(writes + syncs) <= 16 {
            return;
        }
        seen.push((submitted, writes, syncs));
    }
    panic!("submitted does not match writes and syncs in any run: {seen:?}");
}

#[tokio::test]
async fn busy_wait_slows_operations_but_not_syncs() {
    let wait = 100_000;
    let engine = trial::Engine { busy_wait: Some(Nanos(wait)), ..trial::Engine::new(EngineKind::Psync) };
    let mut trial = (*trial(engine)).clone();
    trial.workload.read_percent = 0;
    trial.workload.sync = Some(trial::Sync { every: 1, call: trial::SyncCall::Fdatasync });
    let (reports, ops, _) = run(&Arc::new(trial), 1 << 20, false).await.unwrap();
    let window = reports[0].window.as_ref().unwrap();
    let elapsed = window.end_ns - window.begin_ns;
    let (writes, syncs) = (reports[0].tally.ops[1], reports[0].tally.ops[2]);
    // The loop is never faster than its waits, and the excess of each wait is deducted from the next.
    assert!(ops > 0 && ops * wait <= elapsed + 2 * wait, "{ops} operations in {elapsed} ns");
    assert!(writes.abs_diff(syncs) <= 1, "{writes} writes, {syncs} syncs");
}
