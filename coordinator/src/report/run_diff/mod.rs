//! Two runs compared, in every format.

use std::fmt::Write as _;

use super::{
    BasicFormat,
    differences::NOT_REPORTED,
    text::{Style, clean, escape, wrap},
    words,
};
use crate::{
    stats::confidence::confidence_percent,
    summary::run_diff::{CellName, RunDiff},
    units::some,
};

mod json;
mod table;

/// The legend of the table.
const LEGEND: &str = concat!(
    "ratio: run / baseline. faster, slower: statistically significant (",
    confidence_percent!(),
    " %) after correction for all cells of the metric; the intervals are not corrected. inconclusive: the trials vary \
     too much for a verdict. -: not measured."
);

/// Renders the comparison. The text ends with a line feed.
#[must_use]
pub fn render(found: &RunDiff, format: BasicFormat, width: u16, colour: bool) -> String {
    match format {
        BasicFormat::Table => text(found, usize::from(width.max(60)), colour),
        BasicFormat::Markdown => markdown(found),
        BasicFormat::Csv => table::csv(found).csv(),
        BasicFormat::Json => json::render(found),
    }
}

/// Differences other than in the numbers: headings, each with its lines.
fn notes(found: &RunDiff) -> Vec<(String, Vec<String>)> {
    let or = |value: &Option<String>, absent: &str| value.clone().unwrap_or_else(|| absent.to_owned());
    let several = found.run.hosts.len() > 1;
    let hosts = found.host_changes.iter().map(|change| {
        let on = if several { format!(" ({})", change.hosts.join(", ")) } else { String::new() };
        format!(
            "{}: {} -> {}{on}",
            change.fact,
            or(&change.baseline, NOT_REPORTED),
            or(&change.run, NOT_REPORTED)
        )
    });
    let scenario = found.scenario_changes.iter().map(|change| {
        let cells = some(change.cells, "cell");
        format!("{}: {} -> {} ({cells})", change.part, or(&change.baseline, "none"), or(&change.run, "none"))
    });
    let cells = |cells: &[CellName]| cells.iter().map(words::run_diff::cell).collect::<Vec<_>>();
    let groups = [
        ("Hosts differ", hosts.collect::<Vec<_>>()),
        ("Scenarios differ", scenario.collect()),
        ("Only in the baseline", cells(&found.only_in_baseline)),
        ("Only in the run", cells(&found.only_in_run)),
    ];
    groups
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(title, lines)| (title.to_owned(), lines))
        .collect()
}

fn head(found: &RunDiff) -> String {
    format!("{} compared with {} (the baseline)", found.run.run_id, found.baseline.run_id)
}

fn text(found: &RunDiff, width: usize, colour: bool) -> String {
    let indented = |text: &str| {
        let wrapped = wrap(text, width - 2, 2);
        wrapped.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    };
    let mut top = vec![Style::Bold.paint(&clean(&head(found)), colour)];
    top.extend(words::run_diff::sentences(found).iter().map(|sentence| indented(sentence)));
    let mut parts = vec![top.join("\n")];
    for (title, lines) in notes(found) {
        let lines: Vec<String> = lines.iter().map(|line| indented(line)).collect();
        parts.push(format!("{}\n{}", Style::Bold.paint(&title, colour), lines.join("\n")));
    }
    if !found.comparisons.is_empty() {
        parts.push(table::table(found).text(width, colour).trim_end().to_owned());
        let legend = wrap(LEGEND, width, 0);
        parts.push(legend.lines().map(|line| Style::Dim.paint(line, colour)).collect::<Vec<_>>().join("\n"));
    }
    parts.join("\n\n") + "\n"
}

fn markdown(found: &RunDiff) -> String {
    let mut out = format!("### {}\n\n", escape(&head(found)));
    for sentence in words::run_diff::sentences(found) {
        let _ = writeln!(out, "- {}", escape(&sentence));
    }
    for (title, lines) in notes(found) {
        let _ = writeln!(out, "\n#### {title}\n");
        for line in lines {
            let _ = writeln!(out, "- {}", escape(&line));
        }
    }
    if !found.comparisons.is_empty() {
        let _ = writeln!(out, "\n{}\n{LEGEND}", table::table(found).markdown());
    }
    out
}
