//! One run held against another, from another day or another machine: cell by cell, with what else differs on top.
//!
//! The trials of two runs share no blocks, so they are compared unpaired. All comparisons of one metric are one family:
//! what is called faster or slower holds for all of them together (Holm), so that a gate over many cells does not fail
//! by chance.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    fingerprint::{self, FactChange},
    unpaired::{self, Ratio, Sample},
    urgent,
};
use crate::{
    metric::{Better, Metric, throughput::IOPS},
    params::{self, Params},
    plan::Plan,
    scenario::{Cell, precision::as_percent},
    stats::{holm::holm, verdict::DEFAULT_MARGIN},
    summary::{CellSummary, ComparisonSet, Verdict},
};

/// The version of this format.
pub const SCHEMA: u32 = 1;
/// Parts of a trial that say how long is measured, not what.
const DURATIONS: [&str; 3] = ["workload.runtime", "workload.warmup", "workload.interval"];
/// Parts that differ from trial to trial.
const OWN: [&str; 3] = ["id", "seed", "measure"];

/// A run with what was planned.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What it came to.
    pub set: &'a ComparisonSet,
    /// What was planned.
    pub plan: &'a Plan,
}

/// Which cells are held against each other, and in what.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The metrics to compare.
    pub metrics: Vec<&'static Metric>,
    /// An arm of the baseline and the arm of the run that is held against it; none: each against the one of its name.
    pub arms: Option<(String, String)>,
    /// Cells whose ratio lies surely within 1 ± this are equal; none: the larger one of the two runs.
    pub margin: Option<f64>,
}

/// What a run is next to another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunComparison {
    /// The version of this format.
    pub schema: u32,
    /// The run that is held to be known.
    pub baseline: RunFacts,
    /// The run that is held against it.
    pub run: RunFacts,
    /// Cells are called equal where the interval of their ratio lies within 1 ± this share.
    #[serde(default)]
    pub margin: f64,
    /// What can be said of it in plain words.
    pub answer: Vec<String>,
    /// In what the hosts differ, what explains most first.
    pub host_changes: Vec<FactChange>,
    /// In what the scenarios differ, for the cells that both have.
    pub scenario_changes: Vec<ScenarioChange>,
    /// Cells, as `arm at point`, that only the baseline has.
    pub only_in_baseline: Vec<String>,
    /// Cells that only the run has.
    pub only_in_run: Vec<String>,
    /// A metric of a cell each.
    pub comparisons: Vec<CellComparison>,
}

/// Which run it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunFacts {
    /// Its name.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Whether it was a shortened one.
    pub quick: bool,
    /// Whether every planned trial counts.
    pub trustworthy: bool,
}

/// A part of the scenario that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioChange {
    /// Which, such as `workload.block_size` or `engine.ring.fixed_files`.
    pub part: String,
    /// In the baseline; null where it has none.
    pub baseline: Option<String>,
    /// In the run.
    pub run: Option<String>,
    /// In how many cells.
    pub cells: usize,
    /// Whether it only says how long was measured: the numbers are then of the same thing.
    pub duration: bool,
}

/// A metric of a cell in both runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellComparison {
    /// The arm in the run.
    pub arm: String,
    /// The arm in the baseline.
    pub baseline_arm: String,
    /// The point.
    pub params: Params,
    /// The metric, by the name that expectations use.
    pub metric: String,
    /// In the baseline: times in nanoseconds, rates a second. null where it was not measured.
    pub baseline: Option<f64>,
    /// In the run.
    pub run: Option<f64>,
    /// Mean of the run over mean of the baseline; null where either has no trial that counts.
    pub ratio: Option<f64>,
    /// Confidence interval of the ratio; null below two trials on either side.
    pub ci95: Option<[f64; 2]>,
    /// How likely a difference of this size is if there is none.
    pub p_value: Option<f64>,
    /// The same over all comparisons of the metric together (Holm).
    pub p_adjusted: Option<f64>,
    /// What can be concluded, all comparisons of the metric taken together.
    pub verdict: Verdict,
    /// Why it is inconclusive whatever the figures say: there is too little behind them. null where they are judged.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether both cells ask for the same; otherwise their numbers are not of the same thing.
    pub alike: bool,
}

