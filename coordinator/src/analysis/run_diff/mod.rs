//! One run compared with another, from another day or another machine: cell by cell, with all other differences.
//!
//! The trials of two runs share no blocks, so that the comparison is unpaired. All comparisons of one metric are one
//! family: *faster* and *slower* hold for all of them together (Holm), so that a gate over many cells does not fail by
//! chance.

mod cells;
mod judge;
mod scenario_changes;
mod tally;
#[cfg(test)]
mod tests;

use super::fingerprint;
use crate::{
    metric::Metric,
    plan::Plan,
    stats::verdict::DEFAULT_MARGIN,
    summary::{
        ComparisonSet,
        run_diff::{RunDiff, RunFacts},
    },
};

/// A run and its plan.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The result of the run.
    pub set: &'a ComparisonSet,
    /// Its plan.
    pub plan: &'a Plan,
}

/// Which cells are compared, and in which metrics.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The metrics to compare.
    pub metrics: Vec<&'static Metric>,
    /// An arm of the baseline and the arm of the run to compare with it; `None` compares arms of the same name.
    pub arms: Option<(String, String)>,
    /// Cells are equal if the interval of their ratio lies within 1 ± this share; `None` takes the larger margin of the
    /// two runs.
    pub margin: Option<f64>,
}

/// Compares a run with a baseline.
#[must_use]
pub fn compare(baseline: Side<'_>, run: Side<'_>, selection: &Selection) -> RunDiff {
    let own_margins = [baseline, run].map(|side| side.set.margin.unwrap_or(DEFAULT_MARGIN));
    let margin = selection.margin.unwrap_or_else(|| own_margins.into_iter().fold(0.0, f64::max));
    let pairs = cells::pairs(baseline.plan, run.plan, selection);
    let mut scenario_changes = Vec::new();
    let mut found = Vec::new();
    for pair in &pairs {
        let changes = scenario_changes::between(pair.baseline, pair.run);
        let alike = changes.iter().all(|change| change.duration);
        scenario_changes::count(&mut scenario_changes, changes);
        for metric in &selection.metrics {
            found.extend(judge::compare(metric, [baseline.set, run.set], *pair, alike));
        }
    }
    for metric in &selection.metrics {
        let family = found.iter_mut().filter(|(found, _)| found.metric == metric.name);
        judge::judge(family, metric.better, margin);
    }
    let comparisons: Vec<_> = found.into_iter().map(|(found, _)| found).collect();
    // With chosen arms, all other cells are left out on purpose.
    let (only_in_baseline, only_in_run) = match &selection.arms {
        Some(_) => (Vec::new(), Vec::new()),
        None => cells::unpaired(baseline.plan, run.plan, &pairs),
    };
    RunDiff {
        baseline: facts(baseline.set),
        run: facts(run.set),
        margin,
        margins: (selection.margin.is_none() && own_margins[0] != own_margins[1]).then_some(own_margins),
        host_changes: fingerprint::changes(&baseline.set.hosts, &run.set.hosts),
        unpaired_hosts: fingerprint::unpaired(&baseline.set.hosts, &run.set.hosts),
        scenario_changes,
        only_in_baseline,
        only_in_run,
        tallies: tally::tallies(&comparisons),
        comparisons,
    }
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
