use std::collections::BTreeMap;

use proptest::prelude::*;
use proto::{
    noise::{CpuQuota, Foreign, Frequency, Noise, Quota},
    outcome::{CpuTime, Finished, HostDescription},
};

use super::*;
use crate::{
    analysis::fixture::{Fixture, params},
    summary::ComparisonSet,
    warning::SetWarning,
};

const MS: u64 = 1_000_000;

/// A second on CPU 1 without other activity.
fn quiet() -> Noise {
    Noise {
        span_ns: 1000 * MS,
        cpus: vec![1],
        cpus_all: 2,
        foreign: Some(Foreign { total_ns: 0, user_ns: 0, resolution_ns: 28 * MS }),
        waited_share: Some(0.0),
        pressure_ns: Some(0),
        clocksource: Some("tsc".into()),
        clocksource_after: Some("tsc".into()),
        ..Noise::default()
    }
}

/// The code of each finding, and whether it marks.
fn found(noise: Noise) -> Vec<(String, bool)> {
    let finished = Finished { noise: Some(noise), ..Finished::default() };
    findings(&finished).into_iter().map(|found| (found.warning.code().to_owned(), found.marks)).collect()
}

fn expect(code: &str, marks: bool) -> [(String, bool); 1] {
    [(code.to_owned(), marks)]
}

fn ran(total_ms: u64, user_ms: u64) -> Option<Foreign> {
    Some(Foreign { total_ns: total_ms * MS, user_ns: user_ms * MS, resolution_ns: 28 * MS })
}

#[test]
fn a_quiet_trial_has_no_findings() {
    assert!(found(quiet()).is_empty());
    assert!(findings(&Finished::default()).is_empty(), "an older agent reports no noise");
    let unknown = Noise { span_ns: 1, cpus: vec![1], ..Noise::default() };
    assert!(found(unknown).is_empty(), "values that are not available cause no finding");
}

#[test]
fn steal_counts_beyond_the_step_of_the_account() {
    let steal = |ms: u64| found(Noise { steal_ns: ms * MS, ..quiet() });
    assert!(steal(10).is_empty(), "one step may be rounding");
    assert_eq!(steal(20), expect("steal", false));
    assert_eq!(steal(30), expect("steal", false), "2 % beyond one step");
    assert_eq!(steal(40), expect("steal", true));
    let two = Noise { steal_ns: 40 * MS, cpus: vec![1, 2], ..quiet() };
    assert_eq!(found(two), expect("steal", false), "1 % of two CPUs");
}

#[test]
fn a_quota_that_ran_out_marks_and_other_programs_are_not_blamed() {
    let quota = |throttled_periods, throttled_ns| {
        let limit = CpuQuota { quota_us: 40_000, period_us: 100_000 };
        Noise { quota: Some(Quota { limit, throttled_periods, throttled_ns }), ..quiet() }
    };
    assert!(found(quota(0, 0)).is_empty(), "a quota that is not used up changes nothing");
    let waited = Noise { waited_share: Some(0.6), ..quota(10, 600 * MS) };
    assert_eq!(found(waited.clone()), expect("cpu-quota", true));
    let text =
        findings(&Finished { noise: Some(waited.clone()), ..Finished::default() })[0].warning.message();
    assert!(text.contains("0.40 CPUs (40 ms in each 100 ms), ran out in 10 periods"), "{text}");
    let both = found(Noise { foreign: ran(48, 48), ..waited });
    let other = ("foreign-load".to_owned(), false);
    assert_eq!(both, [expect("cpu-quota", true)[0].clone(), other], "the waiting was for the quota");
}

#[test]
fn foreign_load_marks_if_the_trial_waited_or_above_a_tenth() {
    let load = |user_ms: u64, waited: f64| {
        found(Noise { foreign: ran(user_ms + 10, user_ms), waited_share: Some(waited), ..quiet() })
    };
    assert_eq!(load(60, 0.02), expect("foreign-load", false));
    assert_eq!(load(60, 0.021), expect("foreign-load", true));
    assert_eq!(load(128, 0.0), expect("foreign-load", false));
    assert_eq!(load(129, 0.0), expect("foreign-load", true), "more than a tenth beyond the resolution");
    // Where threads share a CPU, waiting is unknown, and foreign load is compared instead.
    let shared = |ms| found(Noise { foreign: ran(ms, ms), waited_share: None, ..quiet() });
    assert_eq!(shared(48), expect("foreign-load", false));
    assert_eq!(shared(49), expect("foreign-load", true));
}

#[test]
fn kernel_threads_never_mark() {
    let noise = Noise { foreign: ran(900, 0), waited_share: Some(0.5), ..quiet() };
    assert_eq!(found(noise.clone()), expect("foreign-load", false));
    let finished = Finished { noise: Some(noise), ..Finished::default() };
    assert!(findings(&finished)[0].warning.remedy().contains("work for the trial"));
}

