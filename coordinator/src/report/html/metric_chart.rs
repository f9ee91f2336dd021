//! The chart of a metric: against an axis or, without a sweep, as one bar per arm.

use serde_json::Value;

use super::{
    bars::{self, Row, Segment},
    facets::{Facets, few},
    figure::{Figure, Key, Look, Section, Table},
    scale,
    xy::{self, Line, Quantity, Sample},
};
use crate::{metric::Metric, params, stats::confidence::INTERVAL, summary::CellSummary};

/// A metric to draw.
pub(super) struct MetricChart {
    pub(super) metric: &'static Metric,
    /// Whether to draw single trials too.
    pub(super) trials: bool,
}

impl MetricChart {
    pub(super) fn heading(&self) -> &'static str {
        self.metric.heading
    }

    pub(super) fn format(&self) -> fn(f64) -> String {
        self.metric.unit.format()
    }

    pub(super) fn trials<'a>(&self, cell: &'a CellSummary) -> &'a [f64] {
        if self.trials { self.metric.samples(cell) } else { &[] }
    }
}

/// The figures of a metric: a small multiple for each combination of the other axes.
pub(super) fn against_axis(facets: &Facets<'_>, chart: &MetricChart) -> Section {
    let Some(axis) = &facets.axis else {
        let figures = facets.by_point.iter().filter_map(|(_, cells)| by_arm(facets, chart, cells));
        return Section { figures: figures.collect(), ..Section::default() };
    };
    let (shown, left_out) = few(facets.by_other_axes.iter().collect());
    let figures = shown.into_iter().filter_map(|(facet, cells)| of_axis(facets, chart, axis, facet, cells));
    Section { figures: figures.collect(), left_out, ..Section::default() }
}

fn of_axis(
    facets: &Facets<'_>,
    chart: &MetricChart,
    axis: &str,
    facet: &str,
    cells: &[&CellSummary],
) -> Option<Figure> {
    let mut values: Vec<&Value> = Vec::new();
    for value in cells.iter().filter_map(|cell| cell.params.get(axis)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let places = scale::places(&values);
    let ordered = values.iter().all(|value| scale::numeric(value).is_some());
    let mut ticks: Vec<(f64, String)> =
        values.iter().zip(&places).map(|(value, place)| (*place, params::value(value))).collect();
    ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut table = Table {
        caption: format!("{} against {axis}{}", chart.heading(), comma(facet)),
        head: vec!["arm".into(), axis.into(), "mean".into(), INTERVAL.into(), "trials".into()],
        rows: vec![],
    };
    let text = chart.format();
    let mut lines = Vec::new();
    for (index, arm) in facets.arms.iter().enumerate() {
        let mut points = Vec::new();
        for cell in cells.iter().filter(|cell| cell.arm == *arm) {
            let (Some(y), Some(value)) = (chart.metric.of(cell), cell.params.get(axis)) else { continue };
            let Some(at) = values.iter().position(|known| *known == value) else { continue };
            let (ci95, trials, value) =
                (chart.metric.interval(cell), chart.trials(cell), params::value(value));
            table.rows.push(vec![
                (*arm).into(),
                value.clone(),
                text(y),
                ci95.map_or_else(|| "-".into(), |ci95| interval(text, ci95)),
                list(text, trials),
            ]);
            let place = format!("{axis} {value}");
            points.push(Sample { x: places[at], y, ci95, trials: in_blocks(cell, trials), place });
        }
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        let look = Look::of(index);
        lines.push(Line { name: (*arm).into(), look, points, joined: ordered, marked: true });
    }
    let quantity = Quantity { title: chart.heading().into(), log: false, text };
    let title = format!("{}{}", chart.heading(), comma(facet));
    xy::figure(title, &quantity, axis, &ticks, &lines, table)
}

/// One bar per arm, for runs without a sweep.
pub(super) fn by_arm(facets: &Facets<'_>, chart: &MetricChart, cells: &[&CellSummary]) -> Option<Figure> {
    let mut table = Table {
        caption: chart.heading().into(),
        head: ["arm", "mean", INTERVAL, "trials"].map(Into::into).into(),
        rows: vec![],
    };
    let text = chart.format();
    let rows: Vec<Row> = cells
        .iter()
        .filter_map(|cell| {
            let mean = chart.metric.of(cell)?;
            let (value, ci95, trials) = (text(mean), chart.metric.interval(cell), chart.trials(cell));
            let range = ci95.map_or_else(|| "-".into(), |ci95| interval(text, ci95));
            let all = list(text, trials);
            table.rows.push(vec![cell.arm.clone(), value.clone(), range.clone(), all]);
            let tip = match ci95 {
                Some(_) => format!("{}: {value}, {INTERVAL} {range}", cell.arm),
                None => format!("{}: {value}", cell.arm),
            };
            let series = facets.index(&cell.arm);
            let tip_of =
                |(trial, value): (String, f64)| (value, format!("{}, {trial}: {}", cell.arm, text(value)));
            Some(Row {
                name: cell.arm.clone(),
                value,
                segments: vec![Segment { from: 0.0, to: mean, series, letters: "", tip }],
                ci95: ci95.map(|[low, high]| [low.max(0.0), high]),
                trials: in_blocks(cell, trials).into_iter().map(tip_of).collect(),
            })
        })
        .collect();
    let looks: Vec<Look> = (0..facets.arms.len()).map(Look::of).collect();
    bars::figure(chart.heading().into(), chart.heading(), text, &looks, &rows, table)
}

pub(super) fn legend(facets: &Facets<'_>) -> Vec<Key> {
    let key = |(index, arm): (usize, &&str)| Key { name: (*arm).to_owned(), look: Look::of(index) };
    facets.arms.iter().enumerate().map(key).collect()
}

/// Trials with their blocks, among which those of trials that do not count are missing. Runs analysed by an earlier
/// version have no blocks; trials are then numbered.
pub(super) fn in_blocks(cell: &CellSummary, trials: &[f64]) -> Vec<(String, f64)> {
    let known = cell.blocks.len() == trials.len();
    let name = |index: usize| match cell.blocks.get(index).filter(|_| known) {
        Some(block) => format!("block {block}"),
        None => format!("trial {}", index + 1),
    };
    trials.iter().enumerate().map(|(index, value)| (name(index), *value)).collect()
}

/// `, depth 8`; empty without a facet.
pub(super) fn comma(facet: &str) -> String {
    if facet.is_empty() { String::new() } else { format!(", {facet}") }
}

pub(super) fn interval(text: fn(f64) -> String, [low, high]: [f64; 2]) -> String {
    format!("{} to {}", text(low.max(0.0)), text(high))
}

pub(super) fn list(text: fn(f64) -> String, values: &[f64]) -> String {
    values.iter().map(|value| text(*value)).collect::<Vec<_>>().join(", ")
}
