//! Urgent and bulk operations in trials, cells and comparisons.

use super::{
    super::{
        expectations::evaluate,
        fixture::{Fixture, params},
        run_diff::{self, Selection, Side},
    },
    *,
};
use crate::{
    metric::lanes::urgent,
    scenario::expect::parse,
    summary::{ComparisonSet, TooFewUrgent, Unjudged, Verdict},
    warning::SetWarning,
};

#[test]
fn operations_above_ten_medians_are_starved() {
    let mut latency = proto::histogram::empty();
    latency.record_n(1_000, 90).unwrap();
    latency.record_n(10_000, 6).unwrap();
    latency.record_n(11_000, 3).unwrap();
    latency.record_n(1_000_000, 1).unwrap();
    let found = starved(&latency);
    assert_eq!((found.above_ns, found.count, found.share), (10_000, 4, 0.04));
    let mut even = proto::histogram::empty();
    even.record_n(1_000, 5).unwrap();
    assert_eq!(starved(&even).count, 0);
}

#[test]
fn a_lane_has_one_value_per_trial() {
    let part = |value: u64, ops: u64| {
        let mut latency = proto::histogram::empty();
        latency.record_n(value, ops).unwrap();
        Part { iops: ops as f64, bytes_per_s: 0.0, latency }
    };
    let mut gathered = LaneSums::default();
    gathered.add(Some(&part(1_000, 10)));
    gathered.add(None);
    gathered.add(Some(&part(3_000, 30)));
    let counts = UrgentCounts { ops: 40, overtaken: 10, overtakers: 80, most_overtakers: 60 };
    let lane = gathered.urgent(4_000, Some(counts)).unwrap();
    assert_eq!((lane.share, lane.ops, lane.latency_ns.samples.p50.len()), (0.01, 40, 2));
    assert_eq!(lane.iops.as_ref().unwrap().samples, [10.0, 0.0, 30.0], "a trial without any is no gap");
    assert_eq!(lane.overtaken.map(|found| [found.share, found.mean]), Some([0.25, 2.0]));
    assert_eq!(lane.starved, None);
    assert_eq!(LaneSums::default().bulk(1), None, "nothing is urgent: there are no others");
}

const ARMS: [&str; 2] = ["uring", "uring-tuned"];

/// A run of two arms, the second with half the latency, with this number of urgent operations in half a second.
fn run(hosts: &[&str], urgent: fn(&str, u32, usize) -> u64) -> (Fixture, ComparisonSet) {
    let mut run = Fixture::new(&ARMS, &[32], 4, hosts);
    run.model = |arm, _| (50_000.0, if arm == "uring" { 40_000 } else { 20_000 }, 1.0);
    run.some_are_urgent(urgent);
    run.execute(usize::MAX);
    let set = run.analyse(Some("uring"));
    (run, set)
}

fn warning(set: &ComparisonSet) -> Option<&SetWarning> {
    set.warnings.iter().find(|warning| warning.code() == "too-few-urgent")
}

#[test]
fn trials_in_which_no_urgent_operation_completed_count() {
    let (_, set) = run(&["local"], |_, block, _| if block == 2 { 300 } else { 0 });
    for arm in ARMS {
        let cell = set.cell(arm, &params(32)).unwrap();
        let (urgent, bulk) = (cell.lanes.urgent.as_ref().unwrap(), cell.lanes.bulk.as_ref().unwrap());
        assert_eq!(cell.samples("urgent_iops"), [0.0, 600.0, 0.0, 0.0], "{arm}");
        assert_eq!((cell.samples("urgent_p99").len(), cell.samples("bulk_p99").len()), (1, 4), "{arm}");
        let all = cell.throughput.iops.as_ref().unwrap();
        assert_eq!(cell.samples("bulk_iops").len(), 4, "{arm}");
        for ((bulk, urgent), all) in
            cell.samples("bulk_iops").iter().zip(cell.samples("urgent_iops")).zip(&all.samples)
        {
            assert!((bulk + urgent - all).abs() < 1e-6, "{arm}: {bulk} + {urgent} is not {all}");
        }
        let sum = cell.metric("urgent_iops").unwrap() + cell.metric("bulk_iops").unwrap();
        assert!((sum / all.mean - 1.0).abs() < 1e-9, "{arm}: {sum} is not {}", all.mean);
        assert!((urgent.share + bulk.share - 1.0).abs() < 1e-9, "{arm}");
        assert_eq!(urgent.ops, 600, "{arm}");
    }
    let pairs = |metric: &str| set.comparison("uring-tuned", metric, &params(32)).unwrap().pairs;
    assert_eq!([pairs("bulk_iops"), pairs("urgent_p50")], [4, 1]);
}

