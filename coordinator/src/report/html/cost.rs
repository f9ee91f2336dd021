//! Charts of what an I/O costs: system calls, CPU time, and what each step of a ladder saves.

use super::{
    bars::{self, Row, Segment},
    chart::{Chart, against_axis, comma, interval, legend},
    facets::{Facets, few},
    figure::{Figure, Key, Look, Section, Table},
};
use crate::{
    metric::cost::{CPU_PER_IO, SYSCALLS_PER_IO},
    params,
    stats::confidence::INTERVAL,
    summary::{
        ComparisonSet,
        insight::{Waterfall, WaterfallStep},
    },
    units,
};

/// System calls per I/O, by the engine's own count.
pub(super) fn syscalls(facets: &Facets<'_>) -> Section {
    Section {
        id: "syscalls",
        title: SYSCALLS_PER_IO.heading.into(),
        note: "Lower is better. Counted by the engine over all timed trials; an audit checks the count with perf where \
               it can."
            .into(),
        keys: legend(facets),
        ..against_axis(facets, &Chart { metric: &SYSCALLS_PER_IO, trials: false })
    }
}

const KINDS: [(&str, &str); 3] = [("user", "U"), ("system", "S"), ("kernel threads", "K")];

/// CPU time of an I/O, stacked by who spent it.
pub(super) fn cpu(facets: &Facets<'_>) -> Section {
    let (shown, left_out) = few(facets.by_point.iter().collect());
    let looks: Vec<Look> = (0..KINDS.len()).map(Look::of).collect();
    let figures = shown.into_iter().filter_map(|(point, cells)| {
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
                let told = parts.map(text);
                table.rows.push([cell.arm.clone()].into_iter().chain(told).chain([all.clone()]).collect());
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
        bars::figure(title, CPU_PER_IO.heading, units::nanos, &looks, &rows, table)
    });
    let key = |(index, (kind, letter)): (usize, &(&str, &str))| Key {
        name: format!("{letter}: {kind}"),
        look: Look { dash: "none", marker: "M-5 -5h10v10h-10z", ..Look::of(index) },
    };
    Section {
        id: "cpu",
        title: CPU_PER_IO.heading.into(),
        note: "Lower is better. User and system are the workers' own; kernel threads are those of io_uring that work \
               for them."
            .into(),
        keys: KINDS.iter().enumerate().map(key).collect(),
        figures: figures.collect(),
        left_out,
    }
}

/// Where each nanosecond went: each step hangs from the one before it.
pub(super) fn waterfall(set: &ComparisonSet) -> Section {
    let (shown, left_out) = few(set.ladders.iter().collect());
    let looks = [7, 2, 1].map(Look::of);
    let key = |name: &str, look: Look| Key {
        name: name.into(),
        look: Look { dash: "none", marker: "M-5 -5h10v10h-10z", ..look },
    };
    let names = ["=: the start", "−: saves", "+: costs"];
    Section {
        id: "waterfall",
        title: "Where each nanosecond went".into(),
        note: "Time of a worker for one I/O. Each step is the arm before it and one change; its bar is what the change \
               saves or costs, with the confidence interval of the change."
            .into(),
        keys: names.into_iter().zip(looks).map(|(name, look)| key(name, look)).collect(),
        figures: shown.into_iter().filter_map(|ladder| of_ladder(ladder, &looks)).collect(),
        left_out,
    }
}

fn of_ladder(ladder: &Waterfall, looks: &[Look]) -> Option<Figure> {
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
            let told = |ci95: Option<[f64; 2]>| {
                ci95.map_or_else(|| "-".into(), |[low, high]| format!("{} to {}", signed(low), signed(high)))
            };
            let absolute = step.ci95.map_or_else(|| "-".into(), |ci95| interval(units::nanos, ci95));
            let time = step.ns_per_io.map_or_else(|| "-".into(), units::nanos);
            let change = step.change_ns.map_or_else(|| "-".into(), signed);
            let change_ci95 = told(step.change_ci95);
            table.rows.push(vec![step.arm.clone(), time, absolute, change, change_ci95]);
            row(step)
        })
        .collect();
    let title = format!("Time per I/O, step by step{}", comma(&point));
    bars::figure(title, "time of a worker per I/O", units::nanos, looks, &rows, table)
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
    // The interval of the change stands around its end, which is where the step arrives.
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
