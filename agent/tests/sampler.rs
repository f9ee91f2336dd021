//! Compares the audit's counts with an independent count: `perf stat` on the same worker thread. Needs root and perf.
//!
//! perf attaches while the worker waits at the start line, and counts until the thread ends. Without a warm-up, the
//! thread makes the calls of the measured window and a small fixed number around it: waiting for the start, reading its
//! usage, releasing ring and memory. So perf's count must not be below the audit's, nor exceed it by more than that
//! number, which is much stricter than the required 1 %.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use agent::{
    clock::monotonic_ns, service::AgentService, skip::skip, target::device::allow::AllowList,
    topology::Topology,
};
use proto::{
    outcome::{Finished, PerfCounts},
    trial::{Engine, EngineKind, FileTarget, Measure, QueueOptions, RingOptions, Target, Trial, Workload},
    units::{ByteSize, Nanos},
    wire::{
        LeaseEvent, LeaseRequest, Open, Start, agent_client::AgentClient, lease_event::Event,
        lease_request::Request as Ask,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, unix::pipe},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Streaming, transport::Server};

/// Maximum number of calls of a worker around its window that both the engine and the audit could count.
const AROUND: u64 = 200;
/// Maximum number of calls outside the window, with those by which the threads take turns until the start.
const OUTSIDE: u64 = AROUND + 1500;

fn trial(engine: Engine) -> Trial {
    Trial {
        id: format!("audit-{}", engine.kind),
        seed: 1,
        target: Target::File(FileTarget::new(ByteSize(4 << 20), false)),
        workload: Workload { warmup: Nanos(0), runtime: Nanos(2_000_000_000), ..Workload::default() },
        engine,
        measure: Measure::Audit,
    }
}

fn ask(request: Ask) -> LeaseRequest {
    LeaseRequest { request: Some(request) }
}

async fn next(events: &mut Streaming<LeaseEvent>) -> Event {
    loop {
        let message = timeout(Duration::from_secs(60), events.message()).await.expect("an event");
        match message.unwrap().unwrap().event.unwrap() {
            Event::Failed(failed) => panic!("{failed:?}"),
            Event::Progress(_) | Event::Interval(_) => {}
            event => return event,
        }
    }
}

/// The id of the thread worker-0 of this process.
fn worker() -> String {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let named = |task: &Path| fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "worker-0\n");
    let mut found = tasks.filter(|task| named(task));
    found.next().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

/// Starts perf on a thread, and returns when it counts.
async fn perf_stat(tid: &str, output: &Path) -> tokio::process::Child {
    let control = output.with_extension("control");
    let acknowledged = output.with_extension("ack");
    for fifo in [&control, &acknowledged] {
        let made = Command::new("mkfifo").arg(fifo).status().unwrap();
        assert!(made.success());
    }
    // Opening for reading and writing does not block, even if perf fails to start.
    let mut both = pipe::OpenOptions::new();
    let mut commands = both.read_write(true).open_sender(&control).unwrap();
    let mut answers = both.read_write(true).open_receiver(&acknowledged).unwrap();
    let child = tokio::process::Command::new("perf")
        .args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "--delay=-1", "-t", tid, "-o"])
        .arg(output)
        .arg(format!("--control=fifo:{},{}", control.display(), acknowledged.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    commands.write_all(b"enable\n").await.unwrap();
    // perf acknowledges a command after executing it.
    let mut ack = [0; 4];
    timeout(Duration::from_secs(20), answers.read_exact(&mut ack)).await.expect("perf answers").unwrap();
    assert_eq!(&ack, b"ack\n");
    child
}

/// Runs an audit under perf. Returns the agent's counts, and perf's count of the thread.
async fn audit(engine: Engine) -> (Finished, PerfCounts, u64) {
    let scratch = tempfile::tempdir().unwrap();
    let service =
        AgentService::new(Topology::discover().unwrap(), scratch.path().to_owned(), AllowList::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().add_service(service.clone().into_server());
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let trial = trial(engine);
    let mut client = AgentClient::connect(address).await.unwrap();
    let (asks, requests) = mpsc::channel(4);
    let open = Open { protocol_version: proto::PROTOCOL_VERSION, run_id: "sampler".into() };
    asks.send(ask(Ask::Open(open))).await.unwrap();
    let mut events = client.lease(ReceiverStream::new(requests)).await.unwrap().into_inner();
    assert!(matches!(next(&mut events).await, Event::Opened(_)));
    asks.send(ask(Ask::Prepare((&trial).into()))).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Ready(_)));

    let output = scratch.path().join("perf.csv");
    let mut perf = perf_stat(&worker(), &output).await;
    let start = Start { trial_id: trial.id.clone(), at_ns: monotonic_ns() + 10_000_000 };
    asks.send(ask(Ask::Start(start))).await.unwrap();
    let Event::Finished(finished) = next(&mut events).await else { panic!("not finished") };
    let finished = Finished::try_from(finished).unwrap();

    // perf notices by itself that its thread has ended, but possibly late.
    sleep(Duration::from_millis(100)).await;
    if perf.try_wait().unwrap().is_none() {
        let pid = rustix::process::Pid::from_raw(perf.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        perf.wait().await.unwrap();
    }
    let text = fs::read_to_string(&output).unwrap();
    let line =
        text.lines().find(|line| line.contains("raw_syscalls:sys_enter")).unwrap_or_else(|| panic!("{text}"));
    let sampler = line.split(',').next().unwrap().parse().unwrap_or_else(|_| panic!("{text}"));
    service.close().await;
    server.abort();
    let counts =
        finished.audit.perf.clone().unwrap_or_else(|| panic!("not counted: {:?}", finished.warnings));
    (finished, counts, sampler)
}

#[test]
fn audits_agree_with_perf_stat() {
    if !agent::counters::perf::self_test().available {
        return skip("perf counters are not permitted");
    }
    if Command::new("perf").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("perf is not installed: apt-get install linux-perf");
    }
    let psync = Engine::new(EngineKind::Psync);
    let ring = Engine::new(EngineKind::IoUring);
    let batched = Engine {
        queue: QueueOptions {
            depth: 32,
            submit_batch: Some(8),
            complete_batch: 8,
            ..QueueOptions::default()
        },
        ring: RingOptions {
            fixed_files: true,
            fixed_buffers: true,
            single_issuer: true,
            defer_taskrun: true,
            ..RingOptions::default()
        },
        ..Engine::new(EngineKind::IoUring)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (name, engine) in [("psync", psync), ("io_uring", ring), ("io_uring, batches of 8", batched)] {
        let (finished, counts, sampler) = runtime.block_on(audit(engine));
        let (inside, own) = (counts.syscalls_total, finished.calls.syscalls());
        println!(
            "{name}: {} operations; calls counted by perf stat {sampler}, by the audit {inside} ({:+.4} %), by \
             the engine {own} ({:+.4} %)",
            finished.ops(),
            (inside as f64 / sampler as f64 - 1.0) * 100.0,
            (own as f64 / sampler as f64 - 1.0) * 100.0,
        );
        assert!(inside > 20_000, "too few calls for an accuracy of 1 %");
        assert!(
            (inside..inside + OUTSIDE).contains(&sampler),
            "{name}: perf stat counted {sampler}, the audit {inside}"
        );
        assert!((own..own + AROUND).contains(&inside), "{name}: the engine counted {own}, perf {inside}");
    }
}
