//! A fully resolved trial: what one cell's execution asks of a host. Both ends check the same limits.
//!
//! The option blocks here ([`Workload`], [`Engine`]) are also what a scenario is written in, so that every
//! option exists once: its name in YAML is its name here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::{
    engine::{Concurrency, Engine, EngineKind, Fallback, IowqWorkers, Sharing, Sqpoll},
    target::{Cache, DeviceTarget, FileTarget, PathTarget, RamdiskKind, RamdiskTarget, Target},
    urgent::{Share, Urgent, UrgentBy},
    workload::{
        Arrival, BlockSizes, Cpus, MAX_SIZES, MAX_SYNC_EVERY, Pattern, Rate, Sync, SyncCall, Workload,
    },
};
use crate::{
    payload::Payload,
    units::{ByteSize, Nanos},
    workload::MIN_SLICE,
};

/// The largest depth: what one io_uring can have in its submission queue (`IORING_MAX_ENTRIES`).
pub const MAX_DEPTH: u32 = 32_768;
/// The most worker threads on one host.
pub const MAX_WORKERS: u32 = 1024;
/// The most memory for the buffers of one trial.
pub const MAX_BUFFERS: ByteSize = ByteSize(8 << 30);
/// The largest block: what can be registered with a ring as one buffer.
pub const MAX_BLOCK: ByteSize = ByteSize(1 << 30);
/// The longest interval: its counters are 32 bits wide, which the fastest engine fills in about a minute.
pub const MAX_INTERVAL: Nanos = Nanos(60_000_000_000);
/// The longest name of a run or a trial, in bytes.
pub const MAX_NAME: usize = 1024;
/// The highest rate of arrival in open loop, in requests a second.
pub const MAX_RATE: u64 = 100_000_000;
/// The most blocks of a target that is verified: each has a count of its writes, of 4 bytes, in memory.
pub const MAX_VERIFIED: u64 = 64 << 20;
/// The longest busy wait before an operation: a whole queue of them must not keep a worker from its end for long.
pub const MAX_BUSY_WAIT: Nanos = Nanos(1_000_000);
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

// Its limits are those of [`Trial::validate`], which reports all of them.
impl Payload for Trial {}

