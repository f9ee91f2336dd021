//! Why an arm differs from the baseline at a point or does not, as figures; `report` makes the sentences.

use super::{
    cause::Cause,
    evidence::{Evidence, Pair},
};
use crate::params::Params;

/// The diagnosis of one comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// The result.
    pub finding: Finding,
    /// The figures behind it.
    pub evidence: Vec<Evidence>,
}

/// The result of a diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The arm is faster or slower, for known reasons.
    Changed {
        /// Whether it is faster.
        faster: bool,
        /// At least one, ordered by the share of the change, largest first.
        reasons: Vec<Reason>,
        /// The device is the limit of the faster arm.
        limit: Option<Plateau>,
    },
    /// The arms do not differ, or only slightly.
    Alike {
        /// The reason.
        limit: SharedLimit,
        /// The uncertainty that remains.
        open: Open,
    },
    /// Open loop: both arms reach the offered rate.
    RateReached {
        /// Operations per second.
        offered_per_s: f64,
    },
    /// Open loop: not every arm reaches the offered rate.
    Saturated {
        /// Operations per second.
        offered_per_s: f64,
        /// The arm or arms that do not.
        who: Saturated,
        /// Whether that makes the arm faster (the baseline is saturated) or slower; `None` if the comparison does not
        /// show it.
        faster: Option<bool>,
    },
    /// One of the arms does no I/O.
    NoIo(Side),
    /// Too few blocks for an interval.
    FewTrials {
        /// Blocks in which both arms have a trial that counts.
        blocks: u32,
    },
    /// The trials vary too much.
    Noise {
        /// Confidence interval of the ratio.
        ci95: [f64; 2],
        /// The standard deviation of the blocks' ratios, as a share.
        spread: Option<f64>,
        /// The number of blocks.
        blocks: u32,
    },
    /// The figures do not show the cause.
    Unknown {
        /// Time of the workers' CPUs per I/O, in nanoseconds.
        time_ns: Option<Pair>,
        /// The user and system time in it.
        cpu_ns: Option<Pair>,
    },
}

/// One of the two arms of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The arm compared with the baseline.
    Arm,
    /// The baseline.
    Baseline,
}

/// The arm or arms that cannot keep up with the offered rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Saturated {
    /// Neither arm keeps up.
    Both,
    /// One arm does not; with the operations per second that it reaches.
    One(Side, f64),
}

/// A reason for a change, with the figures of its sentence. Times are nanoseconds per I/O.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// More or fewer requests in flight.
    Overlap {
        /// Requests in flight.
        in_flight: Pair,
    },
    /// More or fewer system calls, and a corresponding change of system time.
    Syscalls {
        /// System calls per I/O.
        calls: Pair,
        /// System time.
        system_ns: Pair,
    },
    /// A change of system time without a corresponding change of the number of system calls.
    KernelWork {
        /// System time.
        system_ns: Pair,
        /// How the number of calls changed.
        calls: Direction,
    },
    /// A change of the workers' user time.
    UserWork {
        /// User time.
        user_ns: Pair,
    },
    /// Waiting at the same number of requests in flight.
    Waiting {
        /// Time in which no worker ran.
        waiting_ns: Pair,
    },
    /// Waiting for the lock of a shared ring.
    Locks {
        /// Time spent waiting for the lock.
        wait_ns: Pair,
    },
    /// Waiting in the queues of a combiner.
    Handover {
        /// Time in the queues.
        queued_ns: f64,
    },
    /// Requests handed to io-wq threads.
    Punts {
        /// The share of requests, from 0 to 1.
        punted: f64,
        /// CPU time of the kernel threads.
        threads_ns: f64,
    },
    /// A polling thread on the CPU of a worker.
    PollThread {
        /// The CPUs that they share.
        cpus: Vec<u32>,
    },
    /// A polling thread on its own CPU that sets the pace.
    PollPace {
        /// Its CPUs.
        cpus: Vec<u32>,
    },
    /// Kernel threads on other CPUs that do the kernel's work.
    Offload {
        /// The kind of threads.
        by: KernelThread,
        /// Their CPU time.
        threads_ns: f64,
        /// System time of the workers.
        system_ns: Pair,
    },
    /// Polling for completions instead of interrupts.
    Polling {
        /// Interrupts per I/O.
        interrupts: Pair,
    },
    /// More or fewer CPUs for the workers.
    Cpus {
        /// CPUs.
        cpus: Pair,
    },
    /// More workers than CPUs.
    TooFewCpus {
        /// Workers.
        workers: u32,
        /// Their CPUs.
        cpus: f64,
        /// The increase of context switches per I/O.
        more_switches: f64,
    },
}

