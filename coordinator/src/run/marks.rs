//! Finds the reasons for which a trial is excluded from verdicts.

use proto::{
    outcome::Finished,
    trial::Trial,
    warning::{TargetWarning, Warning},
};

use crate::{
    cluster::trial::{Arrived, HostRun, TrialRun},
    warning::{Mark, Reason},
};

/// A start counts as on time up to this delay.
const LATE_NS: u64 = 50_000_000;
/// A window may be longer than planned by this much, or by a tenth: a busy machine stops its worker late, which its rates
/// take into account, because they are per time that was measured.
const LONGER_NS: u64 = 500_000_000;
/// A window may be shorter than planned by this much, or by a tenth.
const SHORTER_NS: u64 = 100_000_000;

/// The marks of a trial. Each names its hosts if the trial has several.
pub(super) fn marks<'a>(trial: &Trial, run: &TrialRun, name: impl Fn(usize) -> &'a str) -> Vec<Mark> {
    let alone = run.hosts.len() == 1;
    let of_host = |host: &HostRun| -> Vec<Mark> {
        let name: Vec<String> = (!alone).then(|| name(host.host).to_owned()).into_iter().collect();
        let reasons = reasons(trial, host, alone, run.interrupted);
        reasons.into_iter().map(|reason| Mark { hosts: name.clone(), reason }).collect()
    };
    Mark::joined(run.hosts.iter().flat_map(of_host))
}

fn reasons(trial: &Trial, host: &HostRun, alone: bool, interrupted: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(refusal) = host.refusal.clone() {
        reasons.push(if host.lost { Reason::Lost(refusal) } else { Reason::Refused(refusal) });
    }
    let Some(finished) = &host.finished else {
        if reasons.is_empty() {
            reasons.push(if interrupted { Reason::Interrupted } else { Reason::NotFinished });
        }
        return reasons;
    };
    if finished.window.cut_short {
        reasons.push(Reason::CutShort { interrupted });
    }
    if !finished.work.errors.is_empty() {
        reasons.push(Reason::FailedRequests(finished.work.errors.clone()));
    }
    if finished.work.short_transfers > 0 {
        reasons.push(Reason::ShortTransfers(finished.work.short_transfers));
    }
    if let Some(verified) = finished.verified.filter(|verified| verified.failures > 0) {
        reasons.push(Reason::FailedVerification(verified.failures));
    }
    reasons.extend(holes(host));
    reasons.extend(lost_interval(host, finished));
    // A trial that was cut short is already marked, and its window may not have begun at all.
    if let Some(start_ns) = host.start_ns.filter(|_| !finished.window.cut_short) {
        let planned = start_ns.saturating_add(trial.workload.warmup.0);
        let late = finished.window.begin_ns.saturating_sub(planned);
        // A single host always has its whole window, whenever it begins: with a hundred threads on one CPU, some
        // start late. Several hosts share only the common part of their windows.
        let runtime = trial.workload.runtime.0;
        if late > LATE_NS.max(if alone { runtime / 2 } else { runtime / 20 }) {
            reasons.push(Reason::Late(late / 1_000_000));
        }
        let lasted = finished.window.end_ns.saturating_sub(finished.window.begin_ns);
        let tolerated = if lasted > runtime { LONGER_NS } else { SHORTER_NS };
        if lasted.abs_diff(runtime) > tolerated.max(runtime / 10) {
            reasons.push(Reason::WindowLength { ms: lasted / 1_000_000, planned_ms: runtime / 1_000_000 });
        }
    }
    reasons
}

/// Whether reads may do no I/O, because the target has holes or is compressed.
fn holes(host: &HostRun) -> Option<Reason> {
    let warnings = &host.ready.as_ref()?.warnings;
    warnings.iter().find_map(|warning| match warning {
        Warning::Target(holes @ TargetWarning::Holes { .. }) => Some(Reason::Target(holes.clone())),
        _ => None,
    })
}

/// Whether intervals were lost: the agent counts operations separately from the intervals that carry them. Indices
/// may have gaps: a worker held in the kernel past a boundary merges two intervals into a long one.
fn lost_interval(host: &HostRun, finished: &Finished) -> Option<Reason> {
    let lost = |syncs, intervals, counted| {
        (intervals != counted).then_some(Reason::LostInterval { syncs, intervals, counted })
    };
    let Arrived { ops, syncs, .. } = host.arrived;
    lost(true, syncs, finished.work.sync_ops).or_else(|| lost(false, ops, finished.ops()))
}

#[cfg(test)]
mod tests {
    use proto::{
        outcome::{Ready, Window, WorkCounts},
        refusal::SessionRefusal,
        trial::{Engine, EngineKind, FileTarget, Measure, Target, Workload},
        units::ByteSize,
    };

    use super::*;

    fn trial() -> Trial {
        Trial {
            id: "t".into(),
            seed: 0,
            target: Target::File(FileTarget::new(ByteSize(4096), true)),
            workload: Workload::default(),
            engine: Engine::new(EngineKind::Null),
            measure: Measure::Timed,
        }
    }

