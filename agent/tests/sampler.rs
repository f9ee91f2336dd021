//! The audit's counts against a count from outside: `perf stat` on the same worker thread. As root, with perf.
//!
//! perf attaches while the worker stands at the start line, and stays until the thread ends. Without a warm-up the
//! thread then makes the calls of the measured window, and a fixed handful around it: waiting for the start,
//! reading its accounts, letting go of ring and memory. So the outer count must not be below the inner one, and
//! not above it by more than that handful: much stricter than the 1 % that is asked for.

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

/// Calls of a worker around its window, at most.
const AROUND: u64 = 200;

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

/// The thread of this process that is named worker-0.
fn worker() -> String {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let named = |task: &Path| fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "worker-0\n");
    let mut found = tasks.filter(|task| named(task));
    found.next().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

/// Starts perf on a thread, and returns once it counts.
async fn perf_stat(tid: &str, output: &Path) -> tokio::process::Child {
    let control = output.with_extension("control");
    let acknowledged = output.with_extension("ack");
    for fifo in [&control, &acknowledged] {
        let made = Command::new("mkfifo").arg(fifo).status().unwrap();
        assert!(made.success());
    }
    // Open both ways, which waits for nobody: a perf that dies must not hold the test.
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
    // It acknowledges a command once it has carried it out.
    let mut ack = [0; 4];
    timeout(Duration::from_secs(20), answers.read_exact(&mut ack)).await.expect("perf answers").unwrap();
    assert_eq!(&ack, b"ack\n");
    child
}

/// Runs an audit with perf beside it: the agent's account, and perf's count of the thread.
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

    // perf sees by itself that its thread has ended, but only now and then.
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
fn audits_agree_with_perf_stat_from_outside() {
    if !agent::counters::perf::self_test().available {
        return skip("perf counters are not allowed here");
    }
    if Command::new("perf").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("there is no perf: apt-get install linux-perf");
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
            "{name}: {} operations; calls by perf stat from sampler {sampler}, by the audit {inside} ({:+.4} %), by \
             the engine's own count {own} ({:+.4} %)",
            finished.ops(),
            (inside as f64 / sampler as f64 - 1.0) * 100.0,
            (own as f64 / sampler as f64 - 1.0) * 100.0,
        );
        assert!(inside > 20_000, "too few calls for a handful to be less than 1 %");
        assert!(
            (inside..inside + AROUND).contains(&sampler),
            "{name}: {sampler} is not {inside} and a handful"
        );
        assert!((own..own + AROUND).contains(&inside), "{name}: the engine counted {own}, perf {inside}");
    }
}
