//! A fully resolved trial: what one cell's execution asks of a host. Both ends check the same limits.
//!
//! The option blocks here ([`Workload`], [`Engine`]) are also what a scenario is written in, so that every
//! option exists once: its name in YAML is its name here.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::target::{DeviceTarget, FileTarget, PathTarget, RamdiskKind, RamdiskTarget, Target};
use crate::units::{ByteSize, Nanos};

/// The largest depth: what one io_uring can have in its submission queue (`IORING_MAX_ENTRIES`).
pub const MAX_DEPTH: u32 = 32_768;
/// The most worker threads on one host.
pub const MAX_WORKERS: u32 = 1024;
/// The most memory for the buffers of one trial.
pub const MAX_BUFFERS: ByteSize = ByteSize(8 << 30);
/// The highest rate of arrival in open loop, in requests a second.
pub const MAX_RATE: u64 = 100_000_000;
/// Blocks are whole sectors of this size.
pub const SECTOR: ByteSize = ByteSize(512);

/// One execution of a cell, with nothing left to decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Unique within a run.
    pub id: String,
    /// Decides every offset and the mix of operations.
    pub seed: u64,
    /// What the I/O goes to.
    pub target: Target,
    /// What the I/O looks like.
    pub workload: Workload,
    /// How it is done.
    pub engine: Engine,
    /// Whether probes are armed.
    pub measure: Measure,
}

/// Whether a trial is for timings or for counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// No probe is armed; the engine counts its own system calls.
    Timed,
    /// System calls are counted by perf too. Counting slows them: no timing comes from here.
    Audit,
}

/// What the I/O looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// Where the offsets fall.
    pub pattern: Pattern,
    /// With `pattern: zipf`: how unequal the blocks are; the block of rank k is asked for in proportion to
    /// 1 / k^theta.
    pub zipf_theta: f64,
    /// Share of reads among the operations, in percent; the rest are writes.
    #[schemars(range(max = 100))]
    pub read_percent: u32,
    /// Size of one operation, whole sectors of 512 B.
    pub block_size: ByteSize,
    /// Worker threads. With `concurrency: threads` each of them becomes as many as the depth says.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: u32,
    /// CPUs for the workers: `auto`, or a list such as `[2, 3]`.
    pub cpus: Cpus,
    /// Time before measuring begins.
    pub warmup: Nanos,
    /// Measured time.
    pub runtime: Nanos,
    /// Length of the slices that are streamed while the trial runs, at most; see [`Workload::slice`].
    pub interval: Nanos,
    /// Open loop: requests arrive by the clock, and latency counts from the time at which they were to arrive.
    /// Absent: closed loop, in which each completion makes room for the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// When requests arrive in open loop. Written as `{per_second: 10000, arrival: poisson}`, or as the number
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests a second on each host, over all its workers.
    pub per_second: u64,
    /// How they follow one another.
    pub arrival: Arrival,
}

/// How requests follow one another in open loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// At equal distances.
    #[default]
    Fixed,
    /// At random, independent of one another: exponential distances.
    Poisson,
}

impl Workload {
    /// Length of the slices that are streamed: the interval asked for, or a quarter of a runtime that is
    /// shorter than four of them. So a short trial shows its course too, and hosts whose starts differ by
    /// little have slices within their common window.
    #[must_use]
    pub fn slice(&self) -> Nanos {
        self.interval.min(Nanos((self.runtime.0 / 4).max(MIN_SLICE.0)))
    }
}

/// The shortest slice.
const MIN_SLICE: Nanos = Nanos(10_000_000);

impl Default for Workload {
    fn default() -> Self {
        Self {
            pattern: Pattern::Random,
            zipf_theta: 1.1,
            read_percent: 100,
            block_size: ByteSize(4096),
            threads: 1,
            cpus: Cpus::Auto,
            warmup: Nanos(300_000_000),
            runtime: Nanos(1_000_000_000),
            interval: Nanos(1_000_000_000),
            rate: None,
        }
    }
}

/// Where offsets fall in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Uniform over whole blocks, seeded.
    Random,
    /// Block after block; each worker walks its own share of the target, round and round.
    Sequential,
    /// Some blocks far more often than others (Zipf's law, by `zipf_theta`), the favourites scattered over the
    /// target.
    Zipf,
}

