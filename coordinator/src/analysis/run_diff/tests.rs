//! Two synthetic runs compared.

use super::{
    super::{
        fixture::{Fixture, model, params},
        unpaired::{self, Sample},
    },
    *,
};
use crate::{
    metric::{Better, USUAL, latency::SYNC_P99},
    stats::difference::Length,
    summary::{
        Verdict,
        run_diff::{CellDiff, CellName, VerdictTally},
    },
};

fn name(arm: &str, depth: u64) -> CellName {
    CellName { arm: arm.into(), params: params(depth) }
}

fn selection() -> Selection {
    Selection { metrics: USUAL.to_vec(), arms: None, margin: None }
}

fn run(change: impl FnOnce(&mut Fixture)) -> (Fixture, ComparisonSet) {
    let mut run = Fixture::new(&["sync", "uring-tuned"], &[1, 32], 4, &["local"]);
    change(&mut run);
    run.execute(usize::MAX);
    let set = run.analyse(Some("sync"));
    (run, set)
}

fn diff(old: &(Fixture, ComparisonSet), new: &(Fixture, ComparisonSet), chosen: &Selection) -> RunDiff {
    let side = |(fixture, set)| -> Side<'_> {
        let (fixture, set): (&Fixture, &ComparisonSet) = (fixture, set);
        Side { set, plan: &fixture.plan }
    };
    compare(side((&old.0, &old.1)), side((&new.0, &new.1)), chosen)
}

#[test]
fn finds_the_slower_cell_and_no_other() {
    let old = run(|_| {});
    let new = run(|run| {
        run.model = |arm, depth| match (arm, depth, model(arm, depth)) {
            ("uring-tuned", 32, (iops, p50, calls)) => (0.8 * iops, p50, calls),
            (_, _, same) => same,
        };
    });
    let found = diff(&old, &new, &selection());
    let verdict = |arm: &str, depth: u64, metric: &str| {
        let is = |one: &&CellDiff| one.arm == arm && one.params["depth"] == depth && one.metric == metric;
        let one = found.comparisons.iter().find(is).unwrap();
        assert!(one.alike && one.p_adjusted >= one.p_value, "{one:?}");
        (one.verdict, one.ratio.unwrap())
    };
    let (slower, ratio) = verdict("uring-tuned", 32, "iops");
    assert!(slower == Verdict::Slower && (ratio - 0.8).abs() < 1e-3);
    assert_ne!(verdict("sync", 32, "iops").0, Verdict::Slower);
    assert_eq!(verdict("sync", 32, "p99").0, Verdict::NoDifference);
    assert_eq!(found.comparisons.len(), 8);
    assert!(found.host_changes.is_empty());
    let iops = &found.tallies[0];
    assert_eq!((iops.metric.as_str(), iops.cells, iops.unmeasured, iops.unlike), ("iops", 4, 0, 0));
    let VerdictTally { verdict: Verdict::Slower, cells: 1, most: Some((cell, most)) } = &iops.verdicts[0]
    else {
        panic!("{iops:?}")
    };
    assert_eq!((cell, *most), (&name("uring-tuned", 32), ratio));
}

#[test]
fn reports_differences_between_hosts_and_scenarios() {
    let old = run(|run| {
        run.hosts[0].description.facts.insert("thp".into(), "always".into());
    });
    let mut new = run(|run| {
        run.hosts[0].description.facts.insert("kernel.release".into(), "6.19.0".into());
        run.hosts[0].description.facts.insert("data_dir.scheduler".into(), "none".into());
        for cell in &mut run.plan.cells {
            cell.template.workload.runtime = proto::units::Nanos(9);
            if cell.arm == "sync" {
                cell.template.workload.read_percent = 50;
            }
        }
    });
    new.0.plan.cells.remove(3);
    let found = diff(&old, &new, &selection());
    let facts: Vec<&str> = found.host_changes.iter().map(|change| change.fact.as_str()).collect();
    assert_eq!(facts, ["kernel.release", "data_dir.scheduler", "thp"]);
    assert_eq!(found.host_changes[2].run, None);
    let parts: Vec<(&str, usize)> =
        found.scenario_changes.iter().map(|change| (change.part.as_str(), change.cells)).collect();
    assert_eq!(parts, [("workload.read_percent", 2), ("workload.runtime", 3)]);
    for one in &found.comparisons {
        assert_eq!(one.alike, one.arm != "sync", "how long was measured makes no other thing");
    }
    assert_eq!((found.only_in_baseline.len(), found.only_in_run.len()), (1, 0));
    assert_eq!(found.only_in_baseline[0], name("uring-tuned", 32));
}

