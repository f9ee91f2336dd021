//! Clients that flood the agent or stay silent: the agent stays small, answers others, and ends when it is told to.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use proto::{
    PROTOCOL_VERSION,
    refusal::{Refusal, SessionRefusal},
    trial::{Engine, EngineKind, FileTarget, Measure, Target, Trial, Workload},
    units::{ByteSize, Nanos},
    wire::{
        self, DescribeRequest, LeaseRequest, Open, agent_client::AgentClient, lease_event::Event,
        lease_request::Request,
    },
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, transport::Channel};

const LONG: Duration = Duration::from_secs(60);

/// An agent of one test, which may be connected to without a token.
struct Agent {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Agent {
    fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--insecure", "--data-dir"]).arg(dir.path());
        let mut child = command.args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (mut text, mut byte) = (String::new(), [0]);
        let port = loop {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{text}");
            text.push(char::from(byte[0]));
            if let Some((_, rest)) = text.split_once("listens on 127.0.0.1:")
                && let Some((port, _)) = rest.split_once('\n')
            {
                break port.parse().unwrap();
            }
        };
        // What it logs later must not block it.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, port, _dir: dir }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    async fn client(&self) -> AgentClient<Channel> {
        AgentClient::connect(format!("http://127.0.0.1:{}", self.port)).await.unwrap()
    }

    /// A figure of its `/proc/PID/status`, in KiB.
    fn memory(&self, name: &str) -> u64 {
        let path = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }

