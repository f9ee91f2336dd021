//! Explanations as sentences.

use super::{evidence::cpus, factor, percent, requests, times};
use crate::{
    summary::{
        evidence::Pair,
        explanation::{
            Direction, Finding, KernelThread, Open, Plateau, Reason, Saturated, SharedLimit, Side,
        },
    },
    units::{bytes_per_s, count, nanos, per_io, some},
};

/// An explanation as one sentence or two.
pub(crate) fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::Changed { faster, reasons, limit } => {
            let limit = limit.as_ref().map_or_else(String::new, |plateau| {
                format!("; it is now device-limited ({})", growth(plateau))
            });
            format!("{} because {}{limit}.", verdict(*faster), because(reasons))
        }
        Finding::Alike { limit, open } => alike(limit, open),
        Finding::RateReached { offered_per_s } => format!(
            "Both arms reach the offered {} per second, so IOPS cannot differ: compare latency.",
            count(*offered_per_s)
        ),
        Finding::Saturated { offered_per_s, who, faster } => saturated(*offered_per_s, who, *faster),
        Finding::NoIo(side) => {
            format!("{} does no I/O: its figures show only the cost of a request.", capital(name(*side)))
        }
        Finding::FewTrials { blocks } => match blocks {
            0 => "Inconclusive: no block has a trial of both arms that counts.".into(),
            1 => "Inconclusive: only one block has a trial of both arms that counts.".into(),
            blocks => format!("Inconclusive: the {blocks} blocks allow no confidence interval."),
        },
        Finding::Noise { ci95, spread, blocks } => {
            let spread = spread.map_or_else(String::new, |spread| {
                let blocks = some(*blocks as usize, "block");
                format!("; the ratio varies by {:.1} % over {blocks}", 100.0 * spread)
            });
            format!("Inconclusive: {}{spread}.", consistent(*ci95))
        }
        Finding::Unknown { time_ns, cpu_ns } => {
            let figures = [("time per I/O", time_ns), ("CPU time in it", cpu_ns)];
            let figure = |(name, pair): (&str, &Option<Pair>)| Some(format!("{name} {}", arrow(&(*pair)?)));
            let figures: Vec<String> = figures.into_iter().filter_map(figure).collect();
            let figures =
                if figures.is_empty() { String::new() } else { format!(" ({})", figures.join(", ")) };
            format!("The measurements do not show why{figures}.")
        }
    }
}

/// The reason why an arm is faster, to follow "because"; `None` if the finding gives none.
pub(super) fn because_faster(finding: &Finding) -> Option<String> {
    match finding {
        Finding::Changed { faster: true, reasons, .. } => Some(because(reasons)),
        Finding::Saturated {
            offered_per_s,
            who: Saturated::One(Side::Baseline, iops),
            faster: Some(true),
        } => Some(format!(
            "the baseline is saturated ({} of {} per second)",
            count(*iops),
            count(*offered_per_s)
        )),
        _ => None,
    }
}

fn verdict(faster: bool) -> &'static str {
    if faster { "Faster" } else { "Slower" }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Arm => "the arm",
        Side::Baseline => "the baseline",
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn because(reasons: &[Reason]) -> String {
    reasons.iter().map(reason).collect::<Vec<_>>().join(", and ")
}

/// `21.9 µs -> 3.22 µs`, from the baseline to the arm.
fn arrow(pair: &Pair) -> String {
    format!("{} -> {}", nanos(pair.baseline), nanos(pair.arm))
}

/// `620 ns less`, from the baseline to the arm.
fn difference(pair: &Pair) -> String {
    let word = if pair.arm < pair.baseline { "less" } else { "more" };
    format!("{} {word}", nanos(pair.gap()))
}

fn fell_or_rose(pair: &Pair) -> &'static str {
    if pair.arm < pair.baseline { "fell" } else { "rose" }
}

