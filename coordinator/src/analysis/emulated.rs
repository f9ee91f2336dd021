//! Warns of hosts whose instructions are emulated.

use super::warnings::Warnings;
use crate::{
    store::{HostEntry, record::TrialRecord},
    warning::HostWarning,
};

/// The fact of an emulated host; its value is the emulator.
const FACT: &str = "cpu.emulated_by";

/// Warns of each host that took part and is emulated.
pub(super) fn warn(warnings: &mut Warnings, hosts: &[HostEntry], records: &[&TrialRecord]) {
    for host in hosts {
        let Some(emulator) = host.description.facts.get(FACT) else { continue };
        let took_part = records.iter().flat_map(|record| &record.hosts).any(|part| part.host == host.name);
        if took_part {
            warnings.add(Some(&host.name), HostWarning::Emulated { emulator: emulator.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::analysis::fixture::Fixture;

    #[test]
    fn an_emulated_host_is_named() {
        let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1], 2, &["n1", "n2"]);
        fixture.hosts[1].description.facts.insert("cpu.emulated_by".into(), "QEMU TCG".into());
        fixture.execute(usize::MAX);
        let set = fixture.analyse(Some("sync"));
        let found: Vec<_> = set.warnings.iter().filter(|warning| warning.code() == "emulated").collect();
        assert_eq!(found.len(), 1, "{:?}", set.warnings);
        assert_eq!(found[0].host.as_deref(), Some("n2"));
        assert!(found[0].message().contains("QEMU TCG") && found[0].remedy().contains("KVM"));
        assert!(set.trustworthy, "only times are in doubt");
    }

    #[test]
    fn a_host_that_took_no_part_is_not_named() {
        let mut fixture = Fixture::new(&["sync"], &[1], 2, &["n1"]);
        fixture.execute(usize::MAX);
        let mut spare = fixture.hosts[0].clone();
        spare.name = "n2".into();
        spare.description.facts.insert("cpu.emulated_by".into(), "QEMU TCG".into());
        fixture.hosts.push(spare);
        assert!(fixture.analyse(None).warnings.iter().all(|warning| warning.code() != "emulated"));
    }
}
