//! Serves the agent until it is stopped: on TCP and on a Unix socket, or on a socket inherited from a coordinator that
//! embeds the agent.

use std::{
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    os::fd::{FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use proto::{
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT,
    identity::{Files, MaterialError, Server, Watched},
    local,
    scrape::{self, Port},
};
use tokio::{
    net::{TcpListener, UnixStream},
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::interceptor::InterceptedService,
    transport::server::{Router, Server as Transport},
};

use crate::{
    limits::{Limits, MAX_STREAMS, SHUTDOWN_TIME},
    listen::{Connection, Door, Peer, Tcp, Token, TokenCheck, bind_unix},
    metrics::Metrics,
    runtime,
    service::AgentService,
    signals,
    target::{self, AllowedPaths, device::allow::AllowList},
    topology::{self, Topology},
};

/// Time for which connections may outlast the last lease, to deliver pending messages.
const DELIVERY_TIME: Duration = Duration::from_secs(1);

/// The reason why an agent cannot serve. The message includes the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Listening beyond loopback requires certificates or `--insecure`.
    #[error(
        "{0} is not a loopback address, and without --tls-dir connections are in plain text: anyone who can reach \
         this port could load the disks, read the allowed files and fill the data directory. Pass --tls-dir DIR \
         (`coordinator pki agent NAME` writes it), listen on 127.0.0.1, or pass --insecure on a trusted network"
    )]
    NotLoopback(IpAddr),
    /// Root must not let anybody overwrite devices by accident.
    #[error(
        "--insecure lets anyone who reaches the port overwrite the devices of --allow-device, because this agent \
         runs as root: pass --tls-dir DIR instead (`coordinator pki agent NAME` writes it), or add \
         --insecure-devices if that is intended"
    )]
    InsecureDevices,
    /// The certificate or another file of TLS cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] MaterialError),
    /// The token cannot be stored.
    #[error("cannot write the token to {}: {source}; name another file with --token-file FILE", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Error of the system call.
        source: io::Error,
    },
    /// There is no directory for the socket or the token.
    #[error(
        "there is no private directory for {what} ({source}): set XDG_RUNTIME_DIR, or name a file with {option}"
    )]
    NoDirectory {
        /// What it is for.
        what: &'static str,
        /// The option that names a file.
        option: &'static str,
        /// Error of the system call.
        source: io::Error,
    },
    /// The agent cannot listen on the address.
    #[error("cannot listen on {address}: {source}; choose another with --listen ADDR:PORT")]
    Listen {
        /// As requested.
        address: SocketAddr,
        /// Error of the system call.
        source: io::Error,
    },
    /// The agent cannot serve metrics on the address.
    #[error("cannot serve metrics on {address}: {source}; choose another with --metrics ADDR:PORT")]
    Metrics {
        /// As requested.
        address: SocketAddr,
        /// Error of the system call.
        source: io::Error,
    },
    /// The agent cannot listen on the socket.
    #[error("cannot listen on {}: {source}; choose another with --socket PATH", path.display())]
    Socket {
        /// As requested.
        path: PathBuf,
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
    /// A directory for existing files cannot be used.
    #[error("--allow-path {}: {source}; name a directory", path.display())]
    AllowPath {
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

/// How an agent serves.
#[derive(Debug)]
pub struct ServeOptions {
    /// TCP address.
    pub listen: Option<SocketAddr>,
    /// Unix socket. Without both, the socket in the user's runtime directory.
    pub socket: Option<PathBuf>,
    /// Directory for target files.
    pub data_dir: PathBuf,
    /// Directories with existing files that trials may read; empty for the data directory.
    pub allow_paths: Vec<PathBuf>,
    /// Address for metrics.
    pub metrics: Option<SocketAddr>,
    /// Block devices that trials may use.
    pub devices: AllowList,
    /// Certificates for TCP.
    pub tls: Option<Files>,
    /// File for the token of TCP on loopback. By default in the user's runtime directory.
    pub token_file: Option<PathBuf>,
    /// Whether anybody may connect over TCP, in plain text.
    pub insecure: bool,
    /// Whether this includes use of the devices.
    pub insecure_devices: bool,
    /// What clients may use.
    pub limits: Limits,
}

impl ServeOptions {
    fn check(&self) -> Result<(), ServeError> {
        let open = self.insecure && self.tls.is_none() && self.listen.is_some();
        if open && !self.insecure_devices && !self.devices.is_empty() && rustix::process::geteuid().is_root()
        {
            return Err(ServeError::InsecureDevices);
        }
        match self.listen {
            Some(address) if !address.ip().is_loopback() && self.tls.is_none() && !self.insecure => {
                Err(ServeError::NotLoopback(address.ip()))
            }
            _ => Ok(()),
        }
    }
}

/// Serves until SIGINT, SIGTERM or SIGHUP. Prints the actual addresses to stderr, which shows the port if 0 was requested.
///
/// # Errors
/// [`ServeError`] if the agent cannot listen, or must not.
pub fn serve_hosts(options: ServeOptions) -> Result<(), ServeError> {
    options.check()?;
    let watched = options.tls.clone().map(Watched::<Server>::new).transpose()?.map(Arc::new);
    let (runtime, topology, data_dir) = prepare(&options.data_dir)?;
    let paths = allowed_paths(&options.allow_paths, &data_dir)?;
    let service =
        AgentService::new(topology, data_dir, options.devices).allowing_paths(paths).limited(options.limits);
    let served = runtime.block_on(async {
        let (door, admitted) = Door::new(options.limits.connections, service.metrics());
        let mut token = None;
        // Handle signals before clients can connect.
        let stop = stop_on_signals()?;
        if let Some(address) = options.listen {
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|source| ServeError::Listen { address, source })?;
            let address = listener.local_addr()?;
            let way = match (watched, options.insecure) {
                (Some(watched), _) => Tcp::Tls(watched),
                (None, true) => Tcp::Insecure,
                (None, false) => {
                    token = Some(new_token(options.token_file.as_deref(), address)?);
                    Tcp::Token
                }
            };
            say(&format!("agent {} listens on {address}", env!("CARGO_PKG_VERSION")));
            explain(&way, address, token.as_ref());
            tokio::spawn(way.accept(listener, door.clone()));
        }
        let path = match (options.socket, options.listen) {
            (Some(path), _) => Some(path),
            (None, Some(_)) => None,
            (None, None) => Some(default_socket()?),
        };
        if let Some(path) = path {
            let socket =
                bind_unix(&path).map_err(|source| ServeError::Socket { path: path.clone(), source })?;
            say(&format!("agent {} listens on unix:{}", env!("CARGO_PKG_VERSION"), path.display()));
            tokio::spawn(socket.accept(door.clone()));
        }
        if let Some(address) = options.metrics {
            serve_metrics(address, service.metrics()).await?;
        }
        let check = token.as_ref().map(Token::check).unwrap_or_default().counted(service.metrics());
        let served = serve(&service, &stop, admitted, check).await;
        drop(door);
        served
    });
    end(runtime);
    served
}

/// Serves metrics on the CPU of the runtime, until the runtime ends.
async fn serve_metrics(address: SocketAddr, metrics: Metrics) -> Result<(), ServeError> {
    let refused = |source| ServeError::Metrics { address, source };
    let port = Port::open(address).await.map_err(refused)?;
    let at = port.address().map_err(refused)?;
    say(&format!("metrics at http://{at}{}; whoever reaches the port can read them", scrape::PATH));
    let registry = Arc::new(metrics.registry());
    tokio::spawn(port.serve(move || Arc::clone(&registry)));
    Ok(())
}

/// The directories in which trials may read existing files.
fn allowed_paths(paths: &[PathBuf], data_dir: &Path) -> Result<AllowedPaths, ServeError> {
    let own = [data_dir.to_owned()];
    let paths = if paths.is_empty() { &own[..] } else { paths };
    AllowedPaths::below(paths).map_err(|(path, source)| ServeError::AllowPath { path, source })
}

fn new_token(file: Option<&Path>, address: SocketAddr) -> Result<Token, ServeError> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => private("the token", "--token-file FILE")?.join(local::token_name(address)),
    };
    Token::write(&path).map_err(|source| ServeError::Token { path, source })
}

