//! That a host's instructions are emulated: what its figures are good for, and what not.

use super::warnings::Warnings;
use crate::store::{HostEntry, record::TrialRecord};

/// The fact by which an agent says so; its value is the emulator.
const FACT: &str = "cpu.emulated_by";

/// Warns of each host that took part and is emulated.
pub(super) fn warn(warnings: &mut Warnings, hosts: &[HostEntry], records: &[&TrialRecord]) {
    for host in hosts {
        let Some(emulator) = host.description.facts.get(FACT) else { continue };
        let took_part = records.iter().flat_map(|record| &record.hosts).any(|part| part.host == host.name);
        if took_part {
            warnings.add(
                "emulated",
                Some(&host.name),
                format!(
                    "its CPU is emulated by {emulator}: times, rates and CPU costs are the emulator's; what is counted \
                     (system calls, interrupts) is real; the order of two arms that are emulated alike is a hint"
                ),
                "take counts from here, and times from a machine of its own or from a guest under KVM",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::analysis::fixture::Fixture;

    #[test]
    fn an_emulated_host_is_told_by_name() {
        let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1], 2, &["n1", "n2"]);
        fixture.hosts[1].description.facts.insert("cpu.emulated_by".into(), "QEMU TCG".into());
        fixture.execute(usize::MAX);
        let set = fixture.analyse(Some("sync"));
        let found: Vec<_> = set.warnings.iter().filter(|warning| warning.code == "emulated").collect();
        assert_eq!(found.len(), 1, "{:?}", set.warnings);
        assert_eq!(found[0].host.as_deref(), Some("n2"));
        assert!(found[0].message.contains("QEMU TCG") && found[0].remedy.contains("KVM"));
        assert!(set.trustworthy, "it is a doubt of times, not of the run");
    }

    #[test]
    fn a_host_that_took_no_part_is_none() {
        let mut fixture = Fixture::new(&["sync"], &[1], 2, &["n1"]);
        fixture.execute(usize::MAX);
        let mut spare = fixture.hosts[0].clone();
        spare.name = "n2".into();
        spare.description.facts.insert("cpu.emulated_by".into(), "QEMU TCG".into());
        fixture.hosts.push(spare);
        assert!(fixture.analyse(None).warnings.iter().all(|warning| warning.code != "emulated"));
    }
}
