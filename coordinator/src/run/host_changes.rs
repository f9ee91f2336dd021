//! Changes of a host during a pause that make trials before and after it incomparable.

use crate::{store::HostEntry, summary::course::HostChange};

/// The facts that matter.
pub const FACTS: [&str; 12] = [
    "agent.version",
    "agent.protocol",
    "agent.build",
    "arch",
    "cpu.count",
    "cpu.model",
    "data_dir.disk",
    "data_dir.file_system",
    "data_dir.model",
    "data_dir.serial",
    "kernel.release",
    "kernel.version",
];

/// The changes of the hosts since the run began. Hosts are matched by name.
#[must_use]
pub fn changes(was: &[HostEntry], is: &[HostEntry]) -> Vec<HostChange> {
    let mut changes = Vec::new();
    for fact in FACTS {
        for host in is {
            let Some(before) = was.iter().find(|before| before.name == host.name) else { continue };
            let (was, is) = (value(before, fact), value(host, fact));
            if was != is {
                let (host, fact) = (host.name.clone(), fact.to_owned());
                changes.push(HostChange { host, fact, was, is, after_trial: None });
            }
        }
    }
    changes
}

fn value(host: &HostEntry, fact: &str) -> Option<String> {
    let description = &host.description;
    match fact {
        "agent.version" => Some(description.agent_version.clone()),
        "agent.protocol" => Some(description.protocol_version.to_string()),
        fact => description.facts.get(fact).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(kernel: &str, agent: &str) -> HostEntry {
        let mut host = HostEntry { name: "n1".into(), ..HostEntry::default() };
        host.description.agent_version = agent.into();
        for (fact, value) in [("kernel.release", kernel), ("boot_id", kernel), ("cpu.model", "x")] {
            host.description.facts.insert(fact.into(), value.into());
        }
        host
    }

    #[test]
    fn a_restart_is_no_change_but_another_kernel_or_agent_is() {
        let found = |was: &HostEntry, is: &HostEntry| -> Vec<String> {
            let changes = changes(std::slice::from_ref(was), std::slice::from_ref(is));
            changes.into_iter().map(|change| change.fact).collect()
        };
        let (old, new) = (host("6.12", "0.1.0"), host("6.18", "0.2.0"));
        assert_eq!(found(&old, &new), ["agent.version", "kernel.release"]);
        let mut rebooted = old.clone();
        rebooted.description.facts.insert("boot_id".into(), "other".into());
        assert_eq!(found(&old, &rebooted), [""; 0]);
        let mut other_disk = old.clone();
        other_disk.description.facts.insert("data_dir.serial".into(), "S1".into());
        assert_eq!(found(&old, &other_disk), ["data_dir.serial"]);
    }
}
