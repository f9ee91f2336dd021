//! A fake agent with scripted behaviour, over the real protocol and a real socket.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use coordinator::cluster::{clock::now_ns, inventory::HostSpec};
use proto::{
    noise::Noise,
    outcome::{Direction, Finished, Interval, Refusal, Series, Window, WorkCounts},
    refusal::{CancelledWhen, EngineRefusal, RingFailure, SessionRefusal},
    trial::Trial,
    wire::{
        self, DescribeRequest, DescribeResponse, LeaseEvent, LeaseRequest, Opened, ReadClockRequest,
        ReadClockResponse,
        agent_server::{Agent, AgentServer},
        lease_event::Event,
        lease_request::Request as Asked,
    },
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// The behaviour of the agent.
#[derive(Clone, Debug)]
pub enum Act {
    /// Behaves correctly.
    Run,
    /// Refuses trials whose id contains this.
    RefuseTrials(&'static str),
    /// Becomes ready after a delay, and reports progress until then.
    LateReady(Duration),
    /// Becomes ready after a delay, and reports progress continuously until then.
    SlowReady(Duration),
    /// Never becomes ready, and reports the same progress for ever.
    Stuck,
    /// Cuts the connection after the first interval of the trial whose id contains this.
    CutDuring(&'static str),
    /// Never finishes.
    Hang,
    /// Is busy with another run.
    Busy,
    /// Prepares for ever, and answers only a cancel.
    PrepareForEver,
    /// Measures until it is cancelled.
    RunUntilCancelled,
    /// The first runs, up to this number, of trials whose id contains this are disturbed.
    Noisy(&'static str, usize),
}

#[derive(Clone, Debug)]
pub struct Fake {
    pub act: Act,
    pub protocol: u32,
    /// Its clock minus the coordinator's, in nanoseconds.
    pub offset_ns: i64,
    /// The start requests it received: trial and time on its own clock.
    pub starts: Arc<Mutex<Vec<(String, u64)>>>,
    /// The prepare and cancel requests it received.
    pub asked: Arc<Mutex<Vec<String>>>,
}

/// A listening fake; dropping it ends the fake.
pub struct Running {
    pub fake: Fake,
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Running {
    pub fn spec(&self, name: &str) -> HostSpec {
        HostSpec {
            name: name.to_owned(),
            address: self.address.to_string().parse().unwrap(),
            tls_name: None,
            labels: [("name".to_owned(), name.to_owned())].into(),
        }
    }
}

impl Fake {
    pub fn new(act: Act) -> Self {
        Self {
            act,
            protocol: proto::PROTOCOL_VERSION,
            offset_ns: 0,
            starts: Arc::default(),
            asked: Arc::default(),
        }
    }

    pub async fn listen(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = self.clone();
        let server = tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(AgentServer::new(self))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Running { fake, address, server }
    }

    fn noisy(&self, id: &str) -> bool {
        let Act::Noisy(which, times) = self.act else { return false };
        let prepare = format!("prepare {id}");
        id.contains(which)
            && self.asked.lock().unwrap().iter().filter(|asked| **asked == prepare).count() <= times
    }

    fn clock(&self) -> u64 {
        now_ns().saturating_add_signed(self.offset_ns)
    }

    async fn serve(self, mut requests: Streaming<LeaseRequest>, events: mpsc::Sender<Reply>) {
        let say = |event: Event| events.send(Ok(LeaseEvent { event: Some(event) }));
        let mut current = None;
        while let Ok(Some(LeaseRequest { request: Some(request) })) = requests.message().await {
            match request {
                Asked::Open(_) => say(Event::Opened(Opened {})).await.unwrap(),
                Asked::Prepare(trial) => {
                    let trial = Trial::try_from(trial).unwrap();
                    self.asked.lock().unwrap().push(format!("prepare {}", trial.id));
                    let id = trial.id.clone();
                    match self.act {
                        Act::RefuseTrials(which) if id.contains(which) => {
                            let failure = RingFailure::NoFirstRing;
                            let refusal = EngineRefusal::Ring { failure }.into();
                            let _ = say(failed(id, refusal)).await;
                            continue;
                        }
                        Act::PrepareForEver => {}
                        Act::LateReady(late) => {
                            let progress = wire::Progress {
                                trial_id: id.clone(),
                                what: "fill".into(),
                                done: 1,
                                total: 2,
                            };
                            let _ = say(Event::Progress(progress)).await;
                            tokio::time::sleep(late).await;
                            let _ = say(ready(id)).await;
                        }
                        Act::SlowReady(late) => {
                            let begun = Instant::now();
                            for done in 1.. {
                                if begun.elapsed() > late {
                                    break;
                                }
                                let _ = say(progress(&id, done)).await;
                                tokio::time::sleep(Duration::from_millis(50)).await;
                            }
                            let _ = say(ready(id)).await;
                        }
                        Act::Stuck => {
                            while say(progress(&id, 1)).await.is_ok() {
                                tokio::time::sleep(Duration::from_millis(50)).await;
                            }
                        }
                        _ => drop(say(ready(id)).await),
                    }
                    current = Some(trial);
                }
                Asked::Start(start) => {
                    self.starts.lock().unwrap().push((start.trial_id.clone(), start.at_ns));
                    let trial = current.clone().unwrap();
                    let begin = start.at_ns + trial.workload.warmup.0;
                    let end = begin + trial.workload.runtime.0;
                    if matches!(self.act, Act::RunUntilCancelled | Act::Hang) {
                        continue;
                    }
                    tokio::time::sleep(Duration::from_nanos(end.saturating_sub(self.clock()))).await;
                    let _ = say(interval(&trial.id, begin, end)).await;
                    if matches!(self.act, Act::CutDuring(which) if trial.id.contains(which)) {
                        // The interval must be sent before the stream breaks.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        let _ = events.send(Err(Status::unavailable("the test cut it"))).await;
                        return;
                    }
                    let noisy = self.noisy(&trial.id);
                    let _ = say(finished(trial.id, begin, end, false, noisy)).await;
                }
                Asked::Cancel(cancel) => {
                    self.asked.lock().unwrap().push(format!("cancel {}", cancel.trial_id));
                    let now = self.clock();
                    let _ = match self.act {
                        Act::Hang => continue,
                        Act::RunUntilCancelled => {
                            let begin = now - 1_000;
                            let _ = say(interval(&cancel.trial_id, begin, now)).await;
                            say(finished(cancel.trial_id, begin, now, true, false)).await
                        }
                        _ => say(failed(cancel.trial_id, cancelled())).await,
                    };
                }
            }
        }
    }
}

type Reply = Result<LeaseEvent, Status>;

fn progress(trial_id: &str, done: u64) -> Event {
    Event::Progress(wire::Progress { trial_id: trial_id.to_owned(), what: "fill".into(), done, total: 1000 })
}

fn ready(trial_id: String) -> Event {
    Event::Ready(proto::outcome::Ready::default().into_wire(trial_id))
}

fn cancelled() -> Refusal {
    SessionRefusal::Cancelled { when: CancelledWhen::Waiting }.into()
}

fn failed(trial_id: String, refusal: Refusal) -> Event {
    Event::Failed(refusal.into_wire(trial_id))
}

fn interval(trial_id: &str, begin_ns: u64, end_ns: u64) -> Event {
    let mut latency = proto::histogram::empty();
    latency.saturating_record_n(1_000, 10);
    let series = vec![Series { direction: Direction::Read, bytes: 40_960, latency, service: None }];
    Event::Interval(Interval { index: 0, begin_ns, end_ns, series }.to_wire(trial_id.to_owned()).unwrap())
}

fn finished(trial_id: String, begin_ns: u64, end_ns: u64, cut_short: bool, noisy: bool) -> Event {
    let steal_ns = if noisy { 500_000_000 } else { 0 };
    let noise = Noise { span_ns: 1_000_000_000, cpus: vec![1], steal_ns, ..Noise::default() };
    let finished = Finished {
        window: Window { begin_ns, end_ns, cut_short },
        work: WorkCounts { read_ops: 10, bytes: 40_960, ..WorkCounts::default() },
        noise: Some(noise),
        ..Finished::default()
    };
    Event::Finished(finished.into_wire(trial_id))
}

#[tonic::async_trait]
impl Agent for Fake {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let protocol_version = self.protocol;
        Ok(Response::new(DescribeResponse { protocol_version, ..DescribeResponse::default() }))
    }

    async fn read_clock(&self, _: Request<ReadClockRequest>) -> Result<Response<ReadClockResponse>, Status> {
        Ok(Response::new(ReadClockResponse { monotonic_ns: self.clock() }))
    }

    async fn read_lease(
        &self,
        _: Request<wire::ReadLeaseRequest>,
    ) -> Result<Response<wire::ReadLeaseResponse>, Status> {
        Ok(Response::new(wire::ReadLeaseResponse { holder: None }))
    }

    async fn release(
        &self,
        _: Request<wire::ReleaseRequest>,
    ) -> Result<Response<wire::ReleaseResponse>, Status> {
        Ok(Response::new(wire::ReleaseResponse { released: false }))
    }

    type LeaseStream = ReceiverStream<Reply>;

    async fn lease(
        &self,
        request: Request<Streaming<LeaseRequest>>,
    ) -> Result<Response<Self::LeaseStream>, Status> {
        if matches!(self.act, Act::Busy) {
            return Err(Status::resource_exhausted("run 2026-11-22-other holds the lease"));
        }
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(self.clone().serve(request.into_inner(), sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
