//! Differences among fingerprints: in what hosts differ that could explain a difference of their numbers, what
//! explains most first.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::summary::{HostSummary, insight::FactDifference};

/// Facts by how they begin, what explains most first, and what people call them. A fact that is in none of these
/// comes last, under its own name.
const CLASSES: [(&str, &str); 47] = [
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
    ("limit.memlock", "locked memory"),
    ("limit.", "limits"),
    ("agent.", "agent"),
];

/// Facts in which hosts differ as a matter of course, and which explain nothing: names, addresses, times, numbers that
/// are given out anew at each start.
pub const TRIVIAL: [&str; 11] = [
    "address",
    "boot_id",
    "data_dir",
    "data_dir.device",
    "data_dir.path",
    "hostname",
    "kernel.hostname",
    "machine.serial",
    "machine.uuid",
    "time",
    "uptime",
];

/// Facts that say which machine it is, apart from the software on it and its settings.
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

/// A fact in which the hosts of two runs differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FactChange {
    /// Its name in the fingerprint.
    pub fact: String,
    /// What people call it, such as `kernel`.
    pub class: String,
    /// The hosts that it was seen on, by their names in the run; all of one change together.
    pub hosts: Vec<String>,
    /// In the baseline; null where the host did not tell.
    pub baseline: Option<String>,
    /// In the run; null where the host did not tell.
    pub run: Option<String>,
}

/// What people call a fact.
#[must_use]
pub fn class(fact: &str) -> &str {
    CLASSES.iter().find(|(start, _)| fact.starts_with(start)).map_or(fact, |(_, class)| class)
}

fn rank(fact: &str) -> usize {
    CLASSES.iter().position(|(start, _)| fact.starts_with(start)).unwrap_or(CLASSES.len())
}

/// The names of facts, those that explain most first; trivial ones left out.
fn ordered<'a>(facts: impl Iterator<Item = &'a BTreeMap<String, String>>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = facts.flat_map(BTreeMap::keys).map(String::as_str).collect();
    let mut names: Vec<&str> = names.into_iter().filter(|name| !TRIVIAL.contains(name)).collect();
    names.sort_by_key(|name| rank(name));
    names
}

/// What facts are called, each class once, in the order given.
pub fn classes<'a>(facts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for class in facts.map(class) {
        if !found.contains(&class) {
            found.push(class);
        }
    }
    found
}

/// In what the hosts of one run differ.
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

/// Hosts of a baseline and of a run that are held against each other: those of one name, or the only ones.
fn pairs<'a>(baseline: &'a [HostSummary], run: &'a [HostSummary]) -> Vec<(&'a HostSummary, &'a HostSummary)> {
    if let ([one], [other]) = (baseline, run) {
        return vec![(one, other)];
    }
    let same = |host: &'a HostSummary| baseline.iter().find(|old| old.name == host.name);
    run.iter().filter_map(|host| Some((same(host)?, host))).collect()
}

/// In what the hosts of two runs differ: each host against the one of its name, or the only one against the only one.
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

/// Hosts of one run that none of the other are held against, by name.
#[must_use]
pub fn unpaired(baseline: &[HostSummary], run: &[HostSummary]) -> Vec<String> {
    let pairs = pairs(baseline, run);
    let alone = |host: &&HostSummary| !pairs.iter().any(|(old, new)| *old == *host || *new == *host);
    baseline.iter().chain(run).filter(alone).map(|host| host.name.clone()).collect()
}

/// What the hosts are as machines, in one text: equal for runs on the same ones, whatever kernel they ran.
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
    fn what_explains_most_comes_first() {
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
        assert_eq!(found[1].values["n2"], None, "not told");
        assert_eq!(differences(&hosts[..1]), []);
        assert_eq!(differences(&[]), []);
    }

    #[test]
    fn no_class_hides_a_later_one() {
        for (index, (start, _)) in CLASSES.iter().enumerate() {
            assert_eq!(rank(start), index, "{start} is never reached");
        }
    }

    #[test]
    fn hosts_of_two_runs() {
        let (old, new) = (host("a", &[("thp", "always")]), host("b", &[("thp", "never")]));
        let found = changes(std::slice::from_ref(&old), std::slice::from_ref(&new));
        assert_eq!(found.len(), 1, "the only host is held against the only host, whatever their names");
        assert_eq!((found[0].class.as_str(), found[0].run.as_deref()), ("huge pages", Some("never")));
        let found = changes(
            &[host("n1", &[("thp", "always")]), host("n2", &[("thp", "always")]), host("n3", &[])],
            &[host("n1", &[("thp", "never")]), host("n2", &[("thp", "never")]), host("n4", &[])],
        );
        assert_eq!((found.len(), found[0].hosts.join(" ").as_str()), (1, "n1 n2"));
        assert_eq!(unpaired(&[old.clone(), host("n3", &[])], &[old, new]), ["n3", "b"]);
    }

    #[test]
    fn a_machine_is_the_same_under_another_kernel() {
        let old = host("n1", &[("cpu.model", "x"), ("kernel.release", "6.12")]);
        let new = host("n1", &[("cpu.model", "x"), ("kernel.release", "6.18")]);
        assert_eq!(machine(&[old]), machine(std::slice::from_ref(&new)));
        assert_ne!(machine(&[new]), machine(&[host("n1", &[("cpu.model", "y")])]));
    }
}
