//! An admitted connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::{limits::PREFACE_TIME, metrics::Metrics};

/// Who is at the other end, by the way of the connection. Requests carry it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A coordinator by its certificate, a user by the credentials of the socket, or anybody with `--insecure`.
    Admitted,
    /// A process on this machine, which must send the token with every request.
    NeedsToken,
}

/// A byte stream in both directions.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Length of the client's preface of HTTP/2 in bytes.
const PREFACE: usize = 24;

/// The wait for the preface.
struct Preface {
    missing: usize,
    expiry: Pin<Box<Sleep>>,
}

/// An admitted connection.
pub struct Connection {
    stream: Pin<Box<dyn Duplex>>,
    peer: Peer,
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    preface: Option<Preface>,
    sent: Option<Metrics>,
    _place: Option<OwnedSemaphorePermit>,
    _on_close: Option<DropGuard>,
}

impl Connection {
    /// Wraps a stream. It is broken if the client does not begin to speak HTTP/2 within [`PREFACE_TIME`]. Needs a runtime.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Peer) -> Self {
        let preface = Preface { missing: PREFACE, expiry: Box::pin(sleep(PREFACE_TIME)) };
        let stream = Box::pin(stream);
        Self { stream, peer, cut: None, preface: Some(preface), sent: None, _place: None, _on_close: None }
    }

    /// Keeps a place while the connection is open.
    #[must_use]
    pub fn in_place(self, place: OwnedSemaphorePermit) -> Self {
        Self { _place: Some(place), ..self }
    }

    /// Counts what is sent.
    #[must_use]
    pub(super) fn counted(self, metrics: Metrics) -> Self {
        Self { sent: Some(metrics), ..self }
    }

    /// Breaks the connection when this is cancelled.
    #[must_use]
    pub fn cut_by(self, cut: CancellationToken) -> Self {
        Self { cut: Some(Box::pin(cut.cancelled_owned())), ..self }
    }

    /// Cancels this when the connection is closed.
    #[must_use]
    pub fn on_close(self, token: CancellationToken) -> Self {
        Self { _on_close: Some(token.drop_guard()), ..self }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().is_some_and(|cut| cut.as_mut().poll(cx).is_ready()) {
            self.cut = None;
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buf.filled().len();
        let read = self.stream.as_mut().poll_read(cx, buf);
        let more = buf.filled().len() - before;
        if let Some(preface) = &mut self.preface {
            preface.missing = preface.missing.saturating_sub(more);
            if preface.missing == 0 {
                self.preface = None;
            } else if read.is_pending() && preface.expiry.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream.as_mut().poll_write(cx, buf);
        if let (Some(metrics), Poll::Ready(Ok(bytes))) = (&self.sent, &written) {
            metrics.sent(*bytes);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
