//! The counts of a cell's audits. A count is reported only if every host has it, because a sum over some hosts would not
//! cover all operations.

use proto::{
    counters,
    outcome::{AuditCounts, Finished, HardwareCounts, PathCounts},
    trial::Sharing,
};

use super::cell_data::CellData;
use crate::{
    params::Params,
    summary::audit::{Batches, Completed, HardwarePerIo},
};

/// The results of each host in scope; `None` if one did not finish, or without audits.
fn finished<'a>(data: &CellData<'a>, scope: Option<&str>) -> Option<Vec<&'a Finished>> {
    let hosts = data.audits.iter().flat_map(|record| &record.hosts);
    let in_scope = hosts.filter(|host| scope.is_none_or(|scope| scope == host.host));
    let all = in_scope.map(|host| host.finished.as_ref()).collect::<Option<Vec<_>>>()?;
    (!all.is_empty()).then_some(all)
}

/// The counts of all hosts in scope, with the operations that they cover.
pub(super) fn counts(data: &CellData<'_>, scope: Option<&str>) -> Option<(AuditCounts, u64)> {
    let all = finished(data, scope)?;
    let counts = counters::sum(all.iter().map(|finished| &finished.audit))?;
    Some((counts, all.iter().map(|finished| finished.ops()).sum()))
}

/// How requests completed.
pub(super) fn completed(data: &CellData<'_>, scope: Option<&str>) -> Option<Completed> {
    shares(&counts(data, scope)?.0.paths?)
}

/// Batches as the kernels counted them.
pub(super) fn batches(data: &CellData<'_>, scope: Option<&str>) -> Option<Batches> {
    let sum = counts(data, scope)?.0.batches?;
    // Other lists of classes begin with that of empty batches.
    let classes: Vec<u64> = std::iter::once(0).chain(sum.by_size).collect();
    Some(Batches {
        mean: (sum.batches > 0).then(|| sum.requests as f64 / sum.batches as f64),
        batches: sum.batches,
        requests: sum.requests,
        largest: sum.largest,
        empty: sum.empty,
        urgent: sum.urgent,
        jumped: sum.jumped,
        drain_flushes: sum.drain_flushes,
        by_size: by_batch(&classes),
    })
}

/// Counts by class of batch, under the range of each class that occurred.
pub(super) fn by_batch(classes: &[u64]) -> Params {
    let range = |class: usize| match class {
        0 => "0".to_owned(),
        1 => "1".to_owned(),
        class => format!("{}-{}", 1u64 << (class - 1), (1u64 << class) - 1),
    };
    let occurred = classes.iter().enumerate().filter(|(_, count)| **count > 0);
    occurred.map(|(class, count)| (range(class), (*count).into())).collect()
}

/// The reason why an audited ring has no counts of batches.
pub(super) fn batches_missing(data: &CellData<'_>, scope: Option<&str>) -> Option<String> {
    let engine = &data.cell.template.engine;
    let missing =
        engine.kind.is_ring() && finished(data, scope)?.iter().any(|host| host.audit.batches.is_none());
    missing.then(|| match engine.ring.sharing {
        Sharing::Shared => "not counted for a ring behind a lock".to_owned(),
        _ => "this kernel has no batch counters; that of kernel/ has (`kernel/lab run patched-6.12 -- coordinator \
              run …`)"
            .to_owned(),
    })
}

/// Shares over the followed requests of all hosts.
fn shares(counts: &PathCounts) -> Option<Completed> {
    let sampled = counts.followed();
    let share = |part: u64| part as f64 / sampled as f64;
    (sampled > 0).then(|| Completed {
        inline: share(counts.inline),
        task_work: share(counts.task_work),
        polled: share(counts.polled),
        punted: share(counts.punted),
        sampled,
        lost: counts.lost,
    })
}

/// The processor's counts.
pub(super) fn hardware(data: &CellData<'_>, scope: Option<&str>) -> Option<HardwarePerIo> {
    let (counts, ops) = counts(data, scope)?;
    per_io(&counts.hardware?, ops)
}

fn per_io(counts: &HardwareCounts, ops: u64) -> Option<HardwarePerIo> {
    let each = |count: Option<u64>| Some(count? as f64 / ops as f64);
    (ops > 0).then(|| HardwarePerIo {
        cycles_per_io: each(counts.cycles),
        cycles_user_per_io: each(counts.cycles_user),
        instructions_per_io: each(counts.instructions),
        instructions_user_per_io: each(counts.instructions_user),
        cache_misses_per_io: each(counts.cache_misses),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_followed_requests() {
        let sum = PathCounts { inline: 300, punted: 100, lost: 5, task_work: 400, polled: 0 };
        let found = shares(&sum).unwrap();
        assert_eq!((found.inline, found.task_work, found.polled, found.punted), (0.375, 0.5, 0.0, 0.125));
        assert_eq!((found.sampled, found.lost), (800, 5));
        assert_eq!(shares(&PathCounts::default()), None, "unknown if no request was followed");
    }

    #[test]
    fn batches_are_named_by_their_range() {
        let named = by_batch(&[2, 0, 5, 1]);
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"0":2,"2-3":5,"4-7":1}"#);
    }

    #[test]
    fn hardware_counts_are_per_operation() {
        let counts = HardwareCounts { cycles: Some(10_000), instructions: None, ..HardwareCounts::default() };
        let found = per_io(&counts, 10).unwrap();
        assert_eq!((found.cycles_per_io, found.instructions_per_io), (Some(1000.0), None));
        assert_eq!(per_io(&counts, 0), None);
    }
}
