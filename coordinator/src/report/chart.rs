//! The geometry of a chart: a metric against the first axis, a line for each arm, a dot for each trial. The
//! template draws it, so that all text passes through its escaping.

use proto::units::{ByteSize, Nanos};
use serde::Serialize;
use serde_json::Value;

use super::units;
use crate::analysis::{
    answer,
    set::{CellSummary, ComparisonSet},
};

const LEFT: f64 = 70.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 270.0;
/// From this ratio of largest to smallest value on, the horizontal axis is logarithmic.
const LOG_SPAN: f64 = 16.0;
/// Charts of one metric; more points of the other axes than that are left to the table.
const MAX_CHARTS: usize = 6;

/// One chart, in pixels.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub(super) id: usize,
    title: String,
    description: String,
    axis: String,
    left: f64,
    right: f64,
    bottom: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    series: Vec<Series>,
}

#[derive(Debug, Serialize)]
struct Tick {
    at: f64,
    label: String,
}

#[derive(Debug, Serialize)]
struct Series {
    arm: String,
    /// 0 to 7: the colour.
    class: usize,
    points: String,
    dots: Vec<Dot>,
}

#[derive(Debug, Serialize)]
struct Dot {
    x: f64,
    y: f64,
    title: String,
}

/// What a chart shows of a cell.
struct Metric {
    title: &'static str,
    mean: fn(&CellSummary) -> Option<f64>,
    samples: fn(&CellSummary) -> Vec<f64>,
    label: fn(f64) -> String,
}

const METRICS: [Metric; 2] = [
    Metric {
        title: "I/O per second",
        mean: |cell| cell.metric("iops"),
        samples: |cell| cell.iops.as_ref().map_or_else(Vec::new, |iops| iops.samples.clone()),
        label: units::count,
    },
    Metric {
        title: "System calls per I/O",
        mean: |cell| cell.syscalls_per_io,
        samples: |cell| cell.syscalls_per_io.into_iter().collect(),
        label: units::per_io,
    },
];

/// Both metrics, a chart for each combination of the axes but the first.
pub(super) fn charts(set: &ComparisonSet) -> Vec<Chart> {
    let cells: Vec<&CellSummary> = set.cells.iter().filter(|cell| cell.host.is_none()).collect();
    let Some(axis) = first_numeric(&cells) else { return Vec::new() };
    let mut facets: Vec<(String, Vec<&CellSummary>)> = Vec::new();
    for cell in cells {
        let mut others = cell.params.clone();
        others.shift_remove(&axis);
        let facet = answer::point(&others);
        match facets.iter_mut().find(|(known, _)| *known == facet) {
            Some((_, cells)) => cells.push(cell),
            None => facets.push((facet, vec![cell])),
        }
    }
    let mut charts = Vec::new();
    for metric in &METRICS {
        for (facet, cells) in facets.iter().take(MAX_CHARTS) {
            charts.extend(chart(metric, &axis, facet, cells, charts.len()));
        }
    }
    charts
}

/// The first axis all of whose values are numbers, sizes or durations; failing that, the first.
fn first_numeric(cells: &[&CellSummary]) -> Option<String> {
    let axes: Vec<&String> = cells.first()?.params.keys().collect();
    let numeric =
        |axis: &&&String| cells.iter().all(|cell| cell.params.get(**axis).and_then(numeric).is_some());
    axes.iter().find(numeric).or(axes.first()).map(|axis| (**axis).clone())
}

fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let size = text.parse::<ByteSize>().map(|size| size.0 as f64);
            size.or_else(|_| text.parse::<Nanos>().map(|nanos| nanos.0 as f64)).ok()
        }
        _ => None,
    }
}

/// Where values of the axis lie between 0 and 1: in proportion, logarithmic where they span much, evenly
/// where they are not numbers.
fn places(values: &[&Value]) -> Vec<f64> {
    let numbers: Option<Vec<f64>> = values.iter().map(|value| numeric(value)).collect();
    let scaled: Vec<f64> = match numbers {
        None => (0..values.len()).map(|index| index as f64).collect(),
        Some(numbers) => {
            let (low, high) = range(&numbers);
            let log = low > 0.0 && high / low >= LOG_SPAN;
            numbers.into_iter().map(|n| if log { n.log2() } else { n }).collect()
        }
    };
    let (low, high) = range(&scaled);
    let share = |n: f64| if high > low { (n - low) / (high - low) } else { 0.5 };
    scaled.into_iter().map(share).collect()
}

