//! The scenario's ladder as a waterfall: the time per I/O that each step saves or costs.

use super::super::{
    bars::{self, Base, Row, Segment},
    facets::{Facets, few},
    figure::{Bars, Key, Look, PAGE, Section, Table},
    metric_chart::{comma, interval},
    scale::range,
};
use crate::{
    params,
    stats::confidence::INTERVAL,
    summary::insight::{Waterfall, WaterfallStep},
    units,
};

/// A waterfall for each point: each step starts where the previous one ends.
pub(super) fn section(facets: &Facets<'_>) -> Section {
    let (shown, left_out) = few(facets.set.ladders.iter().collect());
    let looks = [Bars::Medium, Bars::Gain, Bars::Loss].map(Look::bar);
    let key = |(name, look): (&str, Look)| Key { name: name.into(), look };
    let names = ["=: start", "−: saves", "+: costs"];
    Section {
        id: "waterfall",
        title: "Time saved by each step".into(),
        short: "Steps",
        note: "A worker's time per I/O. Each step adds one change to the previous arm; its bar is the time that the \
               change saves or costs, with the confidence interval of the change."
            .into(),
        keys: names.into_iter().zip(looks).map(key).collect(),
        layout: "thirds",
        figures: bars::draw(shown.into_iter().map(|ladder| of_ladder(ladder, &looks)).collect(), PAGE),
        left_out,
    }
}

fn of_ladder(ladder: &Waterfall, looks: &[Look]) -> bars::Chart {
    let point = params::point(&ladder.params);
    let of_change = format!("{INTERVAL} of the change");
    let mut table = Table {
        caption: format!("Time per I/O, step by step{}", comma(&point)),
        head: ["arm", "time per I/O", INTERVAL, "change", of_change.as_str()].map(Into::into).into(),
        rows: vec![],
    };
    let rows: Vec<Row> = ladder
        .steps
        .iter()
        .filter_map(|step| {
            let range = |ci95: Option<[f64; 2]>| {
                ci95.map_or_else(|| "-".into(), |[low, high]| format!("{} to {}", signed(low), signed(high)))
            };
            let absolute = step.ci95.map_or_else(|| "-".into(), |ci95| interval(units::nanos, ci95));
            let time = step.ns_per_io.map_or_else(|| "-".into(), units::nanos);
            let change = step.change_ns.map_or_else(|| "-".into(), signed);
            let change_ci95 = range(step.change_ci95);
            table.rows.push(vec![step.arm.clone(), time, absolute, change, change_ci95]);
            row(step)
        })
        .collect();
    let title = format!("Time per I/O, step by step{}", comma(&point));
    let times: Vec<f64> = ladder.steps.iter().filter_map(|step| step.ns_per_io).collect();
    let (low, high) = range(&times);
    let base = if low > high / 2.0 { Base::Near } else { Base::Zero };
    bars::Chart { title, text: units::nanos, looks: looks.to_vec(), rows, base, table }
}

fn row(step: &WaterfallStep) -> Option<Row> {
    let now = step.ns_per_io?;
    let (from, series, letters, value, tip) = match step.change_ns {
        None => (0.0, 0, "=", units::nanos(now), format!("{}: {}", step.arm, units::nanos(now))),
        Some(change) => {
            let (series, letters) = if change <= 0.0 { (1, "−") } else { (2, "+") };
            let value = format!("{}, now {}", signed(change), units::nanos(now));
            let ci95 = step.change_ci95.map_or_else(String::new, |[low, high]| {
                format!(", {INTERVAL} {} to {}", signed(low), signed(high))
            });
            (now - change, series, letters, value.clone(), format!("{}: {value}{ci95}", step.arm))
        }
    };
    // The interval of the change is drawn around the end of the step.
    let ci95 = match (step.change_ns, step.change_ci95) {
        (Some(_), Some([low, high])) => Some([from + low, from + high]),
        (None, _) => step.ci95,
        _ => None,
    };
    Some(Row {
        name: step.arm.clone(),
        value,
        segments: vec![Segment { from, to: now, series, letters, tip }],
        ci95: ci95.map(|[low, high]| [low.max(0.0), high.max(0.0)]),
        trials: vec![],
    })
}

/// `+120 ns`, `−1.30 µs`.
fn signed(ns: f64) -> String {
    format!("{}{}", if ns < 0.0 { "−" } else { "+" }, units::nanos(ns.abs()))
}
