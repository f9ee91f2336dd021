//! The analysis of a synthetic run with known figures.

use proto::{
    facts::FileSystem,
    knob::KnobValue,
    notice::{CpuList, OsError},
    outcome::Refusal,
    refusal::{EngineRefusal, RingFailure},
    warning::CpuWarning,
};

use super::fixture::{Fixture, params};
use crate::{
    params::Params,
    stats::spending,
    store::journal::{FORMAT, Journal},
    summary::{
        ComparisonSet, CountedBy, Verdict,
        answer::{Answer, Headline, Notice, Untrusted},
        cause::Cause,
        crossover::CrossoverKind,
    },
    warning::SetWarning,
};

const ARMS: [&str; 2] = ["sync", "uring-tuned"];

fn whole(hosts: &[&str]) -> Fixture {
    let mut fixture = Fixture::new(&ARMS, &[1, 32], 3, hosts);
    fixture.execute(usize::MAX);
    fixture
}

fn refused() -> Refusal {
    EngineRefusal::Ring { failure: RingFailure::LockedMemory(OsError::from_errno(1)) }.into()
}

#[test]
fn figures_are_those_of_the_fixture() {
    let set = whole(&["local"]).analyse(Some("sync"));
    assert!(set.trustworthy && set.warnings.is_empty(), "{:?}", set.warnings);
    assert_eq!(set.cells.len(), 4);
    let cell = set.cell("sync", &params(1)).unwrap();
    assert_eq!((cell.trials.planned, cell.trials.complete, cell.trials.marked), (3, 3, 0));
    let iops = cell.throughput.iops.as_ref().unwrap();
    assert_eq!(iops.samples, [74_382.0, 72_838.0, 73_794.0]);
    assert!((set.metric("sync", "iops", &params(1)).unwrap() - 73_671.333).abs() < 0.01);
    assert!((set.metric("sync", "bandwidth", &params(1)).unwrap() / 73_671.333 - 4096.0).abs() < 0.01);
    assert!((set.metric("sync", "p50", &params(1)).unwrap() / 13_100.0 - 1.0).abs() < 1e-3);
    assert!((set.metric("sync", "p99", &params(1)).unwrap() / 52_400.0 - 1.0).abs() < 1e-3);
    assert_eq!(set.metric("sync", "cpu_per_io", &params(1)), Some(3000.0));
    assert_eq!(set.metric("sync", "syscalls_per_io", &params(1)), Some(1.0));
    assert_eq!(set.metric("sync", "sqes_per_enter", &params(1)), None);
    assert_eq!(set.metric("sync", "nonsense", &params(1)), None);
    assert_eq!(set.metric("nobody", "iops", &params(1)), None);
    let uring = set.cell("uring-tuned", &params(32)).unwrap();
    assert_eq!(uring.cost.syscalls.counted_by, CountedBy::Perf);
    assert!(uring.ring.granted.is_on("defer_taskrun"));
    assert_eq!(uring.ring.punted_to_io_wq, Some(3));
    assert_eq!(uring.ring.completed.unwrap().sampled, 1000);
    assert_eq!(set.metric("uring-tuned", "inline_share", &params(32)), Some(0.996));
    assert_eq!(set.metric("uring-tuned", "punted_share", &params(32)), Some(0.004));
    assert_eq!(set.metric("sync", "inline_share", &params(32)), None, "no ring");
    assert!((set.metric("sync", "interrupts_per_io", &params(1)).unwrap() - 0.5).abs() < 1e-4);
    assert_eq!((uring.cost.hardware, uring.state.cached_share), (None, None));
    assert!((uring.ring.sqes_per_enter.unwrap() - 32.0 / 1.3).abs() < 0.01);
    assert!((uring.cost.syscalls.audit_per_io.unwrap() - uring.cost.syscalls_per_io.unwrap()).abs() < 1e-4);
}

#[test]
fn judges_each_point() {
    let set = whole(&["local"]).analyse(Some("sync"));
    let verdict =
        |metric: &str, depth| set.comparison("uring-tuned", metric, &params(depth)).unwrap().verdict;
    assert_eq!(verdict("iops", 32), Verdict::Faster);
    assert_eq!(verdict("latency_p99", 32), Verdict::Slower);
    assert_eq!(verdict("cpu_per_io", 32), Verdict::NoDifference);
    assert_eq!(verdict("iops", 1), Verdict::Inconclusive);
    assert!(set.comparison("sync", "iops", &params(1)).is_none());
}

