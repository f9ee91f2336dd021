//! Connects to an agent, over TCP or over the socket of an embedded agent, and does the version handshake.

use std::{io, sync::Mutex, time::Duration};

use hyper_util::rt::TokioIo;
use proto::{
    MAX_MESSAGE_BYTES, PROTOCOL_VERSION,
    outcome::{HostDescription, Refusal},
    payload::clean,
    refusal::{EmbeddedFailure, HostRefusal, Question, VersionMismatch},
    wire::{DescribeRequest, ReadClockRequest, agent_client::AgentClient},
};
use tokio::{net::UnixStream, time::timeout};
use tonic::{
    Status,
    transport::{Channel, Endpoint, Uri},
};

use super::{
    Timing,
    address::Address,
    clock::{self, Sample},
};
use crate::cluster::clock::ClockOffset;

pub(super) type Client = AgentClient<Channel>;

fn endpoint(uri: String, timing: &Timing) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(uri)?
        // Longer than the limit of the first connection, so that Ringbench's own message appears.
        .connect_timeout(timing.connect + Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(timing.keepalive)
        .keep_alive_timeout(timing.keepalive_timeout)
        .keep_alive_while_idle(true))
}

fn client(channel: Channel) -> Client {
    AgentClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Connects to an agent over TCP.
pub(super) async fn tcp(address: &Address, timing: &Timing) -> Result<Client, Refusal> {
    let unreachable = |why: String| HostRefusal::Unreachable { address: address.to_string(), why };
    let endpoint =
        endpoint(format!("http://{address}"), timing).map_err(|error| unreachable(causes(&error)))?;
    let limit = timing.connect;
    match timeout(limit, endpoint.connect()).await {
        Ok(Ok(channel)) => Ok(client(channel)),
        Ok(Err(error)) => Err(unreachable(causes(&error)).into()),
        Err(_) => Err(unreachable(format!("no answer within {} s", limit.as_secs_f64())).into()),
    }
}

/// Connects over an existing socket. The socket is handed out once, because a child cannot be reconnected.
pub(super) async fn socket(stream: UnixStream, timing: &Timing) -> Result<Client, Refusal> {
    let failed = |why| HostRefusal::EmbeddedAgent { failure: EmbeddedFailure::NotReached { why } };
    let slot = Mutex::new(Some(stream));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = slot.lock().ok().and_then(|mut slot| slot.take());
        async move {
            stream
                .map(TokioIo::new)
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "it is closed"))
        }
    });
    // The protocol requires a name; it is never resolved.
    let endpoint =
        endpoint("http://embedded.invalid".into(), timing).map_err(|error| failed(causes(&error)))?;
    let channel = endpoint.connect_with_connector(connector).await.map_err(|error| failed(causes(&error)))?;
    Ok(client(channel))
}

/// Asks a host for its description, and refuses a host with another protocol version.
pub(super) async fn describe(
    name: &str,
    client: &mut Client,
    timing: &Timing,
) -> Result<HostDescription, Refusal> {
    // Describing may take a moment; reading a clock does not. A host that answers neither is given up soon. Any
    // other fault appears in the next reply too.
    if timeout(timing.connect, client.read_clock(ReadClockRequest {})).await.is_err() {
        return Err(silent(Question::Describe, timing.connect));
    }
    let limit = timing.answer;
    let response = match timeout(limit, client.describe(DescribeRequest {})).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => {
            return Err(HostRefusal::NoAgent { why: status_text(&status) }.into());
        }
        Err(_) => return Err(silent(Question::Describe, limit)),
    };
    if response.protocol_version != PROTOCOL_VERSION {
        let (theirs, ours) = (response.protocol_version, PROTOCOL_VERSION);
        let mismatch = VersionMismatch::Differs { host: name.to_owned(), theirs, ours };
        return Err(HostRefusal::ProtocolVersion { mismatch }.into());
    }
    Ok(response.into())
}

/// The refusal of a host that does not answer in time.
pub(super) fn silent(question: Question, limit: Duration) -> Refusal {
    HostRefusal::NoAnswer { question, limit: limit.into() }.into()
}

/// Relates the host's clock to the coordinator's. The samples follow one another without pauses, in which CPUs
/// would fall asleep.
pub(super) async fn read_clock(client: &mut Client, samples: usize) -> Result<ClockOffset, Status> {
    let mut taken = Vec::with_capacity(samples);
    for _ in 0..samples {
        let sent_ns = clock::now_ns();
        let host_ns = client.read_clock(ReadClockRequest {}).await?.into_inner().monotonic_ns;
        taken.push(Sample { sent_ns, host_ns, received_ns: clock::now_ns() });
    }
    clock::estimate(&taken).ok_or_else(|| Status::internal("no sample was taken"))
}

/// The text of a status with its causes: "transport error" alone is not helpful.
pub(super) fn status_text(status: &Status) -> String {
    let mut text = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    append_causes(&mut text, std::error::Error::source(status));
    // The text may come from the agent.
    clean(text)
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    append_causes(&mut text, error.source());
    text
}

fn append_causes(text: &mut String, mut source: Option<&dyn std::error::Error>) {
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
}
