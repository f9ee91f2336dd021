//! Figures with two axes: lines, intervals, and a dot for each trial.

use super::{
    badge::Badge,
    figure::{Bar, Canvas, Figure, Frame, Look, Plot, Point, Series, Table, Text, Tick, px},
    labels,
    scale::{Axis, Scale},
};
use crate::stats::confidence::INTERVAL;

/// Pixels left of the frame, above and below it.
const MARGIN: (f64, f64, f64) = (64.0, 24.0, 48.0);
/// Pixels between labels of the horizontal axis, and for each letter of a label.
const ROOM: (f64, f64) = (10.0, 8.5);
/// The most pixels between the points of two arms at one place.
const DODGE: f64 = 12.0;

/// A chart before it is drawn.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) quantity: Quantity,
    pub(super) axis: Axis,
    pub(super) lines: Vec<Line>,
    pub(super) marks: Marks,
    pub(super) table: Table,
}

/// A line before it is drawn.
pub(super) struct Line {
    pub(super) name: String,
    /// The text after the name at the end of the line.
    pub(super) note: String,
    pub(super) look: Look,
    pub(super) points: Vec<Sample>,
    /// Whether each point has a marker.
    pub(super) marked: bool,
}

/// A point of a line. `x` is from 0 to 1.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) ci95: Option<[f64; 2]>,
    pub(super) trials: Vec<(String, f64)>,
    /// The place as text.
    pub(super) place: String,
    /// The verdict.
    pub(super) badge: Option<Badge>,
}

/// The quantity of the vertical axis.
pub(super) struct Quantity {
    pub(super) title: String,
    /// Whether the axis is logarithmic for every range, not only for a wide one.
    pub(super) log: bool,
    pub(super) text: fn(f64) -> String,
}

/// What a plot shows beside its lines.
#[derive(Default)]
pub(super) struct Marks {
    /// A shaded range of the horizontal axis, from 0 to 1.
    pub(super) band: Option<([f64; 2], String)>,
    /// A difference between two lines.
    pub(super) gap: Option<Gap>,
    /// Places at which a line turns: the line, its point, and a text.
    pub(super) turns: Vec<(usize, usize, &'static str)>,
}

/// A difference between two lines at a place of the horizontal axis.
pub(super) struct Gap {
    pub(super) x: f64,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) text: String,
}

impl Chart {
    /// The values that the vertical axis must show.
    fn values(&self) -> Vec<f64> {
        let samples = || self.lines.iter().flat_map(|line| &line.points);
        let measured = samples()
            .flat_map(|sample| sample.trials.iter().map(|(_, value)| *value).chain([sample.y]))
            .collect::<Vec<_>>();
        // The interval of few trials may be so wide that it would hide the differences between the means.
        let (low, high) = super::scale::range(&measured);
        let ends = samples().filter_map(|sample| sample.ci95).flatten();
        let ends = ends.map(|end| end.clamp(low / 1.3, high * 1.2)).collect::<Vec<_>>();
        measured.into_iter().chain(ends).collect()
    }
}

/// Draws charts with a common vertical scale, so that they can be compared. Those without points are left out.
pub(super) fn draw(charts: Vec<Chart>, canvases: &[Canvas]) -> Vec<Figure> {
    let values: Vec<f64> = charts.iter().flat_map(Chart::values).collect();
    let drawn = charts.into_iter().filter(|chart| !chart.values().is_empty());
    drawn.map(|chart| figure(chart, &values, canvases)).collect()
}

fn figure(chart: Chart, values: &[f64], canvases: &[Canvas]) -> Figure {
    let Chart { title, quantity, axis, lines, marks, table } = chart;
    let plots = canvases.iter().map(|canvas| plot(&quantity, &axis, &lines, &marks, values, canvas));
    Figure {
        class: if canvases.len() > 1 { "page" } else { "" },
        plots: plots.collect(),
        description: description(&quantity, &axis, &lines, &marks),
        title,
        table,
    }
}

