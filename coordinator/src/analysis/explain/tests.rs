//! Each cause, on figures of real runs: of a virtual machine with 2 CPUs and a virtio disk.

mod odd;

use proto::facts::TargetFacts;

use super::*;
use crate::{
    params::Params,
    summary::{CpuPerIo, Estimate, Latency, Ring, audit::Completed, placement::Placement},
};

/// What of a cell a test says; the rest is as in a worker on a CPU of its own, on a disk.
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
    /// In closed loop the mean latency follows from what is in flight.
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

    /// Out of the page cache.
    fn cached(self) -> Self {
        Self { direct: false, ..self }
    }

    fn cell(&self) -> CellSummary {
        let estimate = |mean: f64| Some(Estimate { mean, ci95: None, samples: vec![mean; self.trials] });
        CellSummary {
            arm: self.arm.into(),
            params: Params::from_iter([("depth".to_owned(), self.depth.into())]),
            hosts: vec!["local".into()],
            iops: estimate(self.iops),
            bandwidth_bytes_per_s: estimate(self.iops * self.bytes),
            latency_ns: Some(Latency { mean: 1e9 * self.in_flight / self.iops, ..Latency::default() }),
            offered_per_s: self.offered,
            syscalls_per_io: Some(self.calls),
            cpu_ns_per_io: Some(CpuPerIo {
                user: self.user,
                system: self.system,
                kernel_threads: Some(self.threads),
            }),
            context_switches_per_io: Some(self.switches),
            interrupts_per_io: self.interrupts,
            ring: self.ring.clone(),
            target: TargetFacts { direct: Some(self.direct), ..TargetFacts::default() },
            pinned_cpus: (1..=self.cpus).collect(),
            placement: Placement {
                workers: Some(self.workers),
                worker_cpus: Some(self.cpus),
                polling_cpus: self.polling.map(|shares| vec![u32::from(shares)]).unwrap_or_default(),
                polling_shares: self.polling,
            },
            ..CellSummary::default()
        }
    }
}

fn granted(knob: &str) -> Ring {
    Ring { granted: [(knob.to_owned(), "true".to_owned())].into(), ..Ring::default() }
}

fn punted(share: f64) -> Ring {
    Ring { completed: Some(Completed { punted: share, ..Completed::default() }), ..Ring::default() }
}

/// A set of these cells, the first arm the baseline; a verdict for each other cell, with an interval of ± 3 %, or
/// as it is given.
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
                trials_more: None,
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

/// Cause and text of the last arm.
fn told(cells: &[Of]) -> (String, String) {
    told_with(cells, None)
}

fn told_with(cells: &[Of], interval: Option<[f64; 2]>) -> (String, String) {
    let mut set = set(cells, interval);
    explain(&mut set, &[], &[]);
    let found = set.explanations.pop().unwrap();
    assert!(!found.evidence.is_empty(), "{found:?}");
    (found.cause, found.text)
}

const NO_DIFFERENCE: Option<[f64; 2]> = Some([0.99, 1.01]);

fn sync(depth: u64) -> Of {
    Of { depth, switches: 1.0, interrupts: Some(1.0), ..Of::new("sync", 18_113.0, 1.0, 201.0, 21_933.0, 1.0) }
}

fn uring(depth: u64, iops: f64, system: f64, calls: f64) -> Of {
    Of { depth, ..Of::new("uring", iops, depth as f64, 171.0, system, calls) }
}

#[test]
fn more_in_flight_and_fewer_calls_up_to_the_device() {
    let cells =
        [sync(32), sync(128), uring(32, 60_747.0, 4_065.0, 0.031), uring(128, 76_009.0, 3_223.0, 0.012)];
    let (cause, text) = told(&cells);
    assert_eq!(cause, "overlap");
    assert_eq!(
        text,
        "Faster because 128 requests are in flight instead of 1, so that their waits overlap, and system calls per \
         I/O fell from 1.000 to 0.012 and system time with them (21.9 µs -> 3.22 µs); the device is the limit now \
         (4.00x as many in flight bring 1.25x the IOPS)."
    );
    // The other way round it is the same, and the other way round.
    let text = told(&[uring(128, 76_009.0, 3_223.0, 0.012), sync(128)]).1;
    assert!(text.starts_with("Slower because 1 instead of 128 requests are in flight"), "{text}");
    assert!(text.contains("system calls per I/O rose from 0.012 to 1.000"), "{text}");
}

