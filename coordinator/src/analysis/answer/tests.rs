//! Answers of synthetic runs at equal concurrency.

use crate::{
    analysis::fixture::{Fixture, params, saturated},
    summary::{
        ComparisonSet, Verdict,
        answer::{Facet, LimitedBy, Shipped, Standing},
    },
};

fn analysed(change: impl Fn(&mut Fixture)) -> ComparisonSet {
    let mut fixture = saturated();
    change(&mut fixture);
    fixture.execute(usize::MAX);
    fixture.analyse(Some("sync"))
}

#[test]
fn arms_of_equal_concurrency_are_held_against_each_other() {
    let found = analysed(|_| {}).answer.concurrency.unwrap();
    let gain = found.gain.unwrap();
    assert_eq!((gain.arms.join(" "), gain.against.as_str()), ("uring uring-tuned".to_owned(), "sync"));
    assert_eq!((gain.threads, gain.points.points.len(), gain.points.last), (Some(1), 3, true));
    let [iops] = &gain.standings[..] else { panic!("{:?}", gain.standings) };
    let better = iops.better.as_ref().unwrap();
    assert_eq!((better.comparisons, better.most.params.clone()), (6, params(128)));
    assert!(better.points.as_ref().unwrap().last, "{better:?}");

    let [threads] = &found.equal[..] else { panic!("{:?}", found.equal) };
    assert_eq!(
        (threads.against.as_str(), threads.threads, threads.threads_against),
        ("sync-threads", Some(1), None)
    );
    let of =
        |facet| -> &Standing { threads.standings.iter().find(|standing| standing.facet == facet).unwrap() };
    assert!(of(Facet::Iops).all_equal, "{:?}", of(Facet::Iops));
    let cpu = of(Facet::CpuPerIo).better.as_ref().unwrap();
    assert!((cpu.most.ratio - 1.55 / 5.13).abs() < 0.01, "{cpu:?}");

    let start = found.start.unwrap();
    assert_eq!((start.arms.len(), start.points.points), (2, vec![params(1)]));
}

#[test]
fn without_a_pair_of_equal_concurrency_the_answer_is_by_arm() {
    let answer = analysed(|fixture| fixture.further.clear()).answer;
    assert!(answer.concurrency.is_none() && !answer.arms.is_empty());
}

#[test]
fn the_device_is_the_limit_where_lines_overlap_and_no_longer_rise() {
    let limit = analysed(|_| {}).answer.limit.unwrap();
    assert_eq!(
        (limit.by, limit.from, limit.shown_by),
        (LimitedBy::Device, params(32), Some(Shipped::Ramdisk))
    );
}

/// Figures of a real disk: the rings reach the threads' IOPS only at depth 128, where the threads gain no more.
fn of_a_disk(fixture: &mut Fixture) {
    fixture.model = |arm, depth| {
        let iops = match (arm, depth) {
            ("sync", _) | (_, 1) => 13_900.0,
            ("sync-threads", 8) => 71_000.0,
            ("sync-threads", 32) => 96_000.0,
            ("sync-threads", _) => 99_500.0,
            (_, 8) => 45_000.0,
            (_, 32) => 79_700.0,
            ("uring", _) => 99_800.0,
            _ => 104_000.0,
        };
        (
            iops,
            900_000_000 * depth / iops as u64,
            if arm.contains("uring") { 1.5 / depth as f64 } else { 1.0 },
        )
    };
}

#[test]
fn lines_that_overlap_at_the_last_depth_alone_show_a_limit_if_one_has_levelled_before() {
    let limit = analysed(of_a_disk).answer.limit.unwrap();
    assert_eq!(
        (limit.by, limit.from, limit.last_only, limit.shown_by),
        (LimitedBy::Device, params(128), true, Some(Shipped::Ramdisk))
    );
    // All rise up to the last depth.
    let rising = |fixture: &mut Fixture| {
        of_a_disk(fixture);
        fixture.model = |arm, depth| match (arm, depth) {
            ("sync", _) | (_, 1) => (13_900.0, 67_000, 1.0),
            ("sync-threads", 32) => (60_000.0, 500_000, 1.0),
            (_, 8 | 32) => (45_000.0, 600_000, 0.1),
            _ => (99_500.0, 1_200_000, 0.1),
        };
    };
    assert_eq!(analysed(rising).answer.limit, None);
}

#[test]
fn a_small_verdict_does_not_hide_the_limit_and_noise_does() {
    // 4 % faster, beyond doubt.
    let set = analysed(|_| {});
    let set = ComparisonSet {
        comparisons: set
            .comparisons
            .into_iter()
            .map(|mut found| {
                if found.arm == "uring-tuned" && found.params != params(1) && found.metric == "iops" {
                    found.ratio = Some(1.04);
                    found.ci95 = Some([1.03, 1.05]);
                    found.verdict = Verdict::Faster;
                }
                found
            })
            .collect(),
        ..set
    };
    let fixture = saturated();
    let loads = super::Loads::of(&fixture.plan);
    let limit = |set: &ComparisonSet| super::limit::limit(set, &loads).map(|limit| limit.from);
    assert_eq!(limit(&set), Some(params(32)));
    let with = |change: fn(&mut crate::summary::Comparison)| {
        let mut set = set.clone();
        set.comparisons.iter_mut().filter(|found| found.params == params(128)).for_each(change);
        set
    };
    assert_eq!(limit(&with(|found| found.ci95 = Some([1.1, 1.3]))), None, "clearly faster");
    let noisy = with(|found| {
        found.verdict = Verdict::Inconclusive;
        found.ci95 = Some([0.7, 1.5]);
    });
    assert_eq!(limit(&noisy), None, "the trials vary too much");
    let mut vague = set.clone();
    for cell in &mut vague.cells {
        if let Some(iops) = &mut cell.throughput.iops {
            iops.ci95 = Some([iops.mean / 1.5, iops.mean * 1.5]);
        }
    }
    assert_eq!(limit(&vague), None, "IOPS may still rise");
}

#[test]
fn no_limit_is_claimed_where_iops_rise_or_arms_differ() {
    let rising = |fixture: &mut Fixture| {
        fixture.model = |arm, depth| {
            let iops = if arm == "sync" { 13_900.0 } else { 13_900.0 * (depth as f64).sqrt() };
            (iops, 60_000, 1.0)
        };
    };
    assert_eq!(analysed(rising).answer.limit, None);
    let apart = |fixture: &mut Fixture| {
        fixture.model = |arm, depth| match (arm, depth) {
            ("sync", _) | (_, 1) => (13_900.0, 67_000, 1.0),
            ("uring-tuned", _) => (150_000.0, 67_000, 1.0),
            _ => (100_000.0, 67_000, 1.0),
        };
    };
    assert_eq!(analysed(apart).answer.limit, None);
    let cached = |fixture: &mut Fixture| fixture.change = |_| {};
    assert_eq!(analysed(cached).answer.limit, None, "the target is not known to be direct");
}