#[test]
fn hosts_without_urgent_operations_have_bulk_ones() {
    let (_, set) = run(&["n1", "n2"], |_, _, host| if host == 0 { 300 } else { 0 });
    let of = |host: Option<&str>| {
        set.cells.iter().find(|cell| cell.arm == "uring" && cell.host.as_deref() == host).unwrap()
    };
    let bulk = |host| of(host).metric("bulk_iops").unwrap();
    assert!((bulk(Some("n1")) + bulk(Some("n2")) - bulk(None)).abs() < 1e-6);
    assert_eq!(bulk(Some("n2")), of(Some("n2")).throughput.iops.as_ref().unwrap().mean);
    assert!((bulk(None) + 600.0 - of(None).throughput.iops.as_ref().unwrap().mean).abs() < 1e-6);
    assert!(of(Some("n2")).lanes.urgent.is_none() && of(Some("n1")).lanes.urgent.is_some());
}

#[test]
fn cells_without_completed_urgent_operations_have_no_lanes_but_a_warning() {
    let (_, set) = run(&["local"], |arm, _, _| if arm == "uring" { 300 } else { 0 });
    let cell = set.cell("uring-tuned", &params(32)).unwrap();
    assert_eq!((&cell.lanes.urgent, &cell.lanes.bulk), (&None, &None));
    assert!(set.cell("uring", &params(32)).unwrap().lanes.bulk.is_some());
    let found = warning(&set).unwrap();
    assert!(
        found.message().starts_with("uring-tuned at depth 32: no urgent operation completed"),
        "{}",
        found.message()
    );
    assert!(found.remedy().contains("longer `runtime`"), "{}", found.remedy());
}

#[test]
fn too_few_urgent_operations_have_no_verdict_on_their_p99() {
    // Two intervals per trial: 98 operations in the arm and enough in the baseline, and the reverse.
    let few: [fn(&str, u32, usize) -> u64; 2] = [
        |arm, _, _| if arm == "uring" { 300 } else { 49 },
        |arm, _, _| if arm == "uring" { 49 } else { 300 },
    ];
    for (urgent, arm) in few.into_iter().zip(["uring-tuned", "uring"]) {
        let (fixture, set) = run(&["local"], urgent);
        let found = |metric: &str| set.comparison("uring-tuned", metric, &params(32)).unwrap();
        assert_eq!(found("urgent_p50").verdict, Verdict::Faster, "a median needs fewer operations");
        let p99 = found("urgent_p99");
        assert_eq!((p99.verdict, p99.trials_more), (Verdict::Inconclusive, None));
        assert!((p99.ratio.unwrap() - 0.5).abs() < 0.01, "the ratio is shown: {p99:?}");
        let reason = Unjudged::TooFewUrgent(TooFewUrgent { arm: arm.into(), per_trial: 98.0, needed: 100 });
        assert_eq!(p99.reason, Some(reason));
        assert_eq!(found("urgent_p50").reason, None);
        let message = warning(&set).unwrap().message();
        assert!(
            message.starts_with(&format!(
                "{arm} at depth 32: 98 urgent operations per trial are too few for a 99th"
            )),
            "{message}"
        );

        // The same holds for claims, with and without the run's own comparison, and for comparisons of runs.
        for set in [set.clone(), ComparisonSet { baseline: None, comparisons: Vec::new(), ..set.clone() }] {
            let passed = |text: &str| evaluate(&parse(text).unwrap(), &set, &[params(32)]).passed;
            assert_eq!(
                passed("verdict(uring-tuned.urgent_p99 / uring.urgent_p99) == inconclusive"),
                Some(true)
            );
            assert_eq!(passed("verdict(uring-tuned.urgent_p50 / uring.urgent_p50) == faster"), Some(true));
        }
        let side = Side { set: &set, plan: &fixture.plan };
        let arms = Some(("uring".to_owned(), "uring-tuned".to_owned()));
        let chosen = Selection { metrics: vec![&urgent::P50, &urgent::P99], arms, margin: None };
        let diff = run_diff::compare(side, side, &chosen);
        let verdicts: Vec<Verdict> = diff.comparisons.iter().map(|found| found.verdict).collect();
        assert_eq!(verdicts, [Verdict::Faster, Verdict::Inconclusive]);
        let reason = Unjudged::TooFewUrgent(TooFewUrgent { arm: arm.into(), per_trial: 98.0, needed: 100 });
        assert_eq!(diff.tallies[1].reason, Some(reason));
    }
}

#[test]
fn enough_urgent_operations_are_judged() {
    let (_, set) = run(&["local"], |_, _, _| 50);
    let p99 = set.comparison("uring-tuned", "urgent_p99", &params(32)).unwrap();
    assert_eq!((p99.verdict, &p99.reason), (Verdict::Faster, &None));
    assert_eq!(warning(&set), None);
    // Cells without urgent operations in the scenario cause no warning.
    let mut plain = Fixture::new(&ARMS, &[32], 2, &["local"]);
    plain.execute(usize::MAX);
    let set = plain.analyse(Some("uring"));
    assert!(
        warning(&set).is_none()
            && set.cells.iter().all(|cell| cell.lanes.urgent.is_none() && cell.lanes.bulk.is_none())
    );
}
