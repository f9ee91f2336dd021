//! One lease as a trial sees it: requests from the coordinator, events to it.

use std::sync::{Arc, Mutex};

use proto::{
    refusal::{ProtocolError, Refusal, SessionRefusal},
    wire::{LeaseEvent, LeaseRequest, lease_event::Event, lease_request::Request as Ask},
};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{Host, lease_owner::LeaseGuard};
use crate::target::Targets;

/// An open lease. Its fields are dropped in order, so when the coordinator sees the end of the stream, all targets are
/// gone and the agent is free.
pub(super) struct Lease {
    /// Targets created for this lease; used by one blocking task at a time.
    pub(super) targets: Arc<Mutex<Targets>>,
    pub(super) guard: LeaseGuard,
    events: Sender<Result<LeaseEvent, Status>>,
    requests: Streaming<LeaseRequest>,
    shutdown: CancellationToken,
    pub(super) host: Arc<Host>,
}

/// The lease is over: the coordinator has disconnected, or the agent is shutting down.
#[derive(Debug)]
pub(super) struct Over;

/// A request that concerns the current trial.
pub(super) enum Turn {
    /// Start at this time (`CLOCK_MONOTONIC`, ns).
    Start(u64),
    /// Cancel the trial.
    Cancel,
}

impl Lease {
    pub(super) fn new(
        host: Arc<Host>,
        requests: Streaming<LeaseRequest>,
        events: Sender<Result<LeaseEvent, Status>>,
        shutdown: CancellationToken,
        guard: LeaseGuard,
    ) -> Self {
        let targets = Targets::new(host.data_dir.clone())
            .allowing(Arc::clone(&host.devices))
            .allowing_paths(Arc::clone(&host.paths));
        let targets = Arc::new(Mutex::new(targets));
        Self { targets, guard, events, requests, shutdown, host }
    }

    /// Waits for the next request that concerns the current trial. Refuses to prepare a second one.
    pub(super) async fn turn(&mut self, trial_id: &str) -> Result<Turn, Over> {
        loop {
            match self.next().await? {
                Ask::Start(start) if start.trial_id == trial_id => return Ok(Turn::Start(start.at_ns)),
                Ask::Cancel(cancel) if cancel.trial_id == trial_id => return Ok(Turn::Cancel),
                // This trial has already ended.
                Ask::Start(_) | Ask::Cancel(_) => {}
                Ask::Prepare(other) => {
                    let refusal = SessionRefusal::Protocol { error: ProtocolError::TrialUnderWay }.into();
                    self.refuse(other.id, refusal).await?;
                }
                Ask::Open(_) => {
                    self.open_already().await;
                    return Err(Over);
                }
            }
        }
    }

    pub(super) async fn open_already(&self) {
        let refusal = SessionRefusal::Protocol { error: ProtocolError::LeaseOpen }.into();
        let _ = self.refuse(String::new(), refusal).await;
    }

    /// Marks the lease as ending.
    fn over(&self) -> Over {
        self.guard.leave();
        Over
    }

    /// Waits for the coordinator's next request.
    pub(super) async fn next(&mut self) -> Result<Ask, Over> {
        loop {
            let message = tokio::select! {
                () = self.shutdown.cancelled() => return Err(self.over()),
                () = self.events.closed() => return Err(self.over()),
                message = self.requests.message() => message,
            };
            match message {
                Ok(Some(LeaseRequest { request: Some(request) })) => return Ok(request),
                // An unknown request. Newer coordinators are refused at Open, so this one can be ignored.
                Ok(Some(LeaseRequest { request: None })) => {}
                Ok(None) | Err(_) => return Err(self.over()),
            }
        }
    }

    /// Sends an event. Waits while the channel is full.
    pub(super) async fn send(&self, event: Event) -> Result<(), Over> {
        let event = Ok(LeaseEvent { event: Some(event) });
        tokio::select! {
            () = self.shutdown.cancelled() => Err(self.over()),
            sent = self.events.send(event) => sent.map_err(|_| self.over()),
        }
    }

    /// Returns a function that sends progress, and drops it while the channel is full.
    pub(super) fn progress(&self) -> impl Fn(proto::wire::Progress) + Send + 'static {
        let events = self.events.clone();
        move |progress| {
            let _ = events.try_send(Ok(LeaseEvent { event: Some(Event::Progress(progress)) }));
        }
    }

    pub(super) async fn refuse(&self, trial_id: String, refusal: Refusal) -> Result<(), Over> {
        tracing::warn!(trial = trial_id, code = refusal.code(), "{refusal}; {}", refusal.remedy());
        self.send(Event::Failed(refusal.into_wire(trial_id))).await
    }
}
