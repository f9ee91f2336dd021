use std::{collections::HashSet, path::Path};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::scenario::load_text;

fn loaded(depths: &[u32], trials: u32) -> Loaded {
    let text = format!(
        "name: x\ntarget: {{file: {{size: 1MiB}}}}\nworkload: {{runtime: 1s, warmup: 300ms}}\n\
         arms: {{sync: {{engine: psync}}, uring: {{engine: io_uring}}}}\n\
         sweep: {{depth: {depths:?}, block_size: [4096, 8KiB]}}\ntrials: {trials}\n"
    );
    load_text(text, Path::new("x.yaml"), &[], false).unwrap()
}

#[test]
fn orders_cells_by_point_then_arm() {
    let plan = plan(&loaded(&[1, 8], 1), 1).unwrap();
    let cells: Vec<String> = plan
        .cells
        .iter()
        .map(|cell| format!("{} {}", cell.arm, serde_json::Value::Object(cell.params.clone())))
        .collect();
    assert_eq!(cells[0], r#"sync {"depth":1,"block_size":"4KiB"}"#);
    assert_eq!(cells[1], r#"uring {"depth":1,"block_size":"4KiB"}"#);
    assert_eq!(cells[2], r#"sync {"depth":1,"block_size":"8KiB"}"#);
    assert_eq!(cells[7], r#"uring {"depth":8,"block_size":"8KiB"}"#);
    assert_eq!(plan.cells[7].template.engine.queue.depth, 8);
    assert_eq!(plan.cells[7].template.workload.block_size.largest().0, 8192);
    assert_eq!(plan.points().len(), 4);
    assert_eq!(plan.points()[0]["depth"], json!(1));
}

#[test]
fn audits_run_first_and_are_short() {
    let plan = plan(&loaded(&[1], 2), 1).unwrap();
    let audit = plan.trial(&plan.trials[0]);
    assert_eq!((audit.measure, audit.workload.runtime), (Measure::Audit, AUDIT_RUNTIME));
    assert_eq!(audit.workload.warmup, AUDIT_WARMUP);
    let last = &plan.trials[11];
    let timed = plan.trial(last);
    assert_eq!((timed.measure, timed.workload.runtime), (Measure::Timed, Nanos(1_000_000_000)));
    assert_eq!((timed.id.as_str(), timed.seed), (last.id.as_str(), last.seed));
    assert!(last.id.starts_with("0012-"), "{}", last.id);
}

#[test]
fn the_duration_includes_overhead_and_filling() {
    let plan = plan(&loaded(&[1], 2), 1).unwrap();
    let own = Duration::from_millis(4 * 400 + 8 * 1300) + 12 * OVERHEAD_PER_TRIAL;
    let fill = plan.expected_duration() - own;
    assert!(fill > Duration::from_millis(2) && fill < Duration::from_millis(3), "{fill:?}");
}

#[test]
fn open_trials_have_a_shortest_and_a_longest_duration() {
    let fixed = loaded(&[1], 2);
    let text = "name: x\ntarget: {path: /x}\nworkload: {runtime: 1s, warmup: 300ms}\n\
                arms: {sync: {engine: psync}}\ntrials: {min: 4, max: 9, until: 1%}\n";
    let loaded = load_text(text.into(), Path::new("x.yaml"), &[], false).unwrap();
    let plan = plan(&loaded, 1).unwrap();
    assert_eq!((plan.trials.len(), plan.blocks(), plan.trials_in_words().as_str()), (10, 9, "4 to 9"));
    assert_eq!(plan.length(), Length::ByPrecision { min: 4 });
    let one = Duration::from_millis(1300) + OVERHEAD_PER_TRIAL;
    assert_eq!(plan.expected_duration() - plan.least_duration().unwrap(), 5 * one);
    let fixed = super::plan(&fixed, 1).unwrap();
    assert_eq!(
        (fixed.least_duration(), fixed.trials_in_words().as_str(), fixed.length()),
        (None, "2", Length::Fixed)
    );
    assert!(!serde_json::to_string(&fixed).unwrap().contains("stop"));
    assert_eq!(Plan { stopped_after: Some(6), ..plan }.blocks(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn an_extended_plan_is_the_plan_of_more_trials(
        count in 1u32..5, trials in 1u32..5, more in 1u32..5, seed in any::<u64>(),
    ) {
        let depths: Vec<u32> = (1..=count).collect();
        let mut extended = plan(&loaded(&depths, trials), seed).unwrap();
        extended.extend(more);
        prop_assert_eq!(extended, plan(&loaded(&depths, trials + more), seed).unwrap());
    }

    #[test]
    fn arms_of_a_point_are_neighbours_and_take_each_place_equally_often(
        count in 1u32..5, squares in 1u32..4, seed in any::<u64>()
    ) {
        let depths: Vec<u32> = (1..=count).collect();
        // Two block sizes at each depth, and two arms.
        let (points, arms) = (2 * count as usize, 2);
        let planned = plan(&loaded(&depths, squares * 2 * count), seed).unwrap();
        let timed: Vec<&PlannedTrial> = planned.trials.iter().filter(|trial| trial.block > 0).collect();
        let blocks: Vec<&[&PlannedTrial]> = timed.chunks(points * arms).collect();
        let params = |trial: &PlannedTrial| &planned.cells[trial.cell].params;
        for block in &blocks {
            prop_assert!(block.chunks(arms).all(|group| group.iter().all(|one| params(one) == params(group[0]))));
        }
        for some in blocks.chunks(arms) {
            let mut places: Vec<(usize, usize)> = some
                .iter()
                .flat_map(|block| block.iter().enumerate().map(|(place, trial)| (trial.cell, place % arms)))
                .collect();
            places.sort_unstable();
            let each = (0..planned.cells.len()).flat_map(|cell| (0..arms).map(move |place| (cell, place)));
            prop_assert_eq!(places, each.collect::<Vec<_>>(), "each arm takes each place of its point once");
        }
        for some in blocks.chunks(points) {
            let mut places = HashSet::new();
            for block in some {
                for (place, group) in block.chunks(arms).enumerate() {
                    places.insert((planned.cells[group[0].cell].params.clone().into_iter().collect::<Vec<_>>(), place));
                }
            }
            prop_assert_eq!(places.len(), points * points, "each point takes each place of a block once");
        }
    }

    #[test]
    fn every_block_runs_every_cell_once(count in 1u32..5, trials in 1u32..6, seed in any::<u64>()) {
        let depths: Vec<u32> = (1..=count).collect();
        let loaded = loaded(&depths, trials);
        let planned = plan(&loaded, seed).unwrap();
        let again = plan(&loaded, seed).unwrap();
        prop_assert_eq!(&planned, &again);
        let all: HashSet<usize> = (0..planned.cells.len()).collect();
        for block in planned.trials.chunks(all.len()) {
            prop_assert_eq!(&block.iter().map(|trial| trial.cell).collect::<HashSet<_>>(), &all);
            prop_assert!(block.iter().all(|trial| trial.block == block[0].block));
            prop_assert!(block.iter().all(|trial| (trial.measure == Measure::Audit) == (trial.block == 0)));
        }
        prop_assert_eq!(planned.trials.len(), all.len() * (trials as usize + 1));
        let ids: HashSet<&str> = planned.trials.iter().map(|trial| trial.id.as_str()).collect();
        prop_assert_eq!(ids.len(), planned.trials.len());
        // Arms of a block use the same offsets; other points and blocks use others.
        let seeds: HashSet<u64> = planned.trials.iter().map(|trial| trial.seed).collect();
        prop_assert_eq!(seeds.len(), planned.trials.len() / 2);
        for trial in &planned.trials {
            let twin = planned.trials.iter().find(|other| {
                other.block == trial.block
                    && other.cell != trial.cell
                    && planned.cells[other.cell].params == planned.cells[trial.cell].params
            });
            prop_assert_eq!(twin.map(|twin| twin.seed), Some(trial.seed));
        }
        let text = serde_json::to_string(&planned).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), planned);
    }
}
