//! What the audits of a cell counted. Each is told only where it was counted on every host: a sum over some would
//! not be one over all operations.

use proto::outcome::{BatchCounts, Finished, HardwareCounts, PathCounts, PerfCounts};
use proto::trial::Sharing;

use super::cells::{self, CellData};
use crate::summary::audit::{Batches, Completed, HardwarePerIo};

/// What each host in scope said in the audits; `None` where one did not finish, or there were none.
fn finished<'a>(data: &CellData<'a>, scope: Option<&str>) -> Option<Vec<&'a Finished>> {
    let hosts = data.audits.iter().flat_map(|record| &record.hosts);
    let in_scope = hosts.filter(|host| scope.is_none_or(|scope| scope == host.host));
    let all = in_scope.map(|host| host.finished.as_ref()).collect::<Option<Vec<_>>>()?;
    (!all.is_empty()).then_some(all)
}

/// System calls as perf counted them, with the operations that they were counted over.
pub(super) fn syscalls(data: &CellData<'_>, scope: Option<&str>) -> Option<(PerfCounts, u64)> {
    let mut sum = PerfCounts { punted_to_io_wq: Some(0), ..PerfCounts::default() };
    let mut ops = 0;
    for finished in finished(data, scope)? {
        let perf = finished.perf.as_ref()?;
        ops += finished.ops();
        sum.syscalls_total += perf.syscalls_total;
        for (name, count) in &perf.syscalls_by_name {
            *sum.syscalls_by_name.entry(name.clone()).or_default() += count;
        }
        sum.punted_to_io_wq = sum.punted_to_io_wq.zip(perf.punted_to_io_wq).map(|(a, b)| a + b);
    }
    Some((sum, ops))
}

/// Which way requests completed.
pub(super) fn completed(data: &CellData<'_>, scope: Option<&str>) -> Option<Completed> {
    let all = finished(data, scope)?;
    shares(all.iter().map(|finished| finished.paths).collect::<Option<Vec<_>>>()?)
}

/// Batches as the kernels counted them.
pub(super) fn batches(data: &CellData<'_>, scope: Option<&str>) -> Option<Batches> {
    let mut sum = BatchCounts::default();
    for finished in finished(data, scope)? {
        sum.add(finished.batches.as_ref()?);
    }
    // The first class of others is that of none.
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
        by_size: cells::by_batch(&classes),
    })
}

/// Why there are none, though a ring was audited.
pub(super) fn batches_missing(data: &CellData<'_>, scope: Option<&str>) -> Option<String> {
    let engine = &data.cell.template.engine;
    let missing = engine.kind.is_ring() && finished(data, scope)?.iter().any(|host| host.batches.is_none());
    missing.then(|| match engine.ring.sharing {
        Sharing::Shared => "not counted for a ring behind a lock".to_owned(),
        _ => "this kernel has no batch counters; that of kernel/ has (`kernel/lab run patched-6.12 -- coordinator \
              run …`)"
            .to_owned(),
    })
}

/// Each request that was followed counts the same, on whichever host.
fn shares(counts: Vec<PathCounts>) -> Option<Completed> {
    let sum = |part: fn(&PathCounts) -> u64| counts.iter().map(part).sum::<u64>();
    let sampled = sum(PathCounts::followed);
    let share = |part| sum(part) as f64 / sampled as f64;
    (sampled > 0).then(|| Completed {
        inline: share(|counts| counts.inline),
        task_work: share(|counts| counts.task_work),
        polled: share(|counts| counts.polled),
        punted: share(|counts| counts.punted),
        sampled,
        lost: sum(|counts| counts.lost),
    })
}

/// What the processor counted.
pub(super) fn hardware(data: &CellData<'_>, scope: Option<&str>) -> Option<HardwarePerIo> {
    let all = finished(data, scope)?;
    let ops: u64 = all.iter().map(|finished| finished.ops()).sum();
    per_io(&all.iter().map(|finished| finished.hardware.as_ref()).collect::<Option<Vec<_>>>()?, ops)
}

fn per_io(counts: &[&HardwareCounts], ops: u64) -> Option<HardwarePerIo> {
    let each = |part: fn(&HardwareCounts) -> Option<u64>| {
        let all = counts.iter().map(|counts| part(counts)).collect::<Option<Vec<u64>>>()?;
        Some(all.iter().sum::<u64>() as f64 / ops as f64)
    };
    (ops > 0).then(|| HardwarePerIo {
        cycles_per_io: each(|counts| counts.cycles),
        cycles_user_per_io: each(|counts| counts.cycles_user),
        instructions_per_io: each(|counts| counts.instructions),
        instructions_user_per_io: each(|counts| counts.instructions_user),
        cache_misses_per_io: each(|counts| counts.cache_misses),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_that_were_followed() {
        let one = PathCounts { inline: 300, punted: 100, lost: 5, ..PathCounts::default() };
        let other = PathCounts { task_work: 400, ..PathCounts::default() };
        let found = shares(vec![one, other]).unwrap();
        assert_eq!((found.inline, found.task_work, found.polled, found.punted), (0.375, 0.5, 0.0, 0.125));
        assert_eq!((found.sampled, found.lost), (800, 5));
        assert_eq!(shares(vec![PathCounts::default()]), None, "nothing followed is nothing known");
    }

    #[test]
    fn hardware_counts_are_per_operation() {
        let one =
            HardwareCounts { cycles: Some(9000), instructions: Some(4000), ..HardwareCounts::default() };
        let other = HardwareCounts { cycles: Some(1000), instructions: None, ..HardwareCounts::default() };
        let found = per_io(&[&one, &other], 10).unwrap();
        assert_eq!((found.cycles_per_io, found.instructions_per_io), (Some(1000.0), None));
        assert_eq!(per_io(&[&one], 0), None);
    }
}