/// Holds a run against a baseline.
#[must_use]
pub fn compare(baseline: Side<'_>, run: Side<'_>, selection: &Selection) -> RunComparison {
    let pairs = pairs(baseline.plan, run.plan, selection);
    let margin = selection.margin.unwrap_or_else(|| margins(baseline, run).into_iter().fold(0.0, f64::max));
    let mut found = Vec::new();
    let mut scenario_changes: Vec<ScenarioChange> = Vec::new();
    for (old, new) in &pairs {
        let changed = changed(old, new);
        let alike = changed.iter().all(|change| change.duration);
        for change in changed {
            let same = |known: &&mut ScenarioChange| {
                ScenarioChange { cells: change.cells, ..(*known).clone() } == change
            };
            match scenario_changes.iter_mut().find(same) {
                Some(known) => known.cells += 1,
                None => scenario_changes.push(change),
            }
        }
        let cells = (baseline.set.cell(&old.arm, &old.params), run.set.cell(&new.arm, &new.params));
        for metric in &selection.metrics {
            found.extend(one(metric, (baseline.set, run.set), cells, (old, new), alike));
        }
    }
    for metric in &selection.metrics {
        together(found.iter_mut().filter(|(found, _)| found.metric == metric.name), metric.better, margin);
    }
    let alone = |cells: &[Cell], paired: &dyn Fn(&Cell) -> bool| {
        cells
            .iter()
            .filter(|cell| !paired(cell))
            .map(|cell| params::cell(&cell.arm, &cell.params))
            .collect::<Vec<_>>()
    };
    let chosen = selection.arms.is_some();
    let only_in_baseline =
        alone(&baseline.plan.cells, &|cell| chosen || pairs.iter().any(|(old, _)| std::ptr::eq(*old, cell)));
    let only_in_run =
        alone(&run.plan.cells, &|cell| chosen || pairs.iter().any(|(_, new)| std::ptr::eq(*new, cell)));
    let mut compared = RunComparison {
        schema: SCHEMA,
        baseline: facts(baseline.set),
        run: facts(run.set),
        margin,
        answer: Vec::new(),
        host_changes: fingerprint::changes(&baseline.set.hosts, &run.set.hosts),
        scenario_changes,
        only_in_baseline,
        only_in_run,
        comparisons: found.into_iter().map(|(found, _)| found).collect(),
    };
    compared.answer = answer(&compared, &fingerprint::unpaired(&baseline.set.hosts, &run.set.hosts));
    let [old, new] = margins(baseline, run);
    if selection.margin.is_none() && old != new {
        let (old, new, margin) = (as_percent(old), as_percent(new), as_percent(margin));
        let text = format!("The margin of the baseline is {old}, that of the run {new}: {margin} is taken.");
        compared.answer.push(text);
    }
    compared
}

/// By how much cells may differ that are called equal, in each.
fn margins(baseline: Side<'_>, run: Side<'_>) -> [f64; 2] {
    [baseline, run].map(|side| side.set.margin.unwrap_or(DEFAULT_MARGIN))
}

fn facts(set: &ComparisonSet) -> RunFacts {
    RunFacts {
        run_id: set.run_id.clone(),
        scenario: set.scenario.clone(),
        hosts: set.hosts.iter().map(|host| host.name.clone()).collect(),
        quick: set.quick,
        trustworthy: set.trustworthy,
    }
}

/// Cells of one arm and point in both.
fn pairs<'a>(baseline: &'a Plan, run: &'a Plan, selection: &Selection) -> Vec<(&'a Cell, &'a Cell)> {
    let wanted = |new: &Cell| match &selection.arms {
        Some((old, name)) => (new.arm == *name).then(|| old.clone()),
        None => Some(new.arm.clone()),
    };
    let pair = |new: &'a Cell| {
        let arm = wanted(new)?;
        let old = baseline.cells.iter().find(|old| old.arm == arm && old.params == new.params)?;
        Some((old, new))
    };
    run.cells.iter().filter_map(pair).collect()
}