fn range(numbers: &[f64]) -> (f64, f64) {
    numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), n| (low.min(*n), high.max(*n)))
}

fn chart(metric: &Metric, axis: &str, facet: &str, cells: &[&CellSummary], id: usize) -> Option<Chart> {
    let mut values: Vec<&Value> = Vec::new();
    for value in cells.iter().filter_map(|cell| cell.params.get(axis)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let places = places(&values);
    let round = |pixels: f64| (pixels * 10.0).round() / 10.0;
    let x = |value: &Value| -> Option<f64> {
        let index = values.iter().position(|known| *known == value)?;
        Some(round(LEFT + 20.0 + places[index] * (RIGHT - LEFT - 40.0)))
    };
    let all = cells.iter().flat_map(|cell| (metric.samples)(cell).into_iter().chain((metric.mean)(cell)));
    let (_, highest) = range(&all.collect::<Vec<_>>());
    if !highest.is_finite() {
        return None;
    }
    let (top, step) = nice(highest);
    let y = |value: f64| round(BOTTOM - value / top * (BOTTOM - TOP));
    let mut arms: Vec<&str> = Vec::new();
    for cell in cells {
        if !arms.contains(&cell.arm.as_str()) {
            arms.push(&cell.arm);
        }
    }
    let mut series = Vec::new();
    let mut description = format!("{} against {axis}. ", metric.title);
    for (index, arm) in arms.into_iter().enumerate() {
        let (mut points, mut dots, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for cell in cells.iter().filter(|cell| cell.arm == arm) {
            let Some((value, at)) = cell.params.get(axis).and_then(|value| Some((value, x(value)?))) else {
                continue;
            };
            let value = answer::value(value);
            if let Some(mean) = (metric.mean)(cell) {
                points.push(format!("{at},{}", y(mean)));
                told.push(format!("{} at {value}", (metric.label)(mean)));
            }
            dots.extend((metric.samples)(cell).into_iter().map(|sample| Dot {
                x: at,
                y: y(sample),
                title: format!("{arm}, {axis} {value}: {}", (metric.label)(sample)),
            }));
        }
        description.push_str(&format!("{arm}: {}. ", told.join(", ")));
        series.push(Series { arm: arm.into(), class: index % 8, points: points.join(" "), dots });
    }
    let x_ticks =
        values.iter().filter_map(|value| Some(Tick { at: x(value)?, label: answer::value(value) })).collect();
    let steps = (top / step).round() as usize;
    let tick = |index: usize| Tick {
        at: y(index as f64 * step),
        label: if index == 0 { "0".into() } else { (metric.label)(index as f64 * step) },
    };
    let title = if facet.is_empty() { metric.title.into() } else { format!("{}, {facet}", metric.title) };
    Some(Chart {
        id,
        title,
        description,
        axis: axis.into(),
        left: LEFT,
        right: RIGHT,
        bottom: BOTTOM,
        x_ticks,
        y_ticks: (0..=steps).map(tick).collect(),
        series,
    })
}

/// A round top of the axis above the highest value, and the step between ticks.
fn nice(highest: f64) -> (f64, f64) {
    if highest <= 0.0 {
        return (1.0, 0.25);
    }
    let magnitude = 10f64.powf((highest / 4.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| step * 5.0 >= highest)
        .unwrap_or(10.0 * magnitude);
    ((highest / step).ceil() * step, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_round_and_above() {
        for highest in [0.03, 1.0, 7.3, 73_500.0, 514_321.0, 9e6] {
            let (top, step) = nice(highest);
            let steps = top / step;
            assert!(
                top >= highest * 0.999_999 && (2.0..=5.01).contains(&steps),
                "{highest}: {top} by {step}"
            );
        }
    }

    #[test]
    fn wide_axes_are_logarithmic() {
        let values = [1, 4, 16].map(Value::from);
        assert_eq!(places(&values.iter().collect::<Vec<_>>()), [0.0, 0.5, 1.0]);
        let sizes = ["1KiB", "2KiB", "3KiB"].map(Value::from);
        assert_eq!(places(&sizes.iter().collect::<Vec<_>>()), [0.0, 0.5, 1.0]);
        let words = ["a", "b", "x"].map(Value::from);
        assert_eq!(places(&words.iter().collect::<Vec<_>>()), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[&Value::from(8)]), [0.5]);
    }
}
