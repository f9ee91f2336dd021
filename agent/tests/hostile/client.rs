//! A real agent, and a client that can misbehave.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::limit::Limit;

use proto::{
    outcome::{Finished, Refusal},
    trial::Trial,
    wire::{
        self, Cancel, DescribeRequest, DescribeResponse, LeaseEvent, LeaseRequest, Open, Start,
        agent_client::AgentClient, lease_event::Event, lease_request::Request as Ask,
    },
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

const LONG: Duration = Duration::from_secs(30);

/// An agent, killed when the test ends.
pub struct Agent {
    child: Child,
    limit: Limit,
    address: String,
    dir: tempfile::TempDir,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.limit.lift();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_agent"))
            .args(["serve", "--listen", "127.0.0.1:0", "--insecure", "--data-dir"])
            .arg(dir.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let limit = Limit::on(child.id());
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        // Forward the rest of its output, so that the pipe does not fill up.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
        let (_, address) = line.trim().rsplit_once(' ').expect("the agent prints its address");
        let address = format!("http://{address}");
        Self { child, limit, address, dir }
    }

    pub async fn client(&self) -> AgentClient<Channel> {
        let connected = timeout(LONG, AgentClient::connect(self.address.clone())).await;
        connected.expect("a connection").unwrap()
    }

    pub async fn describe(&self) -> DescribeResponse {
        let described = timeout(LONG, self.client().await.describe(DescribeRequest {})).await;
        described.expect("a description").unwrap().into_inner()
    }

    pub async fn lease(&self) -> Lease {
        self.open("hostile").await.unwrap()
    }

    pub async fn open(&self, run_id: &str) -> Result<Lease, Status> {
        let (asks, requests) = mpsc::channel(16);
        let open = Open { protocol_version: proto::PROTOCOL_VERSION, run_id: run_id.into() };
        asks.send(ask(Ask::Open(open))).await.unwrap();
        let lease = timeout(LONG, self.client().await.lease(ReceiverStream::new(requests))).await;
        let events = lease.expect("an answer to Open")?.into_inner();
        Ok(Lease { asks, events })
    }

    /// Opens a lease as soon as the last one is over.
    pub async fn lease_again(&self) -> Lease {
        let begun = Instant::now();
        loop {
            match self.open("next").await {
                Ok(lease) => return lease,
                Err(status) if status.code() == Code::ResourceExhausted && begun.elapsed() < LONG => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(status) => panic!("{status:?}"),
            }
        }
    }

    /// Asserts that no worker thread, ring or target is left.
    pub async fn is_clean(&self) {
        drop(self.lease_again().await);
        let id = self.child.id();
        let left = || {
            let entries = |what: &str| fs::read_dir(format!("/proc/{id}/{what}")).unwrap().flatten();
            let threads =
                entries("task").filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
            let threads = threads.filter(|name| name.starts_with("worker-") || name.starts_with("iou-"));
            let files = entries("fd").filter_map(|fd| fs::read_link(fd.path()).ok());
            let files = files.map(|path| path.display().to_string());
            let dir = self.dir.path().display().to_string();
            // The directory itself is open for as long as the agent runs.
            let files = files.filter(|name| name.contains(&format!("{dir}/")) || name.contains("io_uring"));
            threads.chain(files).collect::<Vec<_>>()
        };
        let begun = Instant::now();
        while !left().is_empty() && begun.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(left(), Vec::<String>::new());
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 0);
    }

    /// Sends SIGTERM and waits until the agent has ended.
    pub async fn terminate(mut self) {
        // The time limit below applies from here on.
        self.limit.lift();
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LONG, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.child.try_wait().unwrap().unwrap().code(), Some(0));
    }
}

pub struct Lease {
    asks: mpsc::Sender<LeaseRequest>,
    events: Streaming<LeaseEvent>,
}

fn ask(request: Ask) -> LeaseRequest {
    LeaseRequest { request: Some(request) }
}

impl Lease {
    async fn ask(&self, request: Ask) {
        timeout(LONG, self.asks.send(ask(request))).await.expect("room for a request").unwrap();
    }

    pub async fn prepare(&self, trial: &Trial) {
        self.ask(Ask::Prepare(trial.into())).await;
    }

    /// Sends a body that may not be a trial.
    pub async fn prepare_body(&self, id: &str, body: Vec<u8>) {
        self.ask(Ask::Prepare(wire::Trial { id: id.to_owned(), body })).await;
    }

    pub async fn start(&self, trial: &Trial, at_ns: u64) {
        self.ask(Ask::Start(Start { trial_id: trial.id.clone(), at_ns })).await;
    }

    pub async fn cancel(&self, trial: &Trial) {
        self.ask(Ask::Cancel(Cancel { trial_id: trial.id.clone() })).await;
    }

    /// The next event that is neither progress nor an interval.
    async fn event(&mut self) -> Event {
        loop {
            let message = timeout(LONG, self.events.message()).await.expect("an answer");
            match message.unwrap().expect("an event").event.unwrap() {
                Event::Opened(_) | Event::Progress(_) | Event::Interval(_) => {}
                event => return event,
            }
        }
    }

    pub async fn ready(&mut self, trial: &Trial) {
        self.prepare(trial).await;
        let event = self.event().await;
        assert!(matches!(&event, Event::Ready(_)), "{event:?}");
    }

    pub async fn failed(&mut self) -> (String, String) {
        match self.event().await {
            Event::Failed(failed) => {
                let refusal = Refusal::try_from(failed).unwrap();
                (refusal.code().to_owned(), refusal.field())
            }
            other => panic!("{other:?}"),
        }
    }

    pub async fn finished(&mut self) -> Finished {
        match self.event().await {
            Event::Finished(finished) => finished.try_into().unwrap(),
            other => panic!("{other:?}"),
        }
    }
}
