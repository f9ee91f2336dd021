//! Arguments that several commands share.

use std::path::PathBuf;

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
    /// Show no progress, only warnings and errors.
    #[arg(long)]
    pub no_progress: bool,
    /// The seed for the order of trials and their offsets. Default: the scenario's seed, or a new one for each run.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
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
    /// The agents to use. Without --agents and --inventory, the coordinator starts an agent on this machine.
    #[arg(long, value_name = "HOST:PORT,…", conflicts_with = "inventory")]
    pub agents: Option<String>,
    /// A YAML file that lists the hosts and their labels.
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// The directory in which the local agent creates its files, on the disk to measure. Default: the current directory.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["agents", "inventory"])]
    pub data_dir: Option<PathBuf>,
}
