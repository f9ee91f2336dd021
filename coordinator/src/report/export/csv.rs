//! CSV of cells: one row for each cell, merged and on each host. Numbers are plain; units are in the names of the
//! columns. An empty field means *not measured*.

use super::Export;
use crate::{
    metric::{self, CsvValue, Metric, cost::SYSCALLS_AUDIT, ring::PUNTED_TO_IO_WQ, throughput::IOPS},
    params,
    summary::{CellSummary, Comparison, ComparisonSet},
};

pub(super) static EXPORT: Export = Export {
    name: "csv",
    help: "As in summary.csv: one row per cell",
    details: None,
    render: |source| Ok(render(source.set)),
    join: Some(super::rows),
};

/// Quotes a field if RFC 4180 requires it.
pub(in crate::report) fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A column's name and a cell's value.
type Field = (String, String);

pub(in crate::report) fn render(set: &ComparisonSet) -> String {
    let mut axes: Vec<&String> = Vec::new();
    for axis in set.cells.iter().flat_map(|cell| cell.params.keys()) {
        if !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    let mut lines = Vec::with_capacity(set.cells.len() + 1);
    let empty = CellSummary::default();
    let names = |fields: Vec<Field>| fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let mut header = names(identity(set, &empty));
    header.extend(axes.iter().map(|axis| (*axis).clone()));
    header.extend(names(numbers(set, &empty)));
    lines.push(header.iter().map(|name| field(name)).collect::<Vec<_>>().join(","));
    for cell in &set.cells {
        let values = |fields: Vec<Field>| fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        let mut line = values(identity(set, cell));
        line.extend(axes.iter().map(|axis| cell.params.get(*axis).map_or_else(String::new, params::value)));
        line.extend(values(numbers(set, cell)));
        lines.push(line.iter().map(|value| field(value)).collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

fn identity(set: &ComparisonSet, cell: &CellSummary) -> Vec<Field> {
    let fields = [
        ("run_id", set.run_id.clone()),
        ("scenario", set.scenario.clone()),
        ("arm", cell.arm.clone()),
        ("host", cell.host.clone().unwrap_or_default()),
        ("hosts", cell.hosts.join(";")),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Facts that are not numbers, each with the metric whose column it follows.
type Fact = fn(&CellSummary) -> String;
const FACTS: [(&Metric, &str, Fact); 2] = [
    (&SYSCALLS_AUDIT, "syscalls_counted_by", |cell| cell.cost.syscalls.counted_by.as_str().into()),
    (&PUNTED_TO_IO_WQ, "ring_sharing", |cell| {
        cell.ring.sharing.map_or_else(String::new, |sharing| sharing.to_string())
    }),
];

fn numbers(set: &ComparisonSet, cell: &CellSummary) -> Vec<Field> {
    let counts = cell.trials;
    let trials = [("planned", counts.planned), ("complete", counts.complete), ("marked", counts.marked)];
    let mut fields: Vec<Field> =
        trials.map(|(state, count)| (format!("trials_{state}"), count.to_string())).into();
    for metric in metric::all() {
        fields
            .extend(metric.csv.iter().map(|(name, value)| ((*name).to_owned(), text(metric, *value, cell))));
        let facts = FACTS.iter().filter(|(after, ..)| *after == metric);
        fields.extend(facts.map(|(_, name, fact)| ((*name).to_owned(), fact(cell))));
    }
    fields.extend(comparison(set, cell));
    fields
}

fn text(metric: &Metric, value: CsvValue, cell: &CellSummary) -> String {
    match value {
        CsvValue::Value => number(metric.of(cell)),
        CsvValue::Low => number(metric.interval(cell).map(|[low, _]| low)),
        CsvValue::High => number(metric.interval(cell).map(|[_, high]| high)),
        CsvValue::Samples => metric.samples(cell).iter().map(f64::to_string).collect::<Vec<_>>().join(";"),
    }
}

/// The comparison of IOPS with the baseline; empty in rows of a single host.
fn comparison(set: &ComparisonSet, cell: &CellSummary) -> Vec<Field> {
    let found = set.compared(&cell.arm, &IOPS, &cell.params).filter(|_| cell.host.is_none());
    let edge = |edge: usize| number(found.and_then(|found| found.ci95).map(|interval| interval[edge]));
    let word = |of: fn(&Comparison) -> Option<String>| found.and_then(of).unwrap_or_default();
    let values = [
        ("vs_baseline", number(found.and_then(|found| found.ratio))),
        ("vs_baseline_ci95_low", edge(0)),
        ("vs_baseline_ci95_high", edge(1)),
        ("vs_baseline_p_value", number(found.and_then(|found| found.p_value))),
        ("verdict", word(|found| Some(found.verdict.as_str().into()))),
        ("vs_baseline_p_adjusted", number(found.and_then(|found| found.p_adjusted))),
        ("vs_baseline_pairs", word(|found| Some(found.pairs.to_string()))),
        ("trials_more", word(|found| found.trials_more.map(|more| more.to_string()))),
        ("trials_more_least", word(|found| Some(found.trials_more_range?.least.to_string()))),
        ("trials_more_most", word(|found| Some(found.trials_more_range?.most?.to_string()))),
    ];
    values.map(|(column, value)| (format!("{}_{column}", IOPS.name), value)).into()
}
