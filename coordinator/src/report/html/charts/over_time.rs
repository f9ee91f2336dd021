//! Latency over time: the median and the 99th percentile of each interval.

use super::super::{
    facets::{Facets, few},
    figure::{HALF, Look, Section, Table},
    metric_chart::comma,
    scale,
    xy::{self, Line, Marks, Quantity, Sample},
};
use crate::{
    metric::{
        latency::{P50, P99},
        throughput::IOPS,
    },
    units,
};

pub(super) fn section(facets: &Facets<'_>) -> Section {
    let (shown, left_out) = few(facets.by_point.iter().collect());
    let charts = shown.into_iter().filter_map(|(point, cells)| {
        let times = || cells.iter().flat_map(|cell| &cell.latency.over_time).map(|at| at.t_s);
        let end = times().fold(0.0, f64::max);
        if end <= 0.0 || cells.iter().all(|cell| cell.latency.over_time.len() < 2) {
            return None;
        }
        let scale = scale::Scale::linear(&[end], [0.0, 1.0]);
        let seconds = |t: f64| format!("{} s", (t * 1000.0).round() / 1000.0);
        let ticks: Vec<(f64, String)> = scale
            .ticks
            .iter()
            .filter(|tick| **tick <= end)
            .map(|tick| (tick / end, seconds(*tick)))
            .collect();
        let mut lines = Vec::new();
        let mut table = Table {
            caption: format!("Latency over time{}", comma(point)),
            head: ["arm", "until", P50.title, P99.title, IOPS.heading].map(Into::into).into(),
            rows: vec![],
        };
        for cell in cells {
            let look = Look::of(facets.index(&cell.arm));
            for (name, dash, of) in [(P50.title, "none", 0), (P99.title, "6 4", 1)] {
                let points = cell.latency.over_time.iter().map(|at| Sample {
                    x: at.t_s / end,
                    y: if of == 0 { at.p50 } else { at.p99 } as f64,
                    place: format!("until {}", seconds(at.t_s)),
                    ..Sample::default()
                });
                let name = format!("{} {name}", cell.arm);
                let look = Look { dash, ..look };
                lines.push(Line { name, note: String::new(), look, points: points.collect(), marked: false });
            }
            table.rows.extend(cell.latency.over_time.iter().map(|at| {
                let (p50, p99) = (units::nanos(at.p50 as f64), units::nanos(at.p99 as f64));
                vec![cell.arm.clone(), seconds(at.t_s), p50, p99, units::count(at.iops)]
            }));
        }
        let quantity = Quantity { title: "latency".into(), log: true, text: units::nanos };
        let title = format!("Latency over time{}", comma(point));
        let axis = scale::Axis { title: "time since the warm-up".into(), ticks, ..scale::Axis::default() };
        Some(xy::Chart { title, quantity, axis, lines, marks: Marks::default(), table })
    });
    Section {
        id: "time",
        title: "Latency over time".into(),
        short: "Over time",
        note: "Lower is better. All trials are overlaid, without their warm-ups. Solid lines are medians, dashed lines \
               99th percentiles."
            .into(),
        layout: "halves",
        figures: xy::draw(charts.collect(), HALF),
        left_out,
        ..Section::default()
    }
}
