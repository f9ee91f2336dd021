//! The lease of one host: sends requests to the agent, and a task turns its replies into events.

use proto::{
    PROTOCOL_VERSION,
    outcome::{Finished, Interval, Ready, Refusal},
    plain::clean,
    refusal::{HostRefusal, LossCause, ProtocolError, Question, SessionRefusal, VersionMismatch},
    trial::{FieldError, Trial},
    wire::{
        self, Cancel, LeaseRequest, Open, Start, lease_event::Event as WireEvent, lease_request::Request,
    },
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Duration, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::connect::{Client, silent, status_text};

/// An event of a host: about a trial, or its loss.
#[derive(Debug)]
pub(super) enum Event {
    Progress {
        what: String,
        done: u64,
        total: u64,
    },
    Ready(Ready),
    Interval(Interval),
    Finished(Box<Finished>),
    /// The trial was refused; the lease continues.
    Failed(Refusal),
    /// The lease ended, so the host is lost.
    Lost(Refusal),
}

/// An event with its host and its trial (empty if the host is lost).
#[derive(Debug)]
pub(super) struct FromHost {
    pub host: usize,
    pub trial: String,
    pub event: Event,
}

/// An open lease. Dropping it ends it, and the agent frees its resources.
#[derive(Debug)]
pub(super) struct Lease {
    requests: Option<mpsc::Sender<LeaseRequest>>,
    reader: JoinHandle<()>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Lease {
    /// Opens the lease of a host and starts to forward its events.
    pub(super) async fn open(
        mut client: Client,
        host: usize,
        run_id: &str,
        events: mpsc::Sender<FromHost>,
        limit: Duration,
    ) -> Result<Self, Refusal> {
        let (requests, outgoing) = mpsc::channel(64);
        let open = Open { protocol_version: PROTOCOL_VERSION, run_id: run_id.to_owned() };
        // The channel is new and its receiver exists, so there is room.
        let _ = requests.try_send(LeaseRequest { request: Some(Request::Open(open)) });
        let opening = async {
            let mut incoming = client.lease(ReceiverStream::new(outgoing)).await?.into_inner();
            let first = incoming.message().await?;
            Ok::<_, Status>((incoming, first.and_then(|event| event.event)))
        };
        let opened = timeout(limit, opening).await.map_err(|_| silent(Question::Lease, limit))?;
        let (incoming, first) = opened.map_err(|status| refused(&status))?;
        match first {
            Some(WireEvent::Opened(_)) => {}
            Some(WireEvent::Failed(failed)) => return Err(refusal_of(failed)),
            _ => return Err(invalid(ProtocolError::NotOpened)),
        }
        let reader = tokio::spawn(async move { pass_on(host, incoming, events).await });
        Ok(Self { requests: Some(requests), reader })
    }

    /// Requests the preparation of a trial. Returns `false` if the host accepts no more requests.
    pub(super) fn prepare(&self, trial: &Trial) -> bool {
        self.send(Request::Prepare(wire::Trial::from(trial)))
    }

    /// Starts the trial at a time of the host's clock, in nanoseconds.
    pub(super) fn start(&self, trial: &str, at_ns: u64) -> bool {
        self.send(Request::Start(Start { trial_id: trial.to_owned(), at_ns }))
    }

    /// Ends the trial early.
    pub(super) fn cancel(&self, trial: &str) -> bool {
        self.send(Request::Cancel(Cancel { trial_id: trial.to_owned() }))
    }

    fn send(&self, request: Request) -> bool {
        // A trial has at most three requests, so a full channel means that the host no longer reads.
        self.requests
            .as_ref()
            .is_some_and(|requests| requests.try_send(LeaseRequest { request: Some(request) }).is_ok())
    }

    /// Ends the lease and waits until the agent confirms by ending its stream, so that the next lease does not
    /// find the agent busy.
    pub(super) async fn close(mut self, limit: Duration) {
        self.requests = None;
        if timeout(limit, &mut self.reader).await.is_err() {
            tracing::debug!("an agent did not end its lease in time");
        }
    }
}

async fn pass_on(host: usize, mut incoming: Streaming<wire::LeaseEvent>, events: mpsc::Sender<FromHost>) {
    loop {
        let message = incoming.message().await;
        // Waits for room before it decodes: of a thousand intervals that arrive at once, all but a few stay encoded.
        let room = events.reserve().await;
        let (trial, event) = match message {
            Ok(Some(message)) => read(message),
            Ok(None) => (String::new(), Event::Lost(HostRefusal::Lost { cause: LossCause::Ended }.into())),
            Err(status) => (String::new(), Event::Lost(broken(&status))),
        };
        let last = matches!(event, Event::Lost(_));
        // Waits for the end of the stream even without a receiver: it shows that the agent is free again.
        if let Ok(room) = room {
            room.send(FromHost { host, trial, event });
        }
        if last {
            return;
        }
    }
}

/// Decodes histograms on the reader's task, host by host.
fn read(message: wire::LeaseEvent) -> (String, Event) {
    let lost = |error: FieldError| (String::new(), Event::Lost(undecodable(&error)));
    match message.event {
        Some(WireEvent::Progress(progress)) => {
            let what = clean(&progress.what);
            (progress.trial_id, Event::Progress { what, done: progress.done, total: progress.total })
        }
        Some(WireEvent::Ready(mut ready)) => {
            let trial = std::mem::take(&mut ready.trial_id);
            ready.try_into().map_or_else(lost, |ready| (trial, Event::Ready(ready)))
        }
        Some(WireEvent::Interval(mut interval)) => {
            let trial = std::mem::take(&mut interval.trial_id);
            interval.try_into().map_or_else(lost, |interval| (trial, Event::Interval(interval)))
        }
        Some(WireEvent::Finished(mut finished)) => {
            let trial = std::mem::take(&mut finished.trial_id);
            let read = Finished::try_from(finished);
            read.map_or_else(lost, |finished| (trial, Event::Finished(Box::new(finished))))
        }
        Some(WireEvent::Failed(mut failed)) => {
            let trial = std::mem::take(&mut failed.trial_id);
            let refusal = refusal_of(failed);
            if trial.is_empty() { (trial, Event::Lost(refusal)) } else { (trial, Event::Failed(refusal)) }
        }
        Some(WireEvent::Opened(_)) | None => {
            (String::new(), Event::Lost(invalid(ProtocolError::UnexpectedEvent)))
        }
    }
}

fn refusal_of(failed: wire::Failed) -> Refusal {
    failed
        .try_into()
        .unwrap_or_else(|error: FieldError| HostRefusal::Unknown { why: error.to_string() }.into())
}

/// The refusal of a lease.
fn refused(status: &Status) -> Refusal {
    if let Some(refusal) = Refusal::of_status(status) {
        return refusal;
    }
    let why = status_text(status);
    match status.code() {
        Code::ResourceExhausted => HostRefusal::Busy { why }.into(),
        Code::FailedPrecondition | Code::Unimplemented => {
            HostRefusal::ProtocolVersion { mismatch: VersionMismatch::Refused { why } }.into()
        }
        _ => broken(status),
    }
}

fn broken(status: &Status) -> Refusal {
    HostRefusal::Lost { cause: LossCause::Broken { why: status_text(status) } }.into()
}

fn invalid(error: ProtocolError) -> Refusal {
    SessionRefusal::Protocol { error }.into()
}

fn undecodable(error: &FieldError) -> Refusal {
    invalid(ProtocolError::Undecodable { why: error.to_string() })
}