fn description(quantity: &Quantity, axis: &Axis, lines: &[Line], marks: &Marks) -> String {
    let mut text = format!("{} against {}. ", quantity.title, axis.title);
    for line in lines {
        let (Some(first), Some(last)) = (line.points.first(), line.points.last()) else { continue };
        let value = |sample: &Sample| format!("{} at {}", (quantity.text)(sample.y), sample.place);
        let to = if line.points.len() > 1 { format!(" to {}", value(last)) } else { String::new() };
        text.push_str(&format!("{}: {}{to}. ", line.name, value(first)));
    }
    for (line, point, turn) in &marks.turns {
        if let Some(place) = lines.get(*line).and_then(|line| line.points.get(*point)) {
            text.push_str(&format!("{}: {turn} at {}. ", lines[*line].name, place.place));
        }
    }
    text
}

/// The labels at the ends of lines.
fn names(lines: &[Line]) -> Vec<String> {
    let name = |line: &Line| match line.note.as_str() {
        "" => line.name.clone(),
        note => format!("{}\u{2002}{note}", line.name),
    };
    lines.iter().map(name).collect()
}

/// A plot's scales.
struct Layout {
    frame: Frame,
    /// Pixels between the frame and the first and the last place.
    pad: f64,
    dodge: f64,
    arms: f64,
    y: Scale,
}

impl Layout {
    fn of(quantity: &Quantity, axis: &Axis, lines: &[Line], values: &[f64], canvas: &Canvas) -> Self {
        let (left, above, below) = MARGIN;
        let labels = if canvas.labelled { labels::room(&names(lines), canvas.width) } else { 14.0 };
        let frame = Frame { left, right: canvas.width - labels, top: above, bottom: canvas.height - below };
        let pixels = [frame.bottom, frame.top];
        let y = if quantity.log { Scale::log(values, pixels) } else { Scale::of(values, pixels) };
        // The points of arms at one place are drawn side by side, so that none covers another.
        let arms = lines.iter().filter(|line| line.marked).count().max(1) as f64;
        let width = frame.right - frame.left;
        let places: Vec<f64> = axis.ticks.iter().map(|(place, _)| *place).collect();
        let least = places.windows(2).map(|pair| pair[1] - pair[0]).fold(1.0, f64::min);
        let dodge = if lines.iter().any(|line| line.marked) {
            (0.7 * least * width * 0.85 / arms).min(DODGE)
        } else {
            0.0
        };
        Self { frame, pad: 14.0 + dodge * arms / 2.0, dodge, arms, y }
    }

    /// The pixel of a place.
    fn x(&self, share: f64) -> f64 {
        let inner = self.frame.right - self.frame.left - 2.0 * self.pad;
        px(self.frame.left + self.pad + share * inner)
    }

    /// The pixel of a point of a line.
    fn x_of(&self, share: f64, index: usize, line: &Line) -> f64 {
        let aside = if line.marked { (index as f64 - (self.arms - 1.0) / 2.0) * self.dodge } else { 0.0 };
        px(self.x(share) + aside)
    }
}

