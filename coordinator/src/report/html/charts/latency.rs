//! Latency by percentile.

use super::super::{
    facets::{Facets, few},
    figure::{HALF, Look, Section, Table},
    metric_chart::comma,
    scale::Axis,
    xy::{self, Line, Marks, Quantity, Sample},
};
use crate::{summary::CellSummary, units};

/// The latency curve: the latency at each percentile.
pub(super) fn section(facets: &Facets<'_>) -> Section {
    let (shown, left_out) = few(facets.by_point.iter().collect());
    let charts = shown.into_iter().filter_map(|(point, cells)| {
        let tail = |quantile: f64| -(1.0 - quantile).log10();
        let longest = cells.iter().filter_map(|cell| cell.latency.curve.last());
        let most = longest.map(|point| tail(point.quantile)).reduce(f64::max)?.max(1.0);
        let decades = (1..=most.floor() as usize).map(|decade| {
            let nines = "9".repeat(decade.saturating_sub(2));
            let label = if decade == 1 { "90 %".into() } else { format!("99{}{nines} %", dot(&nines)) };
            (decade as f64 / most, label)
        });
        let ticks: Vec<(f64, String)> =
            [(std::f64::consts::LOG10_2 / most, "50 %".into())].into_iter().chain(decades).collect();
        let mut lines = Vec::new();
        for cell in cells {
            let points = cell.latency.curve.iter().map(|point| Sample {
                x: tail(point.quantile) / most,
                y: point.ns as f64,
                place: percent(point.quantile),
                ..Sample::default()
            });
            let look = Look::of(facets.index(&cell.arm));
            lines.push(Line {
                name: cell.arm.clone(),
                note: String::new(),
                look,
                points: points.collect(),
                marked: false,
            });
        }
        let mut quantiles: Vec<f64> =
            cells.iter().flat_map(|cell| &cell.latency.curve).map(|point| point.quantile).collect();
        quantiles.sort_by(f64::total_cmp);
        quantiles.dedup();
        let at = |cell: &CellSummary, quantile: f64| {
            let found = cell.latency.curve.iter().find(|point| point.quantile == quantile);
            found.map_or_else(|| "-".into(), |point| units::nanos(point.ns as f64))
        };
        let row = |quantile: &f64| {
            [percent(*quantile)].into_iter().chain(cells.iter().map(|cell| at(cell, *quantile))).collect()
        };
        let table = Table {
            caption: format!("Latency by percentile{}", comma(point)),
            head: ["percentile".into()]
                .into_iter()
                .chain(cells.iter().map(|cell| cell.arm.clone()))
                .collect(),
            rows: quantiles.iter().map(row).collect(),
        };
        let quantity = Quantity { title: "latency".into(), log: true, text: units::nanos };
        let title = format!("Latency by percentile{}", comma(point));
        let axis = Axis { title: "percentile".into(), ticks, ..Axis::default() };
        Some(xy::Chart { title, quantity, axis, lines, marks: Marks::default(), table })
    });
    Section {
        id: "latency",
        title: "Latency by percentile".into(),
        short: "Latency",
        note: "Lower is better. Both axes are logarithmic: each decade to the right is ten times rarer. A curve ends \
               at the last percentile with operations beyond it."
            .into(),
        layout: "halves",
        figures: xy::draw(charts.collect(), HALF),
        left_out,
        ..Section::default()
    }
}

fn dot(nines: &str) -> &'static str {
    if nines.is_empty() { "" } else { "." }
}

/// `99.9 %`.
fn percent(quantile: f64) -> String {
    format!("{} %", (quantile * 1e12).round() / 1e10)
}