fn default_socket() -> Result<PathBuf, ServeError> {
    Ok(private("the socket", "--socket PATH")?.join(local::SOCKET))
}

fn private(what: &'static str, option: &'static str) -> Result<PathBuf, ServeError> {
    local::directory().map_err(|source| ServeError::NoDirectory { what, option, source })
}

/// Prints who may connect.
fn explain(way: &Tcp, address: SocketAddr, token: Option<&Token>) {
    match way {
        Tcp::Tls(watched) if !watched.checks_revocation() => {
            say("warning: without --tls-crl, revoked certificates are accepted until they expire");
        }
        Tcp::Tls(_) => {}
        Tcp::Insecure => say(&format!(
            "warning: --insecure: anyone who reaches {address} can run trials on this host, in plain text"
        )),
        Tcp::Token => {
            if let Some(token) = token {
                let path = token.path().display();
                say(&format!("clients need the token in {path}; coordinators of this user find it"));
            }
        }
    }
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
    let (runtime, topology, data_dir) = prepare(data_dir)?;
    // Starting a coordinator does not grant access to any block device. Files are limited by the rights of the user,
    // who is the only client.
    let service =
        AgentService::new(topology, data_dir, AllowList::default()).allowing_paths(AllowedPaths::of_user());
    let served = runtime.block_on(async {
        // SAFETY: descriptor 0 is open at start and used by nothing else in this process.
        let inherited = unsafe { OwnedFd::from_raw_fd(0) };
        let stream = std::os::unix::net::UnixStream::from(inherited);
        stream.set_nonblocking(true)?;
        let stop = stop_on_signals()?;
        // The end of its only connection ends the agent.
        let only = Connection::new(UnixStream::from_std(stream)?, Peer::Admitted).on_close(stop.clone());
        let incoming = tokio_stream::once(Ok::<_, io::Error>(only)).chain(tokio_stream::pending());
        serve(&service, &stop, incoming, TokenCheck::default()).await
    });
    end(runtime);
    served
}