/// The CPUs that workers are pinned to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cpus {
    /// The agent chooses: distinct physical cores first, away from the CPU of its own runtime.
    #[default]
    Auto,
    /// Worker i goes to entry i, round and round.
    List(Vec<u32>),
}

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
    /// io_uring: limits on the worker threads of the kernel (`IORING_REGISTER_IOWQ_MAX_WORKERS`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iowq_workers: Option<IowqWorkers>,
    /// pvsync2: poll for the completion (`RWF_HIPRI`). Needs `direct: true` and a device with poll queues.
    #[serde(default)]
    pub hipri: bool,
    /// pvsync2: try without waiting first (`RWF_NOWAIT`), and call again where that would have waited.
    #[serde(default)]
    pub nowait: bool,
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
            iowq_workers: None,
            hipri: false,
            nowait: false,
            fallback: Fallback::Refuse,
        }
    }

    /// The knobs that only an engine with a queue has and that are set, by name.
    #[must_use]
    pub fn queue_knobs(&self) -> Vec<&'static str> {
        set(&[("submit_batch", self.submit_batch.is_some()), ("complete_batch", self.complete_batch != 1)])
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
            ("iowq_workers", self.iowq_workers.is_some()),
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
}

impl EngineKind {
    /// Whether it has a ring.
    #[must_use]
    pub fn is_ring(self) -> bool {
        matches!(self, Self::Nop | Self::IoUring)
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

/// A value outside its limits, or one that does not go with another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path within the trial, such as `engine.depth`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl FieldError {
    /// A refusal of one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl Trial {
    /// Worker threads that the trial runs.
    #[must_use]
    pub fn workers(&self) -> u32 {
        match self.engine.concurrency {
            Concurrency::Queue => self.workload.threads,
            Concurrency::Threads => self.workload.threads.saturating_mul(self.engine.depth),
        }
    }

    /// Requests that one worker really keeps in flight.
    #[must_use]
    pub fn depth_per_worker(&self) -> u32 {
        match self.engine.concurrency {
            Concurrency::Queue if self.engine.engine.has_queue() => self.engine.depth,
            Concurrency::Queue | Concurrency::Threads => 1,
        }
    }

    /// Checks every limit that can be checked without the host.
    ///
    /// # Errors
    /// All that is wrong, field by field.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut check = |ok: bool, field: &str, message: &dyn Fn() -> String| {
            if !ok {
                errors.push(FieldError::new(field, message()));
            }
        };
        let (work, engine) = (&self.workload, &self.engine);
        let depth_range = || format!("must be from 1 to {MAX_DEPTH}");
        check((1..=MAX_DEPTH).contains(&engine.depth), "engine.depth", &|| {
            format!("{} is out of range: depth {}", engine.depth, depth_range())
        });
        check(
            engine.submit_batch.is_none_or(|n| (1..=MAX_DEPTH).contains(&n)),
            "engine.submit_batch",
            &depth_range,
        );
        check((1..=MAX_DEPTH).contains(&engine.complete_batch), "engine.complete_batch", &depth_range);
        check(!engine.defer_taskrun || engine.single_issuer, "engine.defer_taskrun", &|| {
            "needs single_issuer: true (the kernel refuses one without the other)".into()
        });
        check(engine.engine.is_ring() || engine.ring_knobs().is_empty(), "engine.engine", &|| {
            format!("{} has no ring, so it cannot have {}", engine.engine, engine.ring_knobs().join(", "))
        });
        check(engine.engine.has_queue() || engine.queue_knobs().is_empty(), "engine.engine", &|| {
            format!("{} has no queue, so it cannot have {}", engine.engine, engine.queue_knobs().join(", "))
        });
        let pvsync2 = engine.engine == EngineKind::Pvsync2;
        check(pvsync2 || engine.pvsync2_knobs().is_empty(), "engine.engine", &|| {
            format!(
                "{} is not pvsync2, so it cannot have {}",
                engine.engine,
                engine.pvsync2_knobs().join(", ")
            )
        });
        check(!engine.hybrid_iopoll || engine.iopoll, "engine.hybrid_iopoll", &|| {
            "needs iopoll: true (it is a way of polling)".into()
        });
        check(!engine.iopoll || engine.engine == EngineKind::IoUring, "engine.iopoll", &|| {
            "needs engine: io_uring (a request that reaches no device cannot be polled for)".into()
        });
        check(!engine.iopoll || self.target.direct(), "engine.iopoll", &|| {
            "needs a target with direct: true (only a device can be polled)".into()
        });
        check(!engine.hipri || self.target.direct(), "engine.hipri", &|| {
            "needs a target with direct: true (only a device can be polled)".into()
        });
        check(!(engine.vectored && engine.fixed_buffers), "engine.vectored", &|| {
            "does not go with fixed_buffers: registered buffers are not read by readv".into()
        });
        if let Some(sqpoll) = engine.sqpoll {
            check(!engine.defer_taskrun, "engine.sqpoll", &|| {
                "does not go with defer_taskrun (the kernel refuses both together)".into()
            });
            check(!engine.coop_taskrun, "engine.sqpoll", &|| {
                "does not go with coop_taskrun (the kernel refuses both together)".into()
            });
            check(engine.depth <= MAX_DEPTH / 2, "engine.depth", &|| {
                format!("with sqpoll at most {} (the queue needs room for two batches)", MAX_DEPTH / 2)
            });
            let millis = sqpoll.idle.0 / 1_000_000;
            check(
                sqpoll.idle.0.is_multiple_of(1_000_000) && (1..=u64::from(u32::MAX)).contains(&millis),
                "engine.sqpoll",
                &|| format!("idle: {} is not a whole number of milliseconds, from 1ms on", sqpoll.idle),
            );
        }
        check(work.read_percent <= 100, "workload.read_percent", &|| {
            format!("{} is out of range: it is a percentage, from 0 to 100", work.read_percent)
        });
        check(work.zipf_theta > 0.0 && work.zipf_theta <= 10.0, "workload.zipf_theta", &|| {
            format!("{} is out of range: above 0, and at most 10", work.zipf_theta)
        });
        check(work.threads >= 1, "workload.threads", &|| "must be at least 1".into());
        check(self.workers() <= MAX_WORKERS, "workload.threads", &|| {
            format!(
                "comes to {} worker threads on one host; at most {MAX_WORKERS} are allowed",
                self.workers()
            )
        });
        let block = work.block_size.0;
        check(block >= SECTOR.0 && block % SECTOR.0 == 0, "workload.block_size", &|| {
            format!("{} is not a whole number of sectors of {SECTOR}", work.block_size)
        });
        let buffers = u128::from(self.workers()) * u128::from(self.depth_per_worker()) * u128::from(block);
        check(buffers <= u128::from(MAX_BUFFERS.0), "workload.block_size", &|| {
            format!("needs {} MiB of buffers; at most {MAX_BUFFERS} are allowed", buffers >> 20)
        });
        if let Cpus::List(list) = &work.cpus {
            check(!list.is_empty(), "workload.cpus", &|| {
                "is empty; write auto or a list such as [2, 3]".into()
            });
        }
        check(work.runtime >= MIN_SLICE, "workload.runtime", &|| {
            format!("{} is too short to measure; at least 10ms", work.runtime)
        });
        check(work.runtime.0 <= 86_400_000_000_000, "workload.runtime", &|| {
            format!("{} is longer than a day", work.runtime)
        });
        check(work.warmup.0 <= 3_600_000_000_000, "workload.warmup", &|| {
            format!("{} is longer than an hour", work.warmup)
        });
        check(work.interval >= MIN_SLICE, "workload.interval", &|| {
            format!("{} is too short; at least 10ms", work.interval)
        });
        if let Some(rate) = work.rate {
            check((1..=MAX_RATE).contains(&rate.per_second), "workload.rate", &|| {
                format!("{} a second is out of range: from 1 to {MAX_RATE}", rate.per_second)
            });
        }
        errors.extend(self.target.validate(work.block_size, work.read_percent < 100));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

mod rate {
    //! A number or a mapping, told apart without an untagged enum, which would lose the place of an error.

