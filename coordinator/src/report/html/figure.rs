//! The data that the template draws: figures in pixels of their view box, each with its table. The template escapes all
//! texts.

use serde::Serialize;

/// The size of a plot's view box. Its texts grow and shrink with the plot, so a plot that is much wider on a large screen
/// than on a small one is drawn for each of them, and the style shows one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    /// `wide`, `middle` or `narrow` for the screens on which it is shown; empty for all.
    pub(super) class: &'static str,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Whether the lines' names and the verdicts are written into the plot.
    pub(super) labelled: bool,
}

/// A plot as wide as the page.
pub(super) const PAGE: &[Canvas] = &[
    Canvas { class: "wide", width: 1160.0, height: 380.0, labelled: true },
    Canvas { class: "middle", width: 760.0, height: 380.0, labelled: true },
    Canvas { class: "narrow", width: 520.0, height: 380.0, labelled: false },
];
/// One of two plots in a row.
pub(super) const HALF: &[Canvas] = &[Canvas { class: "", width: 520.0, height: 320.0, labelled: true }];
/// One of three plots in a row.
pub(super) const THIRD: &[Canvas] = &[Canvas { class: "", width: 400.0, height: 260.0, labelled: false }];

/// A section of the page: one chart, or several small ones, under one heading.
#[derive(Debug, Default, Serialize)]
pub(super) struct Section {
    /// The fragment identifier.
    pub(super) id: &'static str,
    pub(super) title: String,
    /// The title in the page's navigation.
    pub(super) short: &'static str,
    /// A note on how to read it.
    pub(super) note: String,
    /// The legend of a chart whose colours are not those of the arms, which have one legend for the page.
    pub(super) keys: Vec<Key>,
    /// `halves` or `thirds`: the number of figures in a row of a large screen.
    pub(super) layout: &'static str,
    pub(super) figures: Vec<Figure>,
    /// A note on points that are left out.
    pub(super) left_out: Option<String>,
}

/// An entry of a legend.
#[derive(Debug, Serialize)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) look: Look,
}

/// Colour, marker and dash pattern, which distinguish series with and without colours.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Look {
    /// 0 to 7 for arms, from 8 on for anything else.
    pub(super) colour: usize,
    pub(super) dash: &'static str,
    /// A path around the origin.
    pub(super) marker: &'static str,
}

/// Kinds of bars that do not stand for arms.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bars {
    Dark,
    Medium,
    Light,
    Gain,
    Loss,
}

const DASHES: [&str; 5] = ["none", "8 4", "2 4", "10 4 2 4", "14 5"];
const MARKERS: [&str; 7] = [
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "M-4 -4h8v8h-8z",
    "M0 -5.5l5 9h-10z",
    "M0 -5.8l5.8 5.8l-5.8 5.8l-5.8 -5.8z",
    "M0 5.5l5 -9h-10z",
    "M-5.5 -1.5h4v-4h3v4h4v3h-4v4h-3v-4h-4z",
    "M-5.5 -2.2h11v4.4h-11z",
];

impl Look {
    /// The look of the arm with this index, in every figure. The numbers of colours, markers and dashes have no common
    /// divisor, so that the first 280 looks differ.
    pub(super) fn of(index: usize) -> Self {
        Self { colour: index % 8, dash: DASHES[index % 5], marker: MARKERS[index % 7] }
    }

    /// The look of bars that do not stand for arms, so that their colours are not mistaken for those of arms.
    pub(super) fn bar(kind: Bars) -> Self {
        Self { colour: 8 + kind as usize, dash: "0 99", marker: "M-6 -5h12v10h-12z" }
    }
}

/// One chart.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figure {
    pub(super) title: String,
    /// The description for screen readers.
    pub(super) description: String,
    /// `page` for a figure as wide as the page.
    pub(super) class: &'static str,
    /// The same plot for different screens.
    pub(super) plots: Vec<Plot>,
    pub(super) table: Table,
}

/// A chart on one canvas.
#[derive(Debug, Default, Serialize)]
pub(super) struct Plot {
    pub(super) class: &'static str,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x_title: String,
    pub(super) frame: Frame,
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    /// Paths of ticks without labels.
    pub(super) minor: String,
    /// Shaded ranges of the horizontal axis.
    pub(super) bands: Vec<Bar>,
    pub(super) series: Vec<Series>,
    /// Paths from the ends of lines to their labels, and of the gap.
    pub(super) leaders: String,
    pub(super) gap: String,
    pub(super) texts: Vec<Text>,
}

/// The inner edges of a figure.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Text {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) anchor: &'static str,
    /// `name`, `value`, `in` (within a bar), `gap`, or `sign` with the class of a verdict.
    pub(super) class: String,
    pub(super) text: String,
}

/// A line with its points, or one kind of bars.
#[derive(Debug, Default, Serialize)]
pub(super) struct Series {
    pub(super) look: Look,
    /// The points of the line in SVG form; empty without a line.
    pub(super) line: String,
    /// Paths of intervals.
    pub(super) whiskers: String,
    pub(super) bars: Vec<Bar>,
    /// Small dots: single trials.
    pub(super) dots: Vec<Point>,
    pub(super) points: Vec<Point>,
    /// Whether each point has a marker; dense curves have one at the end.
    pub(super) marked: bool,
    pub(super) end: Option<Point>,
}

#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) tip: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) tip: String,
}

/// The numbers of a figure as a table.
#[derive(Debug, Default, Serialize)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) head: Vec<String>,
    /// The first entry is the row's name.
    pub(super) rows: Vec<Vec<String>>,
}

/// Rounds to tenths of a pixel.
pub(super) fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