#[test]
fn the_answer_names_the_fastest_arm_and_reports_each_arm() {
    let Answer { notices, headline, arms, .. } = whole(&["local"]).analyse(Some("sync")).answer;
    assert_eq!(notices, []);
    let Some(Headline::Fastest(fastest)) = headline else { panic!("{headline:?}") };
    assert_eq!((fastest.arm.as_str(), &fastest.best.params), ("uring-tuned", &params(32)));
    assert!((fastest.best.ratio - 3.13).abs() < 0.01, "{fastest:?}");
    assert_eq!(fastest.syscalls_per_io.unwrap().baseline, 1.0);
    assert_eq!(fastest.finding.unwrap().cause(), Cause::Overlap);
    let [arm] = &arms[..] else { panic!("{arms:?}") };
    let verdicts: Vec<(Verdict, &[Params], bool)> = arm
        .verdicts
        .iter()
        .map(|found| (found.verdict, &found.points.points[..], found.trials_needed.is_some()))
        .collect();
    assert_eq!(
        verdicts,
        [(Verdict::Faster, &[params(32)][..], false), (Verdict::Inconclusive, &[params(1)][..], true),]
    );
    assert!(arm.tails.len() == 1 && arm.tails[0].longer && arm.tails[0].most.params == params(32), "{arm:?}");
    let begins = CrossoverKind::Begins { after: 1.into(), from: 32.into() };
    assert_eq!(arm.crossovers.iter().map(|found| &found.kind).collect::<Vec<_>>(), [&begins]);
    assert_eq!(arm.syscalls.as_ref().unwrap().params, params(32));
}

#[test]
fn the_answer_reports_shorter_tails() {
    let mut fixture = Fixture::new(&ARMS, &[1, 32], 3, &["local"]);
    fixture.model = |arm, depth| (1000.0, if arm == "sync" { 100_000 * depth } else { 50_000 }, 1.0);
    fixture.execute(usize::MAX);
    let answer = fixture.analyse(Some("sync")).answer;
    let tail = answer.arms[0].tails.last().unwrap();
    assert!(!tail.longer && (tail.most.ratio - 0.0156).abs() < 0.001, "{tail:?}");
}

#[test]
fn hosts_are_merged_and_shown() {
    let set = whole(&["n1", "n2"]).analyse(Some("sync"));
    assert_eq!(set.cells.len(), 12, "merged, n1 and n2 for each of 4");
    let merged = set.cell("sync", &params(1)).unwrap();
    assert_eq!((merged.hosts.len(), &merged.host), (2, &None));
    let alone: Vec<_> = set.cells.iter().filter(|cell| cell.host.is_some() && cell.arm == "sync").collect();
    let mean = |cell: &crate::summary::CellSummary| cell.throughput.iops.as_ref().unwrap().mean;
    assert_eq!(mean(merged), mean(alone[0]) + mean(alone[1]));
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
}

#[test]
fn skewed_hosts_share_less_and_cause_a_warning() {
    let mut fixture = Fixture::new(&ARMS, &[1], 2, &["n1", "n2"]);
    fixture.late_ns = vec![0, 500_000_000];
    fixture.execute(usize::MAX);
    let set = fixture.analyse(Some("sync"));
    assert_eq!(set.cell("sync", &params(1)).unwrap().trials.complete, 2);
    let skewed = set.warnings.iter().find(|warning| warning.code() == "hosts-skewed").unwrap();
    assert!(skewed.message().contains("500.0 ms"), "{}", skewed.message());

    let mut fixture = Fixture::new(&ARMS, &[1], 2, &["n1", "n2"]);
    fixture.late_ns = vec![0, 5_000_000_000];
    fixture.execute(usize::MAX);
    let set = fixture.analyse(Some("sync"));
    let cell = set.cell("sync", &params(1)).unwrap();
    assert_eq!((cell.trials.complete, cell.trials.marked, &cell.throughput.iops), (0, 2, &None));
    assert!(!set.trustworthy);
}

#[test]
fn marked_trials_are_shown_and_kept_out() {
    let mut fixture = Fixture::new(&ARMS, &[1], 3, &["local"]);
    fixture.change = |record| {
        if record.id == "0003-sync" {
            record.marks.push("local: the host was busy with something else".into());
        }
        if record.id == "0004-uring-tuned" {
            record.hosts[0].finished = None;
            record.hosts[0].refusal = Some(refused());
        }
    };
    fixture.execute(usize::MAX);
    let set = fixture.analyse(Some("sync"));
    let cell = set.cell("sync", &params(1)).unwrap();
    assert_eq!((cell.trials.complete, cell.trials.marked), (2, 1));
    assert_eq!(cell.throughput.iops.as_ref().unwrap().samples.len(), 2);
    let of = |host| set.warnings.iter().filter(move |warning| warning.host.as_deref() == host);
    let messages: Vec<String> = of(Some("local")).map(SetWarning::message).collect();
    assert!(messages[0].contains("0003-sync") && messages[0].contains("busy"), "{messages:?}");
    assert!(set.warnings.iter().any(|warning| warning.remedy() == refused().remedy()));
    assert!(!set.trustworthy);
    let missing = |arm: &str, complete| Untrusted::MissingTrials {
        arm: arm.into(),
        params: params(1),
        complete,
        planned: 3,
    };
    let untrusted = vec![missing("sync", 2), missing("uring-tuned", 2)];
    assert_eq!(set.answer.notices, [Notice::Incomplete(untrusted)]);
}