/// How a number changed from the baseline to the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It is about the same.
    Same,
    /// It fell.
    Fewer,
    /// It rose.
    More,
}

/// A kind of kernel thread that works for a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelThread {
    /// The thread that polls the submission queue.
    Polling,
    /// The io-wq threads.
    IoWq,
}

/// The limit of a device: more requests in flight hardly raise IOPS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    /// The ratio of requests in flight at two points of one arm; above 1.
    pub in_flight: f64,
    /// The ratio of the IOPS at these points.
    pub iops: f64,
}

/// A limit that both arms have reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SharedLimit {
    /// The device: more requests in flight hardly raise IOPS.
    Plateau(Plateau),
    /// The device: the arms have different numbers of requests in flight and the same IOPS.
    Device {
        /// Requests in flight.
        in_flight: Pair,
    },
    /// Both arms wait, with the same number of requests in flight.
    Waiting {
        /// Requests in flight.
        in_flight: f64,
        /// Mean latency in nanoseconds.
        latency_ns: f64,
        /// Operations per second.
        iops: f64,
    },
    /// Both arms copy from the page cache.
    Copy {
        /// CPU time of the workers per byte, in nanoseconds.
        cpu_ns_per_byte: f64,
        /// Bytes per second.
        bandwidth: Pair,
    },
    /// Both arms fill their CPUs.
    Cpu {
        /// CPU time of the workers per I/O, in nanoseconds.
        cpu_ns: Pair,
    },
}

/// The uncertainty of an explanation of equal arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Open {
    /// None: the verdict is *no difference*.
    Nothing,
    /// A small difference without a known cause.
    Remainder,
    /// The confidence interval of the ratio, for an inconclusive verdict.
    Interval([f64; 2]),
}

impl Finding {
    /// The cause of the finding.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Changed { reasons, .. } => reasons.first().map_or(Cause::Unknown, Reason::cause),
            Self::Alike { limit, .. } => match limit {
                SharedLimit::Plateau(_) | SharedLimit::Device { .. } => Cause::Device,
                SharedLimit::Waiting { .. } => Cause::Waiting,
                SharedLimit::Copy { .. } => Cause::Copy,
                SharedLimit::Cpu { .. } => Cause::Cpu,
            },
            Self::RateReached { .. } => Cause::Rate,
            Self::Saturated { .. } => Cause::Saturation,
            Self::NoIo(_) => Cause::NoIo,
            Self::FewTrials { .. } => Cause::FewTrials,
            Self::Noise { .. } => Cause::Noise,
            Self::Unknown { .. } => Cause::Unknown,
        }
    }

    /// Whether it is a statement about the arms. Otherwise the trials or the figures do not suffice for one.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        !matches!(self, Self::FewTrials { .. } | Self::Noise { .. } | Self::Unknown { .. })
    }
}

impl Reason {
    /// The cause of the reason.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Overlap { .. } => Cause::Overlap,
            Self::Syscalls { .. } => Cause::Syscalls,
            Self::KernelWork { .. } => Cause::KernelWork,
            Self::UserWork { .. } => Cause::UserWork,
            Self::Waiting { .. } => Cause::Waiting,
            Self::Locks { .. } => Cause::Locks,
            Self::Handover { .. } => Cause::Handover,
            Self::Punts { .. } => Cause::Punts,
            Self::PollThread { .. } => Cause::PollThread,
            Self::PollPace { .. } => Cause::PollPace,
            Self::Offload { .. } => Cause::Offload,
            Self::Polling { .. } => Cause::Polling,
            Self::Cpus { .. } => Cause::Cpus,
            Self::TooFewCpus { .. } => Cause::TooFewCpus,
        }
    }
}
