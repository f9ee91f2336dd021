//! Connects to the hosts of `--agents` or `--inventory`, or starts an embedded agent.

use std::path::PathBuf;

use miette::miette;

use crate::{
    cluster::{Cluster, EmbeddedOptions, HostError, Timing, inventory},
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
        (None, None) => {
            let program = std::env::current_exe().map_err(|error| {
                screen.error(&miette!("cannot find the coordinator's own executable: {error}"));
                Exit::Host
            })?;
            let data_dir = args.data_dir.clone().unwrap_or_else(|| PathBuf::from("."));
            let options = EmbeddedOptions { program, data_dir };
            let cluster = Cluster::embedded(&options, Timing::default(), screen).await;
            return cluster
                .map(|cluster| (cluster, Exit::Done))
                .map_err(|error| report_errors(screen, [error]));
        }
    };
    let refused = |error: inventory::InventoryError| {
        screen.error(&error.into());
        Exit::Usage
    };
    let specs = specs.map_err(refused)?;
    inventory::check_distinct(&specs).await.map_err(refused)?;
    let (cluster, errors) = Cluster::connect_some(specs, Timing::default()).await;
    let exit = if errors.is_empty() { Exit::Done } else { report_errors(screen, errors) };
    Ok((cluster, exit))
}

/// Reports every host that is unreachable or refused.
pub(super) fn report_errors(screen: &Screen, errors: impl IntoIterator<Item = HostError>) -> Exit {
    for error in errors {
        screen.error(&error.into());
    }
    Exit::Host
}
