//! Differences between the fingerprints of hosts, which could explain different figures. Facts with the largest effect
//! come first.

use std::collections::{BTreeMap, BTreeSet};

use crate::summary::{HostSummary, insight::FactDifference, run_diff::FactChange};

/// Prefixes of facts and their common names; those with the largest effect come first. All other facts come last, under
/// their own names.
const CLASSES: [(&str, &str); 49] = [
    ("cpu.emulated_by", "emulation"),
    ("agent.build", "the agent's build"),
    ("kernel.release", "kernel"),
    ("kernel.version", "kernel"),
    ("kernel.cmdline", "kernel command line"),
    ("mitigations.", "mitigations"),
    ("arch", "CPU"),
    ("cpu.model", "CPU"),
    ("cpu.microcode", "microcode"),
    ("cpu.count", "number of CPUs"),
    ("cpu.cores", "number of CPUs"),
    ("cpu.online", "number of CPUs"),
    ("numa.", "NUMA"),
    ("virtualisation", "virtualisation"),
    ("machine.", "machine"),
    ("container", "container"),
    ("cpu.governor", "governor"),
    ("cpu.frequency", "CPU frequency"),
    ("cpu.energy", "CPU frequency"),
    ("cpu.boost", "CPU frequency"),
    ("cpu.idle", "idle states"),
    ("cpu.smt", "SMT"),
    ("cpu.isolated", "isolated CPUs"),
    ("clocksource", "clocksource"),
    ("preempt", "preemption"),
    ("data_dir.scheduler", "scheduler"),
    ("data_dir.disk", "disk"),
    ("data_dir.model", "disk"),
    ("data_dir.firmware", "disk"),
    ("data_dir.rotational", "disk"),
    ("data_dir.file_system", "file system"),
    ("data_dir.mount_options", "mount options"),
    ("data_dir.write_cache", "write cache"),
    ("data_dir.io_poll", "polling"),
    ("nvme.", "polling"),
    ("data_dir.", "queue settings"),
    ("thp", "huge pages"),
    ("kernel.io_uring", "io_uring settings"),
    ("kernel.numa", "NUMA"),
    ("kernel.nmi", "watchdog"),
    ("kernel.watchdog", "watchdog"),
    ("kernel.perf", "perf settings"),
    ("kernel.", "kernel settings"),
    ("memory.", "memory"),
    ("limit.cpu", "CPU limits"),
    ("limit.io", "I/O limits"),
    ("limit.memlock", "locked memory"),
    ("limit.", "limits"),
    ("agent.", "agent"),
];

/// Facts that differ between any two hosts and explain nothing: names, addresses, times, and numbers that are assigned
/// at each start.
pub const TRIVIAL: [&str; 12] = [
    "address",
    "boot_id",
    "data_dir",
    "data_dir.device",
    "data_dir.path",
    "hostname",
    "kernel.hostname",
    "machine.id",
    "machine.serial",
    "machine.uuid",
    "time",
    "uptime",
];

/// Facts that identify a machine, apart from its software and settings.
const MACHINE: [&str; 11] = [
    "agent.build",
    "arch",
    "cpu.count",
    "cpu.model",
    "data_dir.disk",
    "data_dir.file_system",
    "data_dir.model",
    "machine.product_name",
    "machine.sys_vendor",
    "memory.total",
    "virtualisation",
];

/// The common name of a fact.
#[must_use]
pub fn class(fact: &str) -> &str {
    CLASSES.iter().find(|(start, _)| fact.starts_with(start)).map_or(fact, |(_, class)| class)
}

fn rank(fact: &str) -> usize {
    CLASSES.iter().position(|(start, _)| fact.starts_with(start)).unwrap_or(CLASSES.len())
}

/// The names of facts without the trivial ones; those with the largest effect come first.
fn ordered<'a>(facts: impl Iterator<Item = &'a BTreeMap<String, String>>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = facts.flat_map(BTreeMap::keys).map(String::as_str).collect();
    let mut names: Vec<&str> = names.into_iter().filter(|name| !TRIVIAL.contains(name)).collect();
    names.sort_by_key(|name| rank(name));
    names
}

/// The classes of facts, each once, in the order given.
pub fn classes<'a>(facts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for class in facts.map(class) {
        if !found.contains(&class) {
            found.push(class);
        }
    }
    found
}

/// The differences between the hosts of one run.
#[must_use]
pub fn differences(hosts: &[HostSummary]) -> Vec<FactDifference> {
    let differs = |fact: &&str| hosts.iter().any(|host| host.facts.get(*fact) != hosts[0].facts.get(*fact));
    let names = ordered(hosts.iter().map(|host| &host.facts)).into_iter().filter(differs);
    names
        .map(|fact| FactDifference {
            fact: fact.to_owned(),
            values: hosts.iter().map(|host| (host.name.clone(), host.facts.get(fact).cloned())).collect(),
        })
        .collect()
}

/// The hosts of a baseline and of a run that are compared: those of the same name, or the only two.
fn pairs<'a>(baseline: &'a [HostSummary], run: &'a [HostSummary]) -> Vec<(&'a HostSummary, &'a HostSummary)> {
    if let ([one], [other]) = (baseline, run) {
        return vec![(one, other)];
    }
    let same = |host: &'a HostSummary| baseline.iter().find(|old| old.name == host.name);
    run.iter().filter_map(|host| Some((same(host)?, host))).collect()
}