#[test]
fn system_calls_alone() {
    // 512 B out of the page cache, one call for one read and for 32.
    let one = Of::new("one", 1_250_000.0, 1.0, 90.0, 700.0, 1.0).cached();
    let many = Of::new("many", 2_500_000.0, 32.0, 30.0, 360.0, 0.03125).cached();
    let (cause, text) = told(&[one.clone(), many.clone()]);
    assert_eq!((cause.as_str(), text.contains("fell from 1.000 to 0.031")), ("syscalls", true), "{text}");
    let mut found = set(&[one, many], None);
    explain(&mut found, &[], &[]);
    let evidence = found.explanations[0].evidence.join("; ");
    assert!(evidence.contains("351 ns of system time a call"), "{evidence}");
}

#[test]
fn system_time_that_fell_without_calls_is_not_theirs() {
    let plain = Of::new("plain", 558_000.0, 32.0, 20.0, 1_700.0, 0.031).cached();
    let fixed = Of::new("fixed", 858_000.0, 32.0, 20.0, 1_080.0, 0.031).cached();
    let (cause, text) = told(&[plain.clone(), fixed.clone()]);
    assert_eq!(
        (cause.as_str(), text.as_str()),
        ("kernel_work", "Faster because the kernel works 620 ns less for each I/O, in as many calls.")
    );
    // Fewer calls, and yet more system time: not calls.
    let slower = Of { iops: 459_000.0, system: 2_050.0, calls: 0.5, ..fixed };
    let (cause, text) = told(&[Of { calls: 1.0, ..plain }, slower]);
    assert_eq!((cause.as_str(), text.contains("in fewer calls")), ("kernel_work", true), "{text}");
}

#[test]
fn time_that_others_took_is_nobodys_waiting() {
    // Out of the page cache, on a host so busy that workers had two thirds of their CPU.
    let pread = Of::new("pread", 593_485.0, 1.0, 235.0, 838.0, 1.0).cached();
    let ring = Of::new("ring", 304_065.0, 1.0, 542.0, 1_541.0, 1.0).cached();
    let (cause, text) = told(&[pread.clone(), ring.clone()]);
    assert_eq!(
        (cause.as_str(), text.contains("703 ns more for each I/O, in as many calls")),
        ("kernel_work", true),
        "{text}"
    );
    // Workers that go to sleep wait for something.
    let asleep = |of: Of| Of { switches: 1.0, ..of };
    assert_eq!(told(&[asleep(pread), asleep(ring)]).0, "unknown");
}

#[test]
fn user_time() {
    let plain = Of::new("plain", 1_000_000.0, 1.0, 300.0, 690.0, 1.0).cached();
    let checked = Of { arm: "checked", iops: 500_000.0, user: 1_280.0, ..plain.clone() };
    assert_eq!(told(&[plain, checked]).0, "user_work");
}

#[test]
fn the_lock_of_a_shared_ring() {
    let own = Of { workers: 2, cpus: 2, ..Of::new("own", 569_956.0, 32.0, 32.0, 1_188.0, 0.062).cached() };
    let ring = Ring {
        sharing: Some("shared".into()),
        lock_wait_ns_per_io: Some(2_622.0),
        contended_share: Some(0.0028),
        ..Ring::default()
    };
    let shared = Of { arm: "shared", iops: 348_254.0, system: 1_556.0, calls: 0.089, ring, ..own.clone() };
    let (cause, text) = told(&[own.clone(), shared.clone()]);
    assert_eq!((cause.as_str(), text.contains("2.62 µs for the lock")), ("locks", true), "{text}");
    let (cause, text) = told(&[shared.clone(), own.clone()]);
    assert_eq!((cause.as_str(), text.contains("2.62 µs less")), ("locks", true), "{text}");
    // A lock that is hardly waited for does not explain a loss as large.
    let ring = Ring { lock_wait_ns_per_io: Some(40.0), ..shared.ring.clone() };
    assert_ne!(told(&[own, Of { ring, ..shared }]).0, "locks");
}

