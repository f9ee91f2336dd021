//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;

/// What all commands that measure have in common.
#[derive(Clone, Debug, Args)]
pub struct MeasuringArgs {
    /// On which hosts.
    #[command(flatten)]
    pub hosts: HostArgs,
    /// Which scenario to run.
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// Show no progress: only warnings and errors.
    #[arg(long)]
    pub no_progress: bool,
    /// Decides the order of the trials and their offsets; by default the scenario's, or a new one each time.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// How a scenario is changed.
#[derive(Clone, Debug, Args)]
pub struct OverrideArgs {
    /// Replace a value of the scenario, such as `workload.runtime=5s` or `sweep.depth=[1,8]`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Shorten it to a smoke test: small files, short trials, two of each; verdicts mean little.
    #[arg(long)]
    pub quick: bool,
}

/// Which hosts.
#[derive(Clone, Debug, Args)]
pub struct HostArgs {
    /// The agents to use. Without this and --inventory, the coordinator starts one of its own, on this machine.
    #[arg(long, value_name = "HOST:PORT,…", conflicts_with = "inventory")]
    pub agents: Option<String>,
    /// A file that names the hosts, with their labels.
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Where its own agent makes files: a directory on the disk to measure; by default the current one.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["agents", "inventory"])]
    pub data_dir: Option<PathBuf>,
}
