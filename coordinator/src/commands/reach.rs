//! Connects to the hosts of `--agents` or `--inventory`, or starts an embedded agent.

use std::{
    path::{self, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use miette::miette;
use proto::identity::{Files, MaterialError, Watched};
use tokio::time::timeout;

use crate::{
    cluster::{
        Cluster, EmbeddedOptions, HostError, Timing,
        inventory::{self, HostSpec},
        open_files,
        security::Security,
    },
    commands::args::{HostArgs, SecurityArgs},
    exit::Exit,
    screen::Screen,
    warning::ranges,
};

/// The longest time to resolve a name for the warning of plain text.
const LOOKUP: Duration = Duration::from_secs(1);

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
    served(specs, &args.security, screen).await
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

/// Connects to all reachable hosts and reports the others. `Err` if the certificates cannot be used.
pub(super) async fn served(
    specs: Vec<HostSpec>,
    args: &SecurityArgs,
    screen: &Screen,
) -> Result<(Cluster, Exit), Exit> {
    open_files::allow(specs.len()).map_err(|error| {
        screen.error(&error.into());
        Exit::Usage
    })?;
    let security = security(args).map_err(|error| {
        screen.error(&miette!(help = "see `coordinator pki --help`", "{error}"));
        Exit::Usage
    })?;
    if security.tls.is_none() {
        warn_of_plain_text(&specs, screen).await;
    }
    let (cluster, errors) = Cluster::connect_some(specs, &security, Timing::default()).await;
    let exit = if errors.is_empty() { Exit::Done } else { report_errors(screen, errors) };
    Ok((cluster, exit))
}

fn security(args: &SecurityArgs) -> Result<Security, MaterialError> {
    let crl = args.tls_crl.clone();
    let files = match (&args.tls_dir, &args.tls_ca, &args.tls_cert, &args.tls_key) {
        (Some(dir), ..) => Some(Files::in_dir(dir)),
        (None, Some(ca), Some(cert), Some(key)) => {
            Some(Files { ca: ca.clone(), cert: cert.clone(), key: key.clone(), crl })
        }
        _ => None,
    };
    let tls = files.map(Watched::new).transpose()?.map(Arc::new);
    Ok(Security { tls, token_file: args.token_file.clone() })
}

/// Names the hosts on other machines, whose results anybody on the network could change.
async fn warn_of_plain_text(specs: &[HostSpec], screen: &Screen) {
    let mut remote: Vec<&str> = Vec::new();
    for spec in specs.iter().filter(|spec| spec.address.host().is_some()) {
        let lookup = tokio::net::lookup_host(spec.address.to_string());
        // The connection reports a name that cannot be resolved.
        let Ok(Ok(mut found)) = timeout(LOOKUP, lookup).await else { continue };
        if found.any(|address| !address.ip().is_loopback()) {
            remote.push(&spec.name);
        }
    }
    if !remote.is_empty() {
        screen.line(&format!(
            "warning: plain text to {}: anyone on the network between can read and change results (--tls-dir)",
            ranges(remote).join(", ")
        ));
    }
}

/// Reports every host that is unreachable or refused.
pub(super) fn report_errors(screen: &Screen, errors: impl IntoIterator<Item = HostError>) -> Exit {
    for error in errors {
        screen.error(&error.into());
    }
    Exit::Host
}
