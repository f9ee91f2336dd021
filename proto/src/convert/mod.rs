//! Wire to domain and back. What comes off the wire is checked; a refusal names the field by its path.

/// Pairs a message of plain numbers with its domain twin, in both directions.
macro_rules! same_fields {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl From<$name> for wire::$name {
            fn from(counts: $name) -> Self {
                Self { $($field: counts.$field),+ }
            }
        }

        impl From<wire::$name> for $name {
            fn from(counts: wire::$name) -> Self {
                Self { $($field: counts.$field),+ }
            }
        }
    };
}

mod noise;
mod outcome;

use crate::{
    outcome::Direction,
    trial::{
        Arrival, BlockSizes, Cache, Concurrency, Cpus, DeviceTarget, Engine, EngineKind, Fallback,
        FieldError, FileTarget, IowqWorkers, MAX_NAME, Measure, PathTarget, Pattern, RamdiskKind,
        RamdiskTarget, Rate, Share, Sharing, Sqpoll, Sync, SyncCall, Target, Trial, Urgent, UrgentBy,
        Workload, is_name,
    },
    units::{ByteSize, Nanos},
    wire,
};

/// Pairs a domain enum with its wire twin, in both directions. The wire's zero, and any number that this
/// release does not know, is refused.
macro_rules! enum_pairs {
    ($domain:ty, $wire:ty, $field:literal, { $($variant:ident),+ $(,)? }) => {
        impl From<$domain> for i32 {
            fn from(value: $domain) -> i32 {
                match value {
                    $(<$domain>::$variant => <$wire>::$variant as i32,)+
                }
            }
        }

        impl FromWire for $domain {
            fn from_wire(value: i32) -> Result<Self, FieldError> {
                match <$wire>::try_from(value) {
                    $(Ok(<$wire>::$variant) => Ok(<$domain>::$variant),)+
                    _ => Err(FieldError::new($field, format!("{value} is not known to this release"))),
                }
            }
        }
    };
}

trait FromWire: Sized {
    fn from_wire(value: i32) -> Result<Self, FieldError>;
}

enum_pairs!(Measure, wire::Measure, "measure", { Timed, Audit });
enum_pairs!(Pattern, wire::workload::Pattern, "workload.pattern", { Random, Sequential, Zipf });
enum_pairs!(Arrival, wire::rate::Arrival, "workload.rate", { Fixed, Poisson });
enum_pairs!(EngineKind, wire::engine::Kind, "engine.engine", { Null, Nop, Psync, Pvsync2, Libaio, IoUring, Nvme });
enum_pairs!(Concurrency, wire::engine::Concurrency, "engine.concurrency", { Queue, Threads });
enum_pairs!(Sharing, wire::engine::Sharing, "engine.ring", { PerThread, Shared, Combiner });
enum_pairs!(RamdiskKind, wire::ramdisk_target::Kind, "target.ramdisk.kind", {
    Auto, Tmpfs, Zram, Loop, Brd, NullBlk
});
enum_pairs!(Direction, wire::series::Direction, "series.direction", {
    Read, Write, Sync, UrgentRead, UrgentWrite
});
enum_pairs!(UrgentBy, wire::urgent::By, "engine.urgent", { None, Ioprio, SeparateRing, IosqeUrgent });
enum_pairs!(SyncCall, wire::sync::Call, "workload.sync", { Fdatasync, Fsync });

fn required<T>(value: Option<T>, field: &str) -> Result<T, FieldError> {
    value.ok_or_else(|| FieldError::new(field, "is missing"))
}

impl From<&Trial> for wire::Trial {
    fn from(trial: &Trial) -> Self {
        Self {
            id: trial.id.clone(),
            seed: trial.seed,
            target: Some((&trial.target).into()),
            workload: Some((&trial.workload).into()),
            engine: Some((&trial.engine).into()),
            measure: trial.measure.into(),
        }
    }
}

impl TryFrom<wire::Trial> for Trial {
    type Error = Vec<FieldError>;

