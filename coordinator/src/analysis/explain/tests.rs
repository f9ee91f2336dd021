//! Each cause, with the figures of real runs on a virtual machine with 2 CPUs and a virtio disk.

mod odd;

use proto::{
    engine::Sharing,
    facts::TargetFacts,
    knob::{KnobValue, KnobValues},
};

use super::{
    figures::Figures,
    limit::{Limit, limit},
    *,
};
use crate::{
    params::Params,
    summary::{
        CellSummary, Comparison, Cost, CpuPerIo, Estimate, Latencies, Latency, Ring, TargetState, Threads,
        Throughput, Verdict,
        answer::Headline,
        audit::Completed,
        cause::Cause,
        evidence::{Evidence, Pair, Quantity},
        explanation::{
            Direction, Explanation, Finding, KernelThread, Open, Reason, Saturated, SharedLimit, Side,
        },
        placement::Placement,
    },
};

/// The figures of a cell that a test sets; the rest is that of a worker on its own CPU, on a disk.
#[derive(Clone, Debug)]
struct Of {
    arm: &'static str,
    depth: u64,
    iops: f64,
    in_flight: f64,
    user: f64,
    system: f64,
    threads: f64,
    calls: f64,
    switches: f64,
    workers: u32,
    cpus: u32,
    direct: bool,
    bytes: f64,
    ring: Ring,
    polling: Option<bool>,
    interrupts: Option<f64>,
    offered: Option<f64>,
    trials: usize,
}

impl Of {
    /// In closed loop the mean latency follows from the requests in flight.
    fn new(arm: &'static str, iops: f64, in_flight: f64, user: f64, system: f64, calls: f64) -> Self {
        Self {
            arm,
            depth: 1,
            iops,
            in_flight,
            user,
            system,
            threads: 0.0,
            calls,
            switches: 0.0,
            workers: 1,
            cpus: 1,
            direct: true,
            bytes: 4096.0,
            ring: Ring::default(),
            polling: None,
            interrupts: None,
            offered: None,
            trials: 3,
        }
    }

    /// Reads from the page cache.
    fn cached(self) -> Self {
        Self { direct: false, ..self }
    }

    fn cell(&self) -> CellSummary {
        let estimate = |mean: f64| Some(Estimate { mean, ci95: None, samples: vec![mean; self.trials] });
        CellSummary {
            arm: self.arm.into(),
            params: Params::from_iter([("depth".to_owned(), self.depth.into())]),
            hosts: vec!["local".into()],
            throughput: Throughput {
                iops: estimate(self.iops),
                bandwidth_bytes_per_s: estimate(self.iops * self.bytes),
                offered_per_s: self.offered,
                ..Throughput::default()
            },
            latency: Latencies {
                all: Some(Latency { mean: 1e9 * self.in_flight / self.iops, ..Latency::default() }),
                ..Latencies::default()
            },
            cost: Cost {
                syscalls_per_io: Some(self.calls),
                cpu: Some(CpuPerIo {
                    user: self.user,
                    system: self.system,
                    kernel_threads: Some(self.threads),
                }),
                context_switches_per_io: Some(self.switches),
                interrupts_per_io: self.interrupts,
                ..Cost::default()
            },
            ring: self.ring.clone(),
            state: TargetState {
                target: TargetFacts { direct: Some(self.direct), ..TargetFacts::default() },
                ..TargetState::default()
            },
            threads: Threads {
                in_flight: None,
                pinned_cpus: (1..=self.cpus).collect(),
                placement: Placement {
                    workers: Some(self.workers),
                    worker_cpus: Some(self.cpus),
                    polling_cpus: self.polling.map(|shares| vec![u32::from(shares)]).unwrap_or_default(),
                    polling_shares: self.polling,
                },
            },
            ..CellSummary::default()
        }
    }
}

fn granted(knob: &str) -> Ring {
    Ring { granted: KnobValues::of([(knob, &KnobValue::Switch(true))]), ..Ring::default() }
}

