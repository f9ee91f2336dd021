//! What an agent reports: of its host, of a preparation, of an interval, of a whole trial.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{noise::Noise, payload::Payload, trial::FieldError};

/// What a host is and can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDescription {
    /// The agent's release.
    pub agent_version: String,
    /// The protocol that the agent speaks.
    pub protocol_version: u32,
    /// As the kernel knows it.
    pub hostname: String,
    /// The fingerprint: everything that could explain a difference between two hosts.
    pub facts: BTreeMap<String, String>,
    /// CPUs that the agent may use, with their place in the machine.
    pub cpus: Vec<Cpu>,
    /// The CPU that the agent's own runtime lives on.
    pub runtime_cpu: u32,
    /// What was tried, and whether it works.
    pub capabilities: Vec<Capability>,
}

/// A logical CPU and its place in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cpu {
    /// The kernel's number of it.
    pub id: u32,
    /// The socket.
    pub package: u32,
    /// The physical core within the socket.
    pub core: u32,
}

/// Something that a host can do, or cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// A stable name, such as `io_uring.defer_taskrun`.
    pub name: String,
    /// Whether trying it worked.
    pub available: bool,
    /// What was tried and what came of it.
    pub detail: String,
    /// What to do where it is missing; empty where nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Something the reader of a number must know, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Warning {
    /// A stable word for programs, such as `too-few-cpus`.
    pub code: String,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Warning {
    /// A warning with its remedy.
    pub fn new(code: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), remedy: remedy.into() }
    }
}

/// Why a host refused or lost a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A stable word for programs, such as `no-space` or `ring-refused`.
    pub code: String,
    /// What went wrong, with the place.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Where in the trial, such as `engine.depth`; empty where it lies in no field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Refusal {
    /// A refusal that lies in no field of the trial.
    pub fn new(code: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), remedy: remedy.into(), field: String::new() }
    }

    /// The same, laid at a field of the trial.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}

/// What was asked of a host, and what it granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Knob {
    /// The knob's name in a scenario.
    pub name: String,
    /// As asked.
    pub requested: String,
    /// As granted.
    pub granted: String,
}

impl Payload for Refusal {}

impl Payload for Ready {}

/// Everything is built, and every worker stands at the start line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What was asked and what was granted.
    pub knobs: Vec<Knob>,
    /// The CPU of each worker, in worker order.
    pub pinned_cpus: Vec<u32>,
    /// What the target really is.
    pub target: BTreeMap<String, String>,
    /// What the reader must know already.
    pub warnings: Vec<Warning>,
}

/// What the requests of a series have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// What makes writes durable; moves no data, and is not among the operations.
    Sync,
    /// Reads that are urgent; the others are [`Self::Read`].
    UrgentRead,
    /// Writes that are urgent.
    UrgentWrite,
}

impl Direction {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Sync, Self::UrgentRead, Self::UrgentWrite];

    /// The word used in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::UrgentRead => "urgent-read",
            Self::UrgentWrite => "urgent-write",
        }
    }

    /// Whether these are urgent.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::UrgentRead | Self::UrgentWrite)
    }

    /// The same, urgent or not.
    #[must_use]
    pub fn plain(self) -> Self {
        match self {
            Self::UrgentRead => Self::Read,
            Self::UrgentWrite => Self::Write,
            plain => plain,
        }
    }
}

/// What all workers of a host did in one slice of the measured window.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Counted from 0.
    pub index: u32,
    /// First edge, on the agent's monotonic clock: the mean over workers.
    pub begin_ns: u64,
    /// Second edge.
    pub end_ns: u64,
    /// One for each direction that occurred.
    pub series: Vec<Series>,
}

impl Interval {
    /// Completed operations: reads and writes.
    #[must_use]
    pub fn ops(&self) -> u64 {
        let moving = self.series.iter().filter(|series| series.direction != Direction::Sync);
        moving.map(|series| series.latency.len()).sum()
    }
}

/// The operations of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Reads, writes or syncs; urgent ones apart.
    pub direction: Direction,
    /// Bytes transferred.
    pub bytes: u64,
    /// Latency in nanoseconds; its count is the number of completed operations.
    pub latency: Histogram<u64>,
    /// Open loop: the same operations from being handed over, instead of from their intended time. Absent in
    /// closed loop, where the two are the same.
    pub service: Option<Histogram<u64>>,
}

/// What a drive said of a command stands among the errnos, which end below: this, plus the status' type (3 bits) and
/// code (8 bits).
pub const NVME_STATUS: i32 = 2048;

