//! Which charts a run gets. Only merged cells are drawn; rows by host are in the comparison's table.

use super::{
    chart::{Chart, against_axis, comma, interval, legend},
    cost,
    facets::{Facets, few},
    figure::{Key, Look, Section, Table},
    scale,
    xy::{self, Line, Quantity, Sample},
};
use crate::{
    metric::{
        latency::{P50, P99},
        throughput::IOPS,
    },
    params,
    stats::confidence::INTERVAL,
    summary::{CellSummary, ComparisonSet},
    units,
};

/// Points of a line over time up to which each has its marker.
const MARKED: usize = 12;

/// All sections that have something to show.
pub(super) fn sections(set: &ComparisonSet) -> Vec<Section> {
    let facets = Facets::of(set);
    let all = [
        rates(&facets),
        percentiles(&facets),
        over_time(&facets),
        cost::syscalls(&facets),
        cost::cpu(&facets),
        cost::waterfall(set),
        trend(set),
    ];
    all.into_iter().filter(|section| !section.figures.is_empty()).collect()
}

fn rates(facets: &Facets<'_>) -> Section {
    Section {
        id: "throughput",
        title: "Throughput".into(),
        note: format!(
            "Higher is better. Large marks are means over the trials, with their {INTERVAL}s; small dots are single \
             trials."
        ),
        keys: legend(facets),
        ..against_axis(facets, &Chart { metric: &IOPS, trials: true })
    }
}

/// The latency curve: what a request waits, by how rare that is.
fn percentiles(facets: &Facets<'_>) -> Section {
    let (shown, left_out) = few(facets.by_point.iter().collect());
    let figures = shown.into_iter().filter_map(|(point, cells)| {
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
                ci95: None,
                trials: vec![],
                place: percent(point.quantile),
            });
            let look = Look::of(facets.index(&cell.arm));
            lines.push(Line {
                name: cell.arm.clone(),
                look,
                points: points.collect(),
                joined: true,
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
        xy::figure(title, &quantity, "percentile", &ticks, &lines, table)
    });
    Section {
        id: "latency",
        title: "Latency by percentile".into(),
        note: "Lower is better; both axes are logarithmic. To the right, each decade is ten times as rare. A curve \
               ends where there are too few operations to tell."
            .into(),
        keys: legend(facets),
        figures: figures.collect(),
        left_out,
    }
}

/// Median and 99th percentile of each interval.
fn over_time(facets: &Facets<'_>) -> Section {
    let (shown, left_out) = few(facets.by_point.iter().collect());
    let figures = shown.into_iter().filter_map(|(point, cells)| {
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
                    ci95: None,
                    trials: vec![],
                    place: format!("until {}", seconds(at.t_s)),
                });
                let name = format!("{} {name}", cell.arm);
                let look = Look { dash, ..look };
                lines.push(Line {
                    name,
                    look,
                    points: points.collect(),
                    joined: true,
                    marked: cell.latency.over_time.len() <= MARKED,
                });
            }
            table.rows.extend(cell.latency.over_time.iter().map(|at| {
                let (p50, p99) = (units::nanos(at.p50 as f64), units::nanos(at.p99 as f64));
                vec![cell.arm.clone(), seconds(at.t_s), p50, p99, units::count(at.iops)]
            }));
        }
        let quantity = Quantity { title: "latency".into(), log: true, text: units::nanos };
        let title = format!("Latency over time{}", comma(point));
        xy::figure(title, &quantity, "time since the warm-up", &ticks, &lines, table)
    });
    Section {
        id: "time",
        title: "Latency over time".into(),
        note: "Lower is better. All trials are laid over each other; the warm-up is not among them. Solid lines are \
               medians, dashed ones 99th percentiles."
            .into(),
        // Here dashes tell percentiles apart, and not arms.
        keys: legend(facets)
            .into_iter()
            .map(|key| Key { look: Look { dash: "none", ..key.look }, ..key })
            .collect(),
        figures: figures.collect(),
        left_out,
    }
}

/// This run among earlier ones: a figure for each point, a line for each arm.
fn trend(set: &ComparisonSet) -> Section {
    let mut points: Vec<String> = Vec::new();
    for line in &set.trend {
        let point = params::point(&line.params);
        if !points.contains(&point) {
            points.push(point);
        }
    }
    let facets = Facets::of(set);
    let (shown, left_out) = few(points);
    let mut runs: Vec<(&str, &str)> = set
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
    let figures = shown.iter().filter_map(|point| {
        let mut table = Table {
            caption: format!("{} by run{}", IOPS.heading, comma(point)),
            head: ["arm", "run", "begun", "mean", INTERVAL].map(Into::into).into(),
            rows: vec![],
        };
        let mut lines = Vec::new();
        for line in set.trend.iter().filter(|line| params::point(&line.params) == *point) {
            let points = line.points.iter().filter_map(|run| {
                let index = runs.iter().position(|(_, id)| *id == run.run_id)?;
                let ci95 = run.ci95.map_or_else(|| "-".into(), |ci95| interval(units::count, ci95));
                let mean = units::count(run.iops);
                table.rows.push(vec![line.arm.clone(), run.run_id.clone(), run.at.clone(), mean, ci95]);
                let place = format!("run {}", run.run_id);
                Some(Sample { x: index as f64 / last, y: run.iops, ci95: run.ci95, trials: vec![], place })
            });
            let look = Look::of(facets.index(&line.arm));
            lines.push(Line {
                name: line.arm.clone(),
                look,
                points: points.collect(),
                joined: true,
                marked: true,
            });
        }
        let quantity = Quantity { title: IOPS.heading.into(), log: false, text: IOPS.unit.format() };
        let title = format!("{} by run{}", IOPS.heading, comma(point));
        xy::figure(title, &quantity, "run", &ticks, &lines, table)
    });
    Section {
        id: "trend",
        title: "Earlier runs of this scenario".into(),
        note: "Oldest first; this run is the last.".into(),
        keys: legend(&facets),
        figures: figures.collect(),
        left_out,
    }
}

fn dot(nines: &str) -> &'static str {
    if nines.is_empty() { "" } else { "." }
}

/// `99.9 %`.
fn percent(quantile: f64) -> String {
    format!("{} %", (quantile * 1e12).round() / 1e10)
}