fn punted(share: f64) -> Ring {
    Ring { completed: Some(Completed { punted: share, ..Completed::default() }), ..Ring::default() }
}

/// A set of these cells with the first arm as the baseline, and a comparison of each other cell with an interval of
/// ± 3 % unless one is given.
fn set(cells: &[Of], interval: Option<[f64; 2]>) -> ComparisonSet {
    let mut set = ComparisonSet { baseline: Some(cells[0].arm.into()), ..ComparisonSet::default() };
    set.cells = cells.iter().map(Of::cell).collect();
    for arm in cells {
        let Some(base) = cells.iter().find(|base| base.arm == cells[0].arm && base.depth == arm.depth) else {
            continue;
        };
        if arm.arm == base.arm {
            continue;
        }
        let pairs = arm.trials.min(base.trials);
        let cpu = |of: &Of| of.user + of.system + of.threads;
        let metrics = [("iops", arm.iops / base.iops, true), ("cpu_per_io", cpu(arm) / cpu(base), false)];
        for (metric, ratio, more_is_better) in metrics {
            let ci = interval.filter(|_| metric == "iops").unwrap_or([0.97 * ratio, 1.03 * ratio]);
            let (above, below) = (ci[0] > 1.0, ci[1] < 1.0);
            set.comparisons.push(Comparison {
                baseline: base.arm.into(),
                arm: arm.arm.into(),
                params: arm.cell().params,
                metric: metric.into(),
                ratio: Some(ratio),
                ci95: (pairs > 1).then_some(ci),
                p_value: None,
                p_adjusted: None,
                pairs: pairs as u32,
                spread: (pairs > 1).then_some(0.17),
                trials_more: None,
                trials_more_range: None,
                reason: None,
                verdict: match (above, below) {
                    (true, _) if more_is_better => Verdict::Faster,
                    (_, true) if !more_is_better => Verdict::Faster,
                    (true, _) | (_, true) => Verdict::Slower,
                    _ if ci[0] >= 0.98 && ci[1] <= 1.02 => Verdict::NoDifference,
                    _ => Verdict::Inconclusive,
                },
            });
        }
    }
    set
}

/// The explanation of the last arm.
fn explained(cells: &[Of]) -> Explanation {
    explained_with(cells, None)
}

fn explained_with(cells: &[Of], interval: Option<[f64; 2]>) -> Explanation {
    let mut set = set(cells, interval);
    explain(&mut set, &[], &[]);
    let found = set.explanations.pop().unwrap();
    assert!(!found.evidence.is_empty(), "{found:?}");
    found
}

fn cause(cells: &[Of]) -> Cause {
    explained(cells).finding.cause()
}

/// The reasons of a change.
fn reasons(cells: &[Of]) -> Vec<Reason> {
    match explained(cells).finding {
        Finding::Changed { reasons, .. } => reasons,
        other => panic!("{other:?}"),
    }
}

fn pair(arm: f64, baseline: f64) -> Pair {
    Pair { arm, baseline }
}

fn close(found: Pair, arm: f64, baseline: f64) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() < 0.01 * b.abs().max(1e-9);
    near(found.arm, arm) && near(found.baseline, baseline)
}

const NO_DIFFERENCE: Option<[f64; 2]> = Some([0.99, 1.01]);

fn sync(depth: u64) -> Of {
    Of { depth, switches: 1.0, interrupts: Some(1.0), ..Of::new("sync", 18_113.0, 1.0, 201.0, 21_933.0, 1.0) }
}

fn uring(depth: u64, iops: f64, system: f64, calls: f64) -> Of {
    Of { depth, ..Of::new("uring", iops, depth as f64, 171.0, system, calls) }
}

