//! Charts of metrics: lines against an axis of numbers, otherwise one bar per arm.

use super::{
    badge::Badge,
    bars::{self, Base, Row, Segment},
    facets::Facets,
    figure::{Canvas, Figure, Key, Look, Table},
    scale::{Axis, numeric},
    xy::{self, Line, Marks, Quantity, Sample},
};
use crate::{
    metric::Metric,
    params::{self, Params},
    report::view,
    stats::confidence::INTERVAL,
    summary::{CellSummary, Comparison},
};

/// A metric to draw.
#[derive(Clone, Copy)]
pub(super) struct MetricChart {
    pub(super) metric: &'static Metric,
    /// Whether to draw single trials and verdicts too.
    pub(super) trials: bool,
}

/// The cells of a chart: the values that they share, as text, and the cells.
pub(super) type Facet<'a> = (String, Vec<&'a CellSummary>);

impl MetricChart {
    /// The figures of the metric: one for each facet, all with one scale. `mark` adds to each chart what is special
    /// about it.
    pub(super) fn figures(
        self,
        facets: &Facets<'_>,
        shown: &[&Facet<'_>],
        canvases: &[Canvas],
        mark: impl Fn(&Axis, &[&CellSummary]) -> Marks,
    ) -> Vec<Figure> {
        let Some(title) = &facets.axis else {
            let charts = shown.iter().map(|facet| self.by_arm(facets, facet)).collect();
            return bars::draw(charts, canvases);
        };
        let chart = |facet: &&Facet<'_>| {
            let axis = axis_of(title, &facet.1);
            let marks = mark(&axis, &facet.1);
            self.against(facets, axis, facet, marks)
        };
        xy::draw(shown.iter().map(chart).collect(), canvases)
    }

    fn title(self, facet: &str) -> String {
        format!("{}{}", self.metric.heading, comma(facet))
    }

    fn samples<'a>(&self, cell: &'a CellSummary) -> &'a [f64] {
        if self.trials { self.metric.samples(cell) } else { &[] }
    }

    fn compared<'a>(&self, facets: &Facets<'a>, arm: &str, params: &Params) -> Option<&'a Comparison> {
        facets.set.compared(arm, self.metric, params).filter(|found| self.trials && found.ratio.is_some())
    }

    fn against(self, facets: &Facets<'_>, axis: Axis, (facet, cells): &Facet<'_>, marks: Marks) -> xy::Chart {
        let mut table = Table {
            caption: format!("{} against {}{}", self.metric.heading, axis.title, comma(facet)),
            head: vec!["arm".into(), axis.title.clone(), "mean".into(), INTERVAL.into(), "trials".into()],
            rows: vec![],
        };
        let text = self.metric.unit.format();
        let mut lines = Vec::new();
        for (index, arm) in facets.arms.iter().enumerate() {
            let mut points = Vec::new();
            let mut note = (f64::NEG_INFINITY, String::new());
            for cell in cells.iter().filter(|cell| cell.arm == *arm) {
                let value = cell.params.get(&axis.title).map(params::value);
                let (Some(y), Some(value)) = (self.metric.of(cell), value) else { continue };
                let Some(x) = axis.place(&value) else { continue };
                let (ci95, trials) = (self.metric.interval(cell), self.samples(cell));
                let range = ci95.map_or_else(|| "-".into(), |ci95| interval(text, ci95));
                table.rows.push(vec![(*arm).into(), value.clone(), text(y), range, list(text, trials)]);
                let compared = self.compared(facets, arm, &cell.params);
                let badge = compared.map(|found| Badge::of(found.verdict));
                if let (Some(found), true) = (compared, x >= note.0) {
                    let ratio = found.ratio.map(view::ratio).unwrap_or_default();
                    note = (x, format!("{} {ratio}", Badge::of(found.verdict).sign));
                }
                let place = format!("{} {value}", axis.title);
                points.push(Sample { x, y, ci95, trials: in_blocks(cell, trials), place, badge });
            }
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            let look = Look::of(index);
            lines.push(Line { name: (*arm).into(), note: note.1, look, points, marked: true });
        }
        let quantity = Quantity { title: self.metric.heading.into(), log: false, text };
        xy::Chart { title: self.title(facet), quantity, axis, lines, marks, table }
    }

    fn by_arm(self, facets: &Facets<'_>, (facet, cells): &Facet<'_>) -> bars::Chart {
        let mut table = Table {
            caption: self.title(facet),
            head: ["arm", "mean", INTERVAL, "trials"].map(Into::into).into(),
            rows: vec![],
        };
        let text = self.metric.unit.format();
        let mut rows = Vec::new();
        for cell in cells {
            let Some(mean) = self.metric.of(cell) else { continue };
            let (ci95, trials) = (self.metric.interval(cell), self.samples(cell));
            let range = ci95.map_or_else(|| "-".into(), |ci95| interval(text, ci95));
            let mut tip = format!("{}: {}", cell.arm, text(mean));
            if ci95.is_some() {
                tip.push_str(&format!(", {INTERVAL} {range}"));
            }
            table.rows.push(vec![cell.arm.clone(), text(mean), range, list(text, trials)]);
            let verdict = self.compared(facets, &cell.arm, &cell.params).map(|found| {
                let ratio = found.ratio.map(view::ratio).unwrap_or_default();
                format!("\u{2003}{} {ratio}", Badge::of(found.verdict).sign)
            });
            let tip_of =
                |(trial, value): (String, f64)| (value, format!("{}, {trial}: {}", cell.arm, text(value)));
            rows.push(Row {
                name: cell.arm.clone(),
                value: format!("{}{}", text(mean), verdict.unwrap_or_default()),
                segments: vec![Segment {
                    from: 0.0,
                    to: mean,
                    series: facets.index(&cell.arm),
                    letters: "",
                    tip,
                }],
                ci95,
                trials: in_blocks(cell, trials).into_iter().map(tip_of).collect(),
            });
        }
        let looks = (0..facets.arms.len()).map(Look::of).collect();
        bars::Chart { title: self.title(facet), text, looks, rows, base: Base::Zero, table }
    }
}

/// The axis of the values of cells.
pub(super) fn axis_of(title: &str, cells: &[&CellSummary]) -> Axis {
    let mut values: Vec<(f64, String)> = Vec::new();
    for value in cells.iter().filter_map(|cell| cell.params.get(title)) {
        let label = params::value(value);
        if let Some(number) = numeric(value)
            && !values.iter().any(|(_, known)| *known == label)
        {
            values.push((number, label));
        }
    }
    Axis::new(title, &values)
}

/// Looks of the arms, in their order.
pub(super) fn legend(facets: &Facets<'_>) -> Vec<Key> {
    let key = |(index, arm): (usize, &&str)| Key { name: (*arm).to_owned(), look: Look::of(index) };
    facets.arms.iter().enumerate().map(key).collect()
}

/// Trials with their blocks, among which those of trials that do not count are missing. Runs analysed by an earlier
/// version have no blocks; trials are then numbered.
fn in_blocks(cell: &CellSummary, trials: &[f64]) -> Vec<(String, f64)> {
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
    format!("{} to {}", text(low), text(high))
}

fn list(text: fn(f64) -> String, values: &[f64]) -> String {
    values.iter().map(|value| text(*value)).collect::<Vec<_>>().join(", ")
}
