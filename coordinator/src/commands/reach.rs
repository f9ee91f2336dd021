//! Connects to the hosts of `--agents` or `--inventory`, or starts an embedded agent.

use std::path::{self, Path, PathBuf};

use miette::miette;

use crate::{
    cluster::{
        Cluster, EmbeddedOptions, HostError, Timing,
        inventory::{self, HostSpec},
    },
    commands::args::HostArgs,
    exit::Exit,
    screen::Screen,
};

/// Connects to all reachable hosts and reports the others. `Err` if the hosts are not known or the embedded agent
/// does not start; otherwise the hosts, and [`Exit::Host`] if some are missing.
pub(super) async fn reach(args: &HostArgs, screen: &Screen) -> Result<(Cluster, Exit), Exit> {
    let specs = match (&args.agents, &args.inventory) {
        (Some(agents), _) => inventory::from_list(agents),
        (None, Some(file)) => inventory::from_file(file),
        (None, None) => return embedded(&data_dir(args), screen).await,
    };
    let refused = |error: inventory::InventoryError| {
        screen.error(&error.into());
        Exit::Usage
    };
    let specs = specs.map_err(refused)?;
    inventory::check_distinct(&specs).await.map_err(refused)?;
    Ok(served(specs, screen).await)
}

/// The directory of an embedded agent's files, absolute.
pub(super) fn data_dir(args: &HostArgs) -> PathBuf {
    let data_dir = args.data_dir.clone().unwrap_or_else(|| PathBuf::from("."));
    path::absolute(&data_dir).unwrap_or(data_dir)
}

/// Starts an embedded agent.
pub(super) async fn embedded(data_dir: &Path, screen: &Screen) -> Result<(Cluster, Exit), Exit> {
    let program = std::env::current_exe().map_err(|error| {
        screen.error(&miette!("cannot find the coordinator's own executable: {error}"));
        Exit::Host
    })?;
    let options = EmbeddedOptions { program, data_dir: data_dir.to_owned() };
    let cluster = Cluster::embedded(&options, Timing::default(), screen).await;
    cluster.map(|cluster| (cluster, Exit::Done)).map_err(|error| report_errors(screen, [error]))
}

/// Connects to all reachable hosts and reports the others.
pub(super) async fn served(specs: Vec<HostSpec>, screen: &Screen) -> (Cluster, Exit) {
    let (cluster, errors) = Cluster::connect_some(specs, Timing::default()).await;
    let exit = if errors.is_empty() { Exit::Done } else { report_errors(screen, errors) };
    (cluster, exit)
}

/// Reports every host that is unreachable or refused.
pub(super) fn report_errors(screen: &Screen, errors: impl IntoIterator<Item = HostError>) -> Exit {
    for error in errors {
        screen.error(&error.into());
    }
    Exit::Host
}