fn plot(
    quantity: &Quantity,
    axis: &Axis,
    lines: &[Line],
    marks: &Marks,
    values: &[f64],
    canvas: &Canvas,
) -> Plot {
    let layout = Layout::of(quantity, axis, lines, values, canvas);
    let (frame, y) = (layout.frame, &layout.y);
    let mut texts = Vec::new();
    let series: Vec<Series> =
        lines.iter().enumerate().map(|(index, line)| series(&layout, quantity, index, line)).collect();
    for (line, drawn) in lines.iter().zip(&series) {
        for (sample, point) in line.points.iter().zip(&drawn.points) {
            if let Some(badge) = sample.badge.filter(|_| canvas.width > 450.0) {
                let class = format!("sign {}", badge.class);
                let up = px(point.y - 9.0);
                texts.push(Text { x: point.x, y: up, anchor: "middle", class, text: badge.sign.into() });
            }
        }
    }
    for (line, point, text) in &marks.turns {
        if let Some(at) = series.get(*line).and_then(|series| series.points.get(*point)) {
            let (x, y) = (px(at.x - 10.0), px(at.y + 4.5));
            texts.push(Text { x, y, anchor: "end", class: "gap".into(), text: (*text).into() });
        }
    }
    let band = marks.band.as_ref().map(|([from, to], text)| {
        let ends = [(*from, frame.left, 0.0), (*to, frame.right, 1.0)]
            .map(|(share, edge, end)| if share == end { edge } else { layout.x(share) });
        let middle = px((ends[0] + ends[1]) / 2.0);
        let class = "band".to_owned();
        texts.push(Text { x: middle, y: frame.bottom - 8.0, anchor: "middle", class, text: text.clone() });
        let height = frame.bottom - frame.top;
        Bar { x: ends[0], y: frame.top, width: px(ends[1] - ends[0]), height, tip: text.clone() }
    });
    let mut gap_path = String::new();
    if let Some(gap) = marks.gap.as_ref().filter(|_| canvas.width > 450.0) {
        let x = px(layout.x(gap.x) - layout.dodge * layout.arms / 2.0 - 8.0);
        let (from, to) = (y.at(gap.from), y.at(gap.to));
        gap_path = format!(
            "M{} {from}H{}M{x} {from}V{to}M{} {to}H{}",
            px(x - 4.0),
            px(x + 4.0),
            px(x - 4.0),
            px(x + 4.0)
        );
        let middle = px((from + to) / 2.0 + 5.0);
        let text = gap.text.clone();
        texts.push(Text { x: px(x - 8.0), y: middle, anchor: "end", class: "gap".into(), text });
    }
    let leaders = if canvas.labelled {
        labels::at_ends(&names(lines), &series, frame, &mut texts)
    } else {
        String::new()
    };
    let mut x_ticks: Vec<Tick> = Vec::new();
    for (share, label) in &axis.ticks {
        let at = layout.x(*share);
        if x_ticks.last().is_none_or(|last| at - last.at >= ROOM.0 + ROOM.1 * label.len() as f64) {
            x_ticks.push(Tick { at, label: label.clone() });
        }
    }
    let (left, bottom) = (frame.left, frame.bottom);
    let below = axis.minor.iter().map(|share| format!("M{} {bottom}v3", layout.x(*share)));
    let beside = y.minor.iter().map(|value| format!("M{left} {}h-3", y.at(*value)));
    let label = |tick: &f64| if *tick == 0.0 { "0".into() } else { (quantity.text)(*tick) };
    Plot {
        class: canvas.class,
        width: canvas.width,
        height: canvas.height,
        x_title: format!("{}{}", axis.shown(), if axis.log { " (logarithmic)" } else { "" }),
        frame,
        x_ticks,
        y_ticks: y.ticks.iter().map(|tick| Tick { at: y.at(*tick), label: label(tick) }).collect(),
        minor: below.chain(beside).collect(),
        bands: band.into_iter().collect(),
        series,
        leaders,
        gap: gap_path,
        texts,
    }
}

fn series(layout: &Layout, quantity: &Quantity, index: usize, line: &Line) -> Series {
    let y = &layout.y;
    let (mut drawn, mut whiskers, mut dots, mut points) = (vec![], String::new(), vec![], vec![]);
    for sample in &line.points {
        let (at, up) = (layout.x_of(sample.x, index, line), y.at(sample.y));
        drawn.push(format!("{at},{up}"));
        let mut tip = format!("{}, {}: {}", line.name, sample.place, (quantity.text)(sample.y));
        if let Some([low, high]) = sample.ci95 {
            let text = quantity.text;
            tip.push_str(&format!(", {INTERVAL} {} to {}", text(low), text(high)));
            let (low, high) = (y.at(low), y.at(high));
            let (a, b) = (px(at - 4.0), px(at + 4.0));
            whiskers.push_str(&format!("M{at} {low}V{high}M{a} {low}H{b}M{a} {high}H{b}"));
        }
        if let Some(badge) = sample.badge {
            tip.push_str(&format!(", {}", badge.word));
        }
        dots.extend(sample.trials.iter().map(|(trial, value)| Point {
            x: at,
            y: y.at(*value),
            tip: format!("{}, {}, {trial}: {}", line.name, sample.place, (quantity.text)(*value)),
        }));
        points.push(Point { x: at, y: up, tip });
    }
    let end = points.last().filter(|_| !line.marked);
    let end = end.map(|last| Point { x: last.x, y: last.y, tip: line.name.clone() });
    let line_points = if drawn.len() > 1 { drawn.join(" ") } else { String::new() };
    Series {
        look: line.look,
        line: line_points,
        whiskers,
        bars: vec![],
        dots,
        points,
        marked: line.marked,
        end,
    }
}