#[test]
fn waiting_alone_causes_a_warning_unless_the_ring_explains_it() {
    let noise = |share: f64| Noise { waited_share: Some(share), ..quiet() };
    assert!(found(noise(0.01)).is_empty());
    assert_eq!(found(noise(0.011)), expect("involuntary-switches", false));
    let with = |kernel_threads_ns| {
        let cpu = CpuTime { kernel_threads_ns, involuntary_switches: 7, ..CpuTime::default() };
        findings(&Finished { noise: Some(noise(0.05)), cpu, ..Finished::default() })
    };
    assert!(with(Some(100 * MS)).is_empty());
    assert!(
        with(Some(MS))[0].warning.message().contains("5.0 % of the time")
            && with(None)[0].warning.message().contains("7 involuntary switches")
    );
}

#[test]
fn frequency_heat_and_clock_source_are_found() {
    let at = |end_khz| Frequency { cpu: 1, begin_khz: 3_000_000, end_khz };
    let frequency = |end_khz| found(Noise { frequencies: vec![at(3_000_000), at(end_khz)], ..quiet() });
    assert!(frequency(2_850_000).is_empty());
    assert_eq!(frequency(2_800_000), expect("frequency-changed", false));
    assert_eq!(frequency(0), expect("frequency-changed", false));
    assert!(found(Noise { throttled: Some(0), ..quiet() }).is_empty());
    assert_eq!(found(Noise { throttled: Some(2), ..quiet() }), expect("thermal-throttled", true));
    let changed = Noise { clocksource_after: Some("hpet".into()), ..quiet() };
    assert_eq!(found(changed), expect("clocksource", true));
}

/// A run on one host whose trials were disturbed; with `again`, the first ones were repeated without noise.
fn run(again: bool, change: impl FnOnce(&mut Fixture)) -> ComparisonSet {
    let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1], 2, &["n1"]);
    change(&mut fixture);
    fixture.change = |record| {
        if let (Some(finished), true) = (&mut record.hosts[0].finished, record.block > 0) {
            let steal_ns = if record.id == "0003-sync" { 200 * MS } else { 20 * MS };
            finished.noise = Some(Noise { steal_ns, ..quiet() });
        }
        record.marks = marks(record).iter().map(ToString::to_string).collect();
    };
    fixture.execute(usize::MAX);
    if again {
        fixture.change = |_| {};
        fixture.execute(3);
    }
    fixture.analyse(Some("sync"))
}

fn warning<'a>(set: &'a ComparisonSet, code: &str) -> &'a SetWarning {
    let found = set.warnings.iter().find(|warning| warning.code() == code);
    found.unwrap_or_else(|| panic!("no {code} in {:?}", set.warnings))
}

#[test]
fn a_trial_that_stays_noisy_is_kept_out() {
    let set = run(false, |_| {});
    let sync = set.cell("sync", &params(1)).unwrap();
    assert_eq!((sync.trials.complete, sync.trials.marked, set.trustworthy), (1, 1, false));
    let steal = warning(&set, "steal");
    assert_eq!(
        steal.message(),
        "in 4 of 4 trials, most in 0003-sync: the hypervisor gave 20.0 % of the time of CPU 1 to others"
    );
    assert_eq!(steal.host.as_deref(), Some("n1"));
    assert!(warning(&set, "trial-kept-out").message().contains("noisy (steal)"));
    assert!(set.warnings.iter().all(|warning| warning.code() != "repeated-for-noise"));
}

#[test]
fn a_repeated_trial_counts_and_its_noise_is_reported() {
    let set = run(true, |_| {});
    let sync = set.cell("sync", &params(1)).unwrap();
    assert_eq!((sync.trials.complete, sync.trials.marked), (2, 0));
    assert!(set.trustworthy, "{:?}", set.untrusted);
    assert!(warning(&set, "repeated-for-noise").message().starts_with("0003-sync was noisy and run again"));
    assert!(warning(&set, "steal").message().contains("most in 0003-sync"));
    assert!(set.warnings.iter().all(|warning| warning.code() != "trial-kept-out"), "{:?}", set.warnings);
}

#[test]
fn ignored_noise_causes_no_warnings() {
    let set = run(true, |fixture| fixture.plan.noise = NoisePolicy::Ignore);
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
}

#[test]
fn a_clock_source_other_than_tsc_causes_a_warning_on_x86() {
    let with = |arch: &str, clock: &str| {
        let facts = BTreeMap::from([("arch".into(), arch.into()), ("clocksource".into(), clock.into())]);
        let set = run(true, |fixture| {
            fixture.hosts[0].description = HostDescription { facts, ..HostDescription::default() };
        });
        set.warnings
            .iter()
            .any(|warning| warning.code() == "clocksource" && warning.message().contains(clock))
    };
    assert!(with("x86_64", "hpet"));
    assert!(!with("x86_64", "tsc") && !with("aarch64", "arch_sys_counter"));
}

proptest! {
    #[test]
    fn more_noise_never_marks_less(
        steal in 0u64..2000, user in 0u64..1000, waited in 0.0..=1.0f64, more in 0u64..1000,
    ) {
        let noise = |steal: u64, user: u64| Noise {
            steal_ns: steal * MS, foreign: ran(user, user), waited_share: Some(waited), ..quiet()
        };
        let marking = |noise| found(noise).into_iter().filter(|(_, marks)| *marks).count();
        let least = marking(noise(steal, user));
        prop_assert!(marking(noise(steal + more, user)) >= least);
        prop_assert!(marking(noise(steal, user + more)) >= least);
    }
}