#[test]
fn an_interrupted_run_is_incomplete() {
    let mut fixture = Fixture::new(&ARMS, &[1], 3, &["local"]);
    fixture.plan.quick = true;
    fixture.execute(3);
    let set = fixture.analyse(Some("sync"));
    assert_eq!(set.cell("sync", &params(1)).unwrap().trials.complete, 1);
    let empty = set.cell("uring-tuned", &params(1)).unwrap();
    assert_eq!((empty.trials.complete, &empty.throughput.iops, &empty.latency.all), (0, &None, &None));
    assert_eq!(empty.hosts, ["local"]);
    assert!(matches!(set.answer.notices[..], [Notice::Quick, Notice::Incomplete(_)]), "{:?}", set.answer);
    assert!(set.warnings.iter().any(|warning| warning.code() == "quick-run"));
    let found = set.comparison("uring-tuned", "iops", &params(1)).unwrap();
    assert_eq!((found.ratio, found.verdict), (None, Verdict::Inconclusive));
    let arm = set.answer.arms.last().unwrap();
    assert!(arm.verdicts.is_empty(), "unmeasured cells are not inconclusive: {arm:?}");
    assert_eq!(arm.not_compared.as_ref().unwrap().points, [params(1)]);
}

#[test]
fn the_last_attempt_of_a_repeated_trial_counts() {
    let mut fixture = Fixture::new(&["sync"], &[1], 2, &["local"]);
    fixture.change = |record| record.marks.push("noise".into());
    fixture.execute(usize::MAX);
    assert!(!fixture.analyse(None).trustworthy);
    fixture.change = |_| {};
    fixture.execute(usize::MAX);
    let set = fixture.analyse(None);
    assert!(set.trustworthy && set.warnings.is_empty(), "{:?}", set.warnings);
    let Some(Headline::Most { arm, iops, among_others: false, .. }) = &set.answer.headline else {
        panic!("{:?}", set.answer)
    };
    assert!(arm == "sync" && (iops / 73_600.0 - 1.0).abs() < 0.01, "{:?}", set.answer);
}

#[test]
fn equal_warnings_of_hosts_are_merged() {
    let mut fixture = Fixture::new(&ARMS, &[1], 3, &["local"]);
    fixture.change = |record| {
        let host = &mut record.hosts[0];
        let ready = host.ready.as_mut().unwrap();
        let shared = CpuWarning::TooFewCpus { workers: 2, cpus: CpuList(vec![0]), listed: false };
        ready.warnings.push(shared.into());
        ready.target.file_system = Some(FileSystem::Tmpfs);
        ready.knobs.iter_mut().for_each(|knob| knob.granted = KnobValue::Switch(false));
        let finished = host.finished.as_mut().unwrap();
        finished.overhead.clock_drift_ppm = -2000.0;
        finished.overhead.late_swaps = 1;
        finished.overhead.saturated = 1;
        finished.work.read_ops /= 2;
        finished.cpu.kernel_threads_ns = None;
        if let Some(perf) = &mut finished.audit.perf {
            perf.syscalls_total *= 2;
        }
        if record.arm == "sync" {
            finished.audit.perf = None;
        }
    };
    fixture.execute(usize::MAX);
    let set = fixture.analyse(Some("sync"));
    let mut codes: Vec<&str> = set.warnings.iter().map(|warning| warning.code()).collect();
    codes.sort_unstable();
    let all = [
        "audit-without-perf",
        "clock-drift",
        "intervals-disagree",
        "kernel-threads-unmeasured",
        "late-swaps",
        "not-granted",
        "saturated-latencies",
        "syscall-count-disagrees",
        "target-in-memory",
        "too-few-cpus",
    ];
    assert_eq!(codes, all);
    assert!(set.warnings.iter().all(|warning| !warning.remedy().is_empty()));
}

#[test]
fn a_run_that_was_continued_needs_smaller_p_values() {
    let mut fixture = whole(&["local"]);
    let once = fixture.analyse(Some("sync"));
    fixture.run.write_journal(&Journal { format: FORMAT, looks: 2, ..Journal::default() }).unwrap();
    let again = fixture.analyse(Some("sync"));
    assert_eq!((once.looks, again.looks), (1, 2));
    let p =
        |set: &ComparisonSet| -> Vec<f64> { set.comparisons.iter().filter_map(|of| of.p_adjusted).collect() };
    let (first, second) = (p(&once), p(&again));
    assert!(first.iter().any(|p| *p > 0.0 && *p < 1.0), "{first:?}");
    for (first, second) in first.iter().zip(&second) {
        assert!((second - spending::adjust(*first, 2)).abs() < 1e-12, "{first} {second}");
    }
}
