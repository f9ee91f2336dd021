//! Warnings about noise: other activity on a host during a trial.

use proto::{
    noise::CpuQuota,
    notice::{CpuList, plural},
};
use serde::{Deserialize, Serialize};

/// What is wrong with the kernel's clock source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockProblem {
    /// The kernel changed it within a trial.
    Changed {
        /// The clock source before.
        before: String,
        /// The clock source after.
        after: String,
    },
    /// The CPU has a TSC, and the kernel uses another clock source.
    NotTsc {
        /// The clock source.
        clock: String,
    },
}

proto::notices! {
    /// Warnings about noise.
    pub enum NoiseWarning {
        /// The hypervisor gave CPU time of the trial to others.
        "steal" Steal {
            /// Share of the time of the trial's CPUs.
            share: f64,
            /// The trial's CPUs.
            cpus: CpuList,
        }
        message: format!("the hypervisor gave {} of the time of {} to others", percent(*share), these(cpus)),
        remedy: else => "use a physical machine or dedicated CPUs, or measure at a quieter hour",
        weight: *share,

        /// Other programs, or kernel threads, ran on the trial's CPUs.
        "foreign-load" ForeignLoad {
            /// Share of the time of the trial's CPUs.
            share: f64,
            /// The part in user mode; null if there is none, so that kernel threads may have caused it.
            user: Option<f64>,
            /// The trial's CPUs.
            cpus: CpuList,
            /// Share of the time in which the trial's threads waited for their CPUs; null if it is not known.
            waited: Option<f64>,
        }
        let how_waited = waited.map_or_else(String::new, |waited| {
            format!("; the trial's threads waited for their CPUs {} of the time", percent(waited))
        });
        message: match user {
            Some(user) => format!(
                "other programs ran {} of the time on {} ({} in user mode){how_waited}",
                percent(*share),
                these(cpus),
                percent(*user)
            ),
            None => format!(
                "kernel threads, or other programs, ran {} of the time on {}, which no CPU figure includes{how_waited}",
                percent(*share),
                these(cpus)
            ),
        },
        remedy:
            if user.is_some() =>
                "stop other programs on this host, or keep them off these CPUs (taskset, cpuset, isolcpus=)",
            else =>
                "it may be work for the trial (loop and encrypted devices, journals); compare with a run on an idle \
                 host, or give the workers other CPUs",
        weight: *share,

        /// The trial's threads waited for their CPUs, and no foreign load was seen.
        "involuntary-switches" InvoluntarySwitches {
            /// Share of the time in which they waited.
            waited: f64,
            /// Involuntary context switches.
            switches: u64,
        }
        message: format!(
            "the trial's threads were runnable but not running {} of the time ({switches} involuntary switches)",
            percent(*waited)
        ),
        remedy: else =>
            "short bursts of other programs or of kernel threads: stop them, or keep them off the workers' CPUs",
        weight: *waited,

        /// The frequency of a CPU changed within a trial by more than 5 %.
        "frequency-changed" FrequencyChanged {
            /// The CPU.
            cpu: u32,
            /// At the first reading, in kHz.
            begin_khz: u64,
            /// At the last reading, in kHz.
            end_khz: u64,
        }
        message: format!("CPU {cpu} ran at {} MHz, then at {} MHz", begin_khz / 1000, end_khz / 1000),
        remedy: else => "fix the frequency (`cpupower frequency-set -g performance`, boost off), or warm up for longer",
        weight: begin_khz.abs_diff(*end_khz) as f64 / *begin_khz.max(end_khz).max(&1) as f64,

        /// The hardware throttled the trial's CPUs because of heat.
        "thermal-throttled" ThermalThrottled {
            /// How often.
            times: u64,
            /// The trial's CPUs.
            cpus: CpuList,
        }
        message: format!("the hardware throttled {} {times} times because of heat", these(cpus)),
        remedy: else => "improve the cooling, fix a lower frequency, or pause between trials",
        weight: *times as f64,

        /// A CPU quota of the agent's control group stopped the trial.
        "cpu-quota" CpuQuota {
            /// The tightest quota.
            limit: CpuQuota,
            /// Periods in which the quota ran out.
            periods: u64,
            /// Time for which CPUs were taken from the group, as a share of the window, summed over CPUs.
            share: f64,
        }
        message: format!(
            "the CPU quota of the agent's control group, {limit}, ran out in {} and stopped it {} of the time",
            plural(*periods, "period"),
            percent(*share)
        ),
        remedy: else =>
            "remove the quota (cpu.max, docker --cpus, CPUQuota=), or limit the agent to CPUs instead (cpuset)",
        weight: *share,

        /// The kernel's clock source is slow, or changed within a trial.
        "clocksource" Clocksource {
            /// What is wrong with it.
            problem: ClockProblem,
        }
        message: match problem {
            ClockProblem::Changed { before, after } => {
                format!("the kernel changed its clock source from {before} to {after} within a trial")
            }
            ClockProblem::NotTsc { clock } => format!(
                "the kernel's clock source is {clock}, not tsc: reading it costs more, and on some machines a system call"
            ),
        },
        remedy:
            if matches!(problem, ClockProblem::Changed { .. }) =>
                "the kernel's log (`dmesg`) has the reason; a machine with an unstable TSC cannot measure microseconds",
            else =>
                "`dmesg | grep -i tsc` shows the reason; if the TSC is known to be good, boot with tsc=reliable; in a \
                 virtual machine, request an invariant TSC",
        affects_verdicts: matches!(problem, ClockProblem::Changed { .. }),

        /// Noisy trials were run again, and only their last attempt counts.
        "repeated-for-noise" Repeated {
            /// How many attempts were repeated.
            times: u64,
            /// The first such trial.
            first: String,
        }
        message: match times {
            1 => format!("{first} was noisy and run again: its last attempt counts"),
            many => format!("{many} noisy trials were run again, the first of them {first}: the last attempts count"),
        },
        remedy: else =>
            "ignore if rare; otherwise see the noise warnings. First attempts stay in trials.jsonl, with their marks",
        affects_verdicts: false,
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn these(cpus: &CpuList) -> String {
    match &cpus.0[..] {
        [one] => format!("CPU {one}"),
        many => format!("its {} CPUs", many.len()),
    }
}
