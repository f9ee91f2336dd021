//! TCP: TLS with certificates, or plain text.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proto::identity::{Server, Watched, handshake_error};
use rustls::{CertificateError, Error as TlsError, pki_types::CertificateDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Connection, Door, Peer, pause};
use crate::{limits::HANDSHAKE_TIME, metrics::Refused};

/// First byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 22;
/// TLS's fatal alert `certificate_required`, which tells a client in plain text that TLS is spoken here.
const TLS_ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 116];
/// Tells a TLS client that plain text is spoken here.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
/// The interval at which open connections are verified again if the certificates or the revocation list changed.
const RECHECK: Duration = Duration::from_secs(2);

/// Time in which a refused client can read the answer.
const LINGER: Duration = Duration::from_millis(500);

/// How connections are admitted.
#[derive(Clone, Debug)]
pub enum Tcp {
    /// Plain text for anybody.
    Insecure,
    /// Plain text for clients with the token.
    Token,
    /// TLS with certificates.
    Tls(Arc<Watched<Server>>),
}

/// An open connection over TLS.
struct Open {
    address: SocketAddr,
    chain: Vec<CertificateDer<'static>>,
    cut: CancellationToken,
}

type Connections = Arc<Mutex<Vec<Open>>>;

impl Tcp {
    /// Accepts connections until the task is dropped.
    pub async fn accept(self, listener: TcpListener, door: Door) {
        let open = Connections::default();
        if let Self::Tls(watched) = &self {
            tokio::spawn(recheck(Arc::clone(watched), Arc::downgrade(&open)));
        }
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    let Some(place) = door.place() else { continue };
                    let (way, door, open) = (self.clone(), door.clone(), Arc::clone(&open));
                    // In a task of its own, so that a slow client delays nobody.
                    tokio::spawn(async move {
                        match timeout(HANDSHAKE_TIME, way.admit(stream, address, &open)).await {
                            Ok(Ok(connection)) => door.admit(connection.in_place(place)).await,
                            // Such as the probe of a port.
                            Ok(Err(error)) if is_gone(&error) => tracing::debug!("{address}: {error}"),
                            Ok(Err(error)) => {
                                door.metrics.refused(Refused::Handshake);
                                tracing::warn!("refused {address}: {}", handshake_error(&error));
                            }
                            Err(_) => {
                                door.metrics.refused(Refused::Silent);
                                tracing::warn!("refused {address}: silent for {HANDSHAKE_TIME:?}");
                            }
                        }
                    });
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    async fn admit(
        self,
        stream: TcpStream,
        address: SocketAddr,
        open: &Connections,
    ) -> io::Result<Connection> {
        // Small messages decide when a trial starts, so Nagle's algorithm must not delay them.
        stream.set_nodelay(true)?;
        let mut first = [0u8];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wants_tls = first[0] == TLS_HANDSHAKE;
        let watched = match self {
            Self::Tls(_) if !wants_tls => {
                return Err(answer(stream, &TLS_ALERT, "it speaks plain text, not TLS").await);
            }
            Self::Insecure | Self::Token if wants_tls => {
                return Err(
                    answer(stream, PLAIN_ANSWER, "it speaks TLS; this agent has no certificate").await
                );
            }
            Self::Insecure => return Ok(Connection::new(stream, Peer::Admitted)),
            Self::Token => return Ok(Connection::new(stream, Peer::NeedsToken)),
            Self::Tls(watched) => watched,
        };
        let handshake = TlsAcceptor::from(Arc::clone(&watched.config().tls)).accept(stream);
        let stream = match handshake.into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                linger(stream).await;
                return Err(error);
            }
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let cut = CancellationToken::new();
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let entry = Open { address, chain, cut: cut.clone() };
        let closed = CancellationToken::new();
        let (gone, list) = (closed.clone(), Arc::clone(open));
        locked(open).push(entry);
        let own = cut.clone();
        tokio::spawn(async move {
            gone.cancelled().await;
            own.cancel();
            locked(&list).retain(|open| !open.cut.is_cancelled());
        });
        Ok(Connection::new(stream, Peer::Admitted).cut_by(cut).on_close(closed))
    }
}

/// Whether the client left without a word.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | UnexpectedEof)
}

fn locked(open: &Connections) -> std::sync::MutexGuard<'_, Vec<Open>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers a client that speaks the other protocol, so that it can tell why it is refused.
async fn answer(mut stream: TcpStream, text: &[u8], why: &str) -> io::Error {
    let _ = stream.write_all(text).await;
    linger(stream).await;
    io::Error::other(why.to_owned())
}

/// Reads what the client still sends, for a moment: closing with unread data would discard the answer.
async fn linger(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = [0u8; 1024];
    let read_all = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
    let _ = timeout(LINGER, read_all).await;
}

/// Breaks connections whose certificate was revoked, or whose CA is no longer trusted. An expired certificate does not
/// end a connection, because it would end a run.
async fn recheck(watched: Arc<Watched<Server>>, open: std::sync::Weak<Mutex<Vec<Open>>>) {
    let mut known = watched.config();
    loop {
        tokio::time::sleep(RECHECK).await;
        let Some(open) = open.upgrade() else { return };
        let current = watched.config();
        if Arc::ptr_eq(&known, &current) {
            continue;
        }
        known = current;
        for connection in locked(&open).iter() {
            if let Err(TlsError::InvalidCertificate(error)) = known.verify(&connection.chain)
                && matches!(error, CertificateError::Revoked | CertificateError::UnknownIssuer)
            {
                tracing::warn!("closed the connection of {}: {error}", connection.address);
                connection.cut.cancel();
            }
        }
    }
}
