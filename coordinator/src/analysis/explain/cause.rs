//! The causes that there are, and the limits beyond which a figure counts as evidence. `docs/explanations.md` says
//! the same in words.

/// A part of a change in time per I/O that is worth naming beside others.
pub const NAMED: f64 = 0.25;
/// What the parts that are named must account for together: half. Otherwise the cause is `unknown`.
pub const EXPLAINED: f64 = 0.5;
/// System calls per I/O have changed where they differ by this share, and by [`FEWEST_CALLS`].
pub const CALLS_CHANGED: f64 = 0.1;
/// Fewer calls than this for an I/O are too few to show in its time: a call costs some 100 ns, an I/O 1 µs and more.
pub const FEWEST_CALLS: f64 = 0.05;
/// So many times as many requests in flight are more in flight. Below, a batch that is completed by halves would do.
pub const MORE_IN_FLIGHT: f64 = 1.5;
/// From this share of its time on, a CPU is full: the rest is what the start of a trial and the host's own work take.
pub const FULL: f64 = 0.9;
/// Up to this share of its time, a CPU is idle enough for waiting to be what limits an arm.
pub const IDLE: f64 = 0.7;
/// IOPS that grow with this power of what is in flight, or less, have met a limit: 4 times as many in flight bring
/// 1.32 times the IOPS at most. (Power 1 is no limit at all, 0 a hard one.)
pub const GROWTH: f64 = 0.2;
/// Arms whose ratio lies surely within 1 ± this do about the same.
pub const ALIKE: f64 = 0.2;
/// Figures of two arms that differ by this share or less are the same figure, for a sentence.
pub const SAME: f64 = 0.1;
/// Bytes from which on copying outweighs a system call: at 5 to 10 bytes a ns, 32 KiB take 3 to 6 µs, a call 0.1 to
/// 0.5 µs.
pub const LARGE: f64 = 32.0 * 1024.0;
/// Increase of the punted share that is worth looking at.
pub const PUNTED: f64 = 0.25;
/// A polling thread and a worker on one CPU explain a loss where they take up this much of its time together.
pub const TOGETHER: f64 = 0.5;
/// Open loop: the share of the offered rate that counts as reached, as in the warning `rate-not-reached`.
pub const REACHED: f64 = 0.98;

/// Why an arm differs from the baseline, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// More (or fewer) requests in flight: their waits overlap.
    Overlap,
    /// System calls, and system time with them.
    Syscalls,
    /// The kernel's work for an I/O, in as many calls.
    KernelWork,
    /// The workers' own CPU time in user mode.
    UserWork,
    /// Waiting for the lock of a ring that is shared.
    Locks,
    /// Being handed to a combiner and back.
    Handover,
    /// Threads of io-wq that requests are handed to.
    Punts,
    /// A polling thread on a worker's CPU.
    PollThread,
    /// A polling thread on a CPU of its own, which sets the pace.
    PollPace,
    /// Kernel threads on other CPUs that do the kernel's part.
    Offload,
    /// Completions that are polled for instead of interrupts.
    Polling,
    /// More (or fewer) CPUs for the workers.
    Cpus,
    /// More workers than CPUs.
    TooFewCpus,
    /// Both arms are at the device's limit.
    Device,
    /// Waiting for requests, with as many in flight: as long for both arms, or longer for one.
    Waiting,
    /// Both arms copy memory.
    Copy,
    /// Both arms fill their CPU, with as much for an I/O.
    Cpu,
    /// Open loop: both do the rate that was asked for.
    Rate,
    /// Open loop: the rate is more than can be done.
    Saturation,
    /// The arm, or the baseline, does no I/O.
    NoIo,
    /// Fewer than two trials that count on a side.
    FewTrials,
    /// The trials are too far apart.
    Noise,
    /// The figures do not show it.
    Unknown,
}

impl Cause {
    /// All of them, as they are documented.
    pub const ALL: [Self; 23] = [
        Self::Overlap,
        Self::Syscalls,
        Self::KernelWork,
        Self::UserWork,
        Self::Locks,
        Self::Handover,
        Self::Punts,
        Self::PollThread,
        Self::PollPace,
        Self::Offload,
        Self::Polling,
        Self::Cpus,
        Self::TooFewCpus,
        Self::Device,
        Self::Waiting,
        Self::Copy,
        Self::Cpu,
        Self::Rate,
        Self::Saturation,
        Self::NoIo,
        Self::FewTrials,
        Self::Noise,
        Self::Unknown,
    ];

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Syscalls => "syscalls",
            Self::KernelWork => "kernel_work",
            Self::UserWork => "user_work",
            Self::Locks => "locks",
            Self::Handover => "handover",
            Self::Punts => "punts",
            Self::PollThread => "poll_thread",
            Self::PollPace => "poll_pace",
            Self::Offload => "offload",
            Self::Polling => "polling",
            Self::Cpus => "cpus",
            Self::TooFewCpus => "too_few_cpus",
            Self::Device => "device",
            Self::Waiting => "waiting",
            Self::Copy => "copy",
            Self::Cpu => "cpu",
            Self::Rate => "rate",
            Self::Saturation => "saturation",
            Self::NoIo => "no_io",
            Self::FewTrials => "few_trials",
            Self::Noise => "noise",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_cause_and_limit() {
        let page = include_str!("../../../../docs/explanations.md");
        for cause in Cause::ALL {
            assert!(page.contains(&format!("`{}`", cause.as_str())), "{cause:?}");
        }
        let source = include_str!("cause.rs");
        let names = source.lines().filter_map(|line| line.strip_prefix("pub const "));
        for name in names.filter_map(|line| line.split_once(':')).map(|(name, _)| name) {
            assert!(page.contains(&format!("`{name}`")), "docs/explanations.md does not name {name}");
        }
    }
}