/// The differences between the hosts of two runs: each host is compared with the one of its name, or the only host with the
/// only host.
#[must_use]
pub fn changes(baseline: &[HostSummary], run: &[HostSummary]) -> Vec<FactChange> {
    let pairs = pairs(baseline, run);
    let both = pairs.iter().flat_map(|(old, new)| [&old.facts, &new.facts]);
    let mut changes: Vec<FactChange> = Vec::new();
    for fact in ordered(both) {
        for (old, new) in &pairs {
            let (was, is) = (old.facts.get(fact), new.facts.get(fact));
            if was == is {
                continue;
            }
            let same = |known: &&mut FactChange| {
                known.fact == fact && known.baseline.as_ref() == was && known.run.as_ref() == is
            };
            match changes.iter_mut().find(same) {
                Some(known) => known.hosts.push(new.name.clone()),
                None => changes.push(FactChange {
                    fact: fact.to_owned(),
                    class: class(fact).to_owned(),
                    hosts: vec![new.name.clone()],
                    baseline: was.cloned(),
                    run: is.cloned(),
                }),
            }
        }
    }
    changes
}

/// The names of hosts without a counterpart in the other run.
#[must_use]
pub fn unpaired(baseline: &[HostSummary], run: &[HostSummary]) -> Vec<String> {
    let pairs = pairs(baseline, run);
    let alone = |host: &&HostSummary| !pairs.iter().any(|(old, new)| *old == *host || *new == *host);
    baseline.iter().chain(run).filter(alone).map(|host| host.name.clone()).collect()
}

/// The identity of the hosts as machines, in one text. It is equal for runs on the same machines, whatever their kernel.
#[must_use]
pub fn machine(hosts: &[HostSummary]) -> String {
    let of = |host: &HostSummary| {
        let facts: BTreeMap<&str, &String> =
            MACHINE.iter().filter_map(|name| Some((*name, host.facts.get(*name)?))).collect();
        let facts: Vec<String> = facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}: {}", host.name, facts.join(", "))
    };
    let mut all: Vec<String> = hosts.iter().map(of).collect();
    all.sort();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, facts: &[(&str, &str)]) -> HostSummary {
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HostSummary { name: name.into(), facts, ..HostSummary::default() }
    }

    #[test]
    fn facts_are_ordered_by_effect() {
        let hosts = [
            host(
                "n1",
                &[
                    ("kernel.release", "6.12"),
                    ("data_dir.scheduler", "none"),
                    ("mitigations.retbleed", "Mitigation: x"),
                    ("zzz.new", "1"),
                    ("boot_id", "a"),
                    ("clocksource", "tsc"),
                ],
            ),
            host(
                "n2",
                &[
                    ("kernel.release", "6.18"),
                    ("data_dir.scheduler", "mq-deadline"),
                    ("zzz.new", "2"),
                    ("boot_id", "b"),
                    ("clocksource", "tsc"),
                ],
            ),
        ];
        let found = differences(&hosts);
        let names: Vec<&str> = found.iter().map(|difference| difference.fact.as_str()).collect();
        assert_eq!(names, ["kernel.release", "mitigations.retbleed", "data_dir.scheduler", "zzz.new"]);
        assert_eq!(classes(names.into_iter()), ["kernel", "mitigations", "scheduler", "zzz.new"]);
        assert_eq!(found[1].values["n2"], None, "not reported");
        assert_eq!(differences(&hosts[..1]), []);
        assert_eq!(differences(&[]), []);
    }

    #[test]
    fn every_class_can_be_reached() {
        for (index, (start, _)) in CLASSES.iter().enumerate() {
            assert_eq!(rank(start), index, "{start} is never reached");
        }
    }

    #[test]
    fn compares_hosts_by_name_or_as_the_only_ones() {
        let (old, new) = (host("a", &[("thp", "always")]), host("b", &[("thp", "never")]));
        let found = changes(std::slice::from_ref(&old), std::slice::from_ref(&new));
        assert_eq!(found.len(), 1, "the only hosts are compared, whatever their names");
        assert_eq!((found[0].class.as_str(), found[0].run.as_deref()), ("huge pages", Some("never")));
        let found = changes(
            &[host("n1", &[("thp", "always")]), host("n2", &[("thp", "always")]), host("n3", &[])],
            &[host("n1", &[("thp", "never")]), host("n2", &[("thp", "never")]), host("n4", &[])],
        );
        assert_eq!((found.len(), found[0].hosts.join(" ").as_str()), (1, "n1 n2"));
        assert_eq!(unpaired(&[old.clone(), host("n3", &[])], &[old, new]), ["n3", "b"]);
    }

    #[test]
    fn a_kernel_does_not_change_the_machine() {
        let old = host("n1", &[("cpu.model", "x"), ("kernel.release", "6.12")]);
        let new = host("n1", &[("cpu.model", "x"), ("kernel.release", "6.18")]);
        assert_eq!(machine(&[old]), machine(std::slice::from_ref(&new)));
        assert_ne!(machine(&[new]), machine(&[host("n1", &[("cpu.model", "y")])]));
    }
}
