use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

fn probe(cpus: &[u32]) -> Probe {
    let mut probe = Probe::new(cpus, 0).unwrap();
    // Usual values, independent of this host.
    (probe.tick_ns, probe.unit_ns) = (4 * MS, 10 * MS);
    probe
}

fn reading(rows: &str, total_ms: u64, user_ms: u64) -> Reading {
    Reading {
        cpus: stat::cpus(rows),
        own: Some(Ran { total_ns: total_ms * MS, user_ns: user_ms * MS }),
        ..Reading::default()
    }
}

#[test]
fn foreign_load_is_cpu_time_minus_own_time() {
    let probe = probe(&[1]);
    let first = reading("cpu0 0 0 0 0 0 0 0 0\ncpu1 100 10 50 0 0 0 0 3\n", 1000, 700);
    let last = reading("cpu0 90 0 9 0 0 0 0 4\ncpu1 150 30 80 0 0 7 9 8\n", 1400, 900);
    let noise = probe.between(&first, &last, 1000 * MS).unwrap();
    assert_eq!((noise.steal_ns, noise.steal_all_ns, noise.cpus_all), (50 * MS, 90 * MS, 2));
    let foreign = noise.foreign.unwrap();
    assert_eq!(foreign.resolution_ns, 28 * MS);
    // The CPU ran 700 ms of user and 300 ms of system time without interrupts; this process 200 ms each.
    assert_eq!((foreign.total_ns, foreign.user_ns), (600 * MS, 500 * MS));
    assert_eq!((noise.cpus, noise.waited_share), (vec![1], None));
}

#[test]
fn foreign_load_below_the_resolution_is_zero() {
    let first = reading("cpu1 0 0 0 0 0 0 0 0\n", 0, 0);
    let found = |user: u64, own_ms: u64| {
        let last = reading(&format!("cpu1 {user} 0 0 0 0 0 0 0\n"), own_ms, own_ms);
        let foreign = probe(&[1]).between(&first, &last, 1000 * MS).unwrap().foreign.unwrap();
        (foreign.total_ns, foreign.user_ns)
    };
    assert_eq!(found(52, 500), (0, 0), "20 ms may be a rounding error");
    assert_eq!(found(53, 500), (30 * MS, 30 * MS));
    assert_eq!(found(40, 500), (0, 0), "own time may include other CPUs");
}

#[test]
fn unavailable_readings_are_absent() {
    let first = reading("cpu1 0 0 0 0 0 0 0 0\n", 0, 0);
    let noise = probe(&[1]).between(&first, &first, MS).unwrap();
    assert_eq!((noise.pressure_ns, noise.throttled, noise.clocksource), (None, None, None));
    assert!(noise.frequencies.is_empty());
    let unknown = Reading { own: None, ..first.clone() };
    assert_eq!(probe(&[1]).between(&unknown, &first, MS).unwrap().foreign, None);
    assert_eq!(probe(&[2]).between(&first, &first, MS), None, "a CPU that does not exist");
    assert_eq!(probe(&[1]).between(&first, &first, 0), None, "zero time between the readings");
}

#[test]
fn available_readings_are_reported() {
    let at = |khz: u64, throttled, pressure, clock: &str| Reading {
        khz: [(1, khz)].into(),
        throttled: Some(throttled),
        pressure: Some(pressure),
        clocksource: Some(clock.into()),
        ..reading("cpu1 0 0 0 0 0 0 0 0\n", 0, 0)
    };
    let (first, last) = (at(3_000_000, 4, 10, "tsc"), at(2_000_000, 6, 30, "hpet"));
    let noise = probe(&[1]).between(&first, &last, MS).unwrap();
    assert_eq!(noise.frequencies, [Frequency { cpu: 1, begin_khz: 3_000_000, end_khz: 2_000_000 }]);
    assert_eq!((noise.throttled, noise.pressure_ns), (Some(2), Some(20_000)));
    let clocks = (noise.clocksource.as_deref(), noise.clocksource_after.as_deref());
    assert_eq!(clocks, (Some("tsc"), Some("hpet")));
}

#[test]
fn throttling_is_reported_if_known_for_every_cpu() {
    let dir = tempfile::TempDir::new().unwrap();
    let counts = |cpu: u32, core: &str| {
        let place = dir.path().join(format!("cpu{cpu}/thermal_throttle"));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("core_throttle_count"), core).unwrap();
        place
    };
    fs::write(counts(1, "3\n").join("package_throttle_count"), "10\n").unwrap();
    counts(2, "4\n");
    assert_eq!(throttled(dir.path(), &[1, 2]), Some(17));
    assert_eq!(throttled(dir.path(), &[1, 3]), None);
}

#[test]
fn throttling_by_a_quota_counts_between_the_readings() {
    let limit = CpuQuota { quota_us: 40_000, period_us: 100_000 };
    let at = |periods, time_ns| Reading {
        quota: Some((limit, Throttled { periods, time_ns })),
        ..reading("cpu1 0 0 0 0 0 0 0 0\n", 0, 0)
    };
    let none = Reading { quota: None, ..at(0, 0) };
    let between = |first: &Reading, last: &Reading| probe(&[1]).between(first, last, MS).unwrap().quota;
    let found = |throttled_periods, throttled_ns| Some(Quota { limit, throttled_periods, throttled_ns });
    assert_eq!(between(&at(7, 70), &at(9, 100)), found(2, 30));
    assert_eq!(between(&at(9, 100), &at(9, 100)), found(0, 0));
    assert_eq!(between(&none, &at(1, 5)), found(1, 5));
    assert_eq!(between(&at(1, 5), &none), None);
}

#[test]
fn reads_this_host() {
    let cpu = crate::topology::Topology::discover().unwrap().cpus[0].id;
    let probe = Probe::new(&[cpu, cpu], cpu + 1).unwrap();
    assert!(!probe.alone && !Probe::new(&[cpu], cpu).unwrap().alone);
    assert!(Probe::new(&[cpu], cpu + 1).unwrap().alone);
    let first = probe.read().unwrap();
    let last = probe.read().unwrap();
    let noise = probe.between(&first, &last, 1).unwrap();
    assert_eq!(noise.cpus, [cpu]);
    assert!(noise.foreign.is_some_and(|foreign| foreign.resolution_ns >= 20 * MS), "{noise:?}");
}

proptest! {
    #[test]
    fn arbitrary_readings_are_handled(
        a in prop::collection::vec(any::<u64>(), 8), b in prop::collection::vec(any::<u64>(), 8),
        own in any::<[u64; 4]>(), span in 1u64..,
    ) {
        let row = |times: &[u64]| {
            let words: Vec<String> = times.iter().map(u64::to_string).collect();
            format!("cpu1 {}\n", words.join(" "))
        };
        let of = |row: &str, total_ns, user_ns| Reading {
            own: Some(Ran { total_ns, user_ns }), ..reading(row, 0, 0)
        };
        let (first, last) = (of(&row(&a), own[0], own[1]), of(&row(&b), own[2], own[3]));
        let noise = probe(&[1]).between(&first, &last, span).unwrap();
        let foreign = noise.foreign.unwrap();
        prop_assert!(foreign.user_ns <= foreign.total_ns);
        prop_assert!(foreign.user_ns == 0 || foreign.user_ns >= foreign.resolution_ns);
    }
}
