//! Tests of the real binary with clients that send invalid requests, or requests at the wrong time. In all cases, the
//! agent answers, keeps running, and releases all resources.

#![allow(clippy::unwrap_used, reason = "a test")]

mod client;
mod limit;

use std::time::Duration;

use agent::clock::monotonic_ns;
use client::{Agent, Lease};
use proto::{
    trial::{
        Arrival, Concurrency, Cpus, Engine, EngineKind, FileTarget, Measure, PathTarget, QueueOptions, Rate,
        Target, Trial, Workload,
    },
    units::{ByteSize, Nanos},
};
use tonic::Code;

fn trial(engine: Engine) -> Trial {
    Trial {
        id: "t".into(),
        seed: 1,
        target: Target::File(FileTarget::new(ByteSize(4 << 20), false)),
        workload: Workload { warmup: Nanos(0), runtime: Nanos(100_000_000), ..Workload::default() },
        engine,
        measure: Measure::Timed,
    }
}

fn plain() -> Trial {
    trial(Engine::new(EngineKind::Psync))
}

/// Asserts that a lease still works.
async fn works(lease: &mut Lease) {
    let trial = plain();
    lease.ready(&trial).await;
    lease.start(&trial, monotonic_ns()).await;
    assert!(lease.finished().await.ops() > 0);
}

#[tokio::test]
async fn starts_too_far_in_the_future_are_refused() {
    let agent = Agent::start();
    let mut lease = agent.lease().await;
    let trial = plain();
    for never in [u64::MAX, u64::MAX / 2, monotonic_ns() + 3_600_000_000_000] {
        lease.ready(&trial).await;
        lease.start(&trial, never).await;
        assert_eq!(lease.failed().await.0, "start-too-far", "{never}");
    }
    // A start in the past begins at once.
    lease.ready(&trial).await;
    lease.start(&trial, 0).await;
    assert!(lease.finished().await.ops() > 0);
    drop(lease);
    agent.is_clean().await;
}

#[tokio::test]
async fn a_trial_waiting_for_its_start_can_be_cancelled() {
    let agent = Agent::start();
    let trial = plain();
    let mut lease = agent.lease().await;
    lease.ready(&trial).await;
    lease.start(&trial, monotonic_ns() + 50_000_000_000).await;
    lease.cancel(&trial).await;
    let finished = lease.finished().await;
    assert!(finished.window.cut_short);
    assert_eq!(finished.ops(), 0);
    // The lease and the agent can be ended too.
    lease.ready(&trial).await;
    lease.start(&trial, monotonic_ns() + 50_000_000_000).await;
    drop(lease);
    agent.is_clean().await;
    let mut lease = agent.lease_again().await;
    lease.ready(&trial).await;
    lease.start(&trial, monotonic_ns() + 50_000_000_000).await;
    agent.terminate().await;
}

