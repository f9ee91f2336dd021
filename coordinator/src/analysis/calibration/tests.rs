//! A synthetic arm against itself, and runs that use its calibration.

use super::*;
use crate::{
    analysis::fixture::{Fixture, params},
    metric::COMPARED,
    scenario::{self, Scenario},
    store::record::TrialRecord,
    summary::ComparisonSet,
};

const TEXT: &str = "\
name: qd-sweep
target: {file: {size: 1GiB}}
arms: {sync: {engine: psync}, uring-tuned: {engine: io_uring}}
sweep: {depth: [1, 32]}
";

fn scenario(overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    scenario::load_text(TEXT.into(), "x.yaml".as_ref(), &overrides, false).unwrap().scenario
}

/// The arm against itself, with the same noise in both trials of a block.
fn calibration(depths: &[u64], model: fn(&str, u64) -> (f64, u64, f64)) -> Calibration {
    let mut fixture = Fixture::new(&["sync", "sync-again"], depths, 4, &["local"]);
    fixture.model = model;
    fixture.noise_apart = false;
    fixture.execute(usize::MAX);
    let subject = Subject {
        scenario: &scenario(&[]),
        trials: 5,
        comparisons: 2,
        arm: "sync",
        again: "sync-again",
        plan: &fixture.plan,
        hosts: &fixture.hosts,
        trustworthy: true,
    };
    measure(&subject, &fixture.run).unwrap()
}

fn metric<'a>(found: &'a Calibration, name: &str, depth: u64) -> &'a CalibratedMetric {
    let point = found.points.iter().find(|point| point.params == params(depth)).unwrap();
    point.metrics.iter().find(|metric| metric.metric == name).unwrap()
}

/// A calibration whose smallest visible difference in IOPS, for one comparison of five trials, is about 5 % at depth 1
/// and 20 % at depth 32.
fn known() -> Calibration {
    let mut found = calibration(&[1, 32], |_, _| (1000.0, 10_000, 1.0));
    for (point, sd) in found.points.iter_mut().zip([0.0216, 0.0827]) {
        for metric in &mut point.metrics {
            metric.sd = sd;
        }
    }
    found.for_run(5, Length::Fixed, 1)
}

fn floor(found: &Calibration, metric: &str, depth: u64) -> Option<f64> {
    let sd = found.sd(metric, &params(depth))?;
    let (pairs, comparisons) = (found.trials, found.comparisons);
    Some(visible(sd, Judged { pairs, length: Length::Fixed, comparisons }.deviations()?))
}

#[test]
fn an_arm_without_spread_resolves_the_minimum() {
    let found = calibration(&[1], |_, _| (80_000.0, 12_000, 1.0));
    let names: Vec<&str> = found.points[0].metrics.iter().map(|metric| metric.metric.as_str()).collect();
    let compared = COMPARED.iter().filter(|compared| !compared.by_lane).map(|compared| compared.name);
    assert_eq!(names, compared.collect::<Vec<_>>(), "all compared metrics are calibrated");
    let iops = metric(&found, "iops", 1);
    assert_eq!((iops.pairs, iops.sd, iops.biased), (4, 0.0, false));
    assert_eq!(iops.smallest_visible, Some(RESOLUTION));
    assert_eq!((found.trials, found.blocks, found.biased().count()), (5, 4, 0));
    assert_eq!(found.hosts["local"]["kernel.release"], "6.18.0");
}

#[test]
fn an_arm_that_differs_from_itself_is_biased() {
    let found = calibration(&[1, 32], |arm, depth| {
        let second = arm == "sync-again" && depth == 32;
        (if second { 81_000.0 } else { 80_000.0 }, 12_000, 1.0)
    });
    let biased: Vec<_> = found.biased().map(|(point, metric)| (&point.params, &*metric.metric)).collect();
    assert_eq!(biased, [(&params(32), "iops")]);
    let iops = metric(&found, "iops", 32);
    assert!((iops.ratio - 81.0 / 80.0).abs() < 1e-4, "{}", iops.ratio);
}