#[test]
fn names_overlap_calls_and_the_device_as_the_limit() {
    let cells =
        [sync(32), sync(128), uring(32, 60_747.0, 4_065.0, 0.031), uring(128, 76_009.0, 3_223.0, 0.012)];
    let Finding::Changed { faster: true, reasons: found, limit: Some(plateau) } = explained(&cells).finding
    else {
        panic!("{:?}", explained(&cells))
    };
    let [Reason::Overlap { in_flight }, Reason::Syscalls { calls, system_ns }] = found[..] else {
        panic!("{found:?}")
    };
    assert!(close(in_flight, 128.0, 1.0), "{in_flight:?}");
    assert_eq!((calls, system_ns), (pair(0.012, 1.0), pair(3_223.0, 21_933.0)));
    assert!(close(pair(plateau.in_flight, plateau.iops), 4.0, 1.251), "{plateau:?}");

    // With the arms exchanged, the same reasons make the arm slower.
    let exchanged = [uring(128, 76_009.0, 3_223.0, 0.012), sync(128)];
    assert!(matches!(explained(&exchanged).finding, Finding::Changed { faster: false, limit: None, .. }));
    let found = reasons(&exchanged);
    let [Reason::Overlap { in_flight }, Reason::Syscalls { calls, .. }] = found[..] else {
        panic!("{found:?}")
    };
    assert!(close(in_flight, 1.0, 128.0), "{in_flight:?}");
    assert_eq!(calls, pair(1.0, 0.012));
}

#[test]
fn system_calls_alone_can_be_the_reason() {
    // 512 B from the page cache, one call for one read and for 32.
    let one = Of::new("one", 1_250_000.0, 1.0, 90.0, 700.0, 1.0).cached();
    let many = Of::new("many", 2_500_000.0, 32.0, 30.0, 360.0, 0.03125).cached();
    let found = explained(&[one, many]);
    let Finding::Changed { reasons, .. } = &found.finding else { panic!("{found:?}") };
    let calls = pair(0.03125, 1.0);
    assert_eq!(reasons[0], Reason::Syscalls { calls, system_ns: pair(360.0, 700.0) });
    let per_call = |line: &Evidence| match line {
        Evidence::One(Quantity::SystemTimePerCall, ns) => Some(*ns),
        _ => None,
    };
    let ns = found.evidence.iter().find_map(per_call).unwrap();
    assert!((ns - 340.0 / 0.96875).abs() < 1e-6, "{ns}");
}

#[test]
fn system_time_that_fell_without_calls_is_kernel_work() {
    let plain = Of::new("plain", 558_000.0, 32.0, 20.0, 1_700.0, 0.031).cached();
    let fixed = Of::new("fixed", 858_000.0, 32.0, 20.0, 1_080.0, 0.031).cached();
    let kernel_work = |system_ns, calls| Reason::KernelWork { system_ns, calls };
    assert_eq!(
        reasons(&[plain.clone(), fixed.clone()]),
        [kernel_work(pair(1_080.0, 1_700.0), Direction::Same)]
    );
    // With fewer calls and yet more system time, calls are not the reason.
    let slower = Of { iops: 459_000.0, system: 2_050.0, calls: 0.5, ..fixed };
    assert_eq!(
        reasons(&[Of { calls: 1.0, ..plain }, slower]),
        [kernel_work(pair(2_050.0, 1_700.0), Direction::Fewer)]
    );
}

#[test]
fn time_that_other_processes_took_does_not_count_as_waiting() {
    // From the page cache, on a host so busy that workers had two thirds of their CPU.
    let pread = Of::new("pread", 593_485.0, 1.0, 235.0, 838.0, 1.0).cached();
    let ring = Of::new("ring", 304_065.0, 1.0, 542.0, 1_541.0, 1.0).cached();
    let found = reasons(&[pread.clone(), ring.clone()]);
    assert_eq!(found[0], Reason::KernelWork { system_ns: pair(1_541.0, 838.0), calls: Direction::Same });
    // Workers that go to sleep wait for something.
    let asleep = |of: Of| Of { switches: 1.0, ..of };
    assert_eq!(cause(&[asleep(pread), asleep(ring)]), Cause::Unknown);
}