/// A whole trial on one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Begin of the measured window on the agent's monotonic clock: the mean over workers.
    pub begin_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Reads that completed whole within the window.
    pub read_ops: u64,
    /// Writes that completed whole within the window.
    pub write_ops: u64,
    /// Syncs that succeeded within the window; not among the operations.
    #[serde(default)]
    pub sync_ops: u64,
    /// Bytes that they transferred.
    pub bytes: u64,
    /// Failed requests by errno; from [`NVME_STATUS`] on, by NVMe status.
    pub errors: BTreeMap<i32, u64>,
    /// Requests that transferred less than was asked.
    pub short_transfers: u64,
    /// Counted by the engine itself, by name of system call.
    pub syscalls_self: BTreeMap<String, u64>,
    /// Counted by perf; in an audit, where perf is allowed.
    pub perf: Option<PerfCounts>,
    /// Which way requests completed; in an audit of a ring, where it could be recorded.
    #[serde(default)]
    pub paths: Option<PathCounts>,
    /// Counted by the processor; in an audit, where it can.
    #[serde(default)]
    pub hardware: Option<HardwareCounts>,
    /// Interrupts of the device behind the target, whoever caused them; in a timed trial, where there are some to
    /// be told.
    #[serde(default)]
    pub interrupts: Option<u64>,
    /// With a target that is kept cold: the highest share of it that was found in the page cache, from 0 to 1.
    #[serde(default)]
    pub cached_share: Option<f64>,
    /// CPU time and context switches.
    pub cpu: CpuTime,
    /// Requests handed over by io_uring_enter.
    pub submitted: u64,
    /// Calls of io_uring_enter.
    pub enters: u64,
    /// The same calls by how many requests they took: none, 1, 2 to 3, 4 to 7 and so on, doubling. Empty
    /// without a ring, or where a kernel thread takes them.
    #[serde(default)]
    pub enters_by_batch: Vec<u64>,
    /// Completions that the kernel dropped for want of room, by its own count; what it held back for a while is not in it.
    #[serde(default)]
    pub cq_overflows: u64,
    /// What sharing the ring cost; absent where each worker has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<SharingCosts>,
    /// Whether the window was cut short.
    pub cut_short: bool,
    /// Of urgent operations, which are among those above; absent where none was to be urgent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgent: Option<UrgentCounts>,
    /// Batches as the kernel counted them; in an audit of a ring, where the kernel does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batches: Option<BatchCounts>,
    /// What came of checking what was read; absent where it was not verified.
    #[serde(default)]
    pub verified: Option<Verified>,
    /// What measuring cost or got wrong.
    pub overhead: Overhead,
    /// What the reader must know.
    pub warnings: Vec<Warning>,
    /// What else went on in the host; in a timed trial whose window was long enough for two readings.
    #[serde(default)]
    pub noise: Option<Noise>,
}

impl Finished {
    /// Operations that completed whole within the window.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.read_ops + self.write_ops
    }

    /// System calls that the engine counted itself.
    #[must_use]
    pub fn syscalls_self_total(&self) -> u64 {
        self.syscalls_self.values().sum()
    }
}

impl Payload for Finished {
    fn check(&self) -> Result<(), FieldError> {
        if self.end_ns < self.begin_ns {
            return Err(FieldError::malformed("end_ns", "lies before begin_ns"));
        }
        if self.cached_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(FieldError::malformed("cached_share", "must lie from 0 to 1"));
        }
        // In memory a float may be no number; in JSON, and so in run directories, it may not.
        if !self.overhead.clock_drift_ppm.is_finite() {
            return Err(FieldError::malformed("overhead.clock_drift_ppm", "must be a number"));
        }
        self.noise.as_ref().map_or(Ok(()), Noise::check)
    }
}

/// Urgent operations, and how many others went before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrgentCounts {
    /// Urgent operations that completed whole within the window.
    pub ops: u64,
    /// Of them, those that were overtaken: others that were handed over with them or later were seen complete before.
    pub overtaken: u64,
    /// How many such others there were, added up; a lower bound, by counting (see the agent's `worker::urgent`).
    pub overtakers: u64,
    /// The most of one urgent operation.
    pub most_overtakers: u64,
}

impl UrgentCounts {
    /// Adds the counts of another thread, or of another host.
    pub fn add(&mut self, more: &Self) {
        self.ops += more.ops;
        self.overtaken += more.overtaken;
        self.overtakers += more.overtakers;
        self.most_overtakers = self.most_overtakers.max(more.most_overtakers);
    }
}

/// What the kernel says of the batches of a ring, in the ring's fdinfo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCounts {
    /// Batches that had something to submit.
    pub batches: u64,
    /// Requests that they took.
    pub requests: u64,
    /// Those of the largest batch since the ring was made.
    pub largest: u64,
    /// Rounds that found nothing to submit.
    pub empty: u64,
    /// Requests with `IOSQE_URGENT`.
    pub urgent: u64,
    /// Urgent requests, or chains of them, that were issued before earlier ones of their batch.
    pub jumped: u64,
    /// Batches in which a draining request let go what was held back.
    pub drain_flushes: u64,
    /// Batches by size: 1, 2 to 3, 4 to 7 and so on.
    pub by_size: Vec<u64>,
}

impl BatchCounts {
    /// Adds the counts of another ring, or of another host.
    pub fn add(&mut self, more: &Self) {
        self.batches += more.batches;
        self.requests += more.requests;
        self.largest = self.largest.max(more.largest);
        self.empty += more.empty;
        self.urgent += more.urgent;
        self.jumped += more.jumped;
        self.drain_flushes += more.drain_flushes;
        self.by_size.resize(self.by_size.len().max(more.by_size.len()), 0);
        self.by_size.iter_mut().zip(&more.by_size).for_each(|(sum, more)| *sum += more);
    }

