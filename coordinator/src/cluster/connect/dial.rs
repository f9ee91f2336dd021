//! Connectors: one for each kind of address. Each notes why it failed.

use std::{future::Future, io, path::PathBuf, pin::Pin, sync::Arc};

use hyper_util::rt::TokioIo;
use proto::identity::Watched;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::Uri;
use tower::{Service, service_fn};

use super::observed::{Fault, Observed, Seen};

/// A pending connection.
type Dialling<S> = Pin<Box<dyn Future<Output = io::Result<TokioIo<Observed<S>>>> + Send>>;

async fn tcp(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Small messages decide when a trial starts, so Nagle's algorithm must not delay them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Plain text over TCP.
pub(super) fn plain(
    address: String,
    seen: Seen,
) -> impl Service<Uri, Response = TokioIo<Observed<TcpStream>>, Error = io::Error, Future = Dialling<TcpStream>>
+ Send
+ 'static {
    service_fn(move |_: Uri| -> Dialling<TcpStream> {
        let (address, seen) = (address.clone(), seen.clone());
        Box::pin(async move { Ok(TokioIo::new(Observed::new(tcp(&address).await?, seen))) })
    })
}

/// TLS over TCP. The certificates are those of the moment.
pub(super) fn tls(
    address: String,
    name: String,
    watched: Arc<Watched<ClientConfig>>,
    seen: Seen,
) -> impl Service<
    Uri,
    Response = TokioIo<Observed<TlsStream<TcpStream>>>,
    Error = io::Error,
    Future = Dialling<TlsStream<TcpStream>>,
> + Send
+ 'static {
    service_fn(move |_: Uri| -> Dialling<TlsStream<TcpStream>> {
        let (address, seen, config) = (address.clone(), seen.clone(), watched.config());
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other);
        Box::pin(async move {
            let stream = tcp(&address).await?;
            let connected = TlsConnector::from(config).connect(name?, stream).await;
            let stream = connected.inspect_err(|error| seen.note_tls(error))?;
            Ok(TokioIo::new(Observed::new(stream, seen)))
        })
    })
}

/// A Unix socket.
pub(super) fn unix(
    path: PathBuf,
    seen: Seen,
) -> impl Service<Uri, Response = TokioIo<Observed<UnixStream>>, Error = io::Error, Future = Dialling<UnixStream>>
+ Send
+ 'static {
    service_fn(move |_: Uri| -> Dialling<UnixStream> {
        let (path, seen) = (path.clone(), seen.clone());
        Box::pin(async move {
            let connected = UnixStream::connect(path).await.inspect_err(|error| {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    seen.note(Fault::Denied);
                }
            });
            Ok(TokioIo::new(Observed::new(connected?, seen)))
        })
    })
}
