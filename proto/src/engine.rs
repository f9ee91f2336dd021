//! How the I/O of a trial is done: the engine and its knobs. The names here are the names in a scenario.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    units::Nanos,
    urgent::{Urgent, UrgentBy},
};

/// One way to do the I/O.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// The engine.
    pub engine: EngineKind,
    /// Requests in flight.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 32768))]
    pub depth: u32,
    /// How a depth above 1 is reached.
    #[serde(default)]
    pub concurrency: Concurrency,
    /// io_uring, libaio: requests handed over in one commit, at most. Absent: all that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32768))]
    pub submit_batch: Option<u32>,
    /// io_uring, libaio: completions waited for in one commit, at least; never more than are in flight.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 32768))]
    pub complete_batch: u32,
    /// io_uring: register the file once, so that no request has to look it up.
    #[serde(default)]
    pub fixed_files: bool,
    /// io_uring: register the buffers once, so that no request has to pin their pages.
    #[serde(default)]
    pub fixed_buffers: bool,
    /// io_uring: promise that one thread only submits (`IORING_SETUP_SINGLE_ISSUER`).
    #[serde(default)]
    pub single_issuer: bool,
    /// io_uring: complete only when the application asks (`IORING_SETUP_DEFER_TASKRUN`); needs `single_issuer`.
    #[serde(default)]
    pub defer_taskrun: bool,
    /// io_uring: do not interrupt the application to complete (`IORING_SETUP_COOP_TASKRUN`).
    #[serde(default)]
    pub coop_taskrun: bool,
    /// io_uring: register the ring itself, so that no call has to look it up (`IORING_REGISTER_RING_FDS`).
    #[serde(default)]
    pub registered_ring: bool,
    /// io_uring: no array of indices beside the submission queue (`IORING_SETUP_NO_SQARRAY`).
    #[serde(default)]
    pub no_sqarray: bool,
    /// io_uring: a kernel thread polls the submission queue, so that submitting needs no system call
    /// (`IORING_SETUP_SQPOLL`). Completions are then awaited by looking, without a system call either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqpoll: Option<Sqpoll>,
    /// io_uring: poll the device for completions instead of taking interrupts (`IORING_SETUP_IOPOLL`). Needs
    /// `direct: true` and a device with poll queues.
    #[serde(default)]
    pub iopoll: bool,
    /// io_uring: with `iopoll`, sleep for about half the usual latency first (`IORING_SETUP_HYBRID_IOPOLL`).
    #[serde(default)]
    pub hybrid_iopoll: bool,
    /// io_uring: hand every request to a worker thread of the kernel (`IOSQE_ASYNC`).
    #[serde(default)]
    pub force_async: bool,
    /// io_uring: readv and writev with one element, as older programs do.
    #[serde(default)]
    pub vectored: bool,
    /// io_uring: with `workload.sync`, hand the write that a sync is due after and the sync over together, the
    /// sync linked to the write (`IOSQE_IO_LINK`), instead of waiting for the write first.
    #[serde(default)]
    pub link_sync: bool,
    /// io_uring: limits on the worker threads of the kernel (`IORING_REGISTER_IOWQ_MAX_WORKERS`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iowq_workers: Option<IowqWorkers>,
    /// io_uring: who has a ring. `per_thread`: each worker; `shared`: all workers of a host use one, behind a lock;
    /// `combiner`: one thread more has the only ring, and workers hand their requests to it.
    #[serde(default)]
    pub ring: Sharing,
    /// pvsync2: poll for the completion (`RWF_HIPRI`). Needs `direct: true` and a device with poll queues.
    #[serde(default)]
    pub hipri: bool,
    /// pvsync2: try without waiting first (`RWF_NOWAIT`), and call again where that would have waited.
    #[serde(default)]
    pub nowait: bool,
    /// Makes the worker wait busily for so long before each operation, at most 1ms: a slowdown of known size, to
    /// see what a rig and its verdicts make of it. Absent, or 0ns: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_wait: Option<Nanos>,
    /// io_uring, nop: a share of the operations is urgent, and measured apart from the rest, such as
    /// `{share: 1%, by: ioprio, block_size: 4KiB}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgent: Option<Urgent>,
    /// What to do where the host does not grant a knob.
    #[serde(default)]
    pub fallback: Fallback,
}

/// The kernel thread that polls a submission queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sqpoll {
    /// The CPU it is pinned to; absent: the agent chooses one that no worker is on, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// How long it polls in vain before it sleeps and has to be woken by a system call; whole milliseconds.
    pub idle: Nanos,
    /// true: the rings of all workers share the thread of the first (`IORING_SETUP_ATTACH_WQ`).
    pub shared: bool,
}

impl Default for Sqpoll {
    fn default() -> Self {
        Self { cpu: None, idle: Nanos(1_000_000_000), shared: false }
    }
}

/// Limits on the kernel's worker threads of a ring; 0 leaves the kernel's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IowqWorkers {
    /// For files and block devices, whose requests end in bounded time.
    pub bounded: u32,
    /// For everything else.
    pub unbounded: u32,
}