#[test]
fn user_time_can_be_the_reason() {
    let plain = Of::new("plain", 1_000_000.0, 1.0, 300.0, 690.0, 1.0).cached();
    let checked = Of { arm: "checked", iops: 500_000.0, user: 1_280.0, ..plain.clone() };
    assert_eq!(reasons(&[plain, checked]), [Reason::UserWork { user_ns: pair(1_280.0, 300.0) }]);
}

#[test]
fn names_the_lock_of_a_shared_ring() {
    let own = Of { workers: 2, cpus: 2, ..Of::new("own", 569_956.0, 32.0, 32.0, 1_188.0, 0.062).cached() };
    let ring = Ring {
        sharing: Some(Sharing::Shared),
        lock_wait_ns_per_io: Some(2_622.0),
        contended_share: Some(0.0028),
        ..Ring::default()
    };
    let shared = Of { arm: "shared", iops: 348_254.0, system: 1_556.0, calls: 0.089, ring, ..own.clone() };
    assert_eq!(reasons(&[own.clone(), shared.clone()])[0], Reason::Locks { wait_ns: pair(2_622.0, 0.0) });
    assert_eq!(reasons(&[shared.clone(), own.clone()])[0], Reason::Locks { wait_ns: pair(0.0, 2_622.0) });
    // A short wait for the lock does not explain so large a loss.
    let ring = Ring { lock_wait_ns_per_io: Some(40.0), ..shared.ring.clone() };
    assert_ne!(cause(&[own, Of { ring, ..shared }]), Cause::Locks);
}

#[test]
fn names_the_queues_of_a_combiner() {
    let own = Of::new("own", 553_482.0, 16.0, 47.0, 1_108.0, 0.062).cached();
    let ring =
        Ring { sharing: Some(Sharing::Combiner), handover_ns_per_io: Some(212_126.0), ..Ring::default() };
    let combiner = Of {
        arm: "combiner",
        iops: 124_724.0,
        in_flight: 31.2,
        user: 1_286.0,
        system: 2_695.0,
        ring,
        ..own.clone()
    };
    assert_eq!(reasons(&[own, combiner])[0], Reason::Handover { queued_ns: 212_126.0 });
}

#[test]
fn names_punted_requests() {
    let pread = Of::new("pread", 850_749.0, 1.0, 53.0, 791.0, 1.0).cached();
    let one = Of {
        ring: punted(1.0),
        threads: 1_599.0,
        switches: 0.118,
        ..Of::new("punted", 447_399.0, 16.0, 55.0, 580.0, 0.118).cached()
    };
    let punts = Reason::Punts { punted: 1.0, threads_ns: 1_599.0 };
    assert_eq!(reasons(&[pread.clone(), one.clone()])[0], punts);
    let inline = Of { ring: punted(0.0), ..one };
    assert_ne!(cause(&[pread, inline]), Cause::Punts);
}

#[test]
fn names_a_polling_thread_that_shares_a_cpu_or_sets_the_pace() {
    let calls = Of::new("calls", 836_849.0, 16.0, 30.0, 1_152.0, 0.062).cached();
    let ring = granted("sqpoll");
    let same = Of {
        ring: ring.clone(),
        polling: Some(true),
        threads: 119_823.0,
        ..Of::new("same", 3_509.0, 32.0, 121_332.0, 0.0, 0.0).cached()
    };
    assert_eq!(reasons(&[calls.clone(), same.clone()])[0], Reason::PollThread { cpus: vec![1] });
    let apart = Of {
        ring,
        polling: Some(false),
        threads: 2_335.0,
        ..Of::new("apart", 317_328.0, 32.2, 1_709.0, 0.0, 0.0).cached()
    };
    assert_eq!(reasons(&[calls.clone(), apart])[0], Reason::PollPace { cpus: vec![0] });
    // If the agent does not report the CPU, nothing is claimed.
    assert_eq!(cause(&[calls, Of { polling: None, ..same }]), Cause::Unknown);
}

