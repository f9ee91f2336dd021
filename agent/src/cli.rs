//! The command line of the `agent` binary.

use std::{
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{preflight, server, target::device::allow::AllowList, topology::Topology};

/// Runs Ringbench's trials on this host and streams back what it measured.
#[derive(Debug, Parser)]
#[command(name = "agent", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  agent probe                                     what this host can do
  agent serve --data-dir /mnt/nvme                serve coordinators on this machine
  agent serve --allow-device /dev/nvme1n1=S3R1AL  let trials use this disk, and no other
  agent serve --listen 10.0.0.5:7420 --insecure   serve others, on a network you trust

Exit codes: 0 done; 2 bad usage; 3 the agent could not serve.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a coordinator, until SIGINT or SIGTERM
    Serve {
        /// Where to listen; port 0 takes any that is free
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7420")]
        listen: SocketAddr,
        /// Where targets are made: a directory on the disk that is to be measured
        #[arg(long, value_name = "DIR", default_value = ".")]
        data_dir: PathBuf,
        /// A block device that trials may use, by its path and the serial number or WWN that it must have; may
        /// be given again. Trials that name no such device get none
        #[arg(long, value_name = "PATH=SERIAL")]
        allow_device: Vec<String>,
        /// The same from a file: one PATH=SERIAL a line, # begins a comment
        #[arg(long, value_name = "FILE")]
        allow_devices: Option<PathBuf>,
        /// Listen beyond loopback in plain text: whoever reaches the port can run trials on this host
        #[arg(long)]
        insecure: bool,
    },
    /// Try what this host can do: io_uring features really granted, perf events that really count, limits
    Probe {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
        /// The directory whose file system is looked at
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
        Command::Serve { listen, data_dir, allow_device, allow_devices, insecure } => {
            let devices = match AllowList::read(&allow_device, allow_devices.as_deref()) {
                Ok(devices) => devices,
                Err(error) => {
                    eprintln!("agent: {error}");
                    return ExitCode::from(2);
                }
            };
            report(server::serve_tcp(listen, &data_dir, devices, insecure).map_err(|error| error.to_string()))
        }
        Command::Probe { json, data_dir } => report(probe(json, &data_dir)),
    }
}

/// Logs go to stderr; `RUST_LOG` decides which.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A second start, as in a process that embeds the agent, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are for people: a file, a journal and the coordinator get plain text.
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
    let topology =
        Topology::discover().map_err(|error| format!("cannot read this machine's CPUs: {error}"))?;
    let host = preflight::describe(&topology, data_dir);
    let text = match json {
        true => serde_json::to_string_pretty(&host).map_err(|error| error.to_string())? + "\n",
        false => preflight::render(&host),
    };
    // A reader that has seen enough, such as `head`, is no error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
