//! The options of `agent serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use proto::{
    identity::Files,
    units::{ByteSize, Nanos},
};

use crate::{
    limits::Limits,
    server::ServeOptions,
    target::device::allow::{AllowError, AllowList},
};

const HELP: &str = "\
Who may connect:
  a Unix socket (the default, or --socket)
      the user who started the agent, and root (SO_PEERCRED); by default
      $XDG_RUNTIME_DIR/ringbench-UID/agent.sock, for root /run/ringbench-0/agent.sock
  --listen with --tls-dir or --tls-ca
      coordinators with a certificate of the same CA and lab
  --listen on loopback
      processes that send the token of a file that only this user can read;
      coordinators of this user find it
  --listen with --insecure
      everybody who reaches the port, in plain text

Clients can run trials: they load the disks, measure files below --allow-path,
fill the data directory, and overwrite devices of --allow-device if a scenario
names their serial numbers. They cannot run commands.

Limits (of what a client may use; --max-* change the last three):
  5 s         for a client's first byte and its handshake
  5 s         from then on until it speaks HTTP/2
  5 s         until a stream for a lease sends Open; at most 16 such streams wait
  32          requests at a time on a connection
  8 MiB       a message
  1           lease, for one trial at a time
  15 s        for the end of the agent, whatever hangs
  128         connections (--max-connections)
  16 GiB      for the workers of a trial (--max-trial-memory), and no more than is free
  24 h        warm-up and runtime of a trial (--max-trial-time)

Examples:
  agent serve --data-dir /mnt/nvme
  agent serve --listen 127.0.0.1:7420
  agent serve --listen 10.0.0.5:7420 --tls-dir n1   (coordinator pki agent n1)
  agent serve --listen 10.0.0.5:7420 --tls-ca ca.pem --tls-cert n1.pem \\
      --tls-key n1.key --tls-crl crl.pem
  agent serve --listen 10.0.0.5:7420 --insecure     on a trusted network
  agent serve --metrics 127.0.0.1:9465              counters for Prometheus
  agent serve --allow-device /dev/nvme1n1=S3R1AL    let trials use this disk
  agent serve --allow-path /mnt/nvme/files          let trials read these files";

/// Options of `agent serve`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct ServeArgs {
    /// TCP address to listen on; port 0 picks a free port. Default: a Unix socket only
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Unix socket to listen on. Default without --listen: agent.sock in the user's runtime directory
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Directory for target files, on the disk to be measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    data_dir: PathBuf,
    /// Directory with existing files that trials may read (repeatable). Default: the data directory
    #[arg(long, value_name = "DIR")]
    allow_path: Vec<PathBuf>,
    /// Serve metrics at http://ADDR:PORT/metrics (OpenMetrics), without identity: whoever reaches the port can read
    /// them, and nothing else
    #[arg(long, value_name = "ADDR:PORT")]
    metrics: Option<SocketAddr>,
    /// A block device that trials may use, with the serial number or WWN that it must have (repeatable). Trials cannot
    /// use any other device
    #[arg(long, value_name = "PATH=SERIAL")]
    allow_device: Vec<String>,
    /// File of such devices: one PATH=SERIAL per line; # begins a comment
    #[arg(long, value_name = "FILE")]
    allow_devices: Option<PathBuf>,
    /// Directory with ca.pem, cert.pem, key.pem and crl.pem, as `coordinator pki agent NAME` writes it. The files are
    /// read again when they change
    #[arg(long, value_name = "DIR", requires = "listen", conflicts_with_all = ["tls_ca", "tls_cert", "tls_key", "tls_crl"])]
    tls_dir: Option<PathBuf>,
    /// Certificates of the CA that issues coordinators' certificates (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_cert", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// Certificate of this agent, with intermediate certificates (PEM). It needs a URI spiffe://ringbench.LAB/agent
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_cert: Option<PathBuf>,
    /// Private key of this agent (PEM, mode 0600)
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_key: Option<PathBuf>,
    /// Revocation list of the CA (PEM). Without it, revoked certificates are accepted until they expire
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_crl: Option<PathBuf>,
    /// File for the token of plain text on loopback, which is new at every start. Default: in the user's runtime
    /// directory
    #[arg(long, value_name = "FILE", requires = "listen", conflicts_with_all = ["insecure", "tls_dir", "tls_ca"])]
    token_file: Option<PathBuf>,
    /// Listen in plain text without a token: anyone who reaches the port can run trials on this host
    #[arg(long, conflicts_with_all = ["tls_dir", "tls_ca"])]
    insecure: bool,
    /// With --insecure as root: anyone who reaches the port can also overwrite the devices of --allow-device
    #[arg(long, requires = "insecure")]
    insecure_devices: bool,
    /// Open connections
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Memory for the workers of a trial: buffers, histograms, tables
    #[arg(long, value_name = "SIZE", default_value_t = Limits::default().trial_memory)]
    max_trial_memory: ByteSize,
    /// Warm-up and runtime of a trial
    #[arg(long, value_name = "DURATION", default_value_t = Limits::default().trial_time)]
    max_trial_time: Nanos,
}

impl ServeArgs {
    /// The options as the server takes them.
    ///
    /// # Errors
    /// The list of devices is invalid.
    pub(super) fn options(self) -> Result<ServeOptions, AllowError> {
        let devices = AllowList::read(&self.allow_device, self.allow_devices.as_deref())?;
        let crl = self.tls_crl;
        let files = match (self.tls_dir, self.tls_ca, self.tls_cert, self.tls_key) {
            (Some(dir), ..) => Some(Files::in_dir(&dir)),
            (None, Some(ca), Some(cert), Some(key)) => Some(Files { ca, cert, key, crl }),
            _ => None,
        };
        Ok(ServeOptions {
            listen: self.listen,
            socket: self.socket,
            data_dir: self.data_dir,
            allow_paths: self.allow_path,
            metrics: self.metrics,
            devices,
            tls: files,
            token_file: self.token_file,
            insecure: self.insecure,
            insecure_devices: self.insecure_devices,
            limits: Limits {
                connections: self.max_connections,
                trial_memory: self.max_trial_memory,
                trial_time: self.max_trial_time,
            },
        })
    }
}
