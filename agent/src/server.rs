//! Serves the agent on a socket until it is told to stop: on TCP for a coordinator elsewhere, or on the one
//! socket inherited from a coordinator that embeds it.

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

/// How long connections may outlast the end of the last lease, to deliver what is on its way.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why an agent cannot serve. The message names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Listening beyond loopback in plain text needs consent.
    #[error(
        "{0} is not a loopback address, and this agent speaks plain text: anyone who can reach it can make it \
         read files, load its disks and fill its data directory. Listen on 127.0.0.1, or say --insecure on a \
         network that you trust"
    )]
    NotLoopback(IpAddr),
    /// The address is not to be had.
    #[error("cannot listen on {address}: {source}; choose another by --listen ADDR:PORT")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory is none.
    #[error("--data-dir {}: {source}; name a directory on the disk that is to be measured", path.display())]
    DataDir {
        /// As asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The machine could not be looked at, or the runtime not be started.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The transport failed.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves on TCP until SIGINT or SIGTERM. Prints the address it got to stderr, which tells the port where 0
/// was asked for.
///
/// # Errors
/// Where it cannot listen, or must not.
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
        // Before anybody can know that we are here.
        let stop = stop_on_signals()?;
        say(&format!("agent {} listens on {address}", env!("CARGO_PKG_VERSION")));
        if !address.ip().is_loopback() {
            say(&format!("warning: --insecure: whoever reaches {address} can run trials on this host"));
        }
        let incoming = TcpListenerStream::new(listener).map(|stream| {
            // Small messages decide when a trial starts: they must not wait to be merged.
            stream.inspect(|stream| _ = stream.set_nodelay(true))
        });
        serve(&service, &stop, incoming).await
    })
}

/// Serves a coordinator that started this process with one end of a socket pair as its standard input, until
/// the other end is closed. Nobody else can connect, and it dies with its coordinator however that ends.
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
    // Whoever starts a coordinator has not thereby allowed it any disk.
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

/// Serves whoever comes in until it is told to stop, and leaves nothing of a lease behind.
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

/// Says something on standard error. Where nobody reads that any more, there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Limits raised, machine looked at, runtime on its own CPU: what both ways of serving begin with.
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
    // Threads inherit the CPU of the one that makes them; workers choose their own.
    if let Err(error) = topology::pin_current_thread(topology.runtime_cpu) {
        tracing::warn!("the runtime could not be pinned to CPU {}: {error}", topology.runtime_cpu);
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

/// Resolves when the server is to stop; open leases are ended first, or the server would wait for them.
async fn closing(service: &AgentService, stop: &CancellationToken) {
    stop.cancelled().await;
    service.close().await;
}

/// Resolves some time after all leases have ended. A client that never says a word would keep the server, which
/// waits until every connection is closed.
async fn overdue(service: &AgentService, stop: &CancellationToken) {
    closing(service, stop).await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// Listens for SIGINT and SIGTERM from now on.
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

/// Raises the soft limits on open files and locked memory to the hard ones: an audit needs a dozen files for
/// each worker, registered buffers need locked memory, and soft limits are low for the sake of others.
fn raise_limits() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    for resource in [Resource::Nofile, Resource::Memlock] {
        let mut limit = getrlimit(resource);
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(resource, limit) {
            tracing::debug!("{resource:?} stays as it is: {error}");
        }
    }
}

/// The one connection of an embedded agent. Dropping it, as the server does when the other end is closed,
/// stops the agent.
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