#[test]
fn names_a_polling_thread_that_takes_work_off_the_worker() {
    let calls = Of::new("calls", 800_000.0, 16.0, 50.0, 1_190.0, 0.062).cached();
    let sqpoll = Of {
        ring: granted("sqpoll"),
        polling: Some(false),
        threads: 820.0,
        ..Of::new("sqpoll", 1_200_000.0, 32.0, 820.0, 0.0, 0.0).cached()
    };
    let found = reasons(&[calls, sqpoll]);
    assert!(matches!(found[0], Reason::Offload { by: KernelThread::Polling, .. }), "{found:?}");
}

#[test]
fn names_polling_for_completions() {
    let sleeps =
        Of { interrupts: Some(1.0), switches: 1.0, ..Of::new("sleeps", 15_000.0, 1.0, 600.0, 12_000.0, 1.0) };
    let polled = Of {
        ring: granted("iopoll"),
        interrupts: Some(0.0),
        ..Of::new("polled", 22_000.0, 1.0, 700.0, 44_000.0, 1.0)
    };
    assert_eq!(reasons(&[sleeps, polled])[0], Reason::Polling { interrupts: pair(0.0, 1.0) });
}

#[test]
fn names_more_cpus_and_too_few_cpus() {
    let one = Of::new("one", 800_000.0, 1.0, 50.0, 1_190.0, 1.0).cached();
    let four = Of { arm: "four", iops: 3_100_000.0, in_flight: 4.0, workers: 4, cpus: 4, ..one.clone() };
    assert_eq!(reasons(&[one.clone(), four])[0], Reason::Cpus { cpus: pair(4.0, 1.0) });
    let crowd = Of {
        arm: "crowd",
        iops: 200_000.0,
        in_flight: 64.0,
        workers: 64,
        user: 900.0,
        system: 4_050.0,
        switches: 1.1,
        ..one.clone()
    };
    assert_eq!(reasons(&[one, crowd])[0], Reason::TooFewCpus { workers: 64, cpus: 1.0, more_switches: 1.1 });
}

#[test]
fn names_longer_waits_at_the_same_depth() {
    let uring = Of { iops: 13_500.0, ..uring(1, 16_968.0, 21_933.0, 1.0) };
    assert_eq!(cause(&[sync(1), uring]), Cause::Waiting);
}

#[test]
fn equal_arms_can_have_reached_the_limit_of_the_device() {
    let threads = |depth, iops| Of {
        arm: "sync",
        switches: 1.0,
        workers: depth,
        ..Of { depth: depth.into(), ..Of::new("sync", iops, f64::from(depth), 2_989.0, 3_658.0, 1.0) }
    };
    let (low, high) = (uring(32, 71_000.0, 4_065.0, 0.031), uring(128, 73_900.0, 3_223.0, 0.012));
    let found = explained_with(&[threads(32, 71_935.0), threads(128, 74_000.0), low, high], NO_DIFFERENCE);
    let Finding::Alike { limit: SharedLimit::Plateau(plateau), open: Open::Nothing } = found.finding else {
        panic!("{found:?}")
    };
    assert!(close(pair(plateau.in_flight, plateau.iops), 4.0, 1.041), "{plateau:?}");
}

#[test]
fn equal_arms_can_both_wait() {
    let pair = [sync(1), uring(1, 18_150.0, 21_000.0, 1.0)];
    let alike = |interval| match explained_with(&pair, interval).finding {
        Finding::Alike { limit: SharedLimit::Waiting { iops, .. }, open } => (iops, open),
        other => panic!("{other:?}"),
    };
    assert_eq!(alike(NO_DIFFERENCE), (18_150.0, Open::Nothing));
    // An inconclusive comparison has the same explanation if its interval is narrow.
    assert_eq!(alike(Some([0.95, 1.06])), (18_150.0, Open::Interval([0.95, 1.06])));
}

#[test]
fn a_wide_interval_is_noise() {
    let pair = [sync(1), uring(1, 18_150.0, 21_000.0, 1.0)];
    let found = explained_with(&pair, Some([0.6, 1.4])).finding;
    let Finding::Noise { ci95: [0.6, 1.4], spread: Some(spread), blocks: 3 } = found else {
        panic!("{found:?}")
    };
    assert!((spread - 0.185).abs() < 1e-3, "{spread}");
}

