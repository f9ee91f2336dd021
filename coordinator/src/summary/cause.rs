//! The causes that an explanation can name. `docs/explanations.md` describes each of them.

/// Why an arm differs from the baseline or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// More or fewer requests in flight, whose waits overlap.
    Overlap,
    /// More or fewer system calls, and a corresponding change of system time.
    Syscalls,
    /// A change of system time without a corresponding change of the number of system calls.
    KernelWork,
    /// A change of the workers' user time.
    UserWork,
    /// Waiting for the lock of a shared ring.
    Locks,
    /// Waiting in the queues to and from a combiner.
    Handover,
    /// Requests handed to io-wq threads.
    Punts,
    /// A polling thread on the CPU of a worker.
    PollThread,
    /// A polling thread on its own CPU that sets the pace.
    PollPace,
    /// Kernel threads on other CPUs that do the kernel's work.
    Offload,
    /// Polling for completions instead of interrupts.
    Polling,
    /// More or fewer CPUs for the workers.
    Cpus,
    /// More workers than CPUs.
    TooFewCpus,
    /// Both arms are limited by the device.
    Device,
    /// Waiting, with the same number of requests in flight: equally long in both arms, or longer in one.
    Waiting,
    /// Both arms copy memory.
    Copy,
    /// Both arms fill their CPUs and use the same CPU time per I/O.
    Cpu,
    /// Open loop: both arms reach the offered rate.
    Rate,
    /// Open loop: an arm, or both, cannot keep up with the offered rate.
    Saturation,
    /// The arm or the baseline does no I/O.
    NoIo,
    /// Fewer than two blocks with a trial of both arms that counts.
    FewTrials,
    /// The trials vary too much.
    Noise,
    /// The figures do not show the cause.
    Unknown,
}

impl Cause {
    /// All causes, in the order of the documentation.
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

    /// The stable word in `summary.json`.
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
    fn documentation_names_every_cause() {
        let page = include_str!("../../../docs/explanations.md");
        for cause in Cause::ALL {
            assert!(page.contains(&format!("`{}`", cause.as_str())), "{cause:?}");
        }
    }
}
