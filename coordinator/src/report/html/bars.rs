//! Figures of horizontal bars, for categories. Each row has one or more segments, an interval, and a dot for each trial.

use super::{
    figure::{Bar, Canvas, Figure, Frame, Look, Plot, Point, Series, Table, Text, Tick, px},
    scale::{Scale, range},
};

const LEFT: f64 = 20.0;
const TOP: f64 = 6.0;
/// Height of a row: its name, the bar below it, and a gap.
const ROW: f64 = 44.0;
const THICK: f64 = 16.0;

/// A chart before it is drawn.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) text: fn(f64) -> String,
    pub(super) looks: Vec<Look>,
    pub(super) rows: Vec<Row>,
    pub(super) base: Base,
    pub(super) table: Table,
}

/// Where bars begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// At zero. Values of very different sizes are drawn as marks on a logarithmic scale instead.
    Zero,
    /// Just below the lowest value, for steps that are small against the values.
    Near,
}

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

impl Row {
    fn values(&self, base: Base) -> Vec<f64> {
        let ends = self.segments.iter().flat_map(|segment| [segment.from, segment.to]);
        // Linear scales from zero include it anyway; others must not.
        let measured: Vec<f64> =
            ends.filter(|end| *end != 0.0).chain(self.trials.iter().map(|(value, _)| *value)).collect();
        let (low, high) = range(&measured);
        let limits =
            if base == Base::Near { (low - 0.1 * low.abs(), high * 1.1) } else { (low / 1.3, high * 1.2) };
        let interval = self.ci95.filter(|_| low.is_finite()).into_iter().flatten();
        let interval: Vec<f64> = interval.map(|end| end.clamp(limits.0, limits.1)).collect();
        measured.into_iter().chain(interval).collect()
    }
}

/// Draws charts with a common scale, so that they can be compared. Those without rows are left out.
pub(super) fn draw(charts: Vec<Chart>, canvases: &[Canvas]) -> Vec<Figure> {
    let values = |chart: &Chart| chart.rows.iter().flat_map(|row| row.values(chart.base)).collect::<Vec<_>>();
    let all: Vec<f64> = charts.iter().flat_map(values).collect();
    let drawn = charts.into_iter().filter(|chart| !chart.rows.is_empty() && !all.is_empty());
    drawn.map(|chart| figure(chart, &all, canvases)).collect()
}

fn figure(chart: Chart, values: &[f64], canvases: &[Canvas]) -> Figure {
    let all: Vec<String> = chart.rows.iter().map(|row| format!("{}: {}. ", row.name, row.value)).collect();
    Figure {
        description: format!("{}. {}", chart.title, all.concat()),
        class: if canvases.len() > 1 { "page" } else { "" },
        plots: canvases.iter().map(|canvas| plot(&chart, values, canvas)).collect(),
        title: chart.title,
        table: chart.table,
    }
}

fn plot(chart: &Chart, values: &[f64], canvas: &Canvas) -> Plot {
    let bottom = TOP + ROW * chart.rows.len() as f64;
    let frame = Frame { left: LEFT, right: canvas.width - 27.0, top: TOP, bottom };
    let pixels = [frame.left, frame.right];
    let above_zero = |segment: &Segment| segment.from != 0.0;
    let stacked = chart.rows.iter().flat_map(|row| &row.segments).any(above_zero);
    let x = match chart.base {
        Base::Near => Scale::near(values, pixels),
        Base::Zero if stacked => Scale::linear(values, pixels),
        Base::Zero => Scale::of(values, pixels),
    };
    let mut series: Vec<Series> =
        chart.looks.iter().map(|look| Series { look: *look, marked: true, ..Series::default() }).collect();
    let mut texts = Vec::new();
    for (index, row) in chart.rows.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let (bar, middle) = (top + 19.0, top + 19.0 + THICK / 2.0);
        let mut put = |x: f64, anchor, class: &str, text: &str| {
            texts.push(Text { x, y: top + 14.0, anchor, class: class.into(), text: text.into() });
        };
        put(LEFT, "start", "name", &row.name);
        put(frame.right, "end", "value", &row.value);
        for segment in &row.segments {
            let Some(series) = series.get_mut(segment.series) else { continue };
            let tip = segment.tip.clone();
            // A logarithmic scale has no zero at which a bar could begin.
            if x.is_log() {
                series.points.push(Point { x: x.at(segment.to), y: middle, tip });
                continue;
            }
            let (a, b) = (x.at(segment.from.min(segment.to)), x.at(segment.from.max(segment.to)));
            if b - a > 22.0 {
                let (class, text) = ("in".to_owned(), segment.letters.to_owned());
                texts.push(Text { x: px(a + 6.0), y: middle + 4.5, anchor: "start", class, text });
            }
            // Every value other than zero is visible.
            let width = px((b - a).max(if segment.from == segment.to { 0.0 } else { 1.0 }));
            series.bars.push(Bar { x: a, y: bar, width, height: THICK, tip });
        }
        let Some(last) = row.segments.last().and_then(|segment| series.get_mut(segment.series)) else {
            continue;
        };
        if let Some([low, high]) = row.ci95 {
            let (low, high, a, b) = (x.at(low), x.at(high), middle - 5.0, middle + 5.0);
            last.whiskers.push_str(&format!("M{low} {middle}H{high}M{low} {a}V{b}M{high} {a}V{b}"));
        }
        let dot =
            |(value, tip): &(f64, String)| Point { x: x.at(*value), y: bar + THICK + 3.0, tip: tip.clone() };
        last.dots.extend(row.trials.iter().map(dot));
    }
    let label = |tick: f64| match tick {
        0.0 => "0".into(),
        t if t < 0.0 => format!("−{}", (chart.text)(-t)),
        t => (chart.text)(t),
    };
    let mut x_ticks: Vec<Tick> = Vec::new();
    for tick in &x.ticks {
        let (at, label) = (x.at(*tick), label(*tick));
        if x_ticks.last().is_none_or(|last| at - last.at >= 10.0 + 7.5 * label.len() as f64) {
            x_ticks.push(Tick { at, label });
        }
    }
    let note = match (x.is_log(), x.low() > 0.0) {
        (true, _) => "logarithmic".into(),
        (false, true) => format!("the axis begins at {}", label(x.low())),
        _ => String::new(),
    };
    Plot {
        class: canvas.class,
        width: canvas.width,
        height: bottom + if note.is_empty() { 28.0 } else { 46.0 },
        x_title: note,
        frame,
        x_ticks,
        minor: x.minor.iter().map(|value| format!("M{} {bottom}v3", x.at(*value))).collect(),
        series,
        texts,
        ..Plot::default()
    }
}
