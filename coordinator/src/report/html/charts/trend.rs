//! IOPS in earlier runs of the scenario: a figure for each point, a line for each arm.

use super::super::{
    facets::{Facets, few},
    figure::{HALF, Look, Section, Table},
    metric_chart::{comma, interval},
    scale::Axis,
    xy::{self, Line, Marks, Quantity, Sample},
};
use crate::{metric::throughput::IOPS, params, stats::confidence::INTERVAL, units};

pub(super) fn section(facets: &Facets<'_>) -> Section {
    let mut points: Vec<String> = Vec::new();
    for line in &facets.set.trend {
        let point = params::point(&line.params);
        if !points.contains(&point) {
            points.push(point);
        }
    }
    let (shown, left_out) = few(points);
    let mut runs: Vec<(&str, &str)> = facets
        .set
        .trend
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| (point.at.as_str(), point.run_id.as_str()))
        .collect();
    runs.sort_unstable();
    runs.dedup();
    let last = (runs.len().max(2) - 1) as f64;
    let ticks: Vec<(f64, String)> = runs
        .iter()
        .enumerate()
        .map(|(index, (at, _))| (index as f64 / last, at.split('T').next().unwrap_or(at).to_owned()))
        .collect();
    let charts = shown.iter().map(|point| {
        let mut table = Table {
            caption: format!("{} by run{}", IOPS.heading, comma(point)),
            head: ["arm", "run", "started", "mean", INTERVAL].map(Into::into).into(),
            rows: vec![],
        };
        let mut lines = Vec::new();
        for line in facets.set.trend.iter().filter(|line| params::point(&line.params) == *point) {
            let points = line.points.iter().filter_map(|run| {
                let index = runs.iter().position(|(_, id)| *id == run.run_id)?;
                let ci95 = run.ci95.map_or_else(|| "-".into(), |ci95| interval(units::count, ci95));
                let mean = units::count(run.iops);
                table.rows.push(vec![line.arm.clone(), run.run_id.clone(), run.at.clone(), mean, ci95]);
                let place = format!("run {}", run.run_id);
                Some(Sample {
                    x: index as f64 / last,
                    y: run.iops,
                    ci95: run.ci95,
                    place,
                    ..Sample::default()
                })
            });
            let look = Look::of(facets.index(&line.arm));
            lines.push(Line {
                name: line.arm.clone(),
                note: String::new(),
                look,
                points: points.collect(),
                marked: true,
            });
        }
        let quantity = Quantity { title: IOPS.heading.into(), log: false, text: IOPS.unit.format() };
        let title = format!("{} by run{}", IOPS.heading, comma(point));
        let axis = Axis { title: "run".into(), ticks: ticks.clone(), ..Axis::default() };
        xy::Chart { title, quantity, axis, lines, marks: Marks::default(), table }
    });
    Section {
        id: "trend",
        title: "Earlier runs of this scenario".into(),
        short: "Earlier runs",
        note: "Oldest first; this run is the last.".into(),
        layout: "halves",
        figures: xy::draw(charts.collect(), HALF),
        left_out,
        ..Section::default()
    }
}
