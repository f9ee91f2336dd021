//! Differences between the scenarios of two runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{params, scenario::Cell, summary::run_diff::ScenarioChange};

/// Parts of a trial that change only the length of the measurement.
const DURATIONS: [&str; 3] = ["workload.runtime", "workload.warmup", "workload.interval"];
/// Parts that differ from trial to trial.
const OWN: [&str; 3] = ["id", "seed", "measure"];

/// The differences between two compared cells. The engines of different arms differ on purpose.
pub(super) fn between(baseline: &Cell, run: &Cell) -> Vec<ScenarioChange> {
    let parts = |cell: &Cell| {
        let mut parts = BTreeMap::new();
        let template = serde_json::to_value(&cell.template).unwrap_or_default();
        flatten(String::new(), &template, &mut parts);
        parts.retain(|part, _| {
            let top = part.split('.').next().unwrap_or_default();
            !OWN.contains(&top) && (baseline.arm == run.arm || top != "engine")
        });
        parts
    };
    let (old, new) = (parts(baseline), parts(run));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = names.into_iter().filter(|part| old.get(*part) != new.get(*part));
    differs
        .map(|part| ScenarioChange {
            part: part.clone(),
            baseline: old.get(part).cloned(),
            run: new.get(part).cloned(),
            cells: 1,
            duration: DURATIONS.contains(&part.as_str()),
        })
        .collect()
}

/// Adds the changes of a cell to those of other cells: equal ones once, with the number of cells.
pub(super) fn count(all: &mut Vec<ScenarioChange>, of_cell: Vec<ScenarioChange>) {
    for change in of_cell {
        let same = |known: &&mut ScenarioChange| {
            ScenarioChange { cells: change.cells, ..(*known).clone() } == change
        };
        match all.iter_mut().find(same) {
            Some(known) => known.cells += 1,
            None => all.push(change),
        }
    }
}

/// Every leaf of a value by its dotted path; null counts as absent.
fn flatten(path: String, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(path, value, leaves);
            }
        }
        leaf => _ = leaves.insert(path, params::value(leaf)),
    }
}