#[test]
fn without_two_blocks_there_are_too_few_trials() {
    let pair = [sync(1), uring(1, 18_150.0, 21_000.0, 1.0)];
    let single = [Of { trials: 1, ..pair[0].clone() }, pair[1].clone()];
    let found = explained_with(&single, Some([0.95, 1.06])).finding;
    assert_eq!(found, Finding::FewTrials { blocks: 1 });
    // Three trials each, but of different blocks: pairs count.
    let mut apart = set(&pair, Some([0.95, 1.06]));
    for found in &mut apart.comparisons {
        (found.pairs, found.ci95) = (1, None);
    }
    explain(&mut apart, &[], &[]);
    assert_eq!(apart.explanations[0].finding, Finding::FewTrials { blocks: 1 });
}

#[test]
fn cpu_time_that_was_saved_and_then_waited_out_is_no_cause() {
    let threads = |depth: u32, iops, user, system| Of {
        depth: depth.into(),
        workers: depth,
        switches: 1.0,
        ..Of::new("threads", iops, f64::from(depth), user, system, 1.0)
    };
    let cells = [
        threads(32, 74_765.0, 3_017.0, 3_599.0),
        threads(128, 82_238.0, 5_270.0, 1_530.0),
        uring(32, 80_650.0, 3_298.0, 0.063),
        uring(128, 90_173.0, 2_065.0, 0.035),
    ];
    let found = explained(&cells).finding;
    assert!(matches!(found, Finding::Alike { open: Open::Remainder, .. }), "{found:?}");
    assert_eq!(found.cause(), Cause::Device);
}

#[test]
fn a_plateau_of_punted_requests_is_not_the_devices() {
    let two = |depth| Of { ring: punted(1.0), ..uring(depth, 30_000.0, 3_000.0, 0.1) };
    let found = set(&[two(16), two(64)], None);
    let figures = Figures::of(&found.cells[0]).unwrap();
    assert_eq!(limit(&found, &figures), None);
    let plain = set(&[uring(16, 30_000.0, 3_000.0, 0.1), uring(64, 31_000.0, 3_000.0, 0.1)], None);
    let figures = Figures::of(&plain.cells[0]).unwrap();
    assert!(matches!(limit(&plain, &figures), Some(Limit::Device(_))));
}

#[test]
fn large_blocks_are_copied_and_small_ones_fill_the_cpu() {
    // 1 MiB at 8 GB/s: 131 µs each.
    let large = Of { bytes: 1_048_576.0, ..Of::new("pread", 7_630.0, 1.0, 200.0, 130_500.0, 1.0).cached() };
    let ring =
        Of { arm: "ring", iops: 7_690.0, in_flight: 16.0, system: 129_600.0, calls: 0.062, ..large.clone() };
    let found = explained_with(&[large.clone(), ring.clone()], NO_DIFFERENCE).finding;
    let Finding::Alike { limit: SharedLimit::Copy { cpu_ns_per_byte, bandwidth }, .. } = found else {
        panic!("{found:?}")
    };
    assert!((cpu_ns_per_byte - 0.124).abs() < 1e-3 && close(bandwidth, 8.06e9, 8.0e9), "{found:?}");
    // Certainly a little faster, with no reason but copying.
    let faster = explained_with(&[large.clone(), ring.clone()], Some([1.002, 1.014])).finding;
    assert_eq!(faster.cause(), Cause::Copy);
    let small = |of: Of| Of { bytes: 4096.0, ..of };
    let found = explained_with(&[small(large), small(ring)], NO_DIFFERENCE).finding;
    assert_eq!(found.cause(), Cause::Cpu);
}

