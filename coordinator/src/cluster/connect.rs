//! Connects to an agent, over TCP, a Unix socket or the socket of an embedded agent, and does the version handshake.
//!
//! * `dial`: one connector for each kind of address.
//! * `observed`: remembers why a connection failed.
//! * `explain`: turns that into a refusal with its remedy.

mod dial;
mod explain;
mod observed;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use proto::{
    MAX_MESSAGE_BYTES, PROTOCOL_VERSION,
    outcome::{HostDescription, Refusal},
    plain::clean,
    refusal::{EmbeddedFailure, HostRefusal, IdentityRefusal, Question, VersionMismatch},
    wire::{DescribeRequest, ReadClockRequest, agent_client::AgentClient},
};
use rustls::pki_types::CertificateDer;
use tokio::{net::UnixStream, time::timeout};
use tonic::{
    Code, Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint, Uri},
};

use self::observed::{Fault, Seen};
use super::{
    Timing,
    address::Address,
    clock::{self, Sample},
    inventory::HostSpec,
    security::{Bearer, FoundToken, Security},
};
use crate::cluster::clock::ClockOffset;

pub(super) type Client = AgentClient<InterceptedService<Channel, Bearer>>;

fn endpoint(uri: String, timing: &Timing) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(uri)?
        // Longer than the limit of the first connection, so that Ringbench's own message appears.
        .connect_timeout(timing.connect + Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(timing.keepalive)
        .keep_alive_timeout(timing.keepalive_timeout)
        .keep_alive_while_idle(true))
}

fn client(channel: Channel, bearer: Bearer) -> Client {
    AgentClient::with_interceptor(channel, bearer)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// A connection to an agent.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    facts: LinkFacts,
}

/// What explains the failure of a connection.
#[derive(Clone, Debug, Default)]
struct LinkFacts {
    address: String,
    seen: Seen,
    /// The coordinator's certificate, if it uses one.
    own: Option<CertificateDer<'static>>,
    token_file: Option<String>,
}

impl LinkFacts {
    /// The refusal for a failed connection or request; `None` if the connection is not at fault.
    fn explain(&self, status: Option<&Status>) -> Option<Refusal> {
        if let Some(fault) = self.seen.take() {
            return Some(explain::refusal(&fault, &self.address, self.own.as_ref()));
        }
        (status?.code() == Code::Unauthenticated).then(|| {
            let (address, sent) = (self.address.clone(), self.token_file.clone());
            IdentityRefusal::TokenRequired { address, sent }.into()
        })
    }
}

/// Connects to an agent: over TLS if the coordinator has a certificate, otherwise in plain text, or over a Unix socket.
pub(super) async fn reach(spec: &HostSpec, security: &Security, timing: &Timing) -> Result<Link, Refusal> {
    let address = spec.address.to_string();
    let unreachable = |why: String| HostRefusal::Unreachable { address: address.clone(), why }.into();
    let mut facts = LinkFacts { address: address.clone(), ..LinkFacts::default() };
    let limit = timing.connect;
    let client = match timeout(limit, dialled(spec, security, timing, &mut facts)).await {
        Ok(Ok(client)) => client,
        Ok(Err(Failed::Transport(error))) => {
            return Err(facts.explain(None).unwrap_or_else(|| unreachable(causes(&error))));
        }
        Ok(Err(Failed::Refused(refusal))) => return Err(refusal),
        Err(_) => return Err(unreachable(format!("no answer within {} s", limit.as_secs_f64()))),
    };
    Ok(Link { client, facts })
}

async fn dialled(
    spec: &HostSpec,
    security: &Security,
    timing: &Timing,
    facts: &mut LinkFacts,
) -> Result<Client, Failed> {
    let (address, seen) = (spec.address.to_string(), facts.seen.clone());
    match (&spec.address, &security.tls) {
        (Address::Unix(path), _) => {
            // The protocol requires a name; it is never resolved.
            let endpoint = endpoint("http://agent.invalid".into(), timing)?;
            let channel = endpoint.connect_with_connector(dial::unix(path.clone(), seen)).await?;
            Ok(client(channel, Bearer::default()))
        }
        (Address::Tcp { .. }, Some(tls)) => {
            let name = spec.tls_name.as_deref().or(spec.address.host()).unwrap_or_default().to_owned();
            facts.own = Some(tls.own());
            let endpoint = endpoint(format!("http://{address}"), timing)?;
            let connector = dial::tls(address, name, Arc::clone(tls), seen);
            Ok(client(endpoint.connect_with_connector(connector).await?, Bearer::default()))
        }
        (Address::Tcp { .. }, None) => {
            let token = token(&address, security).await?;
            facts.token_file = token.as_ref().map(|found| found.file.display().to_string());
            let bearer = token.map(|found| Bearer::new(&found.token)).unwrap_or_default();
            let endpoint = endpoint(format!("http://{address}"), timing)?;
            let channel = endpoint.connect_with_connector(dial::plain(address, seen)).await?;
            Ok(client(channel, bearer))
        }
    }
}

/// Why no connection is made.
enum Failed {
    Transport(tonic::transport::Error),
    Refused(Refusal),
}

impl From<tonic::transport::Error> for Failed {
    fn from(error: tonic::transport::Error) -> Self {
        Self::Transport(error)
    }
}

/// The token of an agent on this machine.
async fn token(address: &str, security: &Security) -> Result<Option<FoundToken>, Failed> {
    // The connection reports a name that cannot be resolved.
    let Ok(found) = tokio::net::lookup_host(address).await else { return Ok(None) };
    let addresses: Vec<_> = found.collect();
    security.token(&addresses).map_err(|(file, error)| {
        let (address, file, why) = (address.to_owned(), file.display().to_string(), error.to_string());
        Failed::Refused(IdentityRefusal::TokenUnreadable { address, file, why }.into())
    })
}

/// Connects over an existing socket. The socket is handed out once, because a child cannot be reconnected.
pub(super) async fn socket(stream: UnixStream, timing: &Timing) -> Result<Link, Refusal> {
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
    Ok(Link { client: client(channel, Bearer::default()), facts: LinkFacts::default() })
}

/// Asks a host for its description, and refuses a host with another protocol version.
pub(super) async fn describe(
    name: &str,
    link: &mut Link,
    timing: &Timing,
) -> Result<HostDescription, Refusal> {
    // Describing may take a moment; reading a clock does not. A host that answers neither is given up soon. Any
    // other fault appears in the next reply too.
    if timeout(timing.connect, link.client.read_clock(ReadClockRequest {})).await.is_err() {
        return Err(silent(Question::Describe, timing.connect));
    }
    let limit = timing.answer;
    let response = match timeout(limit, link.client.describe(DescribeRequest {})).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => {
            let explained = link.facts.explain(Some(&status));
            return Err(
                explained.unwrap_or_else(|| HostRefusal::NoAgent { why: status_text(&status) }.into())
            );
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
    clean(&text)
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