/// In what two cells differ that were to be the same. Different arms differ in their engines as they should.
fn changed(old: &Cell, new: &Cell) -> Vec<ScenarioChange> {
    let parts = |cell: &Cell| {
        let mut parts = BTreeMap::new();
        let template = serde_json::to_value(&cell.template).unwrap_or_default();
        flatten(String::new(), &template, &mut parts);
        parts.retain(|part, _| {
            let top = part.split('.').next().unwrap_or_default();
            !OWN.contains(&top) && (old.arm == new.arm || top != "engine")
        });
        parts
    };
    let (old, new) = (parts(old), parts(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
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

/// Every leaf of a value by its dotted path; what is null is not there.
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

/// A metric of a pair, not judged yet; nothing where both were measured and neither has it, such as syncs of what is
/// not synced. A pair of which neither was measured at all is one that cannot be judged.
fn one(
    metric: &Metric,
    (old_set, new_set): (&ComparisonSet, &ComparisonSet),
    (baseline, run): (Option<&CellSummary>, Option<&CellSummary>),
    (old, new): (&Cell, &Cell),
    alike: bool,
) -> Option<(CellComparison, Ratio)> {
    let value = |cell: Option<&CellSummary>, metric: &Metric| cell.and_then(|cell| metric.of(cell));
    let (was, is) = (value(baseline, metric), value(run, metric));
    let measured = value(baseline, &IOPS).or(value(run, &IOPS)).is_some();
    if was.is_none() && is.is_none() && measured {
        return None;
    }
    let values =
        |cell: Option<&CellSummary>| cell.map_or_else(Vec::new, |cell| metric.samples(cell).to_vec());
    let (arm, base) = (values(run), values(baseline));
    let found = unpaired::compare(
        Sample { values: &arm, length: new_set.length() },
        Sample { values: &base, length: old_set.length() },
    );
    let comparison = CellComparison {
        arm: new.arm.clone(),
        baseline_arm: old.arm.clone(),
        params: new.params.clone(),
        metric: metric.name.to_owned(),
        baseline: was,
        run: is,
        ratio: found.ratio,
        ci95: found.ci95,
        p_value: found.p_value,
        p_adjusted: None,
        verdict: Verdict::Inconclusive,
        reason: run
            .zip(baseline)
            .and_then(|(run, baseline)| urgent::too_few_urgent(metric, [run, baseline]))
            .map(|reason| {
                format!(
                    "{} had {:.1} urgent operations per trial, and a verdict needs {}",
                    reason.arm, reason.per_trial, reason.needed
                )
            }),
        alike,
    };
    Some((comparison, found))
}

/// Judges a family of comparisons, corrected after Holm, as those of a run are.
fn together<'a>(family: impl Iterator<Item = &'a mut (CellComparison, Ratio)>, better: Better, margin: f64) {
    let family: Vec<_> = family.filter(|(found, _)| found.p_value.is_some()).collect();
    let p_values: Vec<f64> = family.iter().filter_map(|(found, _)| found.p_value).collect();
    for ((found, ratio), adjusted) in family.into_iter().zip(holm(&p_values)) {
        found.p_adjusted = Some(adjusted.p);
        if found.reason.is_none() {
            found.verdict = ratio.verdict(found.p_adjusted, better, margin);
        }
    }
}

/// What the reader must know before the numbers, then what they come to.
fn answer(found: &RunComparison, unpaired: &[String]) -> Vec<String> {
    let mut said = Vec::new();
    let told = |change: &&FactChange| change.baseline.is_some() && change.run.is_some();
    let differing =
        fingerprint::classes(found.host_changes.iter().filter(told).map(|change| change.fact.as_str()));
    said.push(if differing.is_empty() {
        "The hosts tell of no difference between them.".to_owned()
    } else {
        format!("These hosts differ in: {}.", differing.join(", "))
    });
    if !unpaired.is_empty() {
        said.push(format!("Held against no other host: {}.", unpaired.join(", ")));
    }
    let unlike: Vec<&ScenarioChange> =
        found.scenario_changes.iter().filter(|change| !change.duration).collect();
    if !unlike.is_empty() {
        let parts: Vec<&str> = unlike.iter().map(|change| change.part.as_str()).collect();
        said.push(format!(
            "Not of the same thing: the scenarios differ in {}. A ratio of such cells is no change of the machine.",
            parts.join(", ")
        ));
    }
    for (run, what) in [(&found.baseline, "baseline"), (&found.run, "run")] {
        if run.quick {
            said.push(format!("The {what} was a quick one: a smoke test, not a measurement."));
        }
        if !run.trustworthy {
            said.push(format!("Of the {what} not every planned trial counts."));
        }
    }
    let mut metrics: Vec<&str> = Vec::new();
    for comparison in &found.comparisons {
        if !metrics.contains(&comparison.metric.as_str()) {
            metrics.push(&comparison.metric);
        }
    }
    said.extend(metrics.into_iter().map(|metric| of_metric(found, metric)));
    if found.comparisons.is_empty() {
        said.push("No cell was measured so in both runs: there is nothing to compare.".to_owned());
    }
    said
}

fn of_metric(found: &RunComparison, metric: &str) -> String {
    let all: Vec<&CellComparison> =
        found.comparisons.iter().filter(|comparison| comparison.metric == metric).collect();
    let verdicts = [Verdict::Slower, Verdict::Faster, Verdict::NoDifference, Verdict::Inconclusive];
    let clause = |verdict: Verdict| {
        let of: Vec<&&CellComparison> = all
            .iter()
            .filter(|found| found.verdict == verdict && found.ratio.is_some() && found.alike)
            .collect();
        let far = |found: &&&CellComparison| found.ratio.unwrap_or(1.0).ln().abs();
        let most = of.iter().copied().max_by(|a, b| far(a).total_cmp(&far(b)))?;
        let most = match (verdict, most.ratio) {
            (Verdict::Slower | Verdict::Faster, Some(ratio)) => {
                format!(" (most: x{ratio:.2}, {})", params::cell(&most.arm, &most.params))
            }
            _ => String::new(),
        };
        Some(format!("{} in {}{most}", verdict.as_str(), of.len()))
    };
    let mut clauses: Vec<String> = verdicts.into_iter().filter_map(clause).collect();
    let without = all.iter().filter(|found| found.ratio.is_none()).count();
    if without > 0 {
        clauses.push(format!("not measured in both in {without}"));
    }
    let unlike = all.iter().filter(|found| found.ratio.is_some() && !found.alike).count();
    if unlike > 0 {
        clauses.push(format!("not alike in {unlike}"));
    }
    let reason = all.iter().find_map(|found| found.reason.as_ref());
    let reason = reason.map_or_else(String::new, |reason| format!(" Not judged: {reason}."));
    format!("{metric}, of {} cells: {}.{reason}", all.len(), clauses.join(", "))
}

#[cfg(test)]
#[path = "across_tests.rs"]
mod tests;
