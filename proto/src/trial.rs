//! A fully resolved trial: one execution of a cell on a host. Both ends check the same limits.
//!
//! Scenarios use the same types ([`Workload`], [`Engine`]), so that every option exists once: its name in YAML is its name
//! here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::{
    engine::{
        CallFlags, Concurrency, Engine, EngineKind, Fallback, IowqWorkers, QueueOptions, RingOptions,
        Sharing, Sqpoll,
    },
    limits::{
        MAX_BLOCK, MAX_BUFFERS, MAX_BUSY_WAIT, MAX_DEPTH, MAX_INTERVAL, MAX_NAME, MAX_PATH, MAX_RATE,
        MAX_SIZES, MAX_VERIFIED, MAX_WORKERS, SECTOR,
    },
    rule::{FieldError, Rule, SizesProblem},
    target::{Cache, DeviceTarget, FileTarget, PathTarget, RamdiskKind, RamdiskTarget, Target},
    urgent::{Share, Urgent, UrgentBy},
    workload::{Arrival, BlockSizes, Cpus, MAX_SYNC_EVERY, Pattern, Rate, Sync, SyncCall, Workload},
};
use crate::{payload::Payload, series::Lane, units::ByteSize};

/// One execution of a cell, fully resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Unique within a run.
    pub id: String,
    /// Determines every offset and the mix of operations.
    pub seed: u64,
    /// The target of the I/O.
    pub target: Target,
    /// The I/O pattern.
    pub workload: Workload,
    /// The engine and its options.
    pub engine: Engine,
    /// Whether probes are armed.
    pub measure: Measure,
}

// Its limits are those of [`Trial::validate`], which reports all of them.
impl Payload for Trial {}

/// Whether a trial measures times or counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// No probe is armed; the engine counts its own system calls.
    Timed,
    /// perf counts system calls too. That slows them, so no timings are taken.
    Audit,
}

impl Trial {
    /// The number of worker threads.
    #[must_use]
    pub fn workers(&self) -> u32 {
        match self.engine.queue.concurrency {
            Concurrency::Queue => self.workload.threads,
            Concurrency::Threads => self.workload.threads.saturating_mul(self.engine.queue.depth),
        }
    }

    /// Requests that one worker keeps in flight, which depends on the engine.
    #[must_use]
    pub fn depth_per_worker(&self) -> u32 {
        match self.engine.queue.concurrency {
            Concurrency::Queue if self.engine.kind.has_queue() => self.engine.queue.depth,
            Concurrency::Queue | Concurrency::Threads => 1,
        }
    }

    /// Requests that all workers together may have in one ring; `None` if each has its own.
    #[must_use]
    pub fn shared_depth(&self) -> Option<u32> {
        let shared = self.engine.ring.sharing != Sharing::PerThread;
        shared.then(|| self.workers().saturating_mul(self.depth_per_worker()))
    }
}

