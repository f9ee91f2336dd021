//! `coordinator agents`: the capabilities of each host.

mod table;

use clap::Args;
use serde_json::json;

use self::table::Shown;
use super::{args::HostArgs, on_runtime, print, reach::reach};
use crate::{
    cluster::{Cluster, Host},
    exit::Exit,
    screen::Screen,
};

/// Show the facts and capabilities of each host, with remedies for missing ones.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator agents
  coordinator agents --agents n1:7420,n2:7420
  coordinator agents --inventory cluster.yaml --json")]
pub struct AgentsArgs {
    /// The hosts.
    #[command(flatten)]
    pub hosts: HostArgs,
    /// Print JSON, with every fact.
    #[arg(long)]
    pub json: bool,
    /// Show every fact in the table, including those that are equal on all hosts.
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
#[must_use]
pub fn agents(args: &AgentsArgs, screen: &Screen) -> Exit {
    on_runtime(screen, async |stop| {
        let Some(reached) = stop.or(reach(&args.hosts, screen)).await else { return Exit::Interrupted };
        let (cluster, exit) = match reached {
            Ok(reached) => reached,
            Err(exit) => return exit,
        };
        let text = if args.json { as_json(&cluster) } else { as_table(&cluster, args.all) };
        cluster.close().await;
        exit.strongest(print(screen, &text))
    })
}

fn as_json(cluster: &Cluster) -> String {
    let host = |host: &Host| {
        json!({
            "name": host.name,
            "address": host.address,
            "labels": host.labels,
            "clock": host.clock,
            "description": host.description,
        })
    };
    let hosts: Vec<_> = cluster.hosts().iter().map(host).collect();
    format!("{:#}", json!({ "schema": 1, "hosts": hosts }))
}

/// The width of the terminal in columns; 100 if standard output is not a terminal.
fn columns() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(100, |size| size.ws_col.max(60))
}

fn as_table(cluster: &Cluster, all_facts: bool) -> String {
    let shown = |host: &Host| Shown {
        name: host.name.clone(),
        address: host.address.clone(),
        clock_error_ns: host.clock.error_ns,
        description: host.description.clone(),
    };
    table::render(&cluster.hosts().iter().map(shown).collect::<Vec<_>>(), columns(), all_facts)
}
