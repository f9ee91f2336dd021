//! Figures with two axes: lines, intervals, and a dot for each trial.

use super::{
    figure::{Figure, Frame, Look, Point, Series, Table, Tick, WIDTH, px},
    scale::Scale,
};
use crate::stats::confidence::INTERVAL;

const HEIGHT: f64 = 330.0;
const FRAME: Frame = Frame { left: 72.0, right: WIDTH - 14.0, top: 34.0, bottom: HEIGHT - 56.0 };
/// Pixels between labels of the horizontal axis, and for each letter of a label.
const ROOM: (f64, f64) = (10.0, 8.5);

/// A line before it is drawn.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) points: Vec<Sample>,
    /// Whether the points are joined.
    pub(super) joined: bool,
    pub(super) marked: bool,
}

/// A point of a line. `x` is from 0 to 1.
pub(super) struct Sample {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) ci95: Option<[f64; 2]>,
    pub(super) trials: Vec<(String, f64)>,
    /// The place as text.
    pub(super) place: String,
}

/// The quantity of the vertical axis.
pub(super) struct Quantity {
    pub(super) title: String,
    pub(super) log: bool,
    pub(super) text: fn(f64) -> String,
}

/// Draws lines. `ticks` are those of the horizontal axis, from 0 to 1. `None` without points.
pub(super) fn figure(
    title: String,
    quantity: &Quantity,
    x_title: &str,
    ticks: &[(f64, String)],
    lines: &[Line],
    table: Table,
) -> Option<Figure> {
    let of = |sample: &Sample| {
        let trials = sample.trials.iter().map(|(_, value)| *value);
        trials.chain([sample.y]).chain(sample.ci95.into_iter().flatten()).collect::<Vec<_>>()
    };
    let mut all: Vec<f64> = lines.iter().flat_map(|line| &line.points).flat_map(of).collect();
    if all.is_empty() {
        return None;
    }
    // The interval of few trials may reach below zero, which no rate does.
    all.iter_mut().for_each(|value| *value = value.max(0.0));
    let pixels = [FRAME.bottom, FRAME.top];
    let y = if quantity.log { Scale::log(&all, pixels) } else { Scale::linear(&all, pixels) };
    // Arms are drawn side by side, so that their intervals do not overlap.
    let many = lines.iter().filter(|line| line.marked).count().max(1) as f64;
    let x = |share: f64, index: usize| {
        let aside = (index as f64 - (many - 1.0) / 2.0) * (18.0 / many).min(5.0);
        px(FRAME.left + 22.0 + share * (FRAME.right - FRAME.left - 44.0) + aside)
    };
    let plain = |share: f64| px(FRAME.left + 22.0 + share * (FRAME.right - FRAME.left - 44.0));
    let mut description = format!("{} against {x_title}. ", quantity.title);
    let mut series = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let place = |share: f64| if line.marked { x(share, index) } else { plain(share) };
        let (mut drawn, mut whiskers, mut dots, mut points) = (vec![], String::new(), vec![], vec![]);
        for sample in &line.points {
            let (at, up) = (place(sample.x), y.at(sample.y));
            drawn.push(format!("{at},{up}"));
            let mut tip = format!("{}, {}: {}", line.name, sample.place, (quantity.text)(sample.y));
            if let Some([low, high]) = sample.ci95 {
                let text = |value: f64| (quantity.text)(value.max(0.0));
                tip.push_str(&format!(", {INTERVAL} {} to {}", text(low), text(high)));
                let (low, high) = (y.at(low), y.at(high));
                let (a, b) = (px(at - 4.0), px(at + 4.0));
                whiskers.push_str(&format!("M{at} {low}V{high}M{a} {low}H{b}M{a} {high}H{b}"));
            }
            dots.extend(sample.trials.iter().map(|(trial, value)| Point {
                x: at,
                y: y.at(*value),
                tip: format!("{}, {}, {trial}: {}", line.name, sample.place, (quantity.text)(*value)),
            }));
            points.push(Point { x: at, y: up, tip });
        }
        if let (Some(first), Some(last)) = (line.points.first(), line.points.last()) {
            let value = |sample: &Sample| format!("{} at {}", (quantity.text)(sample.y), sample.place);
            let to = if line.points.len() > 1 { format!(" to {}", value(last)) } else { String::new() };
            description.push_str(&format!("{}: {}{to}. ", line.name, value(first)));
        }
        let line_points = if line.joined { drawn.join(" ") } else { String::new() };
        series.push(Series {
            look: line.look,
            line: line_points,
            whiskers,
            bars: vec![],
            dots,
            points,
            marked: line.marked,
        });
    }
    let mut x_ticks: Vec<Tick> = Vec::new();
    for (share, label) in ticks {
        let at = plain(*share);
        if x_ticks.last().is_none_or(|last| at - last.at >= ROOM.0 + ROOM.1 * label.len() as f64) {
            x_ticks.push(Tick { at, label: label.clone() });
        }
    }
    let label = |tick: &f64| if *tick == 0.0 { "0".into() } else { (quantity.text)(*tick) };
    Some(Figure {
        title,
        description,
        width: WIDTH,
        height: HEIGHT,
        x_title: x_title.into(),
        y_title: quantity.title.clone(),
        frame: FRAME,
        x_ticks,
        y_ticks: y.ticks.iter().map(|tick| Tick { at: y.at(*tick), label: label(tick) }).collect(),
        series,
        texts: Vec::new(),
        table,
    })
}
