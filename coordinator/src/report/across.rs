//! Two runs next to each other, in every format.

use std::fmt::Write as _;

use super::{
    Plain,
    differences::NOT_TOLD,
    grid::Grid,
    text::{Align, Style, clean, wrap},
    view::ratio,
};
use crate::{
    analysis::across::{CellComparison, RunComparison},
    metric, params,
    report::text::escape,
    stats::confidence::{INTERVAL, confidence_percent},
    summary::Verdict,
};

const LEGEND: &str = concat!(
    "ratio: the run over the baseline. faster, slower: not by chance (",
    confidence_percent!(),
    " % sure, all cells of a metric taken together); an interval is of one comparison alone. inconclusive: the trials \
     differ too much to tell. -: not measured."
);

/// Renders it. The text ends with a line feed.
#[must_use]
pub fn render(found: &RunComparison, format: Plain, width: u16, colour: bool) -> String {
    match format {
        Plain::Table => text(found, usize::from(width.max(60)), colour),
        Plain::Markdown => markdown(found),
        Plain::Csv => csv(found).csv(),
        Plain::Json => super::json::to_json(found),
    }
}

/// A metric's value with its unit.
fn value(metric: &str, value: Option<f64>) -> String {
    let Some(value) = value else { return "-".into() };
    metric::find(metric).map_or_else(|| value.to_string(), |metric| metric.unit.text(value))
}

fn verdict(found: &CellComparison) -> (String, Style) {
    let style = match found.verdict {
        Verdict::Faster => Style::Good,
        Verdict::Slower => Style::Bad,
        _ => Style::Dim,
    };
    match (found.ratio, found.alike) {
        (None, _) => ("-".into(), Style::Dim),
        (Some(_), true) => (found.verdict.as_str().into(), style),
        (Some(_), false) => (format!("not alike ({})", found.verdict.as_str()), Style::Dim),
    }
}

fn axes(found: &RunComparison) -> Vec<&String> {
    let mut axes: Vec<&String> = Vec::new();
    for axis in found.comparisons.iter().flat_map(|comparison| comparison.params.keys()) {
        if !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    axes
}

fn arm(found: &CellComparison) -> String {
    if found.arm == found.baseline_arm {
        found.arm.clone()
    } else {
        format!("{} / {}", found.arm, found.baseline_arm)
    }
}

fn table(found: &RunComparison) -> Grid {
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

/// Headings with lines below each: what differs besides the numbers.
fn notes(found: &RunComparison) -> Vec<(String, Vec<String>)> {
    let told = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
    let several = found.run.hosts.len() > 1;
    let hosts = found.host_changes.iter().map(|change| {
        let on = if several { format!(" ({})", change.hosts.join(", ")) } else { String::new() };
        format!(
            "{}: {} -> {}{on}",
            change.fact,
            told(&change.baseline, NOT_TOLD),
            told(&change.run, NOT_TOLD)
        )
    });
    let scenario = found.scenario_changes.iter().map(|change| {
        let cells = if change.cells == 1 { "1 cell".into() } else { format!("{} cells", change.cells) };
        format!(
            "{}: {} -> {} ({cells})",
            change.part,
            told(&change.baseline, "none"),
            told(&change.run, "none")
        )
    });
    let groups = [
        ("Hosts differ", hosts.collect::<Vec<_>>()),
        ("Scenarios differ", scenario.collect()),
        ("Only in the baseline", found.only_in_baseline.clone()),
        ("Only in the run", found.only_in_run.clone()),
    ];
    groups
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(title, lines)| (title.to_owned(), lines))
        .collect()
}

fn head(found: &RunComparison) -> String {
    format!("{} against {} (the baseline)", found.run.run_id, found.baseline.run_id)
}

fn text(found: &RunComparison, width: usize, colour: bool) -> String {
    let indented = |text: &str| {
        let wrapped = wrap(text, width - 2, 2);
        wrapped.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    };
    let mut top = vec![Style::Bold.paint(&clean(&head(found)), colour)];
    top.extend(found.answer.iter().map(|sentence| indented(sentence)));
    let mut parts = vec![top.join("\n")];
    for (title, lines) in notes(found) {
        let lines: Vec<String> = lines.iter().map(|line| indented(line)).collect();
        parts.push(format!("{}\n{}", Style::Bold.paint(&title, colour), lines.join("\n")));
    }
    if !found.comparisons.is_empty() {
        parts.push(table(found).text(width, colour).trim_end().to_owned());
        let legend = wrap(LEGEND, width, 0);
        parts.push(legend.lines().map(|line| Style::Dim.paint(line, colour)).collect::<Vec<_>>().join("\n"));
    }
    parts.join("\n\n") + "\n"
}

fn markdown(found: &RunComparison) -> String {
    let mut out = format!("### {}\n\n", escape(&head(found)));
    for sentence in &found.answer {
        let _ = writeln!(out, "- {}", escape(sentence));
    }
    for (title, lines) in notes(found) {
        let _ = writeln!(out, "\n#### {title}\n");
        for line in lines {
            let _ = writeln!(out, "- {}", escape(&line));
        }
    }
    if !found.comparisons.is_empty() {
        let _ = writeln!(out, "\n{}\n{LEGEND}", table(found).markdown());
    }
    out
}

/// Plain numbers, a row for each metric of each cell.
fn csv(found: &RunComparison) -> Grid {
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