/// A reason, to follow "because".
fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Overlap { in_flight } => overlap(in_flight),
        Reason::Syscalls { calls, system_ns } => format!(
            "system calls per I/O {} from {} to {}, along with system time ({})",
            fell_or_rose(calls),
            per_io(calls.baseline),
            per_io(calls.arm),
            arrow(system_ns)
        ),
        Reason::KernelWork { system_ns, calls } => {
            let calls = match calls {
                Direction::Same => "with the same number of calls",
                Direction::Fewer => "with fewer calls",
                Direction::More => "with more calls",
            };
            format!("the kernel spends {} on each I/O, {calls}", difference(system_ns))
        }
        Reason::UserWork { user_ns } => {
            format!("workers spend {} in user mode on each I/O", difference(user_ns))
        }
        Reason::Waiting { waiting_ns } => format!(
            "workers wait {} for each I/O with equally many requests in flight (CPU time is not the reason)",
            difference(waiting_ns)
        ),
        Reason::Locks { wait_ns } if wait_ns.arm < wait_ns.baseline => {
            format!("workers wait {} less per I/O for the ring's lock", nanos(wait_ns.gap()))
        }
        Reason::Locks { wait_ns } => {
            format!("workers wait {} more per I/O for the lock of their shared ring", nanos(wait_ns.gap()))
        }
        Reason::Handover { queued_ns } => {
            format!("each request waits {} in the queues to and from the combiner", nanos(*queued_ns))
        }
        Reason::Punts { punted, threads_ns } => format!(
            "{} of the requests are punted to kernel threads (io-wq), which use {} of CPU time per I/O",
            percent(*punted),
            nanos(*threads_ns)
        ),
        Reason::PollThread { cpus: on } => {
            format!("the polling thread shares CPU {} with a worker, and each waits for the other", cpus(on))
        }
        Reason::PollPace { cpus: on } => format!(
            "the polling thread on CPU {} sets the pace: workers make no system calls and poll for completions",
            cpus(on)
        ),
        Reason::Offload { by, threads_ns, system_ns } => {
            let who = match by {
                KernelThread::Polling => "the polling thread on another CPU does",
                KernelThread::IoWq => "io-wq threads on other CPUs do",
            };
            format!(
                "{who} the kernel's work ({} of CPU time per I/O), and the workers' system time fell ({})",
                nanos(*threads_ns),
                arrow(system_ns)
            )
        }
        Reason::Polling { interrupts } => format!(
            "completions are polled for: interrupts per I/O fell from {} to {}, and no worker sleeps until one arrives",
            per_io(interrupts.baseline),
            per_io(interrupts.arm)
        ),
        Reason::Cpus { cpus } => {
            format!("workers have {} instead of {:.0}", some(cpus.arm.round() as usize, "CPU"), cpus.baseline)
        }
        Reason::TooFewCpus { workers, cpus, more_switches } => format!(
            "{workers} workers take turns on {}, and {} more context switches per I/O use CPU time",
            some(cpus.round() as usize, "CPU"),
            per_io(*more_switches)
        ),
    }
}

fn overlap(in_flight: &Pair) -> String {
    let (now, was) = (requests(in_flight.arm), requests(in_flight.baseline));
    if in_flight.arm < in_flight.baseline {
        format!("only {now} requests are in flight instead of {was} (fewer waits overlap)")
    } else if was == "1" {
        format!("{now} requests overlap instead of running one by one")
    } else {
        format!("{now} requests are in flight instead of {was} (more waits overlap)")
    }
}

/// `4x the requests in flight add 17 % to the IOPS`.
fn growth(plateau: &Plateau) -> String {
    let percent = 100.0 * (plateau.iops - 1.0);
    let more = factor(plateau.in_flight);
    match percent {
        p if p >= 0.5 => format!("{more} the requests in flight add {p:.0} % to the IOPS"),
        p if p <= -0.5 => format!("{more} the requests in flight take {:.0} % off the IOPS", -p),
        _ => format!("{more} the requests in flight add nothing to the IOPS"),
    }
}