#[test]
fn a_combiner_hands_over() {
    let own = Of::new("own", 553_482.0, 16.0, 47.0, 1_108.0, 0.062).cached();
    let ring =
        Ring { sharing: Some("combiner".into()), handover_ns_per_io: Some(212_126.0), ..Ring::default() };
    let combiner = Of {
        arm: "combiner",
        iops: 124_724.0,
        in_flight: 31.2,
        user: 1_286.0,
        system: 2_695.0,
        ring,
        ..own.clone()
    };
    assert_eq!(told(&[own, combiner]).0, "handover");
}

#[test]
fn requests_that_are_punted() {
    let pread = Of::new("pread", 850_749.0, 1.0, 53.0, 791.0, 1.0).cached();
    let one = Of {
        ring: punted(1.0),
        threads: 1_599.0,
        switches: 0.118,
        ..Of::new("punted", 447_399.0, 16.0, 55.0, 580.0, 0.118).cached()
    };
    let (cause, text) = told(&[pread.clone(), one.clone()]);
    assert_eq!(cause, "punts");
    assert!(text.contains("100 % of the requests") && text.contains("1.60 µs of CPU time"), "{text}");
    let inline = Of { ring: punted(0.0), ..one };
    assert_ne!(told(&[pread, inline]).0, "punts");
}

#[test]
fn a_polling_thread_shares_a_cpu_or_sets_the_pace() {
    let calls = Of::new("calls", 836_849.0, 16.0, 30.0, 1_152.0, 0.062).cached();
    let ring = granted("sqpoll");
    let same = Of {
        ring: ring.clone(),
        polling: Some(true),
        threads: 119_823.0,
        ..Of::new("same", 3_509.0, 32.0, 121_332.0, 0.0, 0.0).cached()
    };
    let (cause, text) = told(&[calls.clone(), same.clone()]);
    assert_eq!(cause, "poll_thread");
    assert!(text.contains("the polling thread shares CPU 1 with a worker"), "{text}");
    let apart = Of {
        ring,
        polling: Some(false),
        threads: 2_335.0,
        ..Of::new("apart", 317_328.0, 32.2, 1_709.0, 0.0, 0.0).cached()
    };
    let (cause, text) = told(&[calls.clone(), apart]);
    assert_eq!((cause.as_str(), text.contains("CPU 0 sets the pace")), ("poll_pace", true), "{text}");
    // An agent that does not say where it is: nothing is claimed.
    assert_eq!(told(&[calls, Of { polling: None, ..same }]).0, "unknown");
}

#[test]
fn a_polling_thread_that_takes_work_off_the_worker() {
    let calls = Of::new("calls", 800_000.0, 16.0, 50.0, 1_190.0, 0.062).cached();
    let sqpoll = Of {
        ring: granted("sqpoll"),
        polling: Some(false),
        threads: 820.0,
        ..Of::new("sqpoll", 1_200_000.0, 32.0, 820.0, 0.0, 0.0).cached()
    };
    assert_eq!(told(&[calls, sqpoll]).0, "offload");
}

#[test]
fn completions_that_are_polled_for() {
    let sleeps =
        Of { interrupts: Some(1.0), switches: 1.0, ..Of::new("sleeps", 15_000.0, 1.0, 600.0, 12_000.0, 1.0) };
    let polled = Of {
        ring: granted("iopoll"),
        interrupts: Some(0.0),
        ..Of::new("polled", 22_000.0, 1.0, 700.0, 44_000.0, 1.0)
    };
    assert_eq!(told(&[sleeps, polled]).0, "polling");
}

#[test]
fn cpus_and_what_takes_turns_on_them() {
    let one = Of::new("one", 800_000.0, 1.0, 50.0, 1_190.0, 1.0).cached();
    let four = Of { arm: "four", iops: 3_100_000.0, in_flight: 4.0, workers: 4, cpus: 4, ..one.clone() };
    assert_eq!(told(&[one.clone(), four]).0, "cpus");
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
    let (cause, text) = told(&[one, crowd]);
    assert_eq!(
        (cause.as_str(), text.contains("64 workers take turns on 1 CPU")),
        ("too_few_cpus", true),
        "{text}"
    );
}

#[test]
fn longer_waits_with_as_many_in_flight() {
    let uring = Of { iops: 13_500.0, ..uring(1, 16_968.0, 21_933.0, 1.0) };
    assert_eq!(told(&[sync(1), uring]).0, "waiting");
}