    /// Also checks the limits of [`Trial::validate`]: an agent trusts no coordinator.
    fn try_from(trial: wire::Trial) -> Result<Self, Self::Error> {
        let read = || -> Result<Self, FieldError> {
            Ok(Self {
                id: trial.id,
                seed: trial.seed,
                target: required(trial.target, "target")?.try_into()?,
                workload: required(trial.workload, "workload")?.try_into()?,
                engine: required(trial.engine, "engine")?.try_into()?,
                measure: Measure::from_wire(trial.measure)?,
            })
        };
        let trial = read().map_err(|error| vec![error])?;
        trial.validate()?;
        // Not among the limits that a scenario meets: it has no word for it.
        if !is_name(&trial.id) {
            let message = format!("must be printable, and have 1 to {MAX_NAME} bytes");
            return Err(vec![FieldError::new("id", message)]);
        }
        Ok(trial)
    }
}

impl From<&Target> for wire::Target {
    fn from(target: &Target) -> Self {
        match target {
            Target::File(file) => Self {
                file: Some(wire::FileTarget {
                    size_bytes: file.size.0,
                    direct: file.direct,
                    cold: file.cache == Cache::Cold,
                }),
                ..Self::default()
            },
            Target::Path(path) => Self {
                path: Some(wire::PathTarget { path: path.path.clone(), direct: path.direct }),
                ..Self::default()
            },
            Target::Ramdisk(disk) => Self {
                ramdisk: Some(wire::RamdiskTarget {
                    size_bytes: disk.size.0,
                    kind: disk.kind.into(),
                    direct: disk.direct,
                    poll_queues: disk.poll_queues,
                    completion_ns: disk.completion.map(|completion| completion.0),
                    memory_backed: disk.memory_backed,
                }),
                ..Self::default()
            },
            Target::Device(device) => Self {
                device: Some(wire::DeviceTarget {
                    path: device.path.clone(),
                    serial: device.serial.clone(),
                    destroy: device.destroy.clone(),
                    direct: device.direct,
                }),
                ..Self::default()
            },
        }
    }
}

impl TryFrom<wire::Target> for Target {
    type Error = FieldError;

    fn try_from(target: wire::Target) -> Result<Self, FieldError> {
        match (target.file, target.path, target.ramdisk, target.device) {
            (Some(file), None, None, None) => {
                let cache = if file.cold { Cache::Cold } else { Cache::Warm };
                Ok(Self::File(FileTarget { size: ByteSize(file.size_bytes), direct: file.direct, cache }))
            }
            (None, Some(path), None, None) => {
                Ok(Self::Path(PathTarget { path: path.path, direct: path.direct }))
            }
            (None, None, Some(disk), None) => Ok(Self::Ramdisk(RamdiskTarget {
                size: ByteSize(disk.size_bytes),
                kind: RamdiskKind::from_wire(disk.kind)?,
                direct: disk.direct,
                poll_queues: disk.poll_queues,
                completion: disk.completion_ns.map(Nanos),
                memory_backed: disk.memory_backed,
            })),
            (None, None, None, Some(device)) => Ok(Self::Device(DeviceTarget {
                path: device.path,
                serial: device.serial,
                destroy: device.destroy,
                direct: device.direct,
            })),
            _ => Err(FieldError::new("target", "must be exactly one of file, path, ramdisk and device")),
        }
    }
}

impl From<&Workload> for wire::Workload {
    fn from(workload: &Workload) -> Self {
        Self {
            pattern: workload.pattern.into(),
            read_percent: workload.read_percent,
            block_size_bytes: workload.block_size.single().map_or(0, |size| size.0),
            block_sizes: match workload.block_size.single() {
                Some(_) => Vec::new(),
                None => workload
                    .block_size
                    .parts()
                    .iter()
                    .map(|(size, percent)| wire::SizeShare { size_bytes: size.0, percent: *percent })
                    .collect(),
            },
            sync: workload.sync.map(|sync| wire::Sync { every: sync.every, call: sync.call.into() }),
            verify: workload.verify,
            threads: workload.threads,
            cpus: match &workload.cpus {
                Cpus::Auto => Vec::new(),
                Cpus::List(list) => list.clone(),
            },
            warmup_ns: workload.warmup.0,
            runtime_ns: workload.runtime.0,
            interval_ns: workload.interval.0,
            zipf_theta: workload.zipf_theta,
            rate: workload
                .rate
                .map(|rate| wire::Rate { per_second: rate.per_second, arrival: rate.arrival.into() }),
        }
    }
}

impl TryFrom<wire::Workload> for Workload {
    type Error = FieldError;

