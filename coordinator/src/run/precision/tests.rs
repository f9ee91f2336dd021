//! Feeds the rule with synthetic runs.

use proto::refusal::{EngineRefusal, RingFailure};

use super::*;
use crate::{
    analysis::fixture::{Fixture, params},
    metric::{latency::LATENCY_MEAN, throughput::IOPS},
};

fn fixture(arms: &[&str], trials: u32, until: f64) -> Fixture {
    let mut fixture = Fixture::new(arms, &[1, 32], trials, &["n1", "n2"]);
    let baseline = arms[0].to_owned();
    fixture.plan.stopping = Some(Stopping { min: 5, until, baseline });
    fixture
}

/// The block after which the precision is reached, if any.
fn reached(fixture: &Fixture) -> Option<u32> {
    let mut precision = PrecisionTracker::new(&fixture.plan);
    let records = fixture.run.read_trials().unwrap().records;
    for (index, record) in records.iter().enumerate() {
        precision.add(record, &fixture.run).unwrap();
        let complete = records.get(index + 1).is_none_or(|next| next.block != record.block);
        if complete && precision.is_reached(record.block) {
            return Some(record.block);
        }
    }
    None
}

#[test]
fn stops_by_width_and_not_before_the_minimum() {
    let mut wide = fixture(&["sync", "uring"], 12, 0.05);
    wide.execute(usize::MAX);
    assert_eq!(reached(&wide), Some(5), "narrow from the first, but 5 is the least");
    let mut narrow = fixture(&["sync", "uring"], 12, 0.01);
    narrow.execute(usize::MAX);
    let after = reached(&narrow).unwrap();
    assert!((6..=12).contains(&after), "{after}");
    // A run decides by the intervals of each comparison alone.
    let width = |blocks: u32| {
        let mut part = fixture(&["sync", "uring"], 12, 0.01);
        part.execute(4 * (blocks as usize + 1));
        let set = part.analyse(Some("sync"));
        let widest = |metric: &crate::metric::Metric, depth| {
            let samples = |arm| logs(metric.samples(set.cell(arm, &params(depth)).unwrap())).unwrap();
            let found = difference(&samples("uring"), &samples("sync"), None, part.plan.length());
            found.unwrap().half_width().unwrap()
        };
        [1, 32]
            .iter()
            .flat_map(|depth| [&IOPS, &LATENCY_MEAN].map(|metric| widest(metric, *depth)))
            .fold(0.0, f64::max)
    };
    assert!(width(after) <= 0.01_f64.ln_1p() && width(after - 1) <= 0.01_f64.ln_1p());
    assert!(after == 6 || width(after - 2) > 0.01_f64.ln_1p());
    let mut never = fixture(&["sync", "uring"], 12, 0.0001);
    never.execute(usize::MAX);
    assert_eq!(reached(&never), None);
    never.plan.stopping = None;
    assert_eq!(reached(&never), None);
}

#[test]
fn ignores_refused_cells_and_waits_for_marked_trials() {
    let mut refused = fixture(&["sync", "uring", "uring-tuned"], 8, 0.05);
    refused.change = |record| {
        if record.arm == "uring-tuned" {
            record.hosts[0].refusal = Some(EngineRefusal::Ring { failure: RingFailure::NoFirstRing }.into());
            record.marks.push("n1: refused".into());
        }
    };
    refused.execute(usize::MAX);
    assert_eq!(reached(&refused), Some(5));
    let mut marked = fixture(&["sync", "uring"], 8, 0.05);
    marked.change = |record| {
        if record.cell == 1 && record.block > 1 {
            record.marks.push("noise".into());
        }
    };
    marked.execute(usize::MAX);
    assert_eq!(reached(&marked), None, "one pair has no width");
    let mut noisy = fixture(&["sync", "uring"], 8, 0.05);
    noisy.change = |record| {
        if record.cell == 1 {
            record.marks.push("noise".into());
        }
    };
    noisy.execute(usize::MAX);
    assert_eq!(reached(&noisy), None, "a cell without counted trials is not precise");
}

#[test]
fn a_single_arm_uses_the_intervals_of_its_means() {
    let mut alone = fixture(&["sync"], 12, 0.05);
    alone.execute(usize::MAX);
    assert_eq!(reached(&alone), Some(5));
    assert!(!PrecisionTracker::new(&alone.plan).is_reached(9), "nothing was measured");
}

#[test]
fn a_run_stopped_by_precision_is_complete() {
    let mut stopped = fixture(&["sync", "uring"], 12, 0.05);
    stopped.execute(4 * 6);
    assert!(!stopped.analyse(Some("sync")).trustworthy);
    stopped.plan.stopped_after = Some(5);
    let set = stopped.analyse(Some("sync"));
    assert!(set.trustworthy, "{:?}", set.untrusted);
    let trials = set.cell("uring", &params(32)).unwrap().trials;
    assert_eq!((trials.planned, trials.complete), (5, 5));
    let text = serde_json::to_string(&stopped.plan).unwrap();
    assert!(text.contains(r#""stopped_after":5"#), "{text}");
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), stopped.plan);
}
