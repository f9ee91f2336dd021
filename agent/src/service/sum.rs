//! What all workers of a trial did, added up.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proto::{
    outcome::{BatchCounts, CpuTime, Finished, Overhead, UrgentCounts, Verified, Warning},
    trial::Trial,
};

use super::sampler::WindowSampler;
use crate::{
    counters::{audit::AuditCounts, hardware, paths, perf},
    engine::BATCHES,
    stream::mean,
    verify::Outcome,
    worker::Report,
};

/// The sum of all workers' accounts.
pub(super) fn add_up(trial: &Trial, reports: &[Report], sampler: &WindowSampler) -> Finished {
    let windows: Vec<_> = reports.iter().filter_map(|report| report.window.as_ref()).collect();
    let begins: Vec<u64> = windows.iter().map(|window| window.begin_ns).collect();
    let ends: Vec<u64> = windows.iter().map(|window| window.end_ns).collect();
    let (begin_ns, end_ns) = (mean(&begins), mean(&ends));
    let length_ns = end_ns.saturating_sub(begin_ns);
    let kernel_threads_ns = sampler.spent(length_ns);
    let mut sum = Finished {
        begin_ns,
        end_ns,
        cut_short: windows.len() < reports.len() || windows.iter().any(|window| window.cut_short),
        cpu: CpuTime { kernel_threads_ns, ..CpuTime::default() },
        interrupts: sampler.interrupts(length_ns),
        ..Finished::default()
    };
    let mut parted = 0;
    for window in &windows {
        let counts = window.counts.syscalls.iter().filter(|(name, count)| !name.is_empty() && *count > 0);
        for (name, count) in counts {
            *sum.syscalls_self.entry((*name).to_owned()).or_default() += count;
        }
        if trial.engine.kind.is_ring() {
            // With SQPOLL a kernel thread takes the requests: none is handed over by a call.
            if trial.engine.ring.sqpoll.is_none() {
                sum.submitted += window.counts.submitted;
            }
            let enters = window.counts.syscalls.iter().filter(|(name, _)| *name == "io_uring_enter");
            sum.enters += enters.map(|(_, count)| count).sum::<u64>();
            match (&mut sum.sharing, &window.counts.sharing) {
                (Some(sum), Some(more)) => sum.add(more),
                (none, more) => *none = none.or(*more),
            }
            sum.cq_overflows += window.counts.overflows;
            parted += window.counts.parted;
            sum.enters_by_batch.resize(BATCHES, 0);
            for (sum, count) in sum.enters_by_batch.iter_mut().zip(&window.counts.batches) {
                *sum += count;
            }
        }
        sum.cpu.user_ns += window.usage.user_ns;
        sum.cpu.system_ns += window.usage.system_ns;
        sum.cpu.voluntary_switches += window.usage.voluntary;
        sum.cpu.involuntary_switches += window.usage.involuntary;
        if window.clock_drift_ppm.abs() > sum.overhead.clock_drift_ppm.abs() {
            sum.overhead.clock_drift_ppm = window.clock_drift_ppm;
        }
    }
    sum.warnings.extend((parted > 0).then(|| parted_warning(parted)));
    let waited = windows.iter().map(|window| window.usage.waited_ns).collect::<Option<Vec<u64>>>();
    sum.noise = sampler.noise(waited.as_deref(), length_ns);
    // Classes that never occurred, at the end, say nothing; a kernel thread that took all leaves none.
    let last = sum.enters_by_batch.iter().rposition(|count| *count > 0);
    sum.enters_by_batch.truncate(last.map_or(0, |last| last + 1));
    add_up_audits(reports, &mut sum);

    let mut errors: BTreeMap<i32, u64> = BTreeMap::new();
    let mut overhead = Overhead { clock_drift_ppm: sum.overhead.clock_drift_ppm, ..Overhead::default() };
    for report in reports {
        let [reads, writes, syncs, urgent_reads, urgent_writes] = report.tally.ops;
        sum.read_ops += reads + urgent_reads;
        sum.write_ops += writes + urgent_writes;
        sum.sync_ops += syncs;
        if trial.engine.urgent.is_some() {
            sum.urgent.get_or_insert_default().add(&UrgentCounts {
                ops: urgent_reads + urgent_writes,
                overtaken: report.tally.overtaken,
                overtakers: report.tally.overtakers,
                most_overtakers: report.tally.most_overtakers,
            });
        }
        sum.bytes += report.tally.bytes;
        sum.short_transfers += report.tally.short;
        overhead.saturated += report.tally.saturated;
        overhead.late_swaps += report.tally.late_swaps;
        for (errno, count) in &report.errors {
            *errors.entry(*errno).or_default() += count;
        }
    }
    if trial.workload.verify {
        let mut all = Outcome::default();
        reports.iter().filter_map(|report| report.verified.as_ref()).for_each(|verified| all.add(verified));
        sum.warnings.extend(all.warning(&trial.id));
        // What was read back in part only is no verification; what was found in it stands.
        let whole = reports.iter().all(|report| report.verified.is_some());
        sum.verified =
            (whole || all.failures > 0).then_some(Verified { sectors: all.sectors, failures: all.failures });
    }
    sum.errors = errors;
    sum.overhead = overhead;
    sum
}

