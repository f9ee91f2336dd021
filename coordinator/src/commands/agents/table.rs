//! The table of hosts: what differs between them, and what each lacks.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use proto::outcome::{Capability, HostDescription};

use crate::{report::text::wrap, warning::ranges};

/// The fact that is named of those that are equal.
const KERNEL: &str = "kernel.release";
/// Facts that the table of one host omits. JSON and `--all` have all of them.
const LONG_LISTS: [&str; 2] = ["mitigations.", "kernel.cmdline"];

/// What the table shows of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// Its name in the inventory.
    pub(super) name: String,
    /// The address of its agent.
    pub(super) address: String,
    /// The bound on the error of its clock's offset, in nanoseconds.
    pub(super) clock_error_ns: u64,
    /// The holder of its lease: `free`, or the run and since when.
    pub(super) lease: String,
    /// Its fingerprint and capabilities.
    pub(super) description: HostDescription,
}

/// Makes a host's entry of a row.
type Cell<'a> = &'a dyn Fn(&Shown) -> String;

/// A table with a column for each host, followed by the remedies for missing capabilities. Of several hosts, it has the
/// facts in which they differ, then, with `all`, the others.
pub(super) fn render(hosts: &[Shown], columns: u16, all_facts: bool) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(columns);
    let row = |table: &mut Table, title: &str, cell: &dyn Fn(&Shown) -> String| {
        table.add_row([title.to_owned()].into_iter().chain(hosts.iter().map(cell)));
    };
    table.set_header(["host"].into_iter().chain(hosts.iter().map(|host| host.name.as_str())));
    let several = hosts.len() > 1;
    let mut equal: Vec<String> = Vec::new();
    let heads: [(&str, Cell<'_>); 6] = [
        ("address", &|host| host.address.clone()),
        ("hostname", &|host| host.description.hostname.clone()),
        ("agent", &|host| host.description.agent_version.clone()),
        ("lease", &|host| host.lease.clone()),
        ("CPUs", &|host| host.description.cpus.len().to_string()),
        ("clock known to", &|host| format!("±{} µs", host.clock_error_ns.div_ceil(1_000))),
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
    let of = |host: &Shown, fact: &str| host.description.facts.get(fact).cloned().unwrap_or_default();
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
fn capability_names(hosts: &[Shown]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for capability in hosts.iter().flat_map(|host| &host.description.capabilities) {
        if !names.contains(&capability.name.as_str()) {
            names.push(&capability.name);
        }
    }
    names
}

fn capability<'a>(host: &'a Shown, name: &str) -> Option<&'a Capability> {
    host.description.capabilities.iter().find(|capability| capability.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, kernel: &str, missing: &[&str]) -> Shown {
        let capability = |name: &str| {
            let available = !missing.contains(&name);
            let why = |text: String| if available { String::new() } else { text };
            Capability {
                name: name.into(),
                available,
                detail: why(format!("{name} failed")),
                remedy: why(format!("enable {name}")),
            }
        };
        let facts = [("kernel.release", kernel), ("cpu.model", "one"), ("mitigations.spectre", "on")];
        Shown {
            name: name.into(),
            address: format!("{name}:7420"),
            clock_error_ns: 60_500,
            lease: "free".into(),
            description: HostDescription {
                agent_version: "0.1.0".into(),
                hostname: name.into(),
                facts: facts.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
                capabilities: ["io_uring", "perf", "iopoll"].map(capability).into(),
                ..HostDescription::default()
            },
        }
    }

    #[test]
    fn one_host_has_its_facts_and_the_remedies_for_what_it_lacks() {
        let one = [host("n1", "6.18", &["iopoll"])];
        let text = render(&one, 100, false);
        for part in ["n1:7420", "±61 µs", "cpu.model", "no: iopoll failed", "Supported: io_uring, perf"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("iopoll on n1: enable iopoll\n"), "{text}");
        assert!(!text.contains("mitigations"), "a long list is left out: {text}");
        assert!(render(&one, 100, true).contains("mitigations.spectre"), "--all shows it");
        // A column that only repeats the name is left out.
        assert!(!text.contains("hostname"), "{text}");
        assert_eq!(render(&[], 100, false), "");
    }

    #[test]
    fn several_hosts_show_their_differences() {
        let mut hosts: Vec<Shown> =
            (1..=4).map(|number| host(&format!("n{number}"), "6.18", &["perf"])).collect();
        hosts[3] = host("n4", "6.12", &["perf", "iopoll"]);
        let text = render(&hosts, 120, false);
        let rows =
            |title: &str| text.lines().filter(|line| line.contains(title) && line.contains('┆')).count();
        assert_eq!((rows("kernel.release"), rows("cpu.model"), rows("iopoll")), (1, 0, 1), "{text}");
        for part in [
            "Equal on all 4 hosts: agent 0.1.0, lease free, CPUs 0, clock known to ±61 µs, and 2 facts (--all shows them)",
            "All hosts support: io_uring",
            "No host supports: perf (perf failed)",
            "iopoll on n4: enable iopoll",
            "perf on all hosts: enable perf",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(render(&hosts, 120, true).contains("cpu.model"), "--all shows what is equal");
    }
}
