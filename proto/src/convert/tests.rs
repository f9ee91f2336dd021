//! What is sent reads back the same; what cannot be is refused by field.

use proptest::prelude::*;

use super::*;
use crate::{
    facts::TargetFacts,
    knob::KnobValue,
    noise::{CpuQuota, Foreign, Frequency, Noise, Quota},
    notice::Recorded,
    outcome::{
        AuditCounts, BatchCounts, CallCounts, DeviceCounts, EngineCounts, HandoverCosts, HardwareCounts,
        Knob, LockCosts, Overhead, PathCounts, PerfCounts, SharingCosts, UrgentCounts, Verified, Window,
        WorkCounts,
    },
    refusal::DeviceRefusal,
    trial::{
        Arrival, BlockSizes, Cache, Concurrency, Cpus, DeviceTarget, Engine, EngineKind, Fallback,
        FileTarget, IowqWorkers, Measure, PathTarget, Pattern, QueueOptions, RamdiskKind, RamdiskTarget,
        Rate, RingOptions, Share, Sharing, Sqpoll, Sync, SyncCall, Target, Urgent, UrgentBy, Workload,
    },
    units::{ByteSize, Nanos},
    warning::{ResultWarning, Warning},
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
                sync: (transfers && workload.0 < 100).then_some(Sync { every: depth, call: SyncCall::Fsync }),
                verify: transfers && (a || c || d) && !b && !allow,
                threads: workload.2,
                rate: workload.4.then_some(Rate { per_second: 7, arrival: Arrival::Poisson }),
                cpus: if workload.3.is_empty() { Cpus::Auto } else { Cpus::List(workload.3) },
                ..Workload::default()
            },
            engine: Engine {
                queue: QueueOptions {
                    depth,
                    concurrency: if threads { Concurrency::Threads } else { Concurrency::Queue },
                    submit_batch: batch.filter(|_| ring),
                    ..QueueOptions::default()
                },
                ring: RingOptions {
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
                    iowq_workers: ring.then_some(IowqWorkers { bounded: depth, unbounded: 1 }),
                    sharing: match (ring, c || d || a, b) {
                        (true, false, _) => Sharing::Shared,
                        (true, true, true) => Sharing::Combiner,
                        _ => Sharing::PerThread,
                    },
                    ..RingOptions::default()
                },
                busy_wait: a.then_some(Nanos(u64::from(depth))),
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

fn word() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[a-z-]{1,12}")
}

/// JSON is read to within one unit in the last place of 17 digits; what has fewer is exact.
fn share() -> impl Strategy<Value = Option<f64>> {
    prop::option::of((0..=1000u32).prop_map(|share| f64::from(share) / 1000.0))
}

prop_compose! {
    fn any_noise()(
        times in (1u64.., any::<u64>(), any::<u64>(), any::<u32>()),
        cpus in prop::collection::vec(any::<u32>(), 1..5),
        foreign in prop::option::of(any::<(u64, u64, u64)>()),
        waited_share in share(),
        counts in any::<(Option<u64>, Option<u64>)>(),
        frequencies in prop::collection::vec(any::<(u32, u64, u64)>(), 0..4),
        quota in prop::option::of((any::<u64>(), 1u64.., any::<u64>(), any::<u64>())),
        clocks in (word(), word()),
    ) -> Noise {
        Noise {
            span_ns: times.0,
            cpus,
            steal_ns: times.1,
            steal_all_ns: times.2,
            cpus_all: times.3,
            foreign: foreign.map(|(total_ns, user_ns, resolution_ns)| Foreign { total_ns, user_ns, resolution_ns }),
            waited_share,
            pressure_ns: counts.0,
            frequencies: frequencies
                .into_iter()
                .map(|(cpu, begin_khz, end_khz)| Frequency { cpu, begin_khz, end_khz })
                .collect(),
            throttled: counts.1,
            quota: quota.map(|(quota_us, period_us, throttled_periods, throttled_ns)| Quota {
                limit: CpuQuota { quota_us, period_us },
                throttled_periods,
                throttled_ns,
            }),
            clocksource: clocks.0,
            clocksource_after: clocks.1,
        }
    }
}