/// That syncs may have been parted from the writes that they were linked to.
fn parted_warning(times: u64) -> Warning {
    Warning::new(
        "links-parted",
        format!(
            "the kernel took a batch in part {times} times; a sync that was parted from its write by that did not wait \
             for it, and is no measure of a durable write"
        ),
        "look at `errors` of the trial and at the host's memory (the kernel takes less where it is short of it), or \
         use `link_sync: false`",
    )
}

/// What the audit's instruments said, where they said it of every worker: a sum over some of them is no count.
fn add_up_audits(reports: &[Report], sum: &mut Finished) {
    let audits: Vec<Option<&AuditCounts>> =
        reports.iter().map(|report| report.window.as_ref().map(|window| &window.audit)).collect();
    let perf = audits.iter().map(|audit| audit.and_then(|audit| audit.perf.as_ref()));
    let errors: HashSet<&String> = perf.clone().flatten().filter_map(|perf| perf.as_ref().err()).collect();
    sum.warnings.extend(errors.into_iter().map(|error| perf::unavailable(error, "run the audit again")));
    // Workers say the same of what fails for all.
    let said: BTreeSet<&Warning> = audits.iter().flatten().flat_map(|audit| &audit.warnings).collect();
    sum.warnings.extend(said.into_iter().cloned());
    sum.perf = total(perf.map(|perf| perf.and_then(|perf| perf.as_ref().ok())), perf::add);
    sum.paths = total(audits.iter().map(|audit| audit.and_then(|audit| audit.paths.as_ref())), paths::add);
    sum.batches =
        total(audits.iter().map(|audit| audit.and_then(|audit| audit.batches.as_ref())), BatchCounts::add);
    sum.hardware =
        total(audits.iter().map(|audit| audit.and_then(|audit| audit.hardware.as_ref())), hardware::add);
}

/// The sum of all; none where one is missing, or there are none.
fn total<'a, T: Clone + 'a>(
    parts: impl Iterator<Item = Option<&'a T>>,
    add: impl Fn(&mut T, &T),
) -> Option<T> {
    let parts = parts.collect::<Option<Vec<&T>>>()?;
    let (first, others) = parts.split_first()?;
    let mut sum = (*first).clone();
    others.iter().for_each(|part| add(&mut sum, part));
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_on_the_way_is_said_once() {
        let warning = Warning::new("paths-not-measured", "they failed", "do something");
        let audit = AuditCounts { warnings: vec![warning.clone()], ..AuditCounts::default() };
        let report = || Report {
            window: Some(Box::new(crate::worker::window::Closed {
                audit: audit.clone(),
                ..Default::default()
            })),
            tally: crate::worker::recorder::Tally::default(),
            errors: Vec::new(),
            verified: None,
        };
        let mut sum = Finished::default();
        add_up_audits(&[report(), report()], &mut sum);
        assert_eq!((sum.warnings, sum.paths), (vec![warning], None));
    }

    #[test]
    fn a_sum_over_some_is_no_sum() {
        let add = |sum: &mut u64, part: &u64| *sum += part;
        assert_eq!(total([Some(&1), Some(&2)].into_iter(), add), Some(3));
        assert_eq!(total([Some(&1), None].into_iter(), add), None);
        assert_eq!(total([].into_iter(), add), None);
    }
}
