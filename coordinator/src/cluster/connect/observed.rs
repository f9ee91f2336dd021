//! A stream that remembers why it failed. The layers above turn the reason into text, which is never parsed back.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// First two bytes of an alert of TLS.
const TLS_ALERT: [u8; 2] = [21, 3];

/// Why a connection failed.
#[derive(Clone, Debug)]
pub(in crate::cluster) enum Fault {
    /// The error of the TLS library.
    Tls(rustls::Error),
    /// The agent answered plain text with TLS.
    WantsTls,
    /// The permissions of a Unix socket.
    Denied,
}

/// The last fault of a connection and its successors.
#[derive(Clone, Debug, Default)]
pub(in crate::cluster) struct Seen(Arc<Mutex<Option<Fault>>>);

impl Seen {
    pub(in crate::cluster) fn take(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn note(&self, fault: Fault) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Notes the error of the TLS library in an error, if there is one.
    pub(super) fn note_tls(&self, error: &io::Error) {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(error) = inner {
            self.note(Fault::Tls(error.clone()));
        }
    }
}

/// A stream with its [`Seen`].
pub(super) struct Observed<S> {
    stream: S,
    seen: Seen,
    begun: bool,
}

impl<S> Observed<S> {
    pub(super) fn new(stream: S, seen: Seen) -> Self {
        Self { stream, seen, begun: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if !self.begun => {
                self.begun = true;
                // No frame of HTTP/2 begins like this: it would be too long.
                if buf.filled()[before..].starts_with(&TLS_ALERT) {
                    self.seen.note(Fault::WantsTls);
                }
            }
            Poll::Ready(Err(error)) => self.seen.note_tls(error),
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