#[test]
fn open_loop_arms_reach_the_offered_rate_or_are_saturated() {
    let rate = |arm, iops| Of { offered: Some(10_000.0), ..Of::new(arm, iops, 1.0, 40_000.0, 9_000.0, 1.0) };
    let found = |sync, uring| explained(&[rate("sync", sync), rate("uring", uring)]).finding;
    let saturated = |who, faster| Finding::Saturated { offered_per_s: 10_000.0, who, faster };
    assert_eq!(found(9_990.0, 9_950.0), Finding::RateReached { offered_per_s: 10_000.0 });
    let baseline = Saturated::One(Side::Baseline, 8_000.0);
    assert_eq!(found(8_000.0, 9_990.0), saturated(baseline, Some(true)));
    assert_eq!(found(9_990.0, 5_000.0), saturated(Saturated::One(Side::Arm, 5_000.0), Some(false)));
    assert_eq!(found(5_000.0, 6_000.0), saturated(Saturated::Both, None));
}

#[test]
fn arms_without_io_are_not_explained_by_io() {
    let mut found = set(&[sync(1), Of::new("nop", 5e6, 1.0, 60.0, 140.0, 1.0)], None);
    explain(&mut found, &[], &["nop"]);
    assert_eq!(found.explanations[0].finding, Finding::NoIo(Side::Arm));
}

#[test]
fn claims_no_cause_that_the_figures_do_not_show() {
    // Twice as fast with the same CPU time: other processes took the rest.
    let slow = Of::new("slow", 400_000.0, 16.0, 40.0, 1_100.0, 0.062).cached();
    let fast = Of { arm: "fast", iops: 800_000.0, system: 1_080.0, ..slow.clone() };
    let unknown =
        Finding::Unknown { time_ns: Some(pair(1_250.0, 2_500.0)), cpu_ns: Some(pair(1_120.0, 1_140.0)) };
    assert_eq!(explained(&[slow.clone(), fast.clone()]).finding, unknown);
    // System time and calls fell together, but by too little.
    let fewer = Of { calls: 0.5, system: 800.0, ..fast };
    assert_eq!(cause(&[Of { calls: 1.0, ..slow }, fewer]), Cause::Unknown);
    // Neither CPU time nor threads are known.
    let mut bare = set(&[sync(1), uring(1, 90_000.0, 900.0, 0.1)], None);
    for cell in &mut bare.cells {
        (cell.cost.cpu, cell.threads.placement) = (None, Placement::default());
        (cell.latency.all, cell.cost.syscalls_per_io) = (None, None);
    }
    explain(&mut bare, &["sync".into(), "uring".into()], &[]);
    assert_eq!(bare.explanations[0].finding, Finding::Unknown { time_ns: None, cpu_ns: None });
    assert_eq!(bare.ladders[0].steps[1].ns_per_io, None);
    // A side that was not measured has no explanation.
    bare.comparisons[0].ratio = None;
    explain(&mut bare, &[], &[]);
    assert!(bare.explanations.is_empty());
}

#[test]
fn the_answer_explains_why_no_arm_is_faster() {
    let mut found = set(&[sync(1), uring(1, 18_150.0, 21_000.0, 1.0)], NO_DIFFERENCE);
    explain(&mut found, &[], &[]);
    let answer = crate::analysis::answer::answer(&found, &[], &crate::analysis::answer::Loads::default());
    let Some(Headline::NothingFaster { inconclusive: false, closest: Some(closest), .. }) = answer.headline
    else {
        panic!("{answer:?}")
    };
    assert_eq!((closest.arm.as_str(), closest.finding.cause()), ("uring", Cause::Waiting));
}

#[test]
fn cpu_time_that_may_have_changed_by_chance_is_no_cause() {
    let one = Of::new("one", 1_250_000.0, 1.0, 90.0, 700.0, 1.0).cached();
    let many = Of::new("many", 2_500_000.0, 32.0, 30.0, 360.0, 0.03125).cached();
    let mut found = set(&[one, many], None);
    let cpu = found.comparisons.iter_mut().find(|found| found.metric == "cpu_per_io").unwrap();
    cpu.ci95 = Some([0.2, 1.2]);
    explain(&mut found, &[], &[]);
    assert_eq!(found.explanations[0].finding.cause(), Cause::Unknown);
}