#[test]
fn a_metric_that_is_zero_has_no_ratio() {
    let found = calibration(&[1], |_, _| (80_000.0, 12_000, 0.0));
    assert!(found.points[0].metrics.iter().all(|metric| metric.metric != "syscalls_per_io"));
    assert_eq!(floor(&found, "syscalls_per_io", 1), None);
}

#[test]
fn floors_are_those_of_the_point_or_the_largest() {
    let found = known();
    let of = |found: &Calibration, depth| floor(found, "iops", depth);
    let (here, there) = (of(&found, 1).unwrap(), of(&found, 32).unwrap());
    assert!((0.04..0.06).contains(&here) && (0.15..0.25).contains(&there), "{here} {there}");
    assert_eq!(of(&found, 8), Some(there), "not calibrated");
    assert_eq!(floor(&found, "nonsense", 1), None);
    let iops = |found: &Calibration| metric(found, "iops", 1).smallest_visible;
    assert_eq!(iops(&found), Some(here), "the reported floor is the one that verdicts respect");
    let more = found.clone().for_run(20, Length::Fixed, 1);
    assert!(iops(&more).unwrap() < here, "more trials resolve more");
    let [few, many] = [3, 24].map(|comparisons| found.clone().for_run(5, Length::Fixed, comparisons));
    assert!(iops(&many).unwrap() > 1.03 * iops(&few).unwrap(), "one of many is harder to see");
    let open = found.clone().for_run(20, Length::ByPrecision { min: 5 }, 1);
    assert!(
        iops(&open).unwrap() > iops(&more).unwrap(),
        "half of the trials count if precision decided their number"
    );
    assert_eq!(iops(&found.for_run(1, Length::Fixed, 1)), None);
}

/// A run whose second arm is certainly 10 % faster at both depths.
fn run(fixture: &mut Fixture) {
    fixture.model = |arm, _| (if arm == "sync" { 80_000.0 } else { 88_000.0 }, 12_000, 1.0);
    fixture.execute(usize::MAX);
}

fn verdict(set: &ComparisonSet, depth: u64) -> Verdict {
    set.comparison("uring-tuned", "iops", &params(depth)).unwrap().verdict
}

#[test]
fn a_verdict_below_the_floor_is_no_difference() {
    let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1, 32], 5, &["local"]);
    run(&mut fixture);
    let set = fixture.analyse(Some("sync"));
    assert_eq!((verdict(&set, 1), verdict(&set, 32)), (Verdict::Faster, Verdict::Faster));
    assert_eq!(set.calibration, None);

    fixture.run.write_calibrated_by(&known()).unwrap();
    let set = fixture.analyse(Some("sync"));
    assert_eq!((verdict(&set, 1), verdict(&set, 32)), (Verdict::Faster, Verdict::NoDifference));
    let use_ = set.calibration.as_ref().unwrap();
    let floor =
        use_.floors.iter().find(|floor| floor.metric == "iops" && floor.params == params(32)).unwrap();
    assert!((0.15..0.25).contains(&floor.smallest_visible), "{floor:?}");
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
    let faster = set.answer.arms[0].verdicts.iter().find(|found| found.verdict == Verdict::Faster);
    assert!(faster.unwrap().points.points.contains(&params(1)), "{:?}", set.answer);
}

#[test]
fn floors_depend_on_pairs_that_count_and_on_comparisons() {
    let of = |arms: &[&str], change: fn(&mut TrialRecord)| {
        let mut fixture = Fixture::new(arms, &[1, 32], 5, &["local"]);
        fixture.change = change;
        run(&mut fixture);
        fixture.run.write_calibrated_by(&known()).unwrap();
        let found = fixture.analyse(Some("sync")).calibration.unwrap();
        let is = |floor: &&Floor| floor.metric == "iops" && floor.params == params(1);
        found.floors.iter().find(is).unwrap().clone()
    };
    let few = of(&["sync", "uring-tuned"], |_| {});
    assert_eq!((few.pairs, few.comparisons), (5, 2));
    let many = of(&["sync", "uring-tuned", "uring", "other"], |_| {});
    assert_eq!((many.pairs, many.comparisons), (5, 6));
    assert!(many.smallest_visible > 1.03 * few.smallest_visible, "{many:?} {few:?}");
    let fewer = of(&["sync", "uring-tuned"], |record| {
        if record.block > 3 {
            record.marks.push("noise".into());
        }
    });
    assert_eq!((fewer.pairs, fewer.comparisons), (3, 2), "five were planned");
    assert!(fewer.smallest_visible > 1.5 * few.smallest_visible, "{fewer:?} {few:?}");
}

