//! Sums the results of all workers of a trial.

use proto::{
    counters::{self, Counters as _},
    outcome::{CallCounts, Direction, Finished, Kind, Lane, Overhead, UrgentCounts, Window, WorkCounts},
    trial::Trial,
    warning::{ResultWarning, Warning},
};

use super::sampler::WindowSampler;
use crate::{
    counters::audit::Audited,
    engine::Counts,
    stream::mean,
    verify::Outcome,
    worker::{Report, recorder::Tally, window::Closed},
};

/// Sums the workers' reports and the sampler's readings.
pub(super) fn add_up(trial: &Trial, reports: &[Report], sampler: &WindowSampler) -> Finished {
    let windows: Vec<&Closed> = reports.iter().filter_map(|report| report.window.as_deref()).collect();
    let edges = |edge: fn(&Closed) -> u64| windows.iter().map(|window| edge(window)).collect::<Vec<_>>();
    let (begin_ns, end_ns) = (mean(&edges(|window| window.begin_ns)), mean(&edges(|window| window.end_ns)));
    let length_ns = end_ns.saturating_sub(begin_ns);
    let cut_short = windows.len() < reports.len() || windows.iter().any(|window| window.cut_short);
    let mut sum = Finished { window: Window { begin_ns, end_ns, cut_short }, ..Finished::default() };
    let mut parted = 0;
    for window in &windows {
        sum.calls.add(&calls(trial, &window.counts));
        sum.engine.add(&window.counts.engine);
        sum.cpu.add(&window.usage.cpu);
        sum.overhead.add(&Overhead { clock_drift_ppm: window.clock_drift_ppm, ..Overhead::default() });
        parted += window.counts.parted;
    }
    // Trailing empty classes carry no information; with SQPOLL all classes are empty.
    let last = sum.calls.enters_by_batch.iter().rposition(|count| *count > 0);
    sum.calls.enters_by_batch.truncate(last.map_or(0, |last| last + 1));
    sum.cpu.kernel_threads_ns = sampler.spent(length_ns);
    sum.device.interrupts = sampler.interrupts(length_ns);
    sum.warnings.extend((parted > 0).then(|| parted_warning(parted)));
    let waited = windows.iter().map(|window| window.usage.waited_ns).collect::<Option<Vec<u64>>>();
    sum.noise = sampler.noise(waited.as_deref(), length_ns);
    add_up_audits(reports, &mut sum);

    for report in reports {
        sum.work.add(&work(report));
        let Tally { saturated, late_swaps, .. } = report.tally;
        sum.overhead.add(&Overhead { saturated, late_swaps, ..Overhead::default() });
        if trial.engine.urgent.is_some() {
            sum.urgent.get_or_insert_default().add(&urgent(&report.tally));
        }
    }
    if trial.workload.verify {
        let mut all = Outcome::default();
        reports.iter().filter_map(|report| report.verified.as_ref()).for_each(|verified| all.add(verified));
        sum.warnings.extend(all.warning(&trial.id));
        // A target that was read back only in part is not verified; failures found so far still count.
        let whole = reports.iter().all(|report| report.verified.is_some());
        sum.verified = (whole || all.counts.failures > 0).then_some(all.counts);
    }
    sum
}

/// The calls of one worker.
fn calls(trial: &Trial, counts: &Counts) -> CallCounts {
    let made = counts.syscalls.iter().filter(|(name, count)| !name.is_empty() && *count > 0);
    let mut calls = CallCounts::default();
    made.for_each(|(name, count)| calls.syscalls_self.entry((*name).to_owned()).or_default().add(count));
    if trial.engine.kind.is_ring() {
        calls.enters = calls.syscalls_self.get("io_uring_enter").copied().unwrap_or(0);
        // With SQPOLL a kernel thread submits the requests, not a system call.
        calls.submitted = if trial.engine.ring.sqpoll.is_none() { counts.submitted } else { 0 };
        calls.enters_by_batch = counts.batches.to_vec();
        calls.sharing = counts.sharing;
    }
    calls
}

/// The operations of one worker.
fn work(report: &Report) -> WorkCounts {
    let of = |kind| ops(&report.tally, |series| series.kind() == kind);
    WorkCounts {
        read_ops: of(Kind::Read),
        write_ops: of(Kind::Write),
        sync_ops: of(Kind::Sync),
        bytes: report.tally.bytes,
        errors: report.errors.iter().copied().collect(),
        short_transfers: report.tally.short,
    }
}

/// Completed operations of some of the series.
fn ops(tally: &Tally, counts: impl Fn(Direction) -> bool) -> u64 {
    let series = Direction::ALL.into_iter().zip(tally.ops);
    series.filter(|(series, _)| counts(*series)).map(|(_, ops)| ops).sum()
}

/// The urgent operations of one worker.
fn urgent(tally: &Tally) -> UrgentCounts {
    UrgentCounts {
        ops: ops(tally, |series| series.lane() == Lane::Urgent),
        overtaken: tally.overtaken,
        overtakers: tally.overtakers,
        most_overtakers: tally.most_overtakers,
    }
}

/// The warning that syncs may have been separated from the writes that they were linked to.
fn parted_warning(times: u64) -> Warning {
    ResultWarning::LinksParted { times }.into()
}

/// Adds the audit's counts, if every worker has them, and the workers' warnings without duplicates.
fn add_up_audits(reports: &[Report], sum: &mut Finished) {
    let audits = || reports.iter().map(|report| report.window.as_ref().map(|window| &window.audit));
    for warning in audits().flatten().flat_map(|audit: &Audited| &audit.warnings) {
        if !sum.warnings.contains(warning) {
            sum.warnings.push(warning.clone());
        }
    }
    let counts = audits().map(|audit| audit.map(|audit| &audit.counts));
    sum.audit = counters::sum_of_known(counts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_warning_of_all_workers_once() {
        let warning = Warning::from(ResultWarning::LinksParted { times: 1 });
        let audit = Audited { warnings: vec![warning.clone()], ..Audited::default() };
        let report = || Report {
            window: Some(Box::new(Closed { audit: audit.clone(), ..Default::default() })),
            tally: Tally::default(),
            errors: Vec::new(),
            verified: None,
        };
        let mut sum = Finished::default();
        add_up_audits(&[report(), report()], &mut sum);
        assert_eq!((sum.warnings, sum.audit.paths), (vec![warning], None));
    }
}