#[tokio::test]
async fn operations_of_the_warmup_are_not_counted() {
    let agent = Agent::start();
    let mut lease = agent.lease().await;
    let mut trial = plain();
    trial.workload.warmup = Nanos(20_000_000_000);
    lease.ready(&trial).await;
    lease.start(&trial, monotonic_ns()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    lease.cancel(&trial).await;
    let finished = lease.finished().await;
    assert!(finished.window.cut_short);
    assert_eq!(finished.ops(), 0, "the window never opened");
}

#[tokio::test]
async fn trials_beyond_the_limits_are_refused() {
    let agent = Agent::start();
    let mut lease = agent.lease().await;
    let ring = || trial(Engine::new(EngineKind::IoUring));
    let change = |mut trial: Trial, change: fn(&mut Trial)| {
        change(&mut trial);
        trial
    };
    let block = |gib: u64| {
        let mut trial = ring();
        trial.engine.ring.fixed_buffers = true;
        trial.workload.block_size = ByteSize(gib << 30).into();
        trial.target = Target::File(FileTarget::new(ByteSize(gib << 30), false));
        trial
    };
    for (trial, field) in [
        (block(2), "workload.block_size"),
        (block(4), "workload.block_size"),
        (change(plain(), |trial| trial.id = "x".repeat(1 << 20)), "id"),
        (change(plain(), |trial| trial.id = "\u{1b}[2J".into()), "id"),
        (change(plain(), |trial| trial.id = String::new()), "id"),
        (change(plain(), |trial| trial.workload.interval = Nanos(u64::MAX)), "workload.interval"),
        (change(plain(), |trial| trial.workload.warmup = Nanos(u64::MAX)), "workload.warmup"),
        (change(plain(), |trial| trial.workload.threads = u32::MAX), "workload.threads"),
        (change(ring(), |trial| trial.engine.queue.depth = u32::MAX), "engine.depth"),
        (change(plain(), |trial| trial.workload.cpus = Cpus::List(vec![0; 1 << 20])), "workload.cpus"),
        (
            change(plain(), |trial| {
                trial.target =
                    Target::Path(PathTarget { path: format!("/{}", "x".repeat(1 << 20)), direct: false });
            }),
            "target.path",
        ),
    ] {
        lease.prepare(&trial).await;
        assert_eq!(lease.failed().await, ("invalid-trial".into(), field.into()));
    }
    for path in ["/dev/zero", "/dev/null", "/proc/self/mem", "/", "/no/such", "/proc/self/maps", "/\0"] {
        let mut trial = plain();
        trial.target = Target::Path(PathTarget { path: path.into(), direct: false });
        lease.prepare(&trial).await;
        lease.failed().await;
    }
    works(&mut lease).await;
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let agent = Agent::start();
    let mut lease = agent.lease().await;
    let good = serde_json::to_string(&plain()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        good.replace(from, to).into_bytes()
    };
    for (body, field) in [
        (Vec::new(), "body"),
        (b"\xff\xfe".to_vec(), "body"),
        (b"[".repeat(1 << 20), "[0]"),
        (vec![b' '; 5 << 20], "body"),
        (good.repeat(2).into_bytes(), "body"),
        (with("{\"id\":\"t\"", "{\"id\":\"other\""), "id"),
        (with("\"seed\":1", "\"seed\":-1"), "seed"),
        (with("\"seed\":1", "\"seed\":1,\"shell\":\"rm\""), "shell"),
        (with("\"depth\":1", "\"depth\":1e99"), "engine.depth"),
        (with("\"4KiB\"", "\"99999999999TiB\""), "workload.block_size"),
    ] {
        lease.prepare_body("t", body).await;
        assert_eq!(lease.failed().await, ("invalid-trial".into(), field.into()));
    }
    works(&mut lease).await;
    drop(lease);
    agent.is_clean().await;
}

#[tokio::test]
async fn requests_out_of_order_do_not_disturb_a_trial() {
    let agent = Agent::start();
    let mut lease = agent.lease().await;
    let mut trial = plain();
    lease.start(&trial, 0).await;
    lease.cancel(&trial).await;
    lease.ready(&trial).await;
    // A second trial beside the first is refused, and does not disturb the first.
    let other = Trial { id: "other".into(), ..plain() };
    lease.prepare(&other).await;
    assert_eq!(lease.failed().await.0, "protocol");
    lease.start(&other, 0).await;
    lease.cancel(&other).await;
    lease.start(&trial, monotonic_ns()).await;
    assert!(!lease.finished().await.window.cut_short);
    // The same while the trial runs.
    trial.workload.runtime = Nanos(500_000_000);
    lease.ready(&trial).await;
    lease.start(&trial, monotonic_ns()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    lease.prepare(&other).await;
    assert_eq!(lease.failed().await.0, "protocol");
    assert!(!lease.finished().await.window.cut_short);
    works(&mut lease).await;
}

#[tokio::test]
async fn run_ids_must_be_short_and_printable() {
    let agent = Agent::start();
    for name in ["x".repeat(1 << 20), "\u{1b}]0;gotcha\u{7}".into(), String::new()] {
        let refused = agent.open(&name).await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
    let lease = agent.lease().await;
    let second = agent.open("second").await.err().unwrap();
    assert!(second.message().contains("busy with run hostile"), "{second:?}");
    drop(lease);
    agent.is_clean().await;
}

#[tokio::test]
async fn a_client_that_never_reads_leaves_nothing_behind() {
    let agent = Agent::start();
    let lease = agent.lease().await;
    let mut trial = trial(Engine { queue: QueueOptions::of_depth(4), ..Engine::new(EngineKind::IoUring) });
    trial.workload.runtime = Nanos(1_500_000_000);
    trial.workload.interval = Nanos(10_000_000);
    trial.workload.read_percent = 50;
    lease.prepare(&trial).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    lease.start(&trial, 0).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(lease);
    agent.is_clean().await;
}

#[tokio::test]
async fn many_workers_with_short_intervals_work() {
    let agent = Agent::start();
    let mut lease = agent.lease().await;
    let engine = Engine {
        queue: QueueOptions { depth: 1024, concurrency: Concurrency::Threads, ..QueueOptions::default() },
        ..Engine::new(EngineKind::Psync)
    };
    let mut trial = trial(engine);
    trial.workload.interval = Nanos(10_000_000);
    trial.workload.rate = Some(Rate { per_second: 100_000_000, arrival: Arrival::Poisson });
    lease.ready(&trial).await;
    lease.start(&trial, monotonic_ns()).await;
    assert!(lease.finished().await.ops() > 0);
    drop(lease);
    agent.is_clean().await;
}

#[tokio::test]
async fn disconnecting_at_any_time_leaves_nothing_behind() {
    let agent = Agent::start();
    let kinds = [EngineKind::Psync, EngineKind::Libaio, EngineKind::IoUring];
    for (round, millis) in [0u64, 1, 2, 5, 10, 20, 40, 80, 120, 160].into_iter().enumerate() {
        let lease = agent.lease_again().await;
        let mut trial = trial(Engine {
            queue: QueueOptions::of_depth(1 + round as u32),
            ..Engine::new(kinds[round % 3])
        });
        trial.workload.threads = if kinds[round % 3] == EngineKind::Psync { 1 } else { 3 };
        if trial.engine.kind == EngineKind::Psync {
            trial.engine.queue.depth = 1;
        }
        lease.prepare(&trial).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        lease.start(&trial, 0).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        drop(lease);
    }
    agent.is_clean().await;
}

/// Describing a host runs tests: while a tracepoint is armed, every system call on the host is slower.
#[tokio::test]
async fn describing_does_not_disturb_a_lease() {
    let agent = Agent::start();
    let first = agent.describe().await;
    let mut lease = agent.lease().await;
    let again = agent.describe().await;
    assert_eq!(first, again);
    works(&mut lease).await;
}
