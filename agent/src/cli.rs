//! The command line of the `agent` binary.

mod serve;

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use self::serve::ServeArgs;
use crate::{preflight, server, topology::Topology};

/// Runs Ringbench's trials on this host and streams the results back.
#[derive(Debug, Parser)]
#[command(name = "agent", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  agent probe                                     show what this host supports
  agent serve --data-dir /mnt/nvme                serve this user's coordinators on this host
  agent serve --listen 10.0.0.5:7420 --tls-dir n1 serve other hosts, over TLS with certificates on both ends

Exit codes: 0 success; 2 usage error; 3 the agent could not serve.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve coordinators until SIGINT, SIGTERM or SIGHUP
    Serve(Box<ServeArgs>),
    /// Test what this host supports: io_uring features, perf events, limits
    Probe {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Directory whose file system is examined
        #[arg(long, value_name = "DIR", default_value = ".")]
        data_dir: PathBuf,
    },
}

/// Runs the `agent` binary.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    match cli.command {
        Command::Serve(args) => match args.options() {
            Ok(options) => report(server::serve_hosts(options).map_err(|error| error.to_string())),
            Err(error) => {
                eprintln!("agent: {error}");
                ExitCode::from(2)
            }
        },
        Command::Probe { json, data_dir } => report(probe(json, &data_dir)),
    }
}

/// Starts logging to stderr at the level set by `RUST_LOG`.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A second call, as in a process that embeds the agent, has no effect.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Files, journals and the coordinator get no colour codes.
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}

fn report(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            server::say(&format!("agent: {message}"));
            ExitCode::from(3)
        }
    }
}

fn probe(json: bool, data_dir: &Path) -> Result<(), String> {
    let topology = Topology::discover().map_err(|error| format!("cannot read this host's CPUs: {error}"))?;
    let host = preflight::describe(&topology, data_dir);
    let text = match json {
        true => serde_json::to_string_pretty(&host).map_err(|error| error.to_string())? + "\n",
        false => preflight::render(&host),
    };
    // A reader that stops early, such as `head`, is not an error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
