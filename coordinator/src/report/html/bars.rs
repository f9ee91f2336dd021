//! Figures of horizontal bars. Each row has one or more segments, an interval, and a dot for each trial.

use super::{
    figure::{Bar, Figure, Frame, Look, Point, Series, Table, Text, Tick, WIDTH, px},
    scale::Scale,
};

const LEFT: f64 = 14.0;
const TOP: f64 = 10.0;
/// Height of a row: its name, the bar below it, and a gap.
const ROW: f64 = 48.0;
const THICK: f64 = 18.0;

/// A row.
pub(super) struct Row {
    pub(super) name: String,
    /// The text at the right end.
    pub(super) value: String,
    pub(super) segments: Vec<Segment>,
    pub(super) ci95: Option<[f64; 2]>,
    pub(super) trials: Vec<(f64, String)>,
}

/// A part of a bar.
pub(super) struct Segment {
    pub(super) from: f64,
    pub(super) to: f64,
    /// The index of its series.
    pub(super) series: usize,
    /// One or two letters within the bar, which identify the series without its colour.
    pub(super) letters: &'static str,
    pub(super) tip: String,
}

/// Draws rows; `None` without any value.
pub(super) fn figure(
    title: String,
    x_title: &str,
    text: fn(f64) -> String,
    looks: &[Look],
    rows: &[Row],
    table: Table,
) -> Option<Figure> {
    let of = |row: &Row| {
        let ends = row.segments.iter().flat_map(|segment| [segment.from, segment.to]);
        ends.chain(row.ci95.into_iter().flatten()).chain(row.trials.iter().map(|(value, _)| *value)).collect()
    };
    let all: Vec<f64> = rows.iter().flat_map(|row| -> Vec<f64> { of(row) }).collect();
    if all.is_empty() {
        return None;
    }
    let bottom = TOP + ROW * rows.len() as f64;
    let frame = Frame { left: LEFT, right: WIDTH - 24.0, top: TOP, bottom };
    let x = Scale::linear(&all, [frame.left, frame.right]);
    let mut series: Vec<Series> = looks
        .iter()
        .map(|look| Series {
            look: *look,
            line: String::new(),
            whiskers: String::new(),
            bars: vec![],
            dots: vec![],
            points: vec![],
            marked: false,
        })
        .collect();
    let (mut texts, mut description) = (Vec::new(), format!("{title}. "));
    for (index, row) in rows.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let (bar, middle) = (top + 21.0, top + 21.0 + THICK / 2.0);
        texts.push(Text { x: LEFT, y: top + 15.0, anchor: "start", class: "name", text: row.name.clone() });
        let (end, value) = (frame.right, row.value.clone());
        texts.push(Text { x: end, y: top + 15.0, anchor: "end", class: "value", text: value });
        description.push_str(&format!("{}: {}. ", row.name, row.value));
        for segment in &row.segments {
            let (a, b) = (x.at(segment.from.min(segment.to)), x.at(segment.from.max(segment.to)));
            if b - a > 22.0 {
                let text = segment.letters.to_owned();
                texts.push(Text { x: px(a + 6.0), y: middle + 4.5, anchor: "start", class: "in", text });
            }
            // Every value other than zero is visible.
            let width = px((b - a).max(if segment.from == segment.to { 0.0 } else { 1.0 }));
            if let Some(series) = series.get_mut(segment.series) {
                series.bars.push(Bar { x: a, y: bar, width, height: THICK, tip: segment.tip.clone() });
            }
        }
        let Some(last) = row.segments.last().and_then(|segment| series.get_mut(segment.series)) else {
            continue;
        };
        if let Some([low, high]) = row.ci95 {
            let (low, high, a, b) = (x.at(low), x.at(high), middle - 5.0, middle + 5.0);
            last.whiskers.push_str(&format!("M{low} {middle}H{high}M{low} {a}V{b}M{high} {a}V{b}"));
        }
        let dot =
            |(value, tip): &(f64, String)| Point { x: x.at(*value), y: bar + THICK + 4.0, tip: tip.clone() };
        last.dots.extend(row.trials.iter().map(dot));
    }
    let label = |tick: f64| match tick {
        0.0 => "0".into(),
        t if t < 0.0 => format!("−{}", text(-t)),
        t => text(t),
    };
    Some(Figure {
        title,
        description,
        width: WIDTH,
        height: bottom + 52.0,
        x_title: x_title.into(),
        y_title: String::new(),
        frame,
        x_ticks: x.ticks.iter().map(|tick| Tick { at: x.at(*tick), label: label(*tick) }).collect(),
        y_ticks: Vec::new(),
        series,
        texts,
        table,
    })
}
