//! Warns of agents that are on one machine.

use std::collections::BTreeMap;

use proto::notice::CpuList;

use super::warnings::Warnings;
use crate::{
    store::{
        HostEntry,
        record::{HostTrial, TrialRecord},
    },
    warning::RunWarning,
};

/// The fact that differs between any two machines that are up.
const FACT: &str = "boot_id";

/// Warns of each machine on which several agents took part in a trial.
pub(super) fn warn(warnings: &mut Warnings, hosts: &[HostEntry], records: &[&TrialRecord]) {
    let mut machines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in hosts {
        if let Some(boot) = host.description.facts.get(FACT).filter(|boot| !boot.is_empty()) {
            machines.entry(boot).or_default().push(&host.name);
        }
    }
    for agents in machines.values().filter(|agents| agents.len() > 1) {
        let (mut together, mut cpus) = (Vec::new(), Vec::new());
        for record in records {
            let here = |host: &&HostTrial| agents.contains(&host.host.as_str());
            let parts: Vec<&HostTrial> = record.hosts.iter().filter(here).collect();
            if parts.len() > 1 {
                together.extend(parts.iter().map(|part| part.host.clone()));
                cpus.extend(shared_cpus(&parts));
            }
        }
        cpus.sort_unstable();
        cpus.dedup();
        together.sort_unstable();
        together.dedup();
        if !together.is_empty() {
            warnings.add(None, RunWarning::OneMachine { hosts: together, cpus: CpuList(cpus) });
        }
    }
}

/// CPUs that workers of more than one of these agents are pinned to.
fn shared_cpus(parts: &[&HostTrial]) -> Vec<u32> {
    let pinned =
        |part: &HostTrial| part.ready.as_ref().map_or_else(Vec::new, |ready| ready.pinned_cpus.clone());
    let sets: Vec<Vec<u32>> = parts.iter().map(|part| pinned(part)).collect();
    let several = |cpu: &u32| sets.iter().filter(|set| set.contains(cpu)).count() > 1;
    sets.iter().flatten().copied().filter(several).collect()
}

#[cfg(test)]
mod tests {
    use crate::{analysis::fixture::Fixture, warning::SetWarning};

    fn messages(boots: [&str; 3], apart: bool) -> Vec<String> {
        let mut fixture = Fixture::new(&["sync"], &[1], 2, &["n1", "n2", "n3"]);
        for (host, boot) in fixture.hosts.iter_mut().zip(boots) {
            host.description.facts.insert("boot_id".into(), boot.into());
        }
        if apart {
            fixture.change = |record| {
                for (index, host) in record.hosts.iter_mut().enumerate() {
                    host.ready.as_mut().unwrap().pinned_cpus = vec![index as u32];
                }
            };
        }
        fixture.execute(usize::MAX);
        let set = fixture.analyse(None);
        set.warnings
            .iter()
            .filter(|warning| warning.code() == "one-machine")
            .map(SetWarning::message)
            .collect()
    }

    #[test]
    fn agents_on_one_machine_are_named_once() {
        let shared = "n1, n3 are agents on one machine, and their workers share CPU 1: they take its time from each other";
        assert_eq!(messages(["a", "b", "a"], false), [shared]);
        let apart = "n1..n3 are agents on one machine: they share its memory, and perhaps a disk";
        assert_eq!(messages(["a", "a", "a"], true), [apart]);
    }

    #[test]
    fn agents_on_several_machines_cause_no_warning() {
        assert!(messages(["a", "b", "c"], false).is_empty());
        assert!(messages(["", "", ""], false).is_empty(), "agents of earlier versions");
    }
}