#[test]
fn compares_selected_arms() {
    let (old, new) = (run(|_| {}), run(|_| {}));
    let chosen = Selection { arms: Some(("sync".into(), "uring-tuned".into())), ..selection() };
    let found = diff(&old, &new, &chosen);
    assert_eq!(found.comparisons.len(), 4);
    let at_32 = found.comparisons.iter().find(|one| one.params["depth"] == 32).unwrap();
    assert_eq!((at_32.verdict, at_32.baseline_arm.as_str(), at_32.alike), (Verdict::Faster, "sync", true));
    assert!(found.only_in_run.is_empty() && found.only_in_baseline.is_empty());
}

#[test]
fn corrects_for_many_cells() {
    let (old, new) = (run(|_| {}), run(|_| {}));
    let template = diff(&old, &new, &selection()).comparisons[0].clone();
    let sample = |values| Sample { values, length: Length::Fixed };
    let slower = unpaired::compare(sample(&[80.0, 81.0, 79.0]), sample(&[100.0, 101.0, 99.0]));
    let judged = |p_values: [f64; 4]| {
        let one = |p| (CellDiff { p_value: Some(p), ..template.clone() }, slower);
        let mut family = p_values.map(one);
        judge::judge(family.iter_mut(), Better::Higher, 0.02);
        family.map(|(found, _)| (found.p_adjusted.unwrap(), found.verdict == Verdict::Slower))
    };
    let found = judged([0.04, 0.001, 0.02, 0.03]);
    // By hand: 0.001 x 4; 0.02 x 3; 0.03 x 2; then 0.04, which may not be less.
    for ((found, _), expected) in found.iter().zip([0.06, 0.004, 0.06, 0.06]) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }
    assert_eq!(found.map(|(_, slower)| slower), [false, true, false, false]);
    // A corrected p-value of 0.044 is below 5 %, but verdicts require less than 0.042, as within a run.
    let found = [0.008, 0.011].map(|p| judged([0.9, 0.9, 0.9, p])[3]);
    assert!((found[0].0 - 0.032).abs() < 1e-12 && (found[1].0 - 0.044).abs() < 1e-12, "{found:?}");
    assert_eq!(found.map(|(_, slower)| slower), [true, false]);
}

#[test]
fn precision_widens_the_interval() {
    let (mut old, new) = (run(|_| {}), run(|_| {}));
    let interval = |found: &RunDiff| found.comparisons[0].ci95.unwrap();
    let [low, high] = interval(&diff(&old, &new, &selection()));
    old.1.least_trials = Some(2);
    let wider = interval(&diff(&old, &new, &selection()));
    assert!(wider[0] < low && wider[1] > high, "{wider:?} {low} {high}");
}

#[test]
fn takes_the_larger_margin_of_the_runs() {
    let (mut old, mut new) = (run(|_| {}), run(|_| {}));
    (old.1.margin, new.1.margin) = (Some(0.001), Some(0.001));
    let found = diff(&old, &new, &selection());
    assert_eq!((found.margin, found.margins), (0.001, None));
    let verdict = |found: &RunDiff| found.comparisons[0].verdict;
    assert_eq!(verdict(&found), Verdict::Inconclusive, "four trials each do not exclude 0.1 %");
    old.1.margin = Some(0.05);
    let found = diff(&old, &new, &selection());
    assert_eq!((found.margin, found.margins), (0.05, Some([0.05, 0.001])));
    assert_eq!(verdict(&found), Verdict::NoDifference);
    let asked = Selection { margin: Some(0.001), ..selection() };
    let found = diff(&old, &new, &asked);
    assert_eq!((found.margin, found.margins), (0.001, None));
    assert_eq!(verdict(&found), Verdict::Inconclusive);
}

#[test]
fn reports_cells_that_neither_run_measured() {
    let refused = |fixture: &mut Fixture| {
        fixture.change = |record| {
            if record.arm == "uring-tuned" && record.params["depth"] == 32 {
                record.marks.push("refused".into());
            }
        };
    };
    let found = diff(&run(refused), &run(refused), &selection());
    let none: Vec<&CellDiff> = found.comparisons.iter().filter(|one| one.ratio.is_none()).collect();
    assert_eq!(none.len(), 2, "each metric of the cell");
    assert!(none.iter().all(|one| one.baseline.is_none() && one.run.is_none() && one.params["depth"] == 32));
    assert!(found.tallies.iter().all(|tally| tally.unmeasured == 1), "{:?}", found.tallies);
    // A metric that no measured cell has is not reported as missing: there are no syncs here.
    let syncs = Selection { metrics: vec![&SYNC_P99], ..selection() };
    assert!(diff(&run(|_| {}), &run(|_| {}), &syncs).comparisons.is_empty());
}
