//! One lease: requests in, events out, trials one after another.

use std::sync::{Arc, Mutex};

use proto::{
    outcome::Refusal,
    trial::{FieldError, Trial},
    wire::{LeaseEvent, LeaseRequest, Opened, lease_event::Event, lease_request::Request as Ask},
};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{Host, holder::Held, trial};
use crate::target::Targets;

/// A lease in the hands of a coordinator. Dropped in the order of its fields: when the coordinator sees the end
/// of the stream, all is gone and the agent is free for the next.
pub(super) struct Lease {
    /// Files made for this lease; used by one blocking task at a time.
    pub(super) targets: Arc<Mutex<Targets>>,
    held: Held,
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
        held: Held,
    ) -> Self {
        let targets = Targets::new(host.data_dir.clone()).allowing(Arc::clone(&host.devices));
        let targets = Arc::new(Mutex::new(targets));
        Self { targets, held, events, requests, shutdown, host }
    }

    /// Serves until the stream ends, however it ends. What trials made is gone when this returns.
    pub(super) async fn serve(mut self) {
        self.serve_requests().await;
        self.held.leave();
        // Taking a RAM disk down may have to wait for its last user, which must not hold up the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    async fn serve_requests(&mut self) {
        if self.send(Event::Opened(Opened {})).await.is_err() {
            return;
        }
        loop {
            match self.next().await {
                Ok(Ask::Prepare(trial)) => {
                    let id = trial.id.clone();
                    let outcome = match Trial::try_from(trial) {
                        Ok(trial) => {
                            self.held.begin(&id);
                            trial::run(self, Arc::new(trial)).await
                        }
                        Err(errors) => Ok(Err(invalid(&errors))),
                    };
                    let Ok(outcome) = outcome else { return };
                    self.held.end();
                    if let Err(refusal) = outcome
                        && self.refuse(id, refusal).await.is_err()
                    {
                        return;
                    }
                }
                // For a trial that has ended in the meantime.
                Ok(Ask::Start(_) | Ask::Cancel(_)) => {}
                Ok(Ask::Open(_)) => return self.open_already().await,
                Err(Over) => return,
            }
        }
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
                    let refusal = Refusal::new(
                        "protocol",
                        "a trial is under way already",
                        "wait for its Finished or Failed before the next Prepare",
                    );
                    self.refuse(other.id, refusal).await?;
                }
                Ask::Open(_) => {
                    self.open_already().await;
                    return Err(Over);
                }
            }
        }
    }

    async fn open_already(&self) {
        let refusal = Refusal::new("protocol", "the lease is open already", "send Open once");
        let _ = self.refuse(String::new(), refusal).await;
    }

    /// The coordinator has gone, or the agent is to end.
    fn over(&self) -> Over {
        self.held.leave();
        Over
    }

    /// The coordinator's next request.
    async fn next(&mut self) -> Result<Ask, Over> {
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

    async fn refuse(&self, trial_id: String, refusal: Refusal) -> Result<(), Over> {
        tracing::warn!(trial = trial_id, code = refusal.code, "{refusal}; {}", refusal.remedy);
        self.send(Event::Failed(refusal.into_wire(trial_id))).await
    }
}

fn invalid(errors: &[FieldError]) -> Refusal {
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let field = errors.first().map_or("", |error| error.field.as_str());
    Refusal::new(
        "invalid-trial",
        all.join("; "),
        "the coordinator should have refused this scenario: are both of the same release?",
    )
    .at(field)
}