#[test]
fn no_difference_on_a_device_that_is_full_or_waited_for() {
    let threads = |depth, iops| Of {
        arm: "sync",
        switches: 1.0,
        workers: depth,
        ..Of { depth: depth.into(), ..Of::new("sync", iops, f64::from(depth), 2_989.0, 3_658.0, 1.0) }
    };
    let (low, high) = (uring(32, 71_000.0, 4_065.0, 0.031), uring(128, 73_900.0, 3_223.0, 0.012));
    let (cause, text) = told_with(&[threads(32, 71_935.0), threads(128, 74_000.0), low, high], NO_DIFFERENCE);
    assert_eq!(cause, "device");
    assert!(text.contains("4.00x as many in flight bring 1.04x the IOPS"), "{text}");

    let (cause, text) = told_with(&[sync(1), uring(1, 18_150.0, 21_000.0, 1.0)], NO_DIFFERENCE);
    assert_eq!(cause, "waiting");
    assert_eq!(
        text,
        "Both wait for most of the time, with as many in flight: 1 of 55.1 µs each make 18.1k a second."
    );
    // An interval that leaves a little open says so; one that leaves much open is noise.
    let pair = [sync(1), uring(1, 18_150.0, 21_000.0, 1.0)];
    let (cause, text) = told_with(&pair, Some([0.95, 1.06]));
    assert_eq!(
        (cause.as_str(), text.ends_with("(the trials leave 0.95x to 1.06x open).")),
        ("waiting", true),
        "{text}"
    );
    let (cause, text) = told_with(&pair, Some([0.6, 1.4]));
    assert_eq!(cause, "noise");
    assert_eq!(
        text,
        "Inconclusive because the trials leave 0.60x to 1.40x open: over 3 blocks their ratio varies by 18.6 %."
    );
    let single = [Of { trials: 1, ..sync(1) }, uring(1, 18_150.0, 21_000.0, 1.0)];
    assert_eq!(told_with(&single, Some([0.95, 1.06])).0, "few_trials");
    // Three trials each, but of different blocks: pairs are what counts.
    let mut apart = set(&pair, Some([0.95, 1.06]));
    for found in &mut apart.comparisons {
        (found.pairs, found.ci95) = (1, None);
    }
    explain(&mut apart, &[], &[]);
    let found = &apart.explanations[0];
    assert_eq!(found.cause, "few_trials");
    assert_eq!(found.text, "Inconclusive because only one block has a trial of both that counts.");
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
    let (cause, text) = told(&cells);
    assert_eq!(
        (cause.as_str(), text.ends_with("what is left between them is not explained.")),
        ("device", true),
        "{text}"
    );
}

#[test]
fn a_plateau_of_threads_that_punt_is_not_the_devices() {
    let two = |depth| Of { ring: punted(1.0), ..uring(depth, 30_000.0, 3_000.0, 0.1) };
    let found = set(&[two(16), two(64)], None);
    let figures = Figures::of(&found.cells[0]).unwrap();
    assert_eq!(limit::limit(&found, &figures), None);
    let plain = set(&[uring(16, 30_000.0, 3_000.0, 0.1), uring(64, 31_000.0, 3_000.0, 0.1)], None);
    let figures = Figures::of(&plain.cells[0]).unwrap();
    assert!(matches!(limit::limit(&plain, &figures), Some(Limit::Device { .. })));
}

#[test]
fn large_blocks_are_copied_and_small_ones_fill_the_cpu() {
    // 1 MiB at 8 GB/s: 131 µs each.
    let large = Of { bytes: 1_048_576.0, ..Of::new("pread", 7_630.0, 1.0, 200.0, 130_500.0, 1.0).cached() };
    let ring =
        Of { arm: "ring", iops: 7_690.0, in_flight: 16.0, system: 129_600.0, calls: 0.062, ..large.clone() };
    let (cause, text) = told_with(&[large.clone(), ring.clone()], NO_DIFFERENCE);
    assert_eq!(cause, "copy");
    assert!(text.contains("0.12 ns of CPU time a byte: 8.06 GB/s against 8.00 GB/s"), "{text}");
    // Surely a little faster, and nothing but copying to be seen.
    assert_eq!(told_with(&[large.clone(), ring.clone()], Some([1.002, 1.014])).0, "copy");
    let small = |of: Of| Of { bytes: 4096.0, ..of };
    assert_eq!(told_with(&[small(large), small(ring)], NO_DIFFERENCE).0, "cpu");
}