    fn try_from(workload: wire::Workload) -> Result<Self, FieldError> {
        Ok(Self {
            pattern: Pattern::from_wire(workload.pattern)?,
            read_percent: workload.read_percent,
            block_size: match workload.block_sizes.as_slice() {
                [] => ByteSize(workload.block_size_bytes).into(),
                parts => BlockSizes::new(
                    parts.iter().map(|part| (ByteSize(part.size_bytes), part.percent)).collect(),
                ),
            },
            sync: match workload.sync {
                Some(sync) => Some(Sync { every: sync.every, call: SyncCall::from_wire(sync.call)? }),
                None => None,
            },
            verify: workload.verify,
            threads: workload.threads,
            cpus: if workload.cpus.is_empty() { Cpus::Auto } else { Cpus::List(workload.cpus) },
            warmup: Nanos(workload.warmup_ns),
            runtime: Nanos(workload.runtime_ns),
            interval: Nanos(workload.interval_ns),
            zipf_theta: workload.zipf_theta,
            rate: match workload.rate {
                Some(rate) => {
                    Some(Rate { per_second: rate.per_second, arrival: Arrival::from_wire(rate.arrival)? })
                }
                None => None,
            },
        })
    }
}

impl From<&Engine> for wire::Engine {
    fn from(engine: &Engine) -> Self {
        Self {
            kind: engine.engine.into(),
            depth: engine.depth,
            concurrency: engine.concurrency.into(),
            submit_batch: engine.submit_batch.unwrap_or(0),
            complete_batch: engine.complete_batch,
            fixed_files: engine.fixed_files,
            fixed_buffers: engine.fixed_buffers,
            single_issuer: engine.single_issuer,
            defer_taskrun: engine.defer_taskrun,
            coop_taskrun: engine.coop_taskrun,
            fallback_allowed: engine.fallback == Fallback::Allow,
            registered_ring: engine.registered_ring,
            no_sqarray: engine.no_sqarray,
            sqpoll: engine.sqpoll.map(|sqpoll| wire::Sqpoll {
                cpu: sqpoll.cpu,
                idle_ns: sqpoll.idle.0,
                shared: sqpoll.shared,
            }),
            iopoll: engine.iopoll,
            hybrid_iopoll: engine.hybrid_iopoll,
            force_async: engine.force_async,
            vectored: engine.vectored,
            iowq_workers: engine
                .iowq_workers
                .map(|limits| wire::IowqWorkers { bounded: limits.bounded, unbounded: limits.unbounded }),
            hipri: engine.hipri,
            nowait: engine.nowait,
            ring: engine.ring.into(),
            link_sync: engine.link_sync,
            busy_wait_ns: engine.busy_wait_ns().unwrap_or(0),
            urgent: engine.urgent.map(|urgent| wire::Urgent {
                share_ppm: urgent.share.0,
                by: urgent.by.into(),
                block_size_bytes: urgent.block_size.map(|size| size.0),
            }),
        }
    }
}

impl TryFrom<wire::Engine> for Engine {
    type Error = FieldError;

