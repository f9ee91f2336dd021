//! Synthetic agents: they speak the real protocol over real sockets, but invent their measurements, so that one process
//! can be a thousand hosts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use coordinator::cluster::clock::now_ns;
use hdrhistogram::Histogram;
use proto::{
    noise::Noise,
    outcome::{Direction, Finished, HostDescription, Interval, Ready, Series, Window, WorkCounts},
    refusal::{CancelledWhen, Refusal, SessionRefusal},
    trial::Trial,
    wire::{
        self, DescribeRequest, DescribeResponse, LeaseEvent, LeaseRequest, Opened, ReadClockRequest,
        ReadClockResponse, Start,
        agent_server::{Agent, AgentServer},
        lease_event::Event,
        lease_request::Request as Asked,
    },
};
use rand_core::{RngCore as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// Threads of a host.
const THREADS: usize = 8;
/// Operations of a thread in an interval.
const OPS: usize = 1000;
/// Different intervals; hosts begin at different ones.
const TEMPLATES: usize = 16;

/// The invented intervals.
pub struct Invented {
    /// Encoded, without edges.
    encoded: Vec<wire::Interval>,
    /// Their latencies.
    pub latencies: Vec<Histogram<u64>>,
}

impl Invented {
    /// Latencies of eight threads whose medians differ, each with a long tail.
    pub fn new() -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(40);
        // The sum of twelve uniform numbers is almost normal.
        let mut normal = move || {
            (0..12).map(|_| (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
        };
        let mut invent = |_| {
            let mut latency = proto::histogram::empty::<u64>();
            for thread in 0..THREADS {
                let median_ns = 20_000.0 * (1.0 + thread as f64 / 4.0);
                (0..OPS).for_each(|_| latency.saturating_record((median_ns * (0.6 * normal()).exp()) as u64));
            }
            latency
        };
        let latencies: Vec<Histogram<u64>> = (0..TEMPLATES).map(&mut invent).collect();
        let encode = |latency: &Histogram<u64>| {
            let (bytes, latency) = (4096 * latency.len(), latency.clone());
            let series = vec![Series { direction: Direction::Read, bytes, latency, service: None }];
            let interval = Interval { index: 0, begin_ns: 0, end_ns: 0, series };
            interval.to_wire(String::new()).unwrap()
        };
        Self { encoded: latencies.iter().map(encode).collect(), latencies }
    }

    /// The place of a host's interval in both lists.
    pub fn place(host: usize, index: u32) -> usize {
        (host + index as usize) % TEMPLATES
    }
}

/// What the hosts observe together.
#[derive(Default)]
pub struct Observed {
    /// The begin of the current measured window on the coordinator's clock, in nanoseconds; 0 before the first.
    pub begin_ns: AtomicU64,
    /// The longest time for which an interval had to wait until it could be sent, in nanoseconds.
    pub waited_ns: AtomicU64,
}

/// One synthetic host.
#[derive(Clone)]
pub struct Synthetic {
    host: usize,
    invented: Arc<Invented>,
    observed: Arc<Observed>,
}

/// Starts hosts on free loopback ports, and returns their addresses.
pub async fn serve(hosts: usize, invented: &Arc<Invented>, observed: &Arc<Observed>) -> Vec<SocketAddr> {
    let mut addresses = Vec::with_capacity(hosts);
    for host in 0..hosts {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let (invented, observed) = (Arc::clone(invented), Arc::clone(observed));
        let agent = AgentServer::new(Synthetic { host, invented, observed });
        tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(agent).serve_with_incoming(incoming).await.unwrap();
        });
    }
    addresses
}

type Reply = Result<LeaseEvent, Status>;

impl Synthetic {
    async fn session(self, mut requests: Streaming<LeaseRequest>, events: mpsc::Sender<Reply>) {
        let mut prepared = None;
        let mut running = None;
        while let Ok(Some(LeaseRequest { request: Some(request) })) = requests.message().await {
            match request {
                Asked::Open(_) => send(&events, Event::Opened(Opened {})).await,
                Asked::Prepare(trial) => {
                    let trial = Trial::try_from(trial).unwrap();
                    send(&events, Event::Ready(Ready::default().into_wire(trial.id.clone()))).await;
                    prepared = Some(trial);
                }
                Asked::Start(start) => {
                    let trial = prepared.take().unwrap();
                    running = Some(tokio::spawn(self.clone().measure(trial, start, events.clone())));
                }
                Asked::Cancel(cancel) => {
                    if let Some(running) = running.take() {
                        running.abort();
                    }
                    let refusal: Refusal = SessionRefusal::Cancelled { when: CancelledWhen::Waiting }.into();
                    send(&events, Event::Failed(refusal.into_wire(cancel.trial_id))).await;
                }
            }
        }
    }

    async fn measure(self, trial: Trial, start: Start, events: mpsc::Sender<Reply>) {
        let begin_ns = start.at_ns + trial.workload.warmup.0;
        let end_ns = begin_ns + trial.workload.runtime.0;
        self.observed.begin_ns.fetch_max(begin_ns, Ordering::Relaxed);
        let (mut index, mut edge, mut ops) = (0, begin_ns, 0);
        while edge < end_ns {
            let next = (edge + trial.workload.interval.0).min(end_ns);
            tokio::time::sleep(Duration::from_nanos(next.saturating_sub(now_ns()))).await;
            let place = Invented::place(self.host, index);
            let encoded = self.invented.encoded[place].clone();
            let interval =
                wire::Interval { trial_id: trial.id.clone(), index, begin_ns: edge, end_ns: next, ..encoded };
            let asked = now_ns();
            send(&events, Event::Interval(interval)).await;
            self.observed.waited_ns.fetch_max(now_ns() - asked, Ordering::Relaxed);
            ops += self.invented.latencies[place].len();
            (index, edge) = (index + 1, next);
        }
        let finished = Finished {
            window: Window { begin_ns, end_ns, cut_short: false },
            work: WorkCounts { read_ops: ops, bytes: 4096 * ops, ..WorkCounts::default() },
            noise: Some(Noise { span_ns: end_ns - begin_ns, cpus: vec![1], ..Noise::default() }),
            ..Finished::default()
        };
        send(&events, Event::Finished(finished.into_wire(trial.id))).await;
    }
}

/// Sends an event; if the coordinator is gone, the lease will end.
async fn send(events: &mpsc::Sender<Reply>, event: Event) {
    let _ = events.send(Ok(LeaseEvent { event: Some(event) })).await;
}

#[tonic::async_trait]
impl Agent for Synthetic {
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

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let description = HostDescription {
            protocol_version: proto::PROTOCOL_VERSION,
            agent_version: env!("CARGO_PKG_VERSION").into(),
            hostname: format!("n{}", self.host),
            ..HostDescription::default()
        };
        Ok(Response::new(description.into()))
    }

    async fn read_clock(&self, _: Request<ReadClockRequest>) -> Result<Response<ReadClockResponse>, Status> {
        Ok(Response::new(ReadClockResponse { monotonic_ns: now_ns() }))
    }

    type LeaseStream = ReceiverStream<Reply>;

    async fn lease(
        &self,
        request: Request<Streaming<LeaseRequest>>,
    ) -> Result<Response<Self::LeaseStream>, Status> {
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(self.clone().session(request.into_inner(), sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