/// Whether a trial is for timings or for counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// No probe is armed; the engine counts its own system calls.
    Timed,
    /// System calls are counted by perf too. Counting slows them: no timing comes from here.
    Audit,
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

    /// Requests that all workers together may have in one ring; `None` where each has a ring of its own.
    #[must_use]
    pub fn shared_depth(&self) -> Option<u32> {
        let shared = self.engine.ring != Sharing::PerThread;
        shared.then(|| self.workers().saturating_mul(self.depth_per_worker()))
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
        for (asked, knob) in [
            (engine.fixed_files, "fixed_files"),
            (engine.fixed_buffers, "fixed_buffers"),
            (engine.vectored, "vectored"),
        ] {
            check(!asked || engine.engine != EngineKind::Nop, &format!("engine.{knob}"), &|| {
                "does not go with engine: nop (its requests have neither a file nor memory)".into()
            });
        }
        check(!engine.hybrid_iopoll || engine.iopoll, "engine.hybrid_iopoll", &|| {
            "needs iopoll: true (it is a way of polling)".into()
        });
        let reaches_device = matches!(engine.engine, EngineKind::IoUring | EngineKind::Nvme);
        check(!engine.iopoll || reaches_device, "engine.iopoll", &|| {
            "needs engine: io_uring or nvme (a request that reaches no device cannot be polled for)".into()
        });
        if engine.engine == EngineKind::Nvme {
            let device = matches!(self.target, Target::Device(_));
            check(device, "engine.engine", &|| {
                "nvme needs `target: {device: {path: /dev/nvme0n1, serial: ..}}` (its commands go to a namespace \
                 of an NVMe drive, which has no files)"
                    .into()
            });
            check(!device || self.target.direct(), "target.device.direct", &|| {
                "must be true for engine: nvme (its commands know no page cache)".into()
            });
            check(engine.ring == Sharing::PerThread, "engine.ring", &|| {
                "must be per_thread for engine: nvme (rings that threads share have no commands)".into()
            });
            check(!engine.vectored, "engine.vectored", &|| {
                "does not go with engine: nvme (a command names one piece of memory)".into()
            });
            check(!engine.hybrid_iopoll, "engine.hybrid_iopoll", &|| {
                "does not go with engine: nvme (rings with large entries are set up without it); iopoll does"
                    .into()
            });
        }
        let polled = self.target.direct() || engine.fallback == Fallback::Allow;
        for (asked, field) in [(engine.iopoll, "engine.iopoll"), (engine.hipri, "engine.hipri")] {
            check(!asked || polled, field, &|| {
                "needs a target with direct: true (only a device can be polled), or `fallback: allow` to run \
                 with interrupts"
                    .into()
            });
        }
        check(!(engine.vectored && engine.fixed_buffers), "engine.vectored", &|| {
            "does not go with fixed_buffers: registered buffers are not read by readv".into()
        });
        check(engine.busy_wait.is_none_or(|wait| wait <= MAX_BUSY_WAIT), "engine.busy_wait", &|| {
            format!("is longer than {MAX_BUSY_WAIT}: it is waited for each operation; 0ns is none")
        });
        if engine.ring == Sharing::Shared {
            // defer_taskrun without single_issuer is refused above.
            let field = if engine.defer_taskrun { "engine.defer_taskrun" } else { "engine.single_issuer" };
            check(!engine.single_issuer && !engine.defer_taskrun, field, &|| {
                "does not go with ring: shared, where every worker submits; ring: combiner may have it".into()
            });
            check(!engine.registered_ring, "engine.registered_ring", &|| {
                "does not go with ring: shared (a ring is registered for one thread); ring: combiner may have it"
                    .into()
            });
        }
        if let Some(depth) = self.shared_depth() {
            let most = if engine.sqpoll.is_some() { MAX_DEPTH / 2 } else { MAX_DEPTH };
            check(depth <= most, "engine.depth", &|| {
                format!(
                    "{} for each of {} workers is {depth} in one ring; at most {most} with ring: {}",
                    self.depth_per_worker(),
                    self.workers(),
                    engine.ring.as_str()
                )
            });
        }
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
        self.check_sizes(&mut check);
        self.check_sync(&mut check);
        self.check_verify(&mut check);
        self.check_urgent(&mut check);
        if let Cpus::List(list) = &work.cpus {
            check(!list.is_empty(), "workload.cpus", &|| {
                "is empty; write auto or a list such as [2, 3]".into()
            });
            check(list.len() <= MAX_WORKERS as usize, "workload.cpus", &|| {
                format!("has {} entries; at most {MAX_WORKERS} workers could use them", list.len())
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
        check(work.interval <= MAX_INTERVAL, "workload.interval", &|| {
            format!("{} is too long to count in; at most {MAX_INTERVAL}", work.interval)
        });
        if let Some(rate) = work.rate {
            check((1..=MAX_RATE).contains(&rate.per_second), "workload.rate", &|| {
                format!("{} a second is out of range: from 1 to {MAX_RATE}", rate.per_second)
            });
        }
        let writes = match self.target {
            // Why such a target is not verified is said already.
            Target::Path(_) => work.read_percent < 100,
            _ => work.writes(),
        };
        errors.extend(self.target.validate(work.block_size.largest(), writes));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Whether a text can name a run or a trial in logs, in messages and with every event.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{refused, trial};

    #[test]
    fn the_default_is_valid() {
        assert_eq!(trial().validate(), Ok(()));
    }

    #[test]
    fn limits_are_refused_by_field() {
        assert!(refused(|t| t.engine.depth = 0).starts_with("engine.depth: 0 is out of range"));
        assert!(refused(|t| t.engine.depth = 1_000_000).contains("from 1 to 32768"));
        assert!(refused(|t| t.engine.defer_taskrun = true).contains("single_issuer"));
        assert!(refused(|t| t.workload.block_size = ByteSize(1000).into()).contains("1000B"));
        assert!(refused(|t| t.workload.block_size = ByteSize(2 << 20).into()).contains("target.file.size"));
        assert!(refused(|t| t.engine.busy_wait = Some(Nanos(1_000_001))).contains("longer than 1ms"));
        assert!(refused(|t| t.workload.read_percent = 101).contains("percentage"));
        assert!(refused(|t| t.workload.threads = 0).contains("workload.threads"));
        assert!(refused(|t| t.workload.cpus = Cpus::List(vec![])).contains("workload.cpus"));
        assert!(refused(|t| t.workload.runtime = Nanos(1)).contains("too short"));
        assert!(refused(|t| t.workload.interval = Nanos(61_000_000_000)).contains("at most 60s"));
        assert!(refused(|t| t.workload.block_size = ByteSize(2 << 30).into()).contains("at most 1GiB"));
        assert!(refused(|t| t.workload.cpus = Cpus::List(vec![0; 1025])).contains("1025 entries"));
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
                t.engine = Engine { ring: Sharing::Combiner, ..Engine::new(EngineKind::Libaio) };
            })
            .contains("has no ring, so it cannot have ring")
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
    fn nvme_needs_a_drive_and_knobs_that_commands_have() {
        let device = |direct| {
            let (path, serial) = ("/dev/nvme0n1".to_owned(), "S".to_owned());
            Target::Device(DeviceTarget { path, serial, destroy: None, direct })
        };
        let mut valid = trial();
        valid.target = device(true);
        valid.engine = Engine {
            depth: 32,
            submit_batch: Some(8),
            complete_batch: 8,
            fixed_files: true,
            fixed_buffers: true,
            single_issuer: true,
            defer_taskrun: true,
            registered_ring: true,
            no_sqarray: true,
            iopoll: true,
            force_async: true,
            iowq_workers: Some(IowqWorkers::default()),
            ..Engine::new(EngineKind::Nvme)
        };
        assert_eq!(valid.validate(), Ok(()));
        let refused = |target: Target, change: fn(&mut Engine)| {
            refused(|t| {
                (t.target, t.engine) = (target, Engine::new(EngineKind::Nvme));
                change(&mut t.engine);
            })
        };
        let file = Target::File(FileTarget::new(ByteSize(1 << 20), true));
        assert!(refused(file, |_| ()).starts_with("engine.engine: nvme needs `target: {device:"));
        assert!(refused(device(false), |_| ()).starts_with("target.device.direct: must be true"));
        assert!(refused(device(true), |e| e.vectored = true).starts_with("engine.vectored: "));
        let hybrid = refused(device(true), |e| (e.iopoll, e.hybrid_iopoll) = (true, true));
        assert!(hybrid.starts_with("engine.hybrid_iopoll: "), "{hybrid}");
        let shared = refused(device(true), |e| e.ring = Sharing::Combiner);
        assert!(shared.starts_with("engine.ring: must be per_thread"), "{shared}");
        assert!(refused(device(true), |e| e.hipri = true).contains("cannot have hipri"));
    }

    #[test]
    fn one_ring_for_all_has_limits_of_its_own() {
        let with = |ring, change: fn(&mut Trial)| {
            let mut trial = trial();
            (trial.engine.ring, trial.workload.threads) = (ring, 4);
            change(&mut trial);
            let errors = trial.validate().err().unwrap_or_default();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let tuned = |t: &mut Trial| (t.engine.single_issuer, t.engine.defer_taskrun) = (true, true);
        let why = with(Sharing::Shared, tuned);
        assert!(why.starts_with("engine.defer_taskrun: ") && why.contains("every worker submits"), "{why}");
        let why = with(Sharing::Shared, |t| t.engine.single_issuer = true);
        assert!(why.starts_with("engine.single_issuer: "), "{why}");
        let why = with(Sharing::Shared, |t| t.engine.registered_ring = true);
        assert!(why.starts_with("engine.registered_ring: "), "{why}");
        assert_eq!(with(Sharing::Combiner, tuned), "");
        assert_eq!(with(Sharing::Combiner, |t| t.engine.registered_ring = true), "");

        assert_eq!(with(Sharing::Shared, |t| t.engine.depth = 8192), "");
        let why = with(Sharing::Shared, |t| t.engine.depth = 8193);
        assert!(why.starts_with("engine.depth: 8193 for each of 4 workers is 32772 in one ring"), "{why}");
        let why =
            with(Sharing::Combiner, |t| (t.engine.depth, t.engine.sqpoll) = (8192, Some(Sqpoll::default())));
        assert!(why.contains("at most 16384 with ring: combiner"), "{why}");
        assert_eq!(with(Sharing::PerThread, |t| t.engine.depth = 8193), "");
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
        trial.workload.block_size = BlockSizes::new(vec![(ByteSize(4096), 70), (ByteSize(512), 30)]);
        trial.workload.sync = Some(Sync { every: 3, call: SyncCall::Fsync });
        trial.workload.verify = true;
        let text = serde_json::to_string(&trial).unwrap();
        assert_eq!(serde_json::from_str::<Trial>(&text).unwrap(), trial);
    }
}
