//! Threads that could not do their work.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    notice::{CpuList, OsError, rough},
    trial::{EngineKind, SyncCall},
    units::ByteSize,
};

/// A thread of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadName {
    /// A worker, by its number.
    Worker(u32),
    /// The combiner, which owns the ring of all workers.
    Combiner,
    /// The thread that keeps the target out of the page cache.
    CacheDropper,
}

impl fmt::Display for ThreadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(index) => write!(f, "worker {index}"),
            Self::Combiner => f.write_str("the combiner"),
            Self::CacheDropper => f.write_str("the thread that keeps the target cold"),
        }
    }
}

/// Why a thread cannot run on its CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuFailure {
    /// The list is empty.
    NoneListed {
        /// The CPUs that the agent may use.
        allowed: CpuList,
    },
    /// The agent may not use some of them.
    NotAllowed {
        /// These CPUs.
        cpus: CpuList,
        /// The CPUs that the agent may use.
        allowed: CpuList,
        /// Whether they are for the polling thread.
        poller: bool,
    },
    /// A thread could not be pinned.
    NotPinned {
        /// The thread.
        thread: ThreadName,
        /// The CPU.
        cpu: u32,
        /// The error.
        error: OsError,
    },
}

/// Why there is too little memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryFailure {
    /// All workers together need more than is available.
    Available {
        /// Workers.
        workers: u32,
        /// The depth of each.
        depth: u32,
        /// The largest block.
        block: ByteSize,
        /// Memory needed.
        needed: ByteSize,
        /// Memory available.
        available: ByteSize,
    },
    /// Allocating a worker's buffers failed.
    Buffers {
        /// Their number.
        depth: u32,
        /// The size of each.
        block: ByteSize,
        /// The error.
        error: OsError,
    },
}

/// The purpose of another open file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenFor {
    /// A worker's separate description of the target.
    Target,
    /// The target once more, to read it back.
    Verification,
    /// The target once more, for the ring of urgent requests.
    SecondRing,
    /// A worker's separate table of open files.
    Table(u32),
    /// The combiner's eventfd.
    EventFd,
    /// A ring.
    Ring,
}

crate::notices! {
    /// Refusals about a thread of a trial.
    #[derive(Eq)]
    pub enum WorkerRefusal {
        /// A thread of the agent panicked.
        "worker-panicked" Panicked {
            /// The thread.
            thread: ThreadName,
        }
        message: format!("{thread} failed unexpectedly"),
        remedy: else => "this is a bug in the agent; its log shows where",

        /// A worker ended without reporting a result.
        "worker-lost" Lost {}
        message: "a worker ended without reporting a result".into(),
        remedy: else => "this is a bug in the agent; please report it",

        /// The agent may not use a CPU that the trial requests.
        "cpu-not-available" CpuNotAvailable {
            /// The reason.
            failure: CpuFailure,
        }
        let allowed = match failure {
            CpuFailure::NoneListed { allowed } | CpuFailure::NotAllowed { allowed, .. } => allowed.to_string(),
            CpuFailure::NotPinned { .. } => String::new(),
        };
        message: match failure {
            CpuFailure::NoneListed { .. } => "`cpus` lists no CPU".into(),
            CpuFailure::NotAllowed { cpus, .. } => {
                format!("the agent may not use CPU {cpus}, only {allowed}")
            }
            CpuFailure::NotPinned { thread, cpu, error } => {
                format!("{thread} could not be pinned to CPU {cpu}: {error}")
            }
        },
        remedy:
            if matches!(failure, CpuFailure::NotPinned { .. }) =>
                "choose other `cpus`, or extend the agent's CPU set (AllowedCPUs=, cpuset)",
            else =>
                "name CPUs among {allowed}, omit `cpus`, or start the agent with a larger affinity or cpuset",
        field: match failure {
            CpuFailure::NotAllowed { poller: true, .. } => "engine.sqpoll",
            _ => "workload.cpus",
        },

        /// There is too little memory for the workers' buffers and histograms.
        "no-memory" NoMemory {
            /// The cause.
            failure: MemoryFailure,
        }
        message: match failure {
            MemoryFailure::Available { workers, depth, block, needed, available } => format!(
                "{workers} workers at depth {depth} with blocks of {block} need {}, but {} are available",
                rough(*needed),
                rough(*available)
            ),
            MemoryFailure::Buffers { depth, block, error } => {
                format!("cannot allocate {depth} buffers of {block}: {error}")
            }
        },
        remedy:
            if matches!(failure, MemoryFailure::Buffers { .. }) =>
                "lower depth, block size or threads, or raise the agent's memory limit",
            else => "lower depth, block size or threads",
        field: "workload.block_size",

        /// The agent's limit of open files is too low.
        "open-files" OpenFiles {
            /// Its purpose.
            by: OpenFor,
            /// The error.
            error: OsError,
        }
        message: match by {
            OpenFor::Target => format!("a worker cannot open the target: {error}"),
            OpenFor::Verification => format!("a worker cannot open the target a second time: {error}"),
            OpenFor::SecondRing => {
                format!("the target cannot be opened a second time, for the ring of urgent requests: {error}")
            }
            OpenFor::Table(worker) => format!("worker {worker} cannot keep the target open: {error}"),
            OpenFor::EventFd => format!("eventfd: {error}"),
            OpenFor::Ring => format!("io_uring_setup: {error}"),
        },
        remedy:
            if matches!(by, OpenFor::Target | OpenFor::Verification) =>
                "raise the limit of open files (`ulimit -n`, LimitNOFILE=), or use fewer threads",
            else => "raise the limit of open files (`ulimit -n`, LimitNOFILE=)",
        field: if *by == OpenFor::Ring { "engine.engine" } else { "" },

        /// The system lets the agent start no more threads.
        "no-threads" NoThreads {
            /// The thread.
            thread: ThreadName,
            /// The error.
            error: OsError,
        }
        message: format!("{thread} could not be started: {error}"),
        remedy:
            if *thread == ThreadName::CacheDropper => "raise the limit of processes (`ulimit -u`, TasksMax=)",
            else => "raise the limit of processes (`ulimit -u`, TasksMax=), or use fewer threads",
        field: if *thread == ThreadName::CacheDropper { "" } else { "workload.threads" },

        /// The engine cannot sync this target.
        "sync-refused" SyncRefused {
            /// The engine.
            engine: EngineKind,
            /// The call.
            call: SyncCall,
            /// The error.
            error: OsError,
        }
        message: format!("{engine} cannot do {} on this target: {error}", call.as_str()),
        remedy: else => "use another engine or target; libaio syncs since Linux 4.18",
        field: "workload.sync",

        /// A thread could not continue in the middle of a trial.
        "engine-failed" EngineFailed {
            /// The thread.
            thread: ThreadName,
            /// The engine.
            engine: EngineKind,
            /// The error.
            error: OsError,
        }
        message: format!("{thread} could not continue: {engine}: {error}"),
        remedy: else => "check the host's kernel log (`dmesg`)",

        /// The CPU time of a thread cannot be read.
        "cpu-time-not-read" CpuTimeNotRead {
            /// The error.
            error: OsError,
        }
        message: format!("the CPU time of a thread could not be read (getrusage): {error}"),
        remedy: else =>
            "allow the agent to call getrusage: a seccomp filter of its container or unit (SystemCallFilter=) may \
             forbid it",
    }
}
