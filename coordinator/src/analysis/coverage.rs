//! Hosts that a run went on without (`on_host_loss: continue`). They are left out of all trials, also of those before
//! the loss, so that every figure rests on the same hosts.

use std::collections::BTreeSet;

use super::warnings::Warnings;
use crate::{
    plan::Plan,
    scenario::{Cell, host_loss::HostLossPolicy},
    store::{HostEntry, record::TrialRecord},
    warning::RunWarning,
};

/// The hosts that a cell selects by its labels.
pub(super) fn selected<'a>(cell: &'a Cell, hosts: &'a [HostEntry]) -> impl Iterator<Item = &'a str> {
    let chosen =
        |host: &&HostEntry| cell.hosts.iter().all(|(key, value)| host.labels.get(key) == Some(value));
    hosts.iter().filter(chosen).map(|host| host.name.as_str())
}

/// The hosts without which a trial that selects them was run to its end.
fn missing(plan: &Plan, records: &[TrialRecord], hosts: &[HostEntry]) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    for record in records.iter().filter(|record| record.is_complete()) {
        let Some(cell) = plan.cells.get(record.cell) else { continue };
        let took_part = |name: &&str| record.hosts.iter().any(|host| host.host == **name);
        missing.extend(selected(cell, hosts).filter(|name| !took_part(name)).map(str::to_owned));
    }
    missing
}

/// Leaves these hosts out of all records that have others, and warns of it.
pub(super) fn leave_out(
    plan: &Plan,
    records: &mut [TrialRecord],
    hosts: &[HostEntry],
    warnings: &mut Warnings,
) {
    if plan.on_host_loss != HostLossPolicy::Continue {
        return;
    }
    let missing = missing(plan, records, hosts);
    for record in records {
        if record.hosts.iter().any(|host| !missing.contains(&host.host)) {
            record.hosts.retain(|host| !missing.contains(&host.host));
        }
    }
    if !missing.is_empty() {
        let (left_out, of) = (missing.iter().cloned().collect(), hosts.len() as u64);
        warnings.add(None, RunWarning::HostsLeftOut { hosts: left_out, of });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::fixture::Fixture, summary::start::Coverage};

    /// Three hosts, the last of which is lost after two trials of each of two cells.
    fn lost(policy: HostLossPolicy) -> crate::summary::ComparisonSet {
        let mut fixture = Fixture::new(&["sync", "uring"], &[1], 4, &["n1", "n2", "n3"]);
        fixture.plan.on_host_loss = policy;
        fixture.change = |record| {
            if record.block > 2 {
                record.hosts.truncate(2);
            }
        };
        fixture.execute(usize::MAX);
        fixture.analyse(Some("sync"))
    }

    #[test]
    fn all_figures_rest_on_the_hosts_that_stayed() {
        let set = lost(HostLossPolicy::Continue);
        let merged = set.cells.iter().find(|cell| cell.host.is_none()).unwrap();
        assert_eq!(merged.coverage, Some(Coverage { hosts: 2, of: 3 }));
        assert_eq!((merged.hosts.len(), merged.trials.complete), (2, 4));
        // Every sample has the rate of two hosts: they differ by noise only.
        let samples = &merged.throughput.iops.as_ref().unwrap().samples;
        let (least, most) = samples.iter().fold((f64::MAX, 0.0f64), |(a, b), &x| (a.min(x), b.max(x)));
        assert!(most / least < 1.2, "{samples:?}");
        let warning = set.warnings.iter().find(|warning| warning.code() == "hosts-left-out").unwrap();
        assert!(warning.message().contains("n3") && warning.message().contains("2 of 3"));
        assert!(set.trustworthy && !set.cells.iter().any(|cell| cell.host.as_deref() == Some("n3")));
    }

    #[test]
    fn other_policies_leave_nobody_out() {
        let set = lost(HostLossPolicy::Fail);
        assert!(set.cells.iter().any(|cell| cell.host.as_deref() == Some("n3")));
        assert!(!set.warnings.iter().any(|warning| warning.code() == "hosts-left-out"));
    }
}
