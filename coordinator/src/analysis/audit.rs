//! What the audits of a cell counted. Each is told only where it was counted on every host: a sum over some would
//! not be one over all operations.

use proto::outcome::{Finished, HardwareCounts, PathCounts, PerfCounts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cells::CellData;

/// What the processor counted on the workers, per operation, in the audit. Its probes are in it: a few hundred
/// cycles for each system call that timed trials do not pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HardwarePerIo {
    /// Cycles, in user mode and in the kernel.
    pub cycles_per_io: Option<f64>,
    /// Cycles in user mode.
    pub cycles_user_per_io: Option<f64>,
    /// Instructions, in user mode and in the kernel.
    pub instructions_per_io: Option<f64>,
    /// Instructions in user mode.
    pub instructions_user_per_io: Option<f64>,
    /// Misses of the last level of cache.
    pub cache_misses_per_io: Option<f64>,
}

/// Which way requests completed: shares that add up to 1, of the requests that were followed in the audit's
/// warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Completed {
    /// Within the call that submitted them, or the round of the polling thread.
    pub inline: f64,
    /// By task work, after the device's interrupt.
    pub task_work: f64,
    /// By polling the device.
    pub polled: f64,
    /// By a worker thread of the kernel (io-wq).
    pub punted: f64,
    /// Requests that were followed.
    pub sampled: u64,
    /// Records that there was no room for: requests in the gaps are not among those followed.
    pub lost: u64,
}

impl Completed {
    /// The shares with the word for each in tables.
    #[must_use]
    pub fn shares(&self) -> [(&'static str, f64); 4] {
        [("inline", self.inline), ("task", self.task_work), ("polled", self.polled), ("punted", self.punted)]
    }
}

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