fn alike(limit: &SharedLimit, open: &Open) -> String {
    let limit = match limit {
        SharedLimit::Plateau(plateau) => {
            format!("Both arms are device-limited: {}, and the CPUs are idle", growth(plateau))
        }
        SharedLimit::Device { in_flight } => format!(
            "Both arms are device-limited: {} and {} requests in flight give the same rate, and the CPUs are idle",
            requests(in_flight.arm),
            requests(in_flight.baseline)
        ),
        SharedLimit::Waiting { in_flight, latency_ns, iops } => format!(
            "Both arms wait most of the time with equally many requests in flight: {} at {} each give {} IOPS",
            requests(*in_flight),
            nanos(*latency_ns),
            count(*iops)
        ),
        SharedLimit::Copy { cpu_ns_per_byte, bandwidth } => format!(
            "Both arms copy from the page cache, at {} of CPU time per byte: {} against {}",
            nanos(*cpu_ns_per_byte),
            bytes_per_s(bandwidth.arm),
            bytes_per_s(bandwidth.baseline)
        ),
        SharedLimit::Cpu { cpu_ns } => format!(
            "Both arms fill their CPUs and use the same CPU time per I/O: {} against {}",
            nanos(cpu_ns.arm),
            nanos(cpu_ns.baseline)
        ),
    };
    match open {
        Open::Nothing => format!("{limit}."),
        Open::Remainder => format!("{limit}; the remaining difference is unexplained."),
        Open::Interval(ci95) => format!("{limit} ({}).", consistent(*ci95)),
    }
}

/// `consistent with 0.83x to 1.04x`. An interval covers one comparison; a verdict is corrected for all of them.
fn consistent(ci95: [f64; 2]) -> String {
    let [low, high] = ci95;
    let excludes_1 = low > 1.0 || high < 1.0;
    let correction = if excludes_1 { ", not significant after correction" } else { "" };
    format!("consistent with {} to {}{correction}", times(low), times(high))
}

fn saturated(offered_per_s: f64, who: &Saturated, faster: Option<bool>) -> String {
    let offered = count(offered_per_s);
    let (side, iops) = match who {
        Saturated::Both => {
            return format!(
                "Neither arm keeps up with the offered {offered} per second: both are saturated."
            );
        }
        Saturated::One(side, iops) => (*side, count(*iops)),
    };
    let does = format!("saturated: it completes {iops} of the offered {offered} per second");
    match faster {
        Some(faster) => format!("{} because {} is {does}.", verdict(faster), name(side)),
        None => format!("{} is {does}.", capital(name(side))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(arm: f64, baseline: f64) -> Pair {
        Pair { arm, baseline }
    }

    #[test]
    fn names_two_reasons_and_the_limit() {
        let finding = Finding::Changed {
            faster: true,
            reasons: vec![
                Reason::Overlap { in_flight: pair(128.0, 1.0) },
                Reason::Syscalls { calls: pair(0.012, 1.0), system_ns: pair(3_223.0, 21_933.0) },
            ],
            limit: Some(Plateau { in_flight: 4.0, iops: 1.17 }),
        };
        assert_eq!(
            sentence(&finding),
            "Faster because 128 requests overlap instead of running one by one, and system calls per I/O fell from \
             1.000 to 0.012, along with system time (21.9 µs -> 3.22 µs); it is now device-limited (4x the requests in \
             flight add 17 % to the IOPS)."
        );
        assert!(because_faster(&finding).is_some());
    }

    #[test]
    fn gives_the_range_that_an_interval_is_consistent_with() {
        let noise = |ci95| sentence(&Finding::Noise { ci95, spread: Some(0.186), blocks: 3 });
        assert_eq!(
            noise([0.6, 1.4]),
            "Inconclusive: consistent with 0.60x to 1.40x; the ratio varies by 18.6 % over 3 blocks."
        );
        assert_eq!(
            noise([1.01, 1.4]),
            "Inconclusive: consistent with 1.01x to 1.40x, not significant after correction; the ratio varies by 18.6 \
             % over 3 blocks."
        );
    }

    #[test]
    fn describes_growth_in_both_directions() {
        let growth = |iops| growth(&Plateau { in_flight: 3.97, iops });
        assert_eq!(growth(1.002), "3.97x the requests in flight add nothing to the IOPS");
        assert_eq!(growth(0.9), "3.97x the requests in flight take 10 % off the IOPS");
    }

    #[test]
    fn names_the_saturated_arm() {
        let saturated = |who, faster| sentence(&Finding::Saturated { offered_per_s: 1e4, who, faster });
        assert_eq!(
            saturated(Saturated::One(Side::Baseline, 8e3), Some(true)),
            "Faster because the baseline is saturated: it completes 8.00k of the offered 10.0k per second."
        );
        assert_eq!(
            saturated(Saturated::One(Side::Arm, 8e3), None),
            "The arm is saturated: it completes 8.00k of the offered 10.0k per second."
        );
    }
}
