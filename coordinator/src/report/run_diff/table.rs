//! The comparison of two runs as a table and as CSV.

use crate::{
    metric, params,
    report::{
        grid::Grid,
        text::{Align, Style},
        view::ratio,
    },
    stats::confidence::INTERVAL,
    summary::{
        Verdict,
        run_diff::{CellDiff, RunDiff},
    },
};

/// The value of a metric with its unit.
fn value(metric: &str, value: Option<f64>) -> String {
    let Some(value) = value else { return "-".into() };
    metric::find(metric).map_or_else(|| value.to_string(), |metric| metric.unit.text(value))
}

fn verdict(found: &CellDiff) -> (String, Style) {
    let style = match found.verdict {
        Verdict::Faster => Style::Good,
        Verdict::Slower => Style::Bad,
        _ => Style::Dim,
    };
    match (found.ratio, found.alike) {
        (None, _) => ("-".into(), Style::Dim),
        (Some(_), true) => (found.verdict.as_str().into(), style),
        (Some(_), false) => (format!("not comparable ({})", found.verdict.as_str()), Style::Dim),
    }
}

fn axes(found: &RunDiff) -> Vec<&String> {
    let mut axes: Vec<&String> = Vec::new();
    for axis in found.comparisons.iter().flat_map(|comparison| comparison.params.keys()) {
        if !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    axes
}

fn arm(found: &CellDiff) -> String {
    if found.arm == found.baseline_arm {
        found.arm.clone()
    } else {
        format!("{} / {}", found.arm, found.baseline_arm)
    }
}

/// A row for each metric of each cell.
pub(super) fn table(found: &RunDiff) -> Grid {
    let axes = axes(found);
    let point_title = match axes.as_slice() {
        [one] => one.as_str(),
        _ => "point",
    };
    let mut titles = vec![("arm", Align::Left)];
    if !axes.is_empty() {
        titles.insert(0, (point_title, Align::Left));
    }
    let narrow = titles.len() - 1;
    titles.extend([
        ("metric", Align::Left),
        ("baseline", Align::Right),
        ("run", Align::Right),
        ("ratio", Align::Left),
        (INTERVAL, Align::Left),
        ("verdict", Align::Left),
    ]);
    let mut grid = Grid::new(&titles, narrow);
    let mut last = None;
    for comparison in &found.comparisons {
        let new = last != Some(&comparison.params);
        if new {
            grid.rule();
        }
        last = Some(&comparison.params);
        let mut entries = Vec::new();
        if !axes.is_empty() {
            let point = match axes.as_slice() {
                [one] => comparison.params.get(*one).map_or_else(String::new, params::value),
                _ => params::point(&comparison.params),
            };
            entries.push((if new { point } else { String::new() }, Style::Bold));
        }
        let (word, style) = verdict(comparison);
        let interval = comparison.ci95.map(|[low, high]| format!("{} to {}", ratio(low), ratio(high)));
        entries.extend([
            (arm(comparison), Style::Plain),
            (comparison.metric.clone(), Style::Plain),
            (value(&comparison.metric, comparison.baseline), Style::Plain),
            (value(&comparison.metric, comparison.run), Style::Plain),
            (comparison.ratio.map(ratio).unwrap_or_default(), style),
            (interval.unwrap_or_default(), Style::Dim),
            (word, style),
        ]);
        grid.row(entries);
    }
    grid
}

/// The same with plain numbers.
pub(super) fn csv(found: &RunDiff) -> Grid {
    let axes = axes(found);
    let mut titles = vec!["baseline_run", "run", "arm", "baseline_arm"];
    titles.extend(axes.iter().map(|axis| axis.as_str()));
    titles.extend(["metric", "baseline_value", "run_value", "ratio", "ratio_ci95_low", "ratio_ci95_high"]);
    titles.extend(["p_value", "p_adjusted", "verdict", "alike"]);
    let titles: Vec<(&str, Align)> = titles.into_iter().map(|title| (title, Align::Left)).collect();
    let mut grid = Grid::new(&titles, 0);
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for one in &found.comparisons {
        let mut row = vec![
            found.baseline.run_id.clone(),
            found.run.run_id.clone(),
            one.arm.clone(),
            one.baseline_arm.clone(),
        ];
        row.extend(axes.iter().map(|axis| one.params.get(*axis).map_or_else(String::new, params::value)));
        row.extend([
            one.metric.clone(),
            number(one.baseline),
            number(one.run),
            number(one.ratio),
            number(one.ci95.map(|interval| interval[0])),
            number(one.ci95.map(|interval| interval[1])),
            number(one.p_value),
            number(one.p_adjusted),
            one.verdict.as_str().to_owned(),
            one.alike.to_string(),
        ]);
        grid.row(row.into_iter().map(|text| (text, Style::Plain)));
    }
    grid
}
