//! CSV of trials: one row for each trial and host, audits included. An empty field means *not measured*.

use proto::trial::Measure;

use super::{
    Export,
    csv::{field, number},
};
use crate::{
    analysis::export_rows::{self, TrialRow},
    metric::{self, trial::Trial},
    params,
};

/// Columns before the axes.
const BEFORE: [&str; 9] =
    ["run_id", "scenario", "trial", "block", "measure", "started_at", "arm", "host", "counts"];

pub(super) static EXPORT: Export = Export {
    name: "trials-csv",
    help: "As in trials.csv: one row per trial and host",
    details: None,
    render: |source| Ok(render(&source.set.run_id, &source.set.scenario, &export_rows::rows(source.run)?)),
    join: Some(super::rows),
};

pub(in crate::report) fn render(run_id: &str, scenario: &str, rows: &[TrialRow]) -> String {
    let mut axes: Vec<&str> = Vec::new();
    for axis in rows.iter().flat_map(|row| row.params.keys()) {
        if !axes.contains(&axis.as_str()) {
            axes.push(axis);
        }
    }
    let header = BEFORE.into_iter().chain(axes.iter().copied()).chain(after());
    let mut text = header.map(field).collect::<Vec<_>>().join(",") + "\n";
    for row in rows {
        let before = [
            run_id.to_owned(),
            scenario.to_owned(),
            row.id.clone(),
            row.block.to_string(),
            if row.measure == Measure::Audit { "audit" } else { "timed" }.to_owned(),
            row.started_at.clone(),
            row.arm.clone(),
            row.host.clone(),
            row.kept_out.is_empty().to_string(),
        ];
        let points = axes.iter().map(|axis| row.params.get(*axis).map_or_else(String::new, params::value));
        let line = before.into_iter().chain(points).chain(values(row));
        text += &(line.map(|value| field(&value)).collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

/// Columns after the axes.
fn after() -> Vec<&'static str> {
    let metrics = metric::all().filter_map(|metric| metric.trials_csv);
    ["kept_out_because"].into_iter().chain(metrics).chain(["clock_error_ns"]).collect()
}

fn values(row: &TrialRow) -> Vec<String> {
    // Probes slow audits down, so their rates and latencies are left out.
    let unpacked = row.work.as_ref().filter(|_| row.measure == Measure::Timed).map(|work| work.unpack());
    let work = unpacked.as_ref();
    let trial = Trial { work, bulk: None, costs: row.costs.as_ref() };
    let metrics = metric::all().filter(|metric| metric.trials_csv.is_some());
    let reasons: Vec<String> = row.kept_out.iter().map(ToString::to_string).collect();
    let mut values = vec![reasons.join("; ")];
    values.extend(metrics.map(|metric| number(metric.in_trial(&trial))));
    values.push(row.clock_error_ns.to_string());
    values
}
