//! Arguments that several commands share.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Arguments of all commands that measure.
#[derive(Clone, Debug, Args)]
pub struct MeasuringArgs {
    /// The hosts to measure on.
    #[command(flatten)]
    pub hosts: HostArgs,
    /// Changes to the scenario.
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// Views of the running trials.
    #[command(flatten)]
    pub views: ViewArgs,
    /// The seed for the order of trials and their offsets. Default: the scenario's seed, or a new one for each run.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// How a run is shown while it runs.
#[derive(Clone, Debug, Default, Args)]
pub struct ViewArgs {
    /// Show no progress, only warnings and errors.
    #[arg(long, conflicts_with = "tui")]
    pub no_progress: bool,
    /// Show arms, hosts, warnings and the time left on the whole terminal, which must be on standard error. The keys q
    /// and Ctrl-C stop the run and keep what was measured.
    #[arg(long)]
    pub tui: bool,
    /// Serve metrics of the running trials at http://ADDR:PORT/metrics (OpenMetrics), without identity: whoever
    /// reaches the port can read them, and nothing else.
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
}

/// Changes to a scenario.
#[derive(Clone, Debug, Args)]
pub struct OverrideArgs {
    /// Replace a value of the scenario, such as `workload.runtime=5s` or `sweep.depth=[1,8]`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Run a smoke test: small files and two short trials per cell. Do not rely on its verdicts.
    #[arg(long)]
    pub quick: bool,
}

/// The selection of hosts.
#[derive(Clone, Debug, Args)]
pub struct HostArgs {
    /// The agents to use; unix:/PATH is one on a socket. Without --agents and --inventory, the coordinator starts an
    /// agent on this machine, which nobody else can connect to.
    #[arg(long, value_name = "HOST:PORT,…", conflicts_with = "inventory")]
    pub agents: Option<String>,
    /// A YAML file that lists the hosts and their labels.
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// The directory in which the local agent creates its files, on the disk to measure. Default: the current directory.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["agents", "inventory"])]
    pub data_dir: Option<PathBuf>,
    /// Certificates and tokens.
    #[command(flatten)]
    pub security: SecurityArgs,
}

/// The heading of these options in `--help`.
const SECURITY: &str = "Security";

/// How the coordinator proves who it is. With a certificate, all TCP connections are TLS.
#[derive(Clone, Debug, Default, Args)]
pub struct SecurityArgs {
    /// Directory with ca.pem, cert.pem, key.pem and crl.pem, as `coordinator pki coordinator NAME` writes it.
    #[arg(long, help_heading = SECURITY, value_name = "DIR", conflicts_with_all = ["tls_ca", "tls_cert", "tls_key", "tls_crl"])]
    pub tls_dir: Option<PathBuf>,
    /// Certificates of the CA that issues agents' certificates (PEM).
    #[arg(long, help_heading = SECURITY, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    pub tls_ca: Option<PathBuf>,
    /// Certificate of this coordinator, with intermediate certificates (PEM). It needs a URI
    /// spiffe://ringbench.LAB/coordinator.
    #[arg(long, help_heading = SECURITY, value_name = "FILE", requires = "tls_ca")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of this coordinator (PEM, mode 0600).
    #[arg(long, help_heading = SECURITY, value_name = "FILE", requires = "tls_ca")]
    pub tls_key: Option<PathBuf>,
    /// Revocation list of the CA (PEM). Without it, revoked certificates are accepted until they expire.
    #[arg(long, help_heading = SECURITY, value_name = "FILE", requires = "tls_ca")]
    pub tls_crl: Option<PathBuf>,
    /// Token of an agent on this machine. Default: the file that the agent wrote for this user.
    #[arg(long, help_heading = SECURITY, value_name = "FILE", conflicts_with_all = ["tls_dir", "tls_ca"])]
    pub token_file: Option<PathBuf>,
}