/// Ends the runtime without waiting for threads that hang in the kernel.
fn end(runtime: tokio::runtime::Runtime) {
    runtime.shutdown_timeout(DELIVERY_TIME);
}

/// Serves incoming connections until stopped, then cleans up any open lease.
async fn serve(
    service: &AgentService,
    stop: &CancellationToken,
    incoming: impl Stream<Item = io::Result<Connection>>,
    check: TokenCheck,
) -> Result<(), ServeError> {
    let router = router(service, check).await;
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, closing(service, stop)) => served?,
        () = overdue(service, stop) => {}
    }
    closed(service).await;
    Ok(())
}

/// Ends any open lease, for [`SHUTDOWN_TIME`] at most.
async fn closed(service: &AgentService) {
    if timeout(SHUTDOWN_TIME, service.close()).await.is_err() {
        say(&format!(
            "agent: a trial has not ended within {SHUTDOWN_TIME:?}, so the agent ends without it; see `dmesg`, and \
             check for RAM disks that it may have left"
        ));
    }
}

/// Prints a line to standard error. A failure is ignored: there is no other place to report it.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Raises limits and starts the runtime on its own CPU. Returns it with the CPUs that the process may use, read before this
/// thread was pinned, and the data directory.
fn prepare(data_dir: &Path) -> Result<(tokio::runtime::Runtime, Topology, PathBuf), ServeError> {
    let data_dir = data_dir
        .canonicalize()
        .and_then(|dir| if dir.is_dir() { Ok(dir) } else { Err(io::ErrorKind::NotADirectory.into()) })
        .map_err(|source| ServeError::DataDir { path: data_dir.to_owned(), source })?;
    raise_limits();
    signals::ignore_file_size_limit();
    target::sweep();
    let topology = Topology::discover()?;
    // Threads inherit the affinity of their creator; workers set their own.
    if let Err(error) = topology::pin_current_thread(topology.runtime_cpu) {
        tracing::warn!("the runtime cannot be pinned to CPU {}: {error}", topology.runtime_cpu);
    }
    Ok((runtime::start(1)?, topology, data_dir))
}

async fn router(service: &AgentService, check: TokenCheck) -> Router {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<proto::wire::agent_server::AgentServer<AgentService>>().await;
    Transport::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(MAX_STREAMS)
        .add_service(InterceptedService::new(health, check.clone()))
        .add_service(InterceptedService::new(service.clone().into_server(), check))
}

/// Resolves when the server is to stop. Ends open leases first, because the server would wait for them.
async fn closing(service: &AgentService, stop: &CancellationToken) {
    stop.cancelled().await;
    closed(service).await;
}

/// Resolves [`DELIVERY_TIME`] after all leases have ended. Without this, an idle client would keep the server running,
/// because it waits until every connection is closed.
async fn overdue(service: &AgentService, stop: &CancellationToken) {
    closing(service, stop).await;
    tokio::time::sleep(DELIVERY_TIME).await;
}

/// Returns a token that SIGINT, SIGTERM or SIGHUP cancels.
fn stop_on_signals() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signals::hangup()?;
    let stop = CancellationToken::new();
    let switch = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hangup.received() => {}
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