/// Whether a text is a valid name of a run or a trial.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Trial {
    /// The largest block of a lane's operations.
    #[must_use]
    pub fn largest_block(&self, lane: Lane) -> ByteSize {
        self.block_size_of(lane).unwrap_or(self.workload.block_size.largest())
    }

    /// The largest size of which every offset and length is a multiple.
    #[must_use]
    pub fn block_unit(&self) -> ByteSize {
        // Every other size is a multiple of the urgent lane's.
        self.block_size_of(Lane::Urgent).unwrap_or(self.workload.block_size.unit())
    }

    /// The block size of a lane's operations if they do not use the workload's.
    #[must_use]
    pub fn block_size_of(&self, lane: Lane) -> Option<ByteSize> {
        self.engine.urgent.filter(|_| lane == Lane::Urgent)?.block_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{refused, trial};
    use crate::units::Nanos;

    #[test]
    fn accepts_the_default() {
        assert_eq!(trial().validate(), Ok(()));
    }

    #[test]
    fn refuses_values_outside_limits_by_field() {
        assert!(refused(|t| t.engine.queue.depth = 0).starts_with("engine.depth: 0 is out of range"));
        assert!(refused(|t| t.engine.queue.depth = 1_000_000).contains("from 1 to 32768"));
        assert!(refused(|t| t.engine.ring.defer_taskrun = true).contains("single_issuer"));
        assert!(refused(|t| t.workload.block_size = ByteSize(1000).into()).contains("1000B"));
        assert!(refused(|t| t.workload.block_size = ByteSize(2 << 20).into()).contains("target.file.size"));
        assert!(
            refused(|t| t.engine.busy_wait = Some(Nanos(1_000_001)))
                .contains("1000001ns is out of range: from")
        );
        assert!(refused(|t| t.workload.read_percent = 101).contains("101 percent is out of range"));
        assert!(refused(|t| t.workload.threads = 0).contains("workload.threads"));
        assert!(refused(|t| t.workload.cpus = Cpus::List(vec![])).contains("workload.cpus"));
        assert!(refused(|t| t.workload.runtime = Nanos(1)).contains("from 10ms to 86400s"));
        assert!(refused(|t| t.workload.interval = Nanos(61_000_000_000)).contains("from 10ms to 60s"));
        assert!(refused(|t| t.workload.block_size = ByteSize(2 << 30).into()).contains("to 1GiB"));
        assert!(refused(|t| t.workload.cpus = Cpus::List(vec![0; 1025])).contains("1025 entries"));
        assert!(
            refused(|t| {
                t.engine.queue.concurrency = Concurrency::Threads;
                t.engine.queue.depth = 2000;
            })
            .contains("2000 worker threads")
        );
        assert!(
            refused(|t| {
                t.engine = Engine {
                    ring: RingOptions { fixed_files: true, ..RingOptions::default() },
                    ..Engine::new(EngineKind::Psync)
                };
            })
            .contains("has no ring, so it cannot have fixed_files")
        );
        assert!(
            refused(|t| {
                t.engine = Engine {
                    ring: RingOptions { sharing: Sharing::Combiner, ..RingOptions::default() },
                    ..Engine::new(EngineKind::Libaio)
                };
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
    fn refuses_nvme_without_a_drive_and_with_options_of_other_engines() {
        let device = |direct| {
            let (path, serial) = ("/dev/nvme0n1".to_owned(), "S".to_owned());
            Target::Device(DeviceTarget { path, serial, destroy: None, direct })
        };
        let mut valid = trial();
        valid.target = device(true);
        valid.engine = Engine {
            queue: QueueOptions {
                depth: 32,
                submit_batch: Some(8),
                complete_batch: 8,
                ..QueueOptions::default()
            },
            ring: RingOptions {
                fixed_files: true,
                fixed_buffers: true,
                single_issuer: true,
                defer_taskrun: true,
                registered_ring: true,
                no_sqarray: true,
                iopoll: true,
                force_async: true,
                iowq_workers: Some(IowqWorkers::default()),
                ..RingOptions::default()
            },
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
        assert!(refused(file, |_| ()).starts_with("engine.engine: needs target: {device:"));
        assert!(refused(device(false), |_| ()).starts_with("target.device.direct: needs direct: true"));
        assert!(refused(device(true), |e| e.ring.vectored = true).starts_with("engine.vectored: "));
        let hybrid = refused(device(true), |e| (e.ring.iopoll, e.ring.hybrid_iopoll) = (true, true));
        assert!(hybrid.starts_with("engine.hybrid_iopoll: "), "{hybrid}");
        let shared = refused(device(true), |e| e.ring.sharing = Sharing::Combiner);
        assert!(shared.starts_with("engine.ring: nvme cannot share its ring"), "{shared}");
        assert!(refused(device(true), |e| e.calls.hipri = true).contains("cannot have hipri"));
    }

    #[test]
    fn refuses_options_that_exclude_a_shared_ring() {
        let with = |ring, change: fn(&mut Trial)| {
            let mut trial = trial();
            (trial.engine.ring.sharing, trial.workload.threads) = (ring, 4);
            change(&mut trial);
            let errors = trial.validate().err().unwrap_or_default();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let tuned = |t: &mut Trial| (t.engine.ring.single_issuer, t.engine.ring.defer_taskrun) = (true, true);
        let why = with(Sharing::Shared, tuned);
        assert!(
            why.contains("engine.single_issuer: cannot") && why.contains("engine.defer_taskrun: cannot"),
            "{why}"
        );
        let why = with(Sharing::Shared, |t| t.engine.ring.single_issuer = true);
        assert!(why.starts_with("engine.single_issuer: "), "{why}");
        let why = with(Sharing::Shared, |t| t.engine.ring.registered_ring = true);
        assert!(why.starts_with("engine.registered_ring: "), "{why}");
        assert_eq!(with(Sharing::Combiner, tuned), "");
        assert_eq!(with(Sharing::Combiner, |t| t.engine.ring.registered_ring = true), "");

        assert_eq!(with(Sharing::Shared, |t| t.engine.queue.depth = 8192), "");
        let why = with(Sharing::Shared, |t| t.engine.queue.depth = 8193);
        assert!(why.starts_with("engine.depth: 8193 for each of 4 workers makes 32772 in one ring"), "{why}");
        let why = with(Sharing::Combiner, |t| {
            (t.engine.queue.depth, t.engine.ring.sqpoll) = (8192, Some(Sqpoll::default()))
        });
        assert!(why.contains("at most 16384 with ring: combiner"), "{why}");
        assert_eq!(with(Sharing::PerThread, |t| t.engine.queue.depth = 8193), "");
    }

    #[test]
    fn concurrency_threads_turns_depth_into_workers() {
        let mut trial = trial();
        trial.engine = Engine {
            queue: QueueOptions { depth: 8, concurrency: Concurrency::Threads, ..QueueOptions::default() },
            ..Engine::new(EngineKind::Psync)
        };
        assert_eq!((trial.workers(), trial.depth_per_worker()), (8, 1));
        trial.engine.queue.concurrency = Concurrency::Queue;
        assert_eq!((trial.workers(), trial.depth_per_worker()), (1, 1), "psync cannot queue");
        trial.engine.kind = EngineKind::IoUring;
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
