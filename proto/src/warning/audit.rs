//! Warnings about the instruments of an audit.

use serde::{Deserialize, Serialize};

use crate::notice::OsError;

/// Why perf is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerfFailure {
    /// Too many open files.
    OpenFiles,
    /// The agent lacks the rights.
    NotPermitted,
    /// The kernel lacks tracepoints or perf.
    NotSupported,
    /// It was opened, and its counts could not be read.
    NotRead,
    /// Anything else.
    Other,
}

/// When recording the paths of requests failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathsPhase {
    /// At its beginning.
    Begin,
    /// At its end.
    End,
}

/// Why there are no counts of hardware events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HardwareFailure {
    /// The processor offers none.
    NoCounters,
    /// The agent lacks the rights.
    NotPermitted(OsError),
    /// They could not be opened.
    NotOpened {
        /// The error.
        error: OsError,
        /// The meaning of that error for perf.
        perf: PerfFailure,
    },
    /// They were opened and counted nothing.
    NeverCounted,
}

impl HardwareFailure {
    fn perf(&self) -> Option<PerfFailure> {
        match self {
            Self::NotOpened { perf, .. } => Some(*perf),
            _ => None,
        }
    }
}

impl std::fmt::Display for HardwareFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoCounters => {
                f.write_str("the processor offers no such counters, as in most virtual machines")
            }
            Self::NotPermitted(error) => write!(f, "hardware counters are not permitted: {error}"),
            Self::NotOpened { error, .. } => write!(f, "hardware counters could not be opened: {error}"),
            Self::NeverCounted => {
                f.write_str("hardware counters were opened, but could not be read or never ran")
            }
        }
    }
}

crate::notices! {
    /// Warnings about an audit.
    #[derive(Eq)]
    pub enum AuditWarning {
        /// Perf could not count system calls on a host.
        "perf-not-available" PerfNotAvailable {
            /// The reason.
            failure: PerfFailure,
            /// The error.
            error: OsError,
        }
        message: format!("perf could not count system calls ({error}); only the engine's own count is available"),
        remedy:
            if *failure == PerfFailure::OpenFiles =>
                "raise the limit of open files (`ulimit -n`, LimitNOFILE=): an audit needs about two dozen files for \
                 each worker thread",
            if *failure == PerfFailure::NotPermitted =>
                "run the agent as root, or with CAP_PERFMON and read access to /sys/kernel/tracing",
            if *failure == PerfFailure::NotSupported =>
                "use a kernel with CONFIG_FTRACE and CONFIG_PERF_EVENTS",
            if *failure == PerfFailure::NotRead => "run the audit again",
            else => "run the agent as root on a kernel with CONFIG_FTRACE and CONFIG_PERF_EVENTS",
        affects_verdicts: false,

        /// How requests complete could not be recorded.
        "paths-not-measured" PathsNotMeasured {
            /// When recording failed.
            phase: PathsPhase,
            /// The error.
            error: OsError,
        }
        let to_the_end = if *phase == PathsPhase::End { " to the end" } else { "" };
        message: format!(
            "how requests complete (inline, by task work, punted) could not be recorded{to_the_end}: {error}"
        ),
        remedy: else =>
            "use a kernel with io_uring's tracepoints (Linux 6.1, CONFIG_FTRACE), and give the agent the rights for perf",
        affects_verdicts: false,

        /// Cycles and instructions per I/O could not be counted.
        "hardware-counters-not-available" HardwareCountersNotAvailable {
            /// The reason.
            failure: HardwareFailure,
        }
        message: format!("no cycles and instructions per I/O: {failure}; all other figures are unaffected"),
        remedy:
            if *failure == HardwareFailure::NoCounters =>
                "for these figures, use a physical machine, or a virtual one with a virtual PMU",
            if matches!(failure, HardwareFailure::NotPermitted(_)) => "run the agent as root, or with CAP_PERFMON",
            if *failure == HardwareFailure::NeverCounted =>
                "find out what else uses the counters (kernel.nmi_watchdog, another perf)",
            if failure.perf() == Some(PerfFailure::OpenFiles) =>
                "raise the limit of open files (`ulimit -n`, LimitNOFILE=)",
            else => "run the agent as root on a kernel with CONFIG_PERF_EVENTS",
        affects_verdicts: false,
    }
}
