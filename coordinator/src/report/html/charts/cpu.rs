//! CPU time per I/O, as stacked bars: user mode, system, kernel threads.

use super::super::{
    bars::{self, Base, Row, Segment},
    facets::{Facets, few},
    figure::{Bars, HALF, Key, Look, Section, Table},
    metric_chart::comma,
};
use crate::{metric::cost::CPU_PER_IO, units};

const KINDS: [(&str, &str); 3] = [("user", "U"), ("system", "S"), ("kernel threads", "K")];

/// CPU time per I/O, stacked by kind.
pub(super) fn section(facets: &Facets<'_>) -> Section {
    let (shown, left_out) = few(facets.by_point.iter().collect());
    let looks = [Bars::Dark, Bars::Medium, Bars::Light].map(Look::bar);
    let charts = shown.into_iter().map(|(point, cells)| {
        let mut table = Table {
            caption: format!("{}{}", CPU_PER_IO.heading, comma(point)),
            head: ["arm", "user", "system", "kernel threads", "all"].map(Into::into).into(),
            rows: vec![],
        };
        let rows: Vec<Row> = cells
            .iter()
            .filter_map(|cell| {
                let cpu = cell.cost.cpu?;
                let parts = [Some(cpu.user), Some(cpu.system), cpu.kernel_threads];
                let text = |part: Option<f64>| part.map_or_else(|| "-".into(), units::nanos);
                let all = units::nanos(cpu.total());
                let texts = parts.map(text);
                table.rows.push([cell.arm.clone()].into_iter().chain(texts).chain([all.clone()]).collect());
                let (mut segments, mut from) = (Vec::new(), 0.0);
                for (series, (part, (kind, letters))) in parts.into_iter().zip(KINDS).enumerate() {
                    let Some(part) = part.filter(|part| *part > 0.0) else { continue };
                    let tip = format!("{}, {kind}: {} of {all}", cell.arm, units::nanos(part));
                    segments.push(Segment { from, to: from + part, series, letters, tip });
                    from += part;
                }
                Some(Row { name: cell.arm.clone(), value: all, segments, ci95: None, trials: vec![] })
            })
            .collect();
        let title = format!("{}{}", CPU_PER_IO.heading, comma(point));
        let looks = looks.to_vec();
        bars::Chart { title, text: units::nanos, looks, rows, base: Base::Zero, table }
    });
    let charts: Vec<_> = charts.collect();
    let key = |((kind, letter), look): (&(&str, &str), Look)| Key { name: format!("{letter}: {kind}"), look };
    Section {
        id: "cpu",
        title: "CPU time per I/O by kind".into(),
        short: "CPU time",
        note: "Lower is better. User and system time are the workers'; kernel threads are the io_uring threads that \
               work for them."
            .into(),
        keys: KINDS.iter().zip(looks).map(key).collect(),
        layout: "halves",
        figures: bars::draw(charts, HALF),
        left_out,
    }
}
