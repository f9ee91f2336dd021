//! Serves the agent on a socket until it is stopped: on TCP for remote coordinators, or on a socket inherited from a
//! coordinator that embeds the agent.

use std::{
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    os::fd::{FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    pin::Pin,
    process::ExitCode,
    task::{Context, Poll},
    time::Duration,
};

use proto::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, UnixStream},
    signal::unix::{SignalKind, signal},
};
use tokio_stream::{Stream, StreamExt as _, wrappers::TcpListenerStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::server::{Connected, Router, Server};

use crate::{
    service::AgentService,
    target::{self, device::allow::AllowList},
    topology::{self, Topology},
};

/// Time for which connections may outlast the last lease, to deliver pending messages.
const DELIVERY_TIME: Duration = Duration::from_secs(1);

/// The reason why an agent cannot serve. The message includes the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Listening beyond loopback in plain text requires `--insecure`.
    #[error(
        "{0} is not a loopback address, and connections are in plain text: anyone who can reach this port can read \
         files, load the disks and fill the data directory. Listen on 127.0.0.1, or pass --insecure on a \
         trusted network"
    )]
    NotLoopback(IpAddr),
    /// The agent cannot listen on the address.
    #[error("cannot listen on {address}: {source}; choose another with --listen ADDR:PORT")]
    Listen {
        /// As requested.
        address: SocketAddr,
        /// Error of the system call.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("--data-dir {}: {source}; name a directory on the disk to be measured", path.display())]
    DataDir {
        /// As requested.
        path: PathBuf,
        /// Error of the system call.
        source: io::Error,
    },
    /// The host's CPUs could not be read, or the runtime could not be started.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The transport failed.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves on TCP until SIGINT or SIGTERM. Prints the actual address to stderr, which shows the port if 0 was requested.
///
/// # Errors
/// [`ServeError`] if the agent cannot listen, or must not.
pub fn serve_tcp(
    address: SocketAddr,
    data_dir: &Path,
    devices: AllowList,
    insecure: bool,
) -> Result<(), ServeError> {
    if !address.ip().is_loopback() && !insecure {
        return Err(ServeError::NotLoopback(address.ip()));
    }
    let (runtime, service) = prepare(data_dir, devices)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServeError::Listen { address, source })?;
        let address = listener.local_addr()?;
        // Handle signals before clients can connect.
        let stop = stop_on_signals()?;
        say(&format!("agent {} listens on {address}", env!("CARGO_PKG_VERSION")));
        if !address.ip().is_loopback() {
            say(&format!("warning: --insecure: anyone who reaches {address} can run trials on this host"));
        }
        let incoming = TcpListenerStream::new(listener).map(|stream| {
            // Small messages decide when a trial starts, so Nagle's algorithm must not delay them.
            stream.inspect(|stream| _ = stream.set_nodelay(true))
        });
        serve(&service, &stop, incoming).await
    })
}

/// Serves a coordinator that started this process with one end of a socket pair as its standard input, until the other
/// end is closed. No other client can connect, and the agent ends with its coordinator in any case.
#[must_use]
pub fn serve_embedded(data_dir: &Path) -> ExitCode {
    match embedded(data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("agent: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn embedded(data_dir: &Path) -> Result<(), ServeError> {
    // Starting a coordinator does not grant access to any block device.
    let (runtime, service) = prepare(data_dir, AllowList::default())?;
    runtime.block_on(async {
        // SAFETY: descriptor 0 is open at start and used by nothing else in this process.
        let inherited = unsafe { OwnedFd::from_raw_fd(0) };
        let stream = std::os::unix::net::UnixStream::from(inherited);
        stream.set_nonblocking(true)?;
        let stop = stop_on_signals()?;
        let only = Only { stream: UnixStream::from_std(stream)?, _closed: stop.clone().drop_guard() };
        let incoming = tokio_stream::once(Ok::<_, io::Error>(only)).chain(tokio_stream::pending());
        serve(&service, &stop, incoming).await
    })
}

/// Serves incoming connections until stopped, then cleans up any open lease.
async fn serve<C, E>(
    service: &AgentService,
    stop: &CancellationToken,
    incoming: impl Stream<Item = Result<C, E>>,
) -> Result<(), ServeError>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let router = router(service).await;
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, closing(service, stop)) => served?,
        () = overdue(service, stop) => {}
    }
    service.close().await;
    Ok(())
}

/// Prints a line to standard error. A failure is ignored: there is no other place to report it.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Raises limits, reads the topology and starts the runtime on its own CPU.
fn prepare(
    data_dir: &Path,
    devices: AllowList,
) -> Result<(tokio::runtime::Runtime, AgentService), ServeError> {
    let data_dir = data_dir
        .canonicalize()
        .and_then(|dir| if dir.is_dir() { Ok(dir) } else { Err(io::ErrorKind::NotADirectory.into()) })
        .map_err(|source| ServeError::DataDir { path: data_dir.to_owned(), source })?;
    raise_limits();
    target::sweep();
    let topology = Topology::discover()?;
    // Threads inherit the affinity of their creator; workers set their own.
    if let Err(error) = topology::pin_current_thread(topology.runtime_cpu) {
        tracing::warn!("the runtime cannot be pinned to CPU {}: {error}", topology.runtime_cpu);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_name("runtime")
        .build()?;
    Ok((runtime, AgentService::new(topology, data_dir, devices)))
}

async fn router(service: &AgentService) -> Router {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<proto::wire::agent_server::AgentServer<AgentService>>().await;
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(health)
        .add_service(service.clone().into_server())
}

/// Resolves when the server is to stop. Ends open leases first, because the server would wait for them.
async fn closing(service: &AgentService, stop: &CancellationToken) {
    stop.cancelled().await;
    service.close().await;
}

/// Resolves [`DELIVERY_TIME`] after all leases have ended. Without this, an idle client would keep the server running,
/// because it waits until every connection is closed.
async fn overdue(service: &AgentService, stop: &CancellationToken) {
    closing(service, stop).await;
    tokio::time::sleep(DELIVERY_TIME).await;
}

/// Returns a token that SIGINT or SIGTERM cancels.
fn stop_on_signals() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let switch = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        switch.cancel();
    });
    Ok(stop)
}

/// Raises the soft limits on open files and locked memory to the hard ones: an audit needs a dozen files for each
/// worker, registered buffers need locked memory, and the default soft limits are too low for both.
fn raise_limits() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    for resource in [Resource::Nofile, Resource::Memlock] {
        let mut limit = getrlimit(resource);
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(resource, limit) {
            tracing::debug!("the limit {resource:?} is unchanged: {error}");
        }
    }
}

/// The only connection of an embedded agent. Dropping it, as the server does when the other end closes, stops the
/// agent.
struct Only {
    stream: UnixStream,
    _closed: DropGuard,
}

impl Connected for Only {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Only {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Only {
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
