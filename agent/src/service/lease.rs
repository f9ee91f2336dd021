//! One lease as a trial sees it: the coordinator's requests in, events out.

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

/// A lease in the hands of a coordinator. Dropped in the order of its fields: when the coordinator sees the end
/// of the stream, all is gone and the agent is free for the next.
pub(super) struct Lease {
    /// Files made for this lease; used by one blocking task at a time.
    pub(super) targets: Arc<Mutex<Targets>>,
    pub(super) guard: LeaseGuard,
    events: Sender<Result<LeaseEvent, Status>>,
    requests: Streaming<LeaseRequest>,
    shutdown: CancellationToken,
    pub(super) host: Arc<Host>,
}

/// The lease is over: the coordinator has gone, or the agent is to end.
#[derive(Debug)]
pub(super) struct Over;

/// What a coordinator asks of the trial under way.
pub(super) enum Turn {
    /// To begin, at this time.
    Start(u64),
    /// To end.
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
        let targets = Targets::new(host.data_dir.clone()).allowing(Arc::clone(&host.devices));
        let targets = Arc::new(Mutex::new(targets));
        Self { targets, guard, events, requests, shutdown, host }
    }

    /// The next request that is for the trial under way. Another trial beside it is refused.
    pub(super) async fn turn(&mut self, trial_id: &str) -> Result<Turn, Over> {
        loop {
            match self.next().await? {
                Ask::Start(start) if start.trial_id == trial_id => return Ok(Turn::Start(start.at_ns)),
                Ask::Cancel(cancel) if cancel.trial_id == trial_id => return Ok(Turn::Cancel),
                // For a trial that has ended in the meantime.
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

    /// The coordinator has gone, or the agent is to end.
    fn over(&self) -> Over {
        self.guard.leave();
        Over
    }

    /// The coordinator's next request.
    pub(super) async fn next(&mut self) -> Result<Ask, Over> {
        loop {
            let message = tokio::select! {
                () = self.shutdown.cancelled() => return Err(self.over()),
                () = self.events.closed() => return Err(self.over()),
                message = self.requests.message() => message,
            };
            match message {
                Ok(Some(LeaseRequest { request: Some(request) })) => return Ok(request),
                // A request that this release does not know: a newer coordinator is refused at Open already.
                Ok(Some(LeaseRequest { request: None })) => {}
                Ok(None) | Err(_) => return Err(self.over()),
            }
        }
    }

    /// Sends an event, however long the coordinator takes to make room for it.
    pub(super) async fn send(&self, event: Event) -> Result<(), Over> {
        let event = Ok(LeaseEvent { event: Some(event) });
        tokio::select! {
            () = self.shutdown.cancelled() => Err(self.over()),
            sent = self.events.send(event) => sent.map_err(|_| self.over()),
        }
    }

    /// A way to send progress, which is dropped when the coordinator is behind.
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