    fn try_from(engine: wire::Engine) -> Result<Self, FieldError> {
        Ok(Self {
            engine: EngineKind::from_wire(engine.kind)?,
            depth: engine.depth,
            concurrency: Concurrency::from_wire(engine.concurrency)?,
            submit_batch: (engine.submit_batch != 0).then_some(engine.submit_batch),
            complete_batch: engine.complete_batch,
            fixed_files: engine.fixed_files,
            fixed_buffers: engine.fixed_buffers,
            single_issuer: engine.single_issuer,
            defer_taskrun: engine.defer_taskrun,
            coop_taskrun: engine.coop_taskrun,
            registered_ring: engine.registered_ring,
            no_sqarray: engine.no_sqarray,
            sqpoll: engine.sqpoll.map(|sqpoll| Sqpoll {
                cpu: sqpoll.cpu,
                idle: Nanos(sqpoll.idle_ns),
                shared: sqpoll.shared,
            }),
            iopoll: engine.iopoll,
            hybrid_iopoll: engine.hybrid_iopoll,
            force_async: engine.force_async,
            vectored: engine.vectored,
            iowq_workers: engine
                .iowq_workers
                .map(|limits| IowqWorkers { bounded: limits.bounded, unbounded: limits.unbounded }),
            hipri: engine.hipri,
            nowait: engine.nowait,
            ring: Sharing::from_wire(engine.ring)?,
            link_sync: engine.link_sync,
            busy_wait: (engine.busy_wait_ns != 0).then_some(Nanos(engine.busy_wait_ns)),
            urgent: match engine.urgent {
                Some(urgent) => Some(Urgent {
                    share: Share(urgent.share_ppm),
                    by: UrgentBy::from_wire(urgent.by)?,
                    block_size: urgent.block_size_bytes.map(ByteSize),
                }),
                None => None,
            },
            fallback: if engine.fallback_allowed { Fallback::Allow } else { Fallback::Refuse },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        histogram,
        outcome::{
            BatchCounts, Finished, HardwareCounts, Interval, PathCounts, PerfCounts, Series, SharingCosts,
            UrgentCounts, Warning,
        },
    };

    fn any_trial() -> impl Strategy<Value = Trial> {
        let engine = (
            prop::sample::select(vec![EngineKind::Null, EngineKind::Nop, EngineKind::IoUring]),
            1..64u32,
            any::<bool>(),
            prop::option::of(1..64u32),
            any::<[bool; 4]>(),
            any::<bool>(),
        );
        let workload = (0..=100u32, 1..64u64, 1..8u32, prop::collection::vec(0..64u32, 0..4), any::<bool>());
        (engine, workload, any::<u64>(), any::<bool>()).prop_map(|(engine, workload, seed, direct)| {
            let (kind, depth, threads, batch, [a, b, c, d], allow) = engine;
            let (ring, transfers) = (kind.is_ring(), kind == EngineKind::IoUring);
            Trial {
                id: format!("t{seed}"),
                seed,
                target: Target::File(FileTarget::new(ByteSize(1 << 30), direct)),
                workload: Workload {
                    pattern: if workload.4 { Pattern::Random } else { Pattern::Sequential },
                    read_percent: workload.0,
                    block_size: match workload.1 {
                        sectors @ 1..32 => ByteSize(sectors * 512).into(),
                        sectors => BlockSizes::new(vec![(ByteSize(sectors * 512), 30), (ByteSize(512), 70)]),
                    },
                    sync: (transfers && workload.0 < 100)
                        .then_some(Sync { every: depth, call: SyncCall::Fsync }),
                    verify: transfers && (a || c || d) && !b && !allow,
                    threads: workload.2,
                    rate: workload.4.then_some(Rate { per_second: 7, arrival: Arrival::Poisson }),
                    cpus: if workload.3.is_empty() { Cpus::Auto } else { Cpus::List(workload.3) },
                    ..Workload::default()
                },
                engine: Engine {
                    depth,
                    concurrency: if threads { Concurrency::Threads } else { Concurrency::Queue },
                    submit_batch: batch.filter(|_| ring),
                    fixed_files: transfers && a,
                    fixed_buffers: transfers && b,
                    single_issuer: ring && (c || d),
                    defer_taskrun: ring && d,
                    registered_ring: ring && a,
                    no_sqarray: ring && b,
                    sqpoll: (ring && !d).then_some(Sqpoll {
                        cpu: batch,
                        idle: Nanos(u64::from(depth) * 1_000_000),
                        shared: a,
                    }),
                    force_async: ring && c,
                    vectored: transfers && !b && d,
                    busy_wait: a.then_some(Nanos(u64::from(depth))),
                    iowq_workers: ring.then_some(IowqWorkers { bounded: depth, unbounded: 1 }),
                    ring: match (ring, c || d || a, b) {
                        (true, false, _) => Sharing::Shared,
                        (true, true, true) => Sharing::Combiner,
                        _ => Sharing::PerThread,
                    },
                    urgent: (ring && (c || d || a) && !b && allow).then_some(Urgent {
                        share: Share(depth * 1000),
                        by: match (depth % 3, transfers, d) {
                            (1, true, _) => UrgentBy::Ioprio,
                            (2, _, false) => UrgentBy::SeparateRing,
                            (0, ..) => UrgentBy::IosqeUrgent,
                            _ => UrgentBy::None,
                        },
                        block_size: direct.then_some(ByteSize(512)),
                    }),
                    fallback: if allow { Fallback::Allow } else { Fallback::Refuse },
                    ..Engine::new(kind)
                },
                measure: if allow { Measure::Timed } else { Measure::Audit },
            }
        })
    }

    proptest! {
        #[test]
        fn a_trial_survives_the_wire(trial in any_trial()) {
            prop_assert_eq!(Trial::try_from(wire::Trial::from(&trial)).unwrap(), trial);
        }
    }

    #[test]
    fn targets_survive_the_wire() {
        let disk = RamdiskTarget::new(ByteSize(1 << 20), RamdiskKind::NullBlk);
        let device = DeviceTarget { path: "/dev/x".into(), serial: "S".into(), destroy: None, direct: false };
        for target in [
            Target::File(FileTarget { size: ByteSize(1 << 20), direct: false, cache: Cache::Cold }),
            Target::Path(PathTarget { path: "/x".into(), direct: true }),
            Target::Ramdisk(RamdiskTarget {
                poll_queues: Some(2),
                completion: Some(Nanos(10_000)),
                memory_backed: false,
                ..disk.clone()
            }),
            Target::Ramdisk(disk),
            Target::Device(DeviceTarget { destroy: Some("S".into()), ..device.clone() }),
            Target::Device(device),
        ] {
            assert_eq!(Target::try_from(wire::Target::from(&target)).unwrap(), target);
        }
    }

    #[test]
    fn refusals_name_the_field() {
        let field = |trial: wire::Trial| Trial::try_from(trial).unwrap_err()[0].field.clone();
        assert_eq!(field(wire::Trial::default()), "target");
        let target = Some(wire::Target::default());
        assert_eq!(field(wire::Trial { target, ..Default::default() }), "target");
        let target = Some(wire::Target {
            file: Some(wire::FileTarget { size_bytes: 4096, direct: true, cold: false }),
            ..Default::default()
        });
        let workload = Some(wire::Workload::default());
        assert_eq!(field(wire::Trial { target, workload, ..Default::default() }), "workload.pattern");
    }

    #[test]
    fn results_survive_the_wire() {
        let finished = Finished {
            begin_ns: 1,
            end_ns: 2,
            read_ops: 3,
            sync_ops: 2,
            verified: Some(crate::outcome::Verified { sectors: 9, failures: 1 }),
            errors: [(5, 1)].into(),
            enters_by_batch: vec![1, 0, 7],
            cq_overflows: 9,
            syscalls_self: [("pread64".to_owned(), 3)].into(),
            perf: Some(PerfCounts { syscalls_total: 3, ..PerfCounts::default() }),
            paths: Some(PathCounts { inline: 4, punted: 1, lost: 2, ..PathCounts::default() }),
            hardware: Some(HardwareCounts {
                cycles: Some(5),
                cache_misses: None,
                ..HardwareCounts::default()
            }),
            urgent: Some(UrgentCounts { ops: 3, overtaken: 2, overtakers: 9, most_overtakers: 8 }),
            batches: Some(BatchCounts { requests: 7, by_size: vec![0, 3], ..BatchCounts::default() }),
            interrupts: Some(0),
            cached_share: Some(0.25),
            warnings: vec![Warning::new("a", "b", "c")],
            noise: Some(crate::noise::Noise { span_ns: 1, cpus: vec![1], ..Default::default() }),
            ..Finished::default()
        };
        let costs = [
            None,
            Some(SharingCosts::Lock { locks: 9, contended: 4, wait_ns: 100 }),
            Some(SharingCosts::Handover { ns: 7 }),
        ];
        for sharing in costs {
            let finished = Finished { sharing, ..finished.clone() };
            assert_eq!(Finished::try_from(finished.clone().into_wire("t".into())).unwrap(), finished);
        }
        let mixed = wire::SharingCosts { locks: Some(1), handover_ns: Some(1), ..Default::default() };
        let wire = wire::Finished { sharing: Some(mixed), ..finished.into_wire("t".into()) };
        assert_eq!(Finished::try_from(wire).unwrap_err().field, "sharing");

        let mut latency = histogram::empty();
        latency.saturating_record(1234);
        let service = Some(latency.clone());
        let series = vec![Series { direction: Direction::Sync, bytes: 0, latency, service }];
        let interval = Interval { index: 3, begin_ns: 5, end_ns: 9, series };
        assert_eq!(Interval::try_from(interval.to_wire("t".into()).unwrap()).unwrap(), interval);

        let mut damaged = interval.to_wire("t".into()).unwrap();
        damaged.series[0].latency_v2.truncate(10);
        assert_eq!(Interval::try_from(damaged).unwrap_err().field, "series[0].latency_v2");
    }
}