    use std::{borrow::Cow, fmt};

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{self, value::MapAccessDeserializer},
    };

    use super::{Arrival, Rate};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        /// Requests a second on each host, over all its workers.
        per_second: u64,
        /// How they follow one another.
        #[serde(default)]
        arrival: Arrival,
    }

    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Rate;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of requests a second, or {per_second: 10000, arrival: fixed|poisson}")
        }

        fn visit_u64<E: de::Error>(self, per_second: u64) -> Result<Rate, E> {
            Ok(Rate { per_second, arrival: Arrival::default() })
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Rate, A::Error> {
            let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
            Ok(Rate { per_second: fields.per_second, arrival: fields.arrival })
        }
    }

    impl<'de> Deserialize<'de> for Rate {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Visitor)
        }
    }

    impl Serialize for Rate {
        /// The number alone where it says all, so that a swept rate is shown as it is written.
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.arrival {
                Arrival::Fixed => serializer.serialize_u64(self.per_second),
                arrival => Fields { per_second: self.per_second, arrival }.serialize(serializer),
            }
        }
    }

    impl JsonSchema for Rate {
        fn schema_name() -> Cow<'static, str> {
            "Rate".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let fields = Fields::json_schema(generator);
            json_schema!({
                "description": "Requests a second on each host: a number, or with how they follow one another.",
                "oneOf": [{ "type": "integer", "minimum": 1 }, fields],
            })
        }
    }
}