#[test]
fn doubtful_calibrations_cause_warnings() {
    let mut fixture = Fixture::new(&["other", "uring-tuned"], &[1, 8], 3, &["local", "n2"]);
    run(&mut fixture);
    let mut found = known();
    found.version = "0.0.1".into();
    found.trustworthy = false;
    found.points[0].metrics[0].biased = true;
    found.hosts.get_mut("local").unwrap().insert("kernel.release".into(), "5.10".into());
    fixture.run.write_calibrated_by(&found).unwrap();
    let set = fixture.analyse(Some("other"));
    let codes: Vec<&str> = set.warnings.iter().map(|warning| warning.code()).collect();
    let all = [
        "calibration-other-host",
        "calibration-other-version",
        "calibration-other-arm",
        "calibration-lacks-point",
        "calibration-biased",
        "calibration-doubtful",
    ];
    assert_eq!(codes, all);
    let of = |code: &str| set.warnings.iter().find(|warning| warning.code() == code).unwrap().message();
    assert!(of("calibration-other-host").contains("it differs in kernel.release"));
    assert!(of("calibration-lacks-point").contains("depth 8"));
}

#[test]
fn calibrations_of_other_experiments_are_refused_by_key() {
    let found = known();
    assert_eq!(found.check(&scenario(&["trials=9", "arms.sync.depth=1", "sweep.depth=[1,2]"][..1])), Ok(()));
    let misfit = found.check(&scenario(&["workload.runtime=2s"])).unwrap_err();
    assert_eq!((misfit.what.as_str(), misfit.own.as_str()), ("workload.runtime", "2s"));
    let misfit = found.check(&scenario(&["target.file.direct=false"])).unwrap_err();
    assert_eq!((misfit.what.as_str(), misfit.calibrated.as_str()), ("target.file.direct", "true"));
}

#[test]
fn the_file_reads_back_and_fits_its_schema() {
    let fixture = Fixture::new(&["sync"], &[1], 1, &["local"]);
    let missing = fixture.run.calibration().unwrap_err();
    assert!(missing.to_string().contains("it has no calibration.json"), "{missing}");
    let found = known();
    fixture.run.write_calibration(&found).unwrap();
    let mut read = fixture.run.calibration().unwrap();
    // JSON may lose the last digit of a number.
    let of = |of: &Calibration| floor(of, "iops", 32).unwrap();
    assert!((of(&read) / of(&found) - 1.0).abs() < 1e-12);
    read.points.clone_from(&found.points);
    assert_eq!(read, found);
    let other = Calibration { schema: 9, ..found.clone() };
    fixture.run.write_calibration(&other).unwrap();
    let newer = fixture.run.calibration().unwrap_err();
    assert!(newer.to_string().contains("calibration.json: its schema is 9"), "{newer}");
    assert!(newer.remedy().contains("calibrate again"), "{}", newer.remedy());
    fixture.run.write_calibrated_by(&other).unwrap();
    let newer = fixture.run.calibrated_by().unwrap_err();
    assert!(newer.to_string().contains("calibrated-by.json: its schema is 9"), "{newer}");
    assert!(newer.remedy().contains("with the release that ran it"), "{}", newer.remedy());
    let validator = jsonschema::validator_for(&calibration_schema()).unwrap();
    let tree = serde_json::to_value(&found).unwrap();
    assert!(validator.is_valid(&tree), "{:?}", validator.iter_errors(&tree).next().map(|e| e.to_string()));
}