prop_compose! {
    fn any_finished()(
        window in any::<(u64, u64, bool)>(),
        work in any::<[u64; 5]>(),
        errors in prop::collection::btree_map(any::<i32>(), any::<u64>(), 0..4),
        syscalls in prop::collection::btree_map("[a-z0-9_]{1,9}", any::<u64>(), 0..4),
        counts in any::<[u64; 5]>(),
        audited in any::<bool>(),
        lists in prop::collection::vec(any::<u64>(), 0..5),
        sharing in 0..3u8,
        cached_share in share(),
        noise in prop::option::of(any_noise()),
        text in word(),
    ) -> Finished {
        let [a, b, c, d, e] = counts;
        Finished {
            window: Window {
                begin_ns: window.0.min(window.1),
                end_ns: window.0.max(window.1),
                cut_short: window.2,
            },
            work: WorkCounts {
                read_ops: work[0],
                write_ops: work[1],
                sync_ops: work[2],
                bytes: work[3],
                errors,
                short_transfers: work[4],
            },
            calls: CallCounts {
                syscalls_self: syscalls.clone(),
                submitted: a,
                enters: b,
                enters_by_batch: lists.clone(),
                sharing: match sharing {
                    0 => None,
                    1 => Some(SharingCosts::Lock(LockCosts { locks: a, contended: b, wait_ns: c })),
                    _ => Some(SharingCosts::Handover(HandoverCosts { ns: d })),
                },
            },
            #[allow(clippy::needless_update, reason = "further counters need no line here")]
            engine: EngineCounts { cq_overflows: c, ..EngineCounts::default() },
            audit: AuditCounts {
                perf: audited.then(|| PerfCounts {
                    syscalls_total: a,
                    syscalls_by_name: syscalls,
                    punted_to_io_wq: window.2.then_some(b),
                }),
                paths: audited.then_some(PathCounts { inline: a, task_work: b, polled: c, punted: d, lost: e }),
                hardware: audited.then_some(HardwareCounts {
                    cycles: Some(c),
                    cache_misses: window.2.then_some(d),
                    ..HardwareCounts::default()
                }),
                batches: audited.then(|| BatchCounts {
                    batches: a,
                    requests: b,
                    by_size: lists,
                    ..BatchCounts::default()
                }),
            },
            device: DeviceCounts { interrupts: window.2.then_some(e), cached_share },
            urgent: audited.then_some(UrgentCounts { ops: a, overtaken: b, overtakers: c, most_overtakers: d }),
            verified: window.2.then_some(Verified { sectors: a, failures: b }),
            overhead: Overhead { late_swaps: a, saturated: b, clock_drift_ppm: -0.25 },
            warnings: text
                .into_iter()
                .flat_map(|text| [Warning::Recorded(Recorded { code: text, ..Recorded::default() }), ResultWarning::LinksParted { times: a }.into()])
                .collect(),
            noise,
            ..Finished::default()
        }
    }
}

proptest! {
    #[test]
    fn trials_read_back_as_sent(trial in any_trial()) {
        prop_assert_eq!(Trial::try_from(wire::Trial::from(&trial)).unwrap(), trial);
    }

    #[test]
    fn results_read_back_as_sent(finished in any_finished()) {
        prop_assert_eq!(Finished::try_from(finished.clone().into_wire("t".into())).unwrap(), finished);
    }

    #[test]
    fn damaged_bodies_never_panic(trial in any_trial(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut message = wire::Trial::from(&trial);
        let at = at.index(message.body.len());
        message.body[at] = byte;
        let _ = Trial::try_from(message.clone());
        let _ = Finished::try_from(wire::Finished { trial_id: String::new(), body: message.body });
    }
}

/// A body without the field at a path, or with another value there.
fn changed<T: serde::Serialize>(payload: &T, pointer: &str, value: Option<serde_json::Value>) -> Vec<u8> {
    let mut json = serde_json::to_value(payload).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(key.to_owned(), value)),
        None => drop(parent.shift_remove(key)),
    }
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn targets_read_back_as_sent() {
    let disk = RamdiskTarget::new(ByteSize(1 << 20), RamdiskKind::NullBlk);
    let device = DeviceTarget { path: "/dev/x".into(), serial: "S".into(), destroy: None, direct: false };
    for target in [
        Target::File(FileTarget { size: ByteSize(1 << 20), direct: false, cache: Cache::Cold }),
        Target::Path(PathTarget { path: "/x".into(), direct: true }),
        Target::Ramdisk(RamdiskTarget {
            poll_queues: Some(2),
            completion: Some(Nanos(10_000)),
            ..disk.clone()
        }),
        Target::Ramdisk(disk),
        Target::Device(DeviceTarget { destroy: Some("S".into()), ..device.clone() }),
        Target::Device(device),
    ] {
        let trial = Trial { target, ..crate::testing::trial() };
        assert_eq!(Trial::try_from(wire::Trial::from(&trial)).unwrap(), trial);
    }
}

#[test]
fn refused_trials_name_the_field() {
    let trial = crate::testing::trial();
    let refused = |body: Vec<u8>| {
        let errors = Trial::try_from(wire::Trial { id: trial.id.clone(), body }).unwrap_err();
        errors[0].field.clone()
    };
    assert_eq!(refused(Vec::new()), "body");
    assert_eq!(refused(changed(&trial, "/target", Some(serde_json::json!({})))), "target");
    assert_eq!(refused(changed(&trial, "/workload/pattern", Some("spiral".into()))), "workload.pattern");
    assert_eq!(refused(changed(&trial, "/workload/zipf_theta", Some(().into()))), "workload.zipf_theta");
    assert_eq!(refused(changed(&trial, "/engine/depth", Some((-1).into()))), "engine.depth");
    assert_eq!(refused(changed(&trial, "/engine/depth", Some(0.into()))), "engine.depth");
    assert_eq!(refused(changed(&trial, "/workload/speed", Some(1.into()))), "workload.speed");
    assert_eq!(refused(changed(&trial, "/id", Some("other".into()))), "id");
    assert_eq!(refused(changed(&trial, "/id", Some("\u{1b}[2J".into()))), "id");
    assert_eq!(refused(changed(&trial, "/measure", None)), "body");
}