mod cpus {
    //! `auto` or a list, told apart without an untagged enum, which would lose the place of an error.

    use std::{borrow::Cow, fmt};

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Cpus;

    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Cpus;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`auto` or a list of CPU numbers such as [2, 3]")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Cpus, E> {
            match text {
                "auto" => Ok(Cpus::Auto),
                _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Cpus, A::Error> {
            let mut list = Vec::new();
            while let Some(cpu) = seq.next_element()? {
                list.push(cpu);
            }
            Ok(Cpus::List(list))
        }
    }

    impl<'de> Deserialize<'de> for Cpus {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Visitor)
        }
    }

    impl Serialize for Cpus {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Auto => serializer.serialize_str("auto"),
                Self::List(list) => list.serialize(serializer),
            }
        }
    }

    impl JsonSchema for Cpus {
        fn schema_name() -> Cow<'static, str> {
            "Cpus".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "CPUs for the workers: auto, or a list such as [2, 3].",
                "oneOf": [
                    { "const": "auto" },
                    { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 0 } },
                ],
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> Trial {
        Trial {
            id: "t".into(),
            seed: 1,
            target: Target::File(FileTarget { size: ByteSize(1 << 20), direct: true }),
            workload: Workload::default(),
            engine: Engine::new(EngineKind::IoUring),
            measure: Measure::Timed,
        }
    }

    fn refused(change: impl FnOnce(&mut Trial)) -> String {
        let mut trial = trial();
        change(&mut trial);
        let errors = trial.validate().expect_err("must be refused");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_default_is_valid() {
        assert_eq!(trial().validate(), Ok(()));
    }

    #[test]
    fn limits_are_refused_by_field() {
        assert!(refused(|t| t.engine.depth = 0).starts_with("engine.depth: 0 is out of range"));
        assert!(refused(|t| t.engine.depth = 1_000_000).contains("from 1 to 32768"));
        assert!(refused(|t| t.engine.defer_taskrun = true).contains("single_issuer"));
        assert!(refused(|t| t.workload.block_size = ByteSize(1000)).contains("1000B"));
        assert!(refused(|t| t.workload.block_size = ByteSize(2 << 20)).contains("target.file.size"));
        assert!(refused(|t| t.workload.read_percent = 101).contains("percentage"));
        assert!(refused(|t| t.workload.threads = 0).contains("workload.threads"));
        assert!(refused(|t| t.workload.cpus = Cpus::List(vec![])).contains("workload.cpus"));
        assert!(refused(|t| t.workload.runtime = Nanos(1)).contains("too short"));
        assert!(
            refused(|t| {
                t.engine.concurrency = Concurrency::Threads;
                t.engine.depth = 2000;
            })
            .contains("2000 worker threads")
        );
        assert!(
            refused(|t| {
                t.engine = Engine { fixed_files: true, ..Engine::new(EngineKind::Psync) };
            })
            .contains("has no ring, so it cannot have fixed_files")
        );
        assert!(
            refused(|t| {
                t.target = Target::Path(PathTarget { path: "x".into(), direct: true });
                t.workload.read_percent = 50;
            })
            .contains("only read")
        );
    }

    #[test]
    fn threads_turn_depth_into_workers() {
        let mut trial = trial();
        trial.engine =
            Engine { depth: 8, concurrency: Concurrency::Threads, ..Engine::new(EngineKind::Psync) };
        assert_eq!((trial.workers(), trial.depth_per_worker()), (8, 1));
        trial.engine.concurrency = Concurrency::Queue;
        assert_eq!((trial.workers(), trial.depth_per_worker()), (1, 1), "psync cannot queue");
        trial.engine.engine = EngineKind::IoUring;
        assert_eq!((trial.workers(), trial.depth_per_worker()), (1, 8));
    }

    #[test]
    fn options_read_back_as_written() {
        let mut trial = trial();
        trial.workload.cpus = Cpus::List(vec![1, 2]);
        trial.workload.rate = Some(Rate { per_second: 5, arrival: Arrival::Poisson });
        let text = serde_json::to_string(&trial).unwrap();
        assert_eq!(serde_json::from_str::<Trial>(&text).unwrap(), trial);
    }
}