    /// CPU time so far, in ticks of 10 ms.
    fn cpu(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn ends(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(25), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Requests = mpsc::Sender<LeaseRequest>;
type Events = tonic::Streaming<wire::LeaseEvent>;

async fn lease(client: &mut AgentClient<Channel>) -> (Requests, Result<tonic::Response<Events>, Status>) {
    let (requests, outgoing) = mpsc::channel(8);
    let open = Open { protocol_version: PROTOCOL_VERSION, run_id: "r".into() };
    requests.send(LeaseRequest { request: Some(Request::Open(open)) }).await.unwrap();
    let answer = client.lease(ReceiverStream::new(outgoing)).await;
    (requests, answer)
}

fn limit_of(status: &Status) -> Refusal {
    let refusal = Refusal::of_status(status).unwrap_or_else(|| panic!("{status:?}"));
    assert_eq!(refusal.code(), "agent-limit", "{refusal}");
    refusal
}

/// Clients that send nothing, the beginning of a preface, or nonsense, up to the limit of connections.
#[test]
fn silent_connections_are_closed_and_cost_nothing() {
    let agent = Agent::start(&["--max-connections", "40"]);
    let begun = Instant::now();
    let mut clients: Vec<TcpStream> = (0..60).map(|_| agent.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let _ = match number % 3 {
            0 => Ok(()),
            1 => client.write_all(b"PRI * HTTP/2"),
            _ => client.write_all(&[0x80; 20]),
        };
    }
    // The CPU time of two seconds in which all clients are silent, once the agent has dealt with what they sent.
    std::thread::sleep(Duration::from_secs(1));
    let before = agent.cpu();
    std::thread::sleep(Duration::from_secs(2));
    let used = agent.cpu() - before;
    assert!(used < 20, "it spins: {used} ticks in 2 s");
    for client in &mut clients {
        // Closed, with or without an answer of HTTP/2.
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
        assert!(rest.len() < 200, "{rest:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { agent.client().await.describe(DescribeRequest {}).await }).unwrap();
    agent.ends();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_open_are_limited_and_end() {
    let agent = Agent::start(&[]);
    let before = agent.memory("VmRSS:");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = agent.client().await;
        for _ in 0..30 {
            let mut client = client.clone();
            tasks.spawn(async move {
                let (silent, outgoing) = mpsc::channel::<LeaseRequest>(1);
                let status = client.lease(ReceiverStream::new(outgoing)).await.unwrap_err();
                drop(silent);
                status
            });
        }
    }
    let statuses = tasks.join_all().await;
    let of = |code: Code| statuses.iter().filter(|status| status.code() == code).count();
    assert_eq!((of(Code::DeadlineExceeded), of(Code::ResourceExhausted)), (16, 284), "{statuses:?}");
    statuses.iter().for_each(|status| drop(limit_of(status)));
    // The lease itself is free.
    let mut client = agent.client().await;
    let (_requests, answer) = lease(&mut client).await;
    assert!(matches!(answer.unwrap().into_inner().message().await, Ok(Some(_))));
    let grown = agent.memory("VmHWM:").saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more");
    agent.ends();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptions_are_made_one_at_a_time_and_kept() {
    let agent = Agent::start(&[]);
    let client = agent.client().await;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    // Fewer at a time than the agent accepts streams: more would be refused.
    for _ in 0..20 {
        let mut client = client.clone();
        tasks.spawn(async move {
            let mut made = Vec::new();
            for _ in 0..50 {
                made.push(client.describe(DescribeRequest {}).await.unwrap().into_inner());
            }
            made
        });
    }
    let made: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(made.iter().all(|description| description.hostname == made[0].hostname));
    assert!(agent.memory("VmHWM:") < 128 << 10, "{} KiB", agent.memory("VmHWM:"));
    agent.ends();
}

fn trial(workload: Workload) -> Trial {
    Trial {
        id: "t".into(),
        seed: 1,
        target: Target::File(FileTarget::new(ByteSize(1 << 16), false)),
        workload,
        engine: Engine::new(EngineKind::Psync),
        measure: Measure::Timed,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_and_large_trials_are_refused_by_name() {
    let agent = Agent::start(&["--max-trial-time", "10s", "--max-trial-memory", "64MiB"]);
    let mut client = agent.client().await;
    let (requests, answer) = lease(&mut client).await;
    let mut events = answer.unwrap().into_inner();
    events.message().await.unwrap();
    let long = Workload { runtime: Nanos(11_000_000_000), ..Workload::default() };
    let large = Workload { threads: 64, ..Workload::default() };
    for (work, field, remedy) in
        [(long, "workload.runtime", "--max-trial-time"), (large, "workload.threads", "--max-trial-memory")]
    {
        let ask = Request::Prepare(wire::Trial::from(&trial(work)));
        requests.send(LeaseRequest { request: Some(ask) }).await.unwrap();
        let failed = loop {
            match events.message().await.unwrap().unwrap().event.unwrap() {
                Event::Failed(failed) => break failed,
                Event::Progress(_) => {}
                other => panic!("{other:?}"),
            }
        };
        let refusal = Refusal::try_from(failed).unwrap();
        assert!(matches!(refusal, Refusal::Session(SessionRefusal::AgentLimit { .. })), "{refusal:?}");
        assert_eq!(refusal.field(), field);
        assert!(refusal.remedy().contains(remedy), "{}", refusal.remedy());
    }
    agent.ends();
}

/// The pages of this file would be counted for centuries. The agent ends although nobody cancels the trial.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_of_any_size_does_not_keep_the_agent() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = dir.path().join("sparse");
    if std::fs::File::create(&path).unwrap().set_len(i64::MAX as u64).is_err() {
        return agent::skip::skip("no file of this size on /dev/shm");
    }
    let agent = Agent::start(&["--allow-path", dir.path().to_str().unwrap()]);
    let mut client = agent.client().await;
    let (requests, answer) = lease(&mut client).await;
    let mut events = answer.unwrap().into_inner();
    events.message().await.unwrap();
    let mut trial = trial(Workload::default());
    let text = format!(r#"{{"path": "{}", "direct": false}}"#, path.display());
    trial.target = serde_json::from_str(&text).unwrap();
    requests.send(LeaseRequest { request: Some(Request::Prepare(wire::Trial::from(&trial))) }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    agent.ends();
}

#[test]
fn the_help_states_the_limits() {
    let output = Command::new(env!("CARGO_BIN_EXE_agent")).args(["serve", "--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for limit in [
        "--max-connections <N>",
        "[default: 128]",
        "[default: 16GiB]",
        "24 h        warm-up and runtime of a trial",
        "until a stream for a lease sends Open; at most 16",
        "8 MiB       a message",
    ] {
        assert!(text.contains(limit), "`{limit}` is not in:\n{text}");
    }
}
