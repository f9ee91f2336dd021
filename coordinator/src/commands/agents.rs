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

/// Makes a host's entry of a row.
type Cell<'a> = &'a dyn Fn(&Host) -> String;

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
    let several = hosts.len() > 1;
    let mut equal: Vec<String> = Vec::new();
    let heads: [(&str, Cell<'_>); 5] = [
        ("address", &|host| host.address.clone()),
        ("hostname", &|host| host.description.hostname.clone()),
        ("agent", &|host| host.description.agent_version.clone()),
        ("CPUs", &|host| host.description.cpus.len().to_string()),
        ("clock known to", &|host| format!("±{} µs", host.clock.error_ns.div_ceil(1_000))),
    ];
    for (title, cell) in heads {
        let value = cell(&hosts[0]);
        if several && !all_facts && hosts.iter().all(|host| cell(host) == value) {
            equal.push(format!("{title} {value}"));
        } else if hosts.iter().any(|host| cell(host) != host.name) {
            row(&mut table, title, cell);
        }
    }
    let facts: BTreeSet<&String> = hosts.iter().flat_map(|host| host.description.facts.keys()).collect();
    let of = |host: &Host, fact: &str| host.description.facts.get(fact).cloned().unwrap_or_default();
    let differs = |fact: &&String| hosts.iter().any(|host| of(host, fact) != of(&hosts[0], fact));
    let (different, alike): (Vec<&String>, Vec<&String>) = facts.into_iter().partition(differs);
    for fact in different {
        row(&mut table, fact, &|host| of(host, fact));
    }
    let shown = |fact: &String| match hosts {
        [_] => all_facts || !LONG_LISTS.iter().any(|long| fact.starts_with(long)),
        _ => all_facts,
    };
    let (shown, omitted): (Vec<&String>, Vec<&String>) = alike.into_iter().partition(|fact| shown(fact));
    for fact in shown {
        row(&mut table, fact, &|host| of(host, fact));
    }
    // Capabilities of all hosts share one line below the table; each other one has a row.
    let everywhere =
        |name: &str| hosts.iter().all(|host| capability(host, name).is_some_and(|found| found.available));
    let nowhere = |name: &&str| {
        let first = capability(&hosts[0], name).filter(|found| !found.available);
        several && first.is_some() && hosts.iter().all(|host| capability(host, name) == first)
    };
    let (all, some): (Vec<&str>, Vec<&str>) =
        capability_names(hosts).into_iter().partition(|name| everywhere(name));
    let (none, some): (Vec<&str>, Vec<&str>) = some.into_iter().partition(nowhere);
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
    let say = |text: &mut String, line: &str| {
        text.push_str(&wrap(line, usize::from(columns), 2));
        text.push('\n');
    };
    if several && !omitted.is_empty() {
        let kernel = omitted.iter().find(|fact| **fact == KERNEL);
        equal.extend(kernel.map(|fact| format!("kernel {}", of(&hosts[0], fact))));
        let (count, named, more) = (hosts.len(), equal.join(", "), omitted.len());
        say(&mut text, &format!("Equal on all {count} hosts: {named}, and {more} facts (--all shows them)"));
    }
    if !all.is_empty() {
        let who = if several { "All hosts support" } else { "Supported" };
        say(&mut text, &format!("{who}: {}", all.join(", ")));
    }
    if !none.is_empty() {
        let with_detail = |name: &&str| {
            let detail = capability(&hosts[0], name).map_or("", |found| &found.detail);
            format!("{name} ({detail})")
        };
        let names: Vec<String> = none.iter().map(with_detail).collect();
        say(&mut text, &format!("No host supports: {}", names.join(", ")));
    }
    let mut remedies: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for host in hosts {
        for missing in host.description.capabilities.iter().filter(|capability| !capability.available) {
            if !missing.remedy.is_empty() {
                remedies.entry((&missing.name, &missing.remedy)).or_default().push(&host.name);
            }
        }
    }
    for ((name, remedy), lacking) in remedies {
        let place = match lacking.len() {
            count if several && count == hosts.len() => "all hosts".to_owned(),
            _ => ranges(lacking).join(", "),
        };
        text.push_str(&format!("{name} on {place}: {remedy}\n"));
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
