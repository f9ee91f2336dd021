//! Answers of synthetic runs at equal concurrency.

use crate::{
    analysis::fixture::{Fixture, params, saturated},
    summary::{
        ComparisonSet,
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