fn one() -> u32 {
    1
}

impl Engine {
    /// The engine with every knob at its default.
    #[must_use]
    pub fn new(engine: EngineKind) -> Self {
        Self {
            engine,
            depth: 1,
            concurrency: Concurrency::Queue,
            submit_batch: None,
            complete_batch: 1,
            fixed_files: false,
            fixed_buffers: false,
            single_issuer: false,
            defer_taskrun: false,
            coop_taskrun: false,
            registered_ring: false,
            no_sqarray: false,
            sqpoll: None,
            iopoll: false,
            hybrid_iopoll: false,
            force_async: false,
            vectored: false,
            link_sync: false,
            iowq_workers: None,
            ring: Sharing::PerThread,
            hipri: false,
            nowait: false,
            busy_wait: None,
            urgent: None,
            fallback: Fallback::Refuse,
        }
    }

    /// The knobs that only an engine with a queue has and that are set, by name.
    #[must_use]
    pub fn queue_knobs(&self) -> Vec<&'static str> {
        set(&[("submit_batch", self.submit_batch.is_some()), ("complete_batch", self.complete_batch != 1)])
    }

    /// How long a worker waits busily before each operation, in nanoseconds; none where it does not.
    #[must_use]
    pub fn busy_wait_ns(&self) -> Option<u64> {
        self.busy_wait.map(|wait| wait.0).filter(|wait| *wait > 0)
    }

    /// By what means urgent operations are preferred; `None` where none is urgent.
    #[must_use]
    pub fn urgent_by(&self) -> Option<UrgentBy> {
        self.urgent.map(|urgent| urgent.by)
    }

    /// The knobs that only pvsync2 has and that are set, by name.
    #[must_use]
    pub fn pvsync2_knobs(&self) -> Vec<&'static str> {
        set(&[("hipri", self.hipri), ("nowait", self.nowait)])
    }

    /// The knobs that are io_uring's alone and are set, by name.
    #[must_use]
    pub fn ring_knobs(&self) -> Vec<&'static str> {
        set(&[
            ("fixed_files", self.fixed_files),
            ("fixed_buffers", self.fixed_buffers),
            ("single_issuer", self.single_issuer),
            ("defer_taskrun", self.defer_taskrun),
            ("coop_taskrun", self.coop_taskrun),
            ("registered_ring", self.registered_ring),
            ("no_sqarray", self.no_sqarray),
            ("sqpoll", self.sqpoll.is_some()),
            ("iopoll", self.iopoll),
            ("hybrid_iopoll", self.hybrid_iopoll),
            ("force_async", self.force_async),
            ("vectored", self.vectored),
            ("link_sync", self.link_sync),
            ("iowq_workers", self.iowq_workers.is_some()),
            ("ring", self.ring != Sharing::PerThread),
            ("urgent", self.urgent.is_some()),
        ])
    }
}

fn set(knobs: &[(&'static str, bool)]) -> Vec<&'static str> {
    knobs.iter().filter_map(|(name, set)| set.then_some(*name)).collect()
}

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Does nothing: what Ringbench itself costs.
    Null,
    /// io_uring requests that do nothing: what the ring costs.
    Nop,
    /// pread and pwrite: one system call an operation.
    Psync,
    /// preadv2 and pwritev2, which take flags: polling, or not waiting.
    Pvsync2,
    /// The older asynchronous interface, by its own system calls: io_submit and io_getevents.
    Libaio,
    /// io_uring.
    IoUring,
    /// Commands of an NVMe drive's own through a ring, past the block layer (`IORING_OP_URING_CMD`). Needs
    /// `target: {device: ..}`.
    Nvme,
}

impl EngineKind {
    /// Whether it has a ring.
    #[must_use]
    pub fn is_ring(self) -> bool {
        matches!(self, Self::Nop | Self::IoUring | Self::Nvme)
    }

    /// Whether one thread can keep more than one request in flight.
    #[must_use]
    pub fn has_queue(self) -> bool {
        !matches!(self, Self::Psync | Self::Pvsync2)
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Nop => "nop",
            Self::Psync => "psync",
            Self::Pvsync2 => "pvsync2",
            Self::Libaio => "libaio",
            Self::IoUring => "io_uring",
            Self::Nvme => "nvme",
        })
    }
}

/// How a depth above 1 is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// One thread keeps the whole depth in flight, if its engine can; psync cannot, and stays at 1.
    #[default]
    Queue,
    /// Depth N is N threads at depth 1.
    Threads,
}

/// Who has a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Each worker has one of its own.
    #[default]
    PerThread,
    /// All workers of a host use one, behind a lock.
    Shared,
    /// One thread more has the only one: workers hand their requests to it through queues, and get their
    /// completions back the same way.
    Combiner,
}

impl Sharing {
    /// The word used in scenarios and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerThread => "per_thread",
            Self::Shared => "shared",
            Self::Combiner => "combiner",
        }
    }
}

/// What to do where the host does not grant a knob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Refuse the trial, naming the knob.
    #[default]
    Refuse,
    /// Run without it, and say so.
    Allow,
}