#[test]
fn open_loop_has_its_rate() {
    let rate = |arm, iops| Of { offered: Some(10_000.0), ..Of::new(arm, iops, 1.0, 40_000.0, 9_000.0, 1.0) };
    assert_eq!(told(&[rate("sync", 9_990.0), rate("uring", 9_950.0)]).0, "rate");
    let (cause, text) = told(&[rate("sync", 8_000.0), rate("uring", 9_990.0)]);
    assert_eq!(cause, "saturation");
    assert_eq!(
        text,
        "Faster because the baseline is saturated: it does 8.00k of the 10.0k a second that arrive."
    );
    let text = told(&[rate("sync", 9_990.0), rate("uring", 5_000.0)]).1;
    assert!(text.starts_with("Slower because the arm is saturated"), "{text}");
    assert!(told(&[rate("sync", 5_000.0), rate("uring", 6_000.0)]).1.starts_with("Neither keeps up"));
}

#[test]
fn what_does_no_io_is_not_explained_by_io() {
    let mut found = set(&[sync(1), Of::new("nop", 5e6, 1.0, 60.0, 140.0, 1.0)], None);
    explain(&mut found, &[], &["nop"]);
    assert_eq!(found.explanations[0].cause, "no_io");
}

#[test]
fn no_cause_without_figures_that_show_it() {
    // Twice as fast, and the CPU time of both is the same within its noise: other processes took the rest.
    let slow = Of::new("slow", 400_000.0, 16.0, 40.0, 1_100.0, 0.062).cached();
    let fast = Of { arm: "fast", iops: 800_000.0, system: 1_080.0, ..slow.clone() };
    let (cause, text) = told(&[slow.clone(), fast.clone()]);
    assert_eq!(
        (cause.as_str(), text.as_str()),
        (
            "unknown",
            "What was measured does not show why: time per I/O 2.50 µs -> 1.25 µs, CPU time in it 1.14 µs -> 1.12 µs."
        )
    );
    // System time and calls fell together, but by too little.
    let fewer = Of { calls: 0.5, system: 800.0, ..fast };
    assert_eq!(told(&[Of { calls: 1.0, ..slow }, fewer]).0, "unknown");
    // Nothing at all is known of CPU time and threads.
    let mut bare = set(&[sync(1), uring(1, 90_000.0, 900.0, 0.1)], None);
    for cell in &mut bare.cells {
        (cell.cpu_ns_per_io, cell.placement) = (None, Placement::default());
        (cell.latency_ns, cell.syscalls_per_io) = (None, None);
    }
    explain(&mut bare, &["sync".into(), "uring".into()], &[]);
    assert_eq!(bare.explanations[0].cause, "unknown");
    assert_eq!(bare.ladders[0].steps[1].ns_per_io, None);
    // A side that was not measured has no explanation.
    bare.comparisons[0].ratio = None;
    explain(&mut bare, &[], &[]);
    assert!(bare.explanations.is_empty());
}

#[test]
fn the_answer_says_why_nothing_is_faster() {
    let mut found = set(&[sync(1), uring(1, 18_150.0, 21_000.0, 1.0)], NO_DIFFERENCE);
    found.trustworthy = true;
    explain(&mut found, &[], &[]);
    let answer = crate::analysis::answer::answer(&found, &[]);
    assert_eq!(
        answer[0],
        "Nothing is faster than sync. Closest is uring, with 1.00x at depth 1. Both wait for most of the time, with \
         as many in flight: 1 of 55.1 µs each make 18.1k a second."
    );
}

#[test]
fn cpu_time_that_may_be_chance_is_no_cause() {
    let one = Of::new("one", 1_250_000.0, 1.0, 90.0, 700.0, 1.0).cached();
    let many = Of::new("many", 2_500_000.0, 32.0, 30.0, 360.0, 0.03125).cached();
    let mut found = set(&[one, many], None);
    let cpu = found.comparisons.iter_mut().find(|found| found.metric == "cpu_per_io").unwrap();
    cpu.ci95 = Some([0.2, 1.2]);
    explain(&mut found, &[], &[]);
    assert_eq!(found.explanations[0].cause, "unknown");
}
