//! The agent's gRPC service. It grants one lease at a time (`lease`); trials run inside a lease and end with it.

mod grants;
mod lease;
mod lease_owner;
mod sampler;
mod session;
mod sum;
mod trial;

use std::{path::PathBuf, pin::Pin, sync::Arc, time::Instant};

use proto::{
    MAX_MESSAGE_BYTES, PROTOCOL_VERSION,
    outcome::HostDescription,
    refusal::{AgentLimit, Refusal, SessionRefusal},
    trial::{MAX_NAME, is_name},
    wire::{
        DescribeRequest, DescribeResponse, LeaseEvent, LeaseRequest, ReadClockRequest, ReadClockResponse,
        ReadLeaseRequest, ReadLeaseResponse, ReleaseRequest, ReleaseResponse,
        agent_server::{Agent, AgentServer},
        lease_request::Request as Ask,
    },
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Request, Response, Status, Streaming};

use self::{lease::Lease, lease_owner::LeaseOwner};
use crate::{
    clock::monotonic_ns,
    limits::{DESCRIPTION_AGE, Limits, MAX_WAITING, OPEN_TIME},
    metrics::Metrics,
    preflight,
    target::{AllowedPaths, device::allow::AllowList},
    topology::Topology,
};

/// Capacity of the channel of events to the coordinator. When it is full, progress is dropped and results wait.
const EVENT_CAPACITY: usize = 64;

/// The service; clones share the lease.
#[derive(Clone)]
pub struct AgentService {
    host: Arc<Host>,
    lease_owner: LeaseOwner,
    /// The last description of this host. It is repeated while it is new, and while a lease is open: the tests arm tracepoints and open
    /// rings, which would disturb a trial. Locked during the tests, so that they run one at a time.
    described: Arc<tokio::sync::Mutex<Option<(Instant, HostDescription)>>>,
    /// Places for streams that have not sent Open.
    waiting: Arc<Semaphore>,
    shutdown: CancellationToken,
    leases: TaskTracker,
}

/// Properties that stay the same while the agent runs.
pub(crate) struct Host {
    pub(crate) topology: Topology,
    pub(crate) data_dir: PathBuf,
    pub(crate) devices: Arc<AllowList>,
    pub(crate) paths: Arc<AllowedPaths>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
}

impl AgentService {
    /// Creates a service that creates targets in `data_dir`, uses only the listed block devices, and reads no existing
    /// files.
    #[must_use]
    pub fn new(topology: Topology, data_dir: PathBuf, devices: AllowList) -> Self {
        Self {
            host: Arc::new(Host {
                topology,
                data_dir,
                devices: Arc::new(devices),
                paths: Arc::default(),
                metrics: Metrics::default(),
                limits: Limits::default(),
            }),
            lease_owner: LeaseOwner::default(),
            described: Arc::default(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            shutdown: CancellationToken::new(),
            leases: TaskTracker::new(),
        }
    }

    /// Lets trials read existing files. Without effect once the service is shared.
    #[must_use]
    pub fn allowing_paths(mut self, paths: AllowedPaths) -> Self {
        if let Some(host) = Arc::get_mut(&mut self.host) {
            host.paths = Arc::new(paths);
        }
        self
    }

    /// Limits trials. Without effect once the service is shared.
    #[must_use]
    pub fn limited(mut self, limits: Limits) -> Self {
        if let Some(host) = Arc::get_mut(&mut self.host) {
            host.limits = limits;
        }
        self
    }

    /// What the service has done.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.host.metrics.clone()
    }

    /// Wraps the service for tonic.
    #[must_use]
    pub fn into_server(self) -> AgentServer<Self> {
        AgentServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Ends the lease, if one is open, and waits until its targets are removed.
    pub async fn close(&self) {
        self.shutdown.cancel();
        self.leases.close();
        self.leases.wait().await;
    }
}

#[tonic::async_trait]
impl Agent for AgentService {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let mut last = self.described.lock().await;
        let busy = self.lease_owner.is_taken();
        if let Some((made, description)) = &*last
            && (busy || made.elapsed() < DESCRIPTION_AGE)
        {
            return Ok(Response::new(description.clone().into()));
        }
        let host = Arc::clone(&self.host);
        let describe = move || preflight::describe(&host.topology, &host.data_dir);
        let description: HostDescription = tokio::task::spawn_blocking(describe)
            .await
            .map_err(|error| Status::internal(format!("cannot describe this host: {error}")))?;
        *last = Some((Instant::now(), description.clone()));
        Ok(Response::new(description.into()))
    }

    async fn read_clock(&self, _: Request<ReadClockRequest>) -> Result<Response<ReadClockResponse>, Status> {
        Ok(Response::new(ReadClockResponse { monotonic_ns: monotonic_ns() }))
    }

    async fn read_lease(&self, _: Request<ReadLeaseRequest>) -> Result<Response<ReadLeaseResponse>, Status> {
        Ok(Response::new(ReadLeaseResponse { holder: self.lease_owner.holder() }))
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let ReleaseRequest { run_id } = request.into_inner();
        let released = self.lease_owner.release(&run_id);
        if released {
            tracing::warn!(run = run_id, "the lease is released by request (`coordinator agents --release`)");
        }
        Ok(Response::new(ReleaseResponse { released }))
    }

    type LeaseStream = Pin<Box<dyn Stream<Item = Result<LeaseEvent, Status>> + Send>>;

    async fn lease(
        &self,
        request: Request<Streaming<LeaseRequest>>,
    ) -> Result<Response<Self::LeaseStream>, Status> {
        let mut requests = request.into_inner();
        let first = {
            let limit = |limit| Refusal::from(SessionRefusal::AgentLimit { limit });
            let _place = self.waiting.try_acquire().map_err(|_| {
                limit(AgentLimit::WaitingLeases { limit: MAX_WAITING as u32 })
                    .into_status(Code::ResourceExhausted)
            })?;
            timeout(OPEN_TIME, requests.message()).await.map_err(|_| {
                limit(AgentLimit::OpenTime { limit: OPEN_TIME.into() }).into_status(Code::DeadlineExceeded)
            })?
        };
        let open = match first?.and_then(|first| first.request) {
            Some(Ask::Open(open)) => open,
            _ => return Err(Status::invalid_argument("the first message of a lease must be Open")),
        };
        if open.protocol_version != PROTOCOL_VERSION {
            return Err(Status::failed_precondition(format!(
                "this agent uses protocol {PROTOCOL_VERSION}, the coordinator {}: install the same release \
                 on both hosts",
                open.protocol_version
            )));
        }
        if !is_name(&open.run_id) {
            return Err(Status::invalid_argument(format!(
                "run_id must be printable and have 1 to {MAX_NAME} bytes"
            )));
        }
        let end = self.shutdown.child_token();
        let guard = self.lease_owner.take(&open.run_id, end.clone()).map_err(Status::resource_exhausted)?;
        tracing::info!(run = open.run_id, "lease taken");
        let metrics = self.metrics();
        metrics.lease_taken();
        let (events, stream) = mpsc::channel(EVENT_CAPACITY);
        let lease = Lease::new(Arc::clone(&self.host), requests, events, end, guard);
        self.leases.spawn(async move {
            lease.serve().await;
            metrics.lease_ended();
            tracing::info!(run = open.run_id, "lease ended");
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}
