//! `coordinator agents`: the capabilities of each host.

mod table;

use clap::Args;
use serde_json::json;

use self::table::Shown;
use super::{args::HostArgs, on_runtime, print, reach::reach};
use crate::{
    cluster::{Cluster, Host, holder::Holder},
    exit::Exit,
    run::progress::human,
    screen::Screen,
};

/// Show the facts and capabilities of each host, with remedies for missing ones.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator agents
  coordinator agents --agents n1:7420,n2:7420
  coordinator agents --inventory cluster.yaml --json
  coordinator agents --inventory cluster.yaml --release n3")]
pub struct AgentsArgs {
    /// The hosts.
    #[command(flatten)]
    pub hosts: HostArgs,
    /// Print JSON, with every fact.
    #[arg(long)]
    pub json: bool,
    /// End the lease that a run holds on this host, by its name in the inventory or its address. Its trial is cancelled,
    /// and the agent logs it.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["json", "all"])]
    pub release: Vec<String>,
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
        if !args.release.is_empty() {
            let released = release(&args.release, &cluster, screen).await;
            cluster.close().await;
            return exit.strongest(released);
        }
        let holders = cluster.holders().await;
        let text =
            if args.json { as_json(&cluster, &holders) } else { as_table(&cluster, &holders, args.all) };
        cluster.close().await;
        exit.strongest(print(screen, &text))
    })
}

/// Ends the leases of these hosts.
async fn release(names: &[String], cluster: &Cluster, screen: &Screen) -> Exit {
    let holders = cluster.holders().await;
    let mut exit = Exit::Done;
    for name in names {
        let found = cluster.hosts().iter().position(|host| host.name == *name || host.address == *name);
        let Some(index) = found else {
            screen.error(&miette::miette!(
                help = "name a host of the inventory, or one of --agents by its address",
                "--release {name}: no such host"
            ));
            exit = exit.strongest(Exit::Usage);
            continue;
        };
        let Some(holder) = &holders[index] else {
            screen.line(&format!("{name}: its lease is free"));
            continue;
        };
        match cluster.release(index, &holder.run).await {
            Ok(true) => screen.line(&format!("{name}: the lease of {} is released", held(holder))),
            Ok(false) => screen.line(&format!("{name}: run {} has just ended its lease", holder.run)),
            Err(error) => {
                screen.error(&error.into());
                exit = exit.strongest(Exit::Host);
            }
        }
    }
    exit
}

/// `run qd-sweep@lab:4711 (12 s, trial 0007-uring)`.
fn held(holder: &Holder) -> String {
    let trial = holder.trial.as_ref().map_or_else(String::new, |trial| format!(", trial {trial}"));
    format!("run {} ({}{trial})", holder.run, human(holder.held))
}

fn as_json(cluster: &Cluster, holders: &[Option<Holder>]) -> String {
    let lease = |holder: &Holder| {
        json!({
            "run": holder.run,
            "held_ns": u64::try_from(holder.held.as_nanos()).unwrap_or(u64::MAX),
            "trial": holder.trial,
        })
    };
    let host = |(host, holder): (&Host, &Option<Holder>)| {
        json!({
            "lease": holder.as_ref().map(lease),
            "name": host.name,
            "address": host.address,
            "labels": host.labels,
            "clock": host.clock,
            "description": host.description,
        })
    };
    let hosts: Vec<_> = cluster.hosts().iter().zip(holders).map(host).collect();
    format!("{:#}", json!({ "schema": 1, "hosts": hosts }))
}

/// The width of the terminal in columns; 100 if standard output is not a terminal.
fn columns() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(100, |size| size.ws_col.max(60))
}

fn as_table(cluster: &Cluster, holders: &[Option<Holder>], all_facts: bool) -> String {
    let shown = |(host, holder): (&Host, &Option<Holder>)| Shown {
        lease: holder.as_ref().map_or_else(|| "free".into(), held),
        name: host.name.clone(),
        address: host.address.clone(),
        clock_error_ns: host.clock.error_ns,
        description: host.description.clone(),
    };
    table::render(&cluster.hosts().iter().zip(holders).map(shown).collect::<Vec<_>>(), columns(), all_facts)
}