#[test]
fn refused_results_name_the_field() {
    let noise = Noise { span_ns: 1, cpus: vec![1], ..Noise::default() };
    let good = Finished {
        window: Window { begin_ns: 1, end_ns: 2, cut_short: false },
        calls: CallCounts {
            sharing: Some(SharingCosts::Handover(HandoverCosts { ns: 1 })),
            ..CallCounts::default()
        },
        noise: Some(noise),
        ..Finished::default()
    };
    let refused = |pointer: &str, value: serde_json::Value| {
        let body = changed(&good, pointer, Some(value));
        Finished::try_from(wire::Finished { trial_id: String::new(), body }).unwrap_err().field
    };
    for (pointer, value, field) in [
        ("/read_ops", serde_json::json!(-1), "read_ops"),
        ("/end_ns", 0.into(), "end_ns"),
        ("/cached_share", 1.5.into(), "cached_share"),
        ("/cpu/user_ns", "1".into(), "cpu.user_ns"),
        ("/sharing/lock", serde_json::json!({"locks": 1, "contended": 1, "wait_ns": 1}), "sharing"),
        ("/noise/span_ns", 0.into(), "noise.span_ns"),
        ("/noise/cpus", serde_json::json!([]), "noise.cpus"),
        ("/noise/waited_share", 1.1.into(), "noise.waited_share"),
    ] {
        assert_eq!(refused(pointer, value), field, "{pointer}");
    }
    for drift in [f64::NAN, f64::INFINITY] {
        let overhead = Overhead { clock_drift_ppm: drift, ..Overhead::default() };
        let finished = Finished { overhead, ..good.clone() };
        let error = Finished::try_from(finished.into_wire(String::new())).unwrap_err();
        assert_eq!(error.field, "overhead.clock_drift_ppm");
    }
}

#[test]
fn control_characters_are_replaced_in_received_text() {
    let (code, message) = ("x\r".into(), "a\u{1b}[2Jb\nc\td\u{7}".into());
    let refusal = Refusal::Recorded(Recorded { code, message, ..Recorded::default() });
    let refusal = Refusal::try_from(refusal.into_wire("t".into())).unwrap();
    assert_eq!((refusal.code(), refusal.message().as_str()), ("x ", "a [2Jb c d "));
    let refusal: Refusal = DeviceRefusal::NotADevice { path: "/dev/\u{1b}x".into() }.into();
    assert_eq!(
        Refusal::try_from(refusal.into_wire("t".into())).unwrap().message(),
        "/dev/ x is not a block device"
    );
    let knob = Knob::new("\u{1b}k", KnobValue::Switch(true), KnobValue::Other("\n".into()));
    let other = [("\u{1b}t".into(), "\u{7}v".into())].into();
    let target = TargetFacts { other, ..TargetFacts::default() };
    let ready = Ready { knobs: vec![knob], target, ..Ready::default() };
    let ready = Ready::try_from(ready.into_wire("t".into())).unwrap();
    assert_eq!((ready.knobs[0].name.as_str(), ready.knobs[0].granted.to_string().as_str()), (" k", " "));
    assert_eq!(ready.target.other[" t"], " v");
    let finished = Finished {
        calls: CallCounts { syscalls_self: [("\u{1b}c".into(), 1)].into(), ..CallCounts::default() },
        ..Finished::default()
    };
    let finished = Finished::try_from(finished.into_wire("t".into())).unwrap();
    assert!(finished.calls.syscalls_self.contains_key(" c"));
    let host = wire::DescribeResponse { hostname: "\u{1b}h".into(), ..Default::default() };
    assert_eq!(HostDescription::from(host).hostname, " h");
}

#[test]
fn intervals_read_back_as_sent() {
    let mut latency = histogram::empty();
    latency.saturating_record(1234);
    let series = Direction::ALL.map(|direction| Series {
        direction,
        bytes: 7,
        latency: latency.clone(),
        service: (direction == Direction::Sync).then(|| latency.clone()),
    });
    assert_eq!(direction_number(Direction::Sync), wire::series::Direction::Sync as i32);
    assert_eq!(direction_number(Direction::UrgentWrite), wire::series::Direction::UrgentWrite as i32);
    let interval = Interval { index: 3, begin_ns: 5, end_ns: 9, series: series.into() };
    let sent = interval.to_wire("t".into()).unwrap();
    assert_eq!(Interval::try_from(sent.clone()).unwrap(), interval);

    let field = |change: &dyn Fn(&mut wire::Interval)| {
        let mut damaged = sent.clone();
        change(&mut damaged);
        Interval::try_from(damaged).unwrap_err().field
    };
    assert_eq!(field(&|sent| sent.series[0].latency_v2.truncate(10)), "series[0].latency_v2");
    assert_eq!(field(&|sent| sent.series[1].direction = 0), "series[1].direction");
    assert_eq!(field(&|sent| sent.begin_ns = 10), "end_ns");
}
