//! `coordinator agents`: the capabilities of each host.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use proto::outcome::Capability;
use serde_json::json;

use super::{args::HostArgs, on_runtime, print, reach::reach};
use crate::{
    cluster::{Cluster, Host},
    exit::Exit,
    report::text::wrap,
    screen::Screen,
    warning::ranges,
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

/// The fact that is named of those that are equal.
const KERNEL: &str = "kernel.release";
/// Facts that the table of one host omits. JSON and `--all` have all of them.
const LONG_LISTS: [&str; 2] = ["mitigations.", "kernel.cmdline"];

/// Runs the command.
#[must_use]
pub fn agents(args: &AgentsArgs, screen: &Screen) -> Exit {
    on_runtime(screen, async |stop| {
        let Some(reached) = stop.or(reach(&args.hosts, screen)).await else { return Exit::Interrupted };
        let (cluster, exit) = match reached {
            Ok(reached) => reached,
            Err(exit) => return exit,
        };
        let text = if args.json { as_json(&cluster) } else { as_table(cluster.hosts(), columns(), args.all) };
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

/// A table with a column for each host, followed by the remedies for missing capabilities. Of several hosts, it has the
/// facts in which they differ, then, with `all`, the others.
fn as_table(hosts: &[Host], columns: u16, all_facts: bool) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(columns);
    let row = |table: &mut Table, title: &str, cell: &dyn Fn(&Host) -> String| {
        table.add_row([title.to_owned()].into_iter().chain(hosts.iter().map(cell)));
    };
    table.set_header(["host"].into_iter().chain(hosts.iter().map(|host| host.name.as_str())));
    row(&mut table, "address", &|host| host.address.clone());
    row(&mut table, "hostname", &|host| host.description.hostname.clone());
    row(&mut table, "agent", &|host| host.description.agent_version.clone());
    row(&mut table, "CPUs", &|host| host.description.cpus.len().to_string());
    row(&mut table, "clock known to", &|host| format!("±{} µs", host.clock.error_ns.div_ceil(1_000)));
    let facts: BTreeSet<&String> = hosts.iter().flat_map(|host| host.description.facts.keys()).collect();
    let of = |host: &Host, fact: &str| host.description.facts.get(fact).cloned().unwrap_or_default();
    let differs = |fact: &&String| hosts.iter().any(|host| of(host, fact) != of(&hosts[0], fact));
    let (different, equal): (Vec<&String>, Vec<&String>) = facts.into_iter().partition(differs);
    for fact in different {
        row(&mut table, fact, &|host| of(host, fact));
    }
    let shown = |fact: &String| match hosts {
        [_] => all_facts || !LONG_LISTS.iter().any(|long| fact.starts_with(long)),
        _ => all_facts,
    };
    let (shown, omitted): (Vec<&String>, Vec<&String>) = equal.into_iter().partition(|fact| shown(fact));
    for fact in shown {
        row(&mut table, fact, &|host| of(host, fact));
    }
    // Capabilities of all hosts share one line below the table; each other one has a row.
    let everywhere =
        |name: &str| hosts.iter().all(|host| capability(host, name).is_some_and(|found| found.available));
    let (all, some): (Vec<&str>, Vec<&str>) =
        capability_names(hosts).into_iter().partition(|name| everywhere(name));
    for name in some {
        row(&mut table, name, &|host| match capability(host, name) {
            Some(capability) if capability.available => "yes".to_owned(),
            Some(capability) => format!("no: {}", capability.detail),
            None => "not tested".to_owned(),
        });
    }
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    let mut text = format!("{}\n", table.trim_fmt());
    if hosts.len() > 1 && !omitted.is_empty() {
        let kernel = of(&hosts[0], KERNEL);
        let same = if omitted.iter().any(|fact| *fact == KERNEL) {
            format!(" (kernel {kernel})")
        } else {
            String::new()
        };
        let line =
            format!("Equal on all {} hosts: {} facts{same}; --all shows them", hosts.len(), omitted.len());
        text.push_str(&wrap(&line, usize::from(columns), 2));
        text.push('\n');
    }
    if !all.is_empty() {
        let who = if hosts.len() > 1 { "All hosts support" } else { "Supported" };
        let line = format!("{who}: {}", all.join(", "));
        text.push_str(&wrap(&line, usize::from(columns), 2));
        text.push('\n');
    }
    let mut remedies: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for host in hosts {
        for missing in host.description.capabilities.iter().filter(|capability| !capability.available) {
            if !missing.remedy.is_empty() {
                remedies.entry((&missing.name, &missing.remedy)).or_default().push(&host.name);
            }
        }
    }
    for ((name, remedy), hosts) in remedies {
        text.push_str(&format!("{name} on {}: {remedy}\n", ranges(hosts).join(", ")));
    }
    text
}

/// The names of all capabilities, in the order in which they first appear.
fn capability_names(hosts: &[Host]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for capability in hosts.iter().flat_map(|host| &host.description.capabilities) {
        if !names.contains(&capability.name.as_str()) {
            names.push(&capability.name);
        }
    }
    names
}

fn capability<'a>(host: &'a Host, name: &str) -> Option<&'a Capability> {
    host.description.capabilities.iter().find(|capability| capability.name == name)
}