    fn good() -> HostRun {
        let begin_ns = 1_000 + Workload::default().warmup.0;
        HostRun {
            start_ns: Some(1_000),
            arrived: Arrived { intervals: 1, ops: 10, syncs: 0 },
            finished: Some(Finished {
                window: Window {
                    begin_ns,
                    end_ns: begin_ns + Workload::default().runtime.0,
                    cut_short: false,
                },
                work: WorkCounts { read_ops: 10, ..WorkCounts::default() },
                ..Finished::default()
            }),
            ..HostRun::default()
        }
    }

    fn marks_of(hosts: Vec<HostRun>) -> Vec<String> {
        let found = marks(&trial(), &TrialRun { hosts, interrupted: false }, |_| "n1");
        found.iter().map(Mark::to_string).collect()
    }

    fn marks_with(change: impl FnOnce(&mut HostRun, &mut Finished)) -> Vec<String> {
        let mut host = good();
        let mut finished = host.finished.take().unwrap();
        change(&mut host, &mut finished);
        host.finished = Some(finished);
        marks_of(vec![host])
    }

    #[test]
    fn a_valid_trial_has_no_marks() {
        assert!(marks_of(vec![good()]).is_empty());
        assert!(marks_of(vec![good(), good()]).is_empty());
    }

    #[test]
    fn marks_name_each_fault() {
        let errors = marks_with(|_, finished| finished.work.errors = [(5, 5)].into());
        assert_eq!(errors, ["5 requests failed: EIO x5"]);
        let short = marks_with(|_, finished| finished.work.short_transfers = 2);
        assert_eq!(short, ["2 requests were transferred only in part"]);
        assert_eq!(marks_with(|_, finished| finished.window.cut_short = true), ["cut short"]);
        let verified = |failures| Some(proto::outcome::Verified { sectors: 9, failures });
        assert!(marks_with(|_, finished| finished.verified = verified(0)).is_empty());
        let damaged = marks_with(|_, finished| finished.verified = verified(3));
        assert_eq!(damaged, ["3 sectors failed verification (verify-failed)"]);
        let late = |alone: bool, ms: u64| {
            let mut host = good();
            let window = &mut host.finished.as_mut().unwrap().window;
            window.begin_ns += ms * 1_000_000;
            window.end_ns += ms * 1_000_000;
            marks_of(if alone { vec![host] } else { vec![host, good()] })
        };
        assert_eq!(late(false, 80), ["n1: measuring began 80 ms late"]);
        assert!(late(false, 40).is_empty() && late(true, 400).is_empty());
        assert_eq!(late(true, 600), ["measuring began 600 ms late"]);
    }

    /// SIGSTOP for 3 s, for example: nothing else shows it, if noise is ignored.
    #[test]
    fn a_window_of_the_wrong_length_marks() {
        let with = |ms: i64| {
            marks_with(|_, finished| {
                finished.window.end_ns = finished.window.end_ns.saturating_add_signed(ms * 1_000_000);
            })
        };
        assert_eq!(with(3000), ["the measured window has 4000 ms instead of 1000 ms"]);
        assert_eq!(with(-500), ["the measured window has 500 ms instead of 1000 ms"]);
        assert!(with(450).is_empty() && with(-90).is_empty());
    }

    #[test]
    fn a_target_with_holes_marks() {
        let (size, allocated) = (ByteSize(8 << 20), ByteSize(0));
        let holes = TargetWarning::Holes { path: "/data".into(), size, allocated, first_hole: Some(0) };
        let with = |warning: Warning| Some(Ready { warnings: vec![warning], ..Ready::default() });
        let marks = marks_of(vec![HostRun { ready: with(holes.into()), ..good() }]);
        assert!(
            marks[0].starts_with("/data has a hole at byte 0") && marks[0].ends_with("(holes)"),
            "{marks:?}"
        );
        let memory = TargetWarning::RamBacked { memory: "tmpfs".into() };
        assert!(marks_of(vec![HostRun { ready: with(memory.into()), ..good() }]).is_empty());
    }

    #[test]
    fn marks_lost_intervals() {
        assert!(marks_with(|_, finished| finished.work.read_ops = 11)[0].starts_with("lost interval: the"));
        let syncs = marks_with(|_, finished| finished.work.sync_ops = 1);
        assert_eq!(syncs, ["lost interval: the intervals hold 0 syncs, the agent counted 1"]);
        let none = marks_with(|host, _| host.arrived = Arrived::default());
        assert!(none[0].starts_with("lost interval: the intervals hold 0 operations"), "{none:?}");
    }

    #[test]
    fn marks_name_the_host_if_there_are_several() {
        let refusal = Some(SessionRefusal::StartTooFar {}.into());
        let refused = HostRun { refusal, finished: None, ..good() };
        assert_eq!(
            marks_of(vec![good(), refused]),
            ["n1: refused (start-too-far): the start is more than a minute ahead"]
        );
    }
}