    /// What came since `earlier`, of the same ring; the largest batch is since the ring was made.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let by_size = self.by_size.iter().zip(earlier.by_size.iter().chain(std::iter::repeat(&0)));
        Self {
            batches: self.batches.saturating_sub(earlier.batches),
            requests: self.requests.saturating_sub(earlier.requests),
            largest: self.largest,
            empty: self.empty.saturating_sub(earlier.empty),
            urgent: self.urgent.saturating_sub(earlier.urgent),
            jumped: self.jumped.saturating_sub(earlier.jumped),
            drain_flushes: self.drain_flushes.saturating_sub(earlier.drain_flushes),
            by_size: by_size.map(|(now, then)| now.saturating_sub(*then)).collect(),
        }
    }
}

/// What came of checking reads against what was written, and the whole target at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// Sectors of 512 B that were checked.
    pub sectors: u64,
    /// Of them, those that did not hold what was written there.
    pub failures: u64,
}

/// What perf counted on the worker threads within the window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerfCounts {
    /// `raw_syscalls:sys_enter`.
    pub syscalls_total: u64,
    /// The same by name; `other` is what no name was watched for.
    pub syscalls_by_name: BTreeMap<String, u64>,
    /// `io_uring:io_uring_queue_async_work`; absent where it could not be counted.
    pub punted_to_io_wq: Option<u64>,
}

/// What sharing one ring cost the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharingCosts {
    /// They took turns by a lock.
    #[serde(rename = "lock")]
    Lock {
        /// Times that it was taken to hand requests over or to wait for completions.
        locks: u64,
        /// Those that found it taken.
        contended: u64,
        /// How long these waited.
        wait_ns: u64,
    },
    /// They handed their requests to one thread.
    #[serde(rename = "handover")]
    Handover {
        /// From a worker's queue until that thread took the request, and from its taking the completion until
        /// the worker saw it; the sum over all requests.
        ns: u64,
    },
}

impl SharingCosts {
    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        match (*self, *earlier) {
            (
                Self::Lock { locks, contended, wait_ns },
                Self::Lock { locks: locks_then, contended: contended_then, wait_ns: then },
            ) => Self::Lock {
                locks: locks - locks_then,
                contended: contended - contended_then,
                wait_ns: wait_ns - then,
            },
            (Self::Handover { ns }, Self::Handover { ns: then }) => Self::Handover { ns: ns - then },
            (now, _) => now,
        }
    }

    /// Adds the costs of another thread, or of another host. Where the two are of different kinds, as they are in
    /// no trial, the first stands alone.
    pub fn add(&mut self, more: &Self) {
        match (self, more) {
            (
                Self::Lock { locks, contended, wait_ns },
                Self::Lock { locks: more_locks, contended: more_contended, wait_ns: more_ns },
            ) => {
                *locks += more_locks;
                *contended += more_contended;
                *wait_ns += more_ns;
            }
            (Self::Handover { ns }, Self::Handover { ns: more }) => *ns += more,
            _ => {}
        }
    }
}

/// Which way the requests of a ring completed, of those that were followed in an audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathCounts {
    /// Within the call that submitted them, or the round of the polling thread.
    pub inline: u64,
    /// By task work, after the device's interrupt.
    pub task_work: u64,
    /// By polling the device.
    pub polled: u64,
    /// By a worker thread of the kernel.
    pub punted: u64,
    /// Records that there was no room for; requests in the gaps are on none of the ways.
    pub lost: u64,
}

impl PathCounts {
    /// Requests whose way is known.
    #[must_use]
    pub fn followed(&self) -> u64 {
        self.inline + self.task_work + self.polled + self.punted
    }
}

/// What the processor counted on the worker threads within an audit's window; each absent where it cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareCounts {
    /// Cycles, in user mode and in the kernel.
    pub cycles: Option<u64>,
    /// Cycles in user mode.
    pub cycles_user: Option<u64>,
    /// Instructions, in user mode and in the kernel.
    pub instructions: Option<u64>,
    /// Instructions in user mode.
    pub instructions_user: Option<u64>,
    /// Misses of the last level of cache.
    pub cache_misses: Option<u64>,
}

/// CPU time of the worker threads within the window, and of the kernel's threads that work for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel, on the workers' behalf and in their own context.
    pub system_ns: u64,
    /// Of `iou-sqp-*` and `iou-wrk-*` threads; absent where it could not be read.
    pub kernel_threads_ns: Option<u64>,
    /// Times that a worker gave the CPU up.
    pub voluntary_switches: u64,
    /// Times that a worker was made to.
    pub involuntary_switches: u64,
}

/// What measuring cost or got wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// Interval boundaries at which no empty histogram was at hand, so that the slice was made longer.
    pub late_swaps: u64,
    /// Latencies above the histogram's bound, recorded as the bound.
    pub saturated: u64,
    /// Disagreement of the hot loop's clock with CLOCK_MONOTONIC over the window, in parts per million.
    pub clock_drift_ppm: f64,
}
