//! The table in a terminal.

use super::Export;
use crate::{
    metric::throughput::IOPS,
    report::{
        calibration,
        column::Column,
        differences, explain,
        text::{self, Align, Entry, Line, Style, clean, columns, indented, wrap},
        urgent,
        view::{Group, Row, View, outcome},
        words,
    },
    summary::{ComparisonSet, Verdict},
};

pub(super) static EXPORT: Export = Export {
    name: "table",
    help: "For a terminal",
    details: None,
    render: |source| Ok(render(source.set, source.width, source.colour)),
    join: None,
};

/// The longest axis value, in bytes, that is shown in a column.
const WIDEST_VALUE: usize = 16;
/// Warnings that are shown; the rest are counted.
const MOST_WARNINGS: usize = 3;

/// Question, answer, tables, explanations, expectations, warnings, legend and the path of the run.
pub(in crate::report) fn render(set: &ComparisonSet, width: u16, colour: bool) -> String {
    let width = usize::from(width.max(60));
    let mut parts = Vec::new();
    let head = set.question.as_deref().unwrap_or(&set.scenario);
    let mut top = vec![paint_lines(Style::Bold, &wrap(head, width, 0), colour)];
    let answer = words::answer::sentences(&set.answer);
    top.extend(answer.iter().map(|sentence| wrap(sentence, width - 2, 2)).map(indented));
    parts.push(top.join("\n"));
    let (table, view) = table(set, width, colour);
    parts.push(table.trim_end().to_owned());
    parts.extend(urgent::section(set, width, colour));
    parts.extend(explain::ladders(set, width, colour));
    parts.extend(explain::section(set, width, colour));
    if !set.expectations.is_empty() {
        parts.push(expectations(set, width, colour));
    }
    if !set.warnings.is_empty() {
        parts.push(warnings(set, width, colour));
    }
    parts.extend(differences::text(set, width, colour));
    let mut foot: Vec<String> =
        view.legend().iter().map(|line| paint_lines(Style::Dim, &wrap(line, width, 0), colour)).collect();
    if let Some(heeded) = &set.calibration {
        foot.push(paint_lines(Style::Dim, &wrap(&calibration::heeded(heeded), width, 0), colour));
    }
    if let Some(path) = &set.run_path {
        foot.push(format!("Run: {}", clean(&path.display().to_string())));
    }
    parts.push(foot.join("\n"));
    parts.join("\n\n") + "\n"
}

fn paint_lines(style: Style, text: &str, colour: bool) -> String {
    text.lines().map(|line| style.paint(line, colour)).collect::<Vec<_>>().join("\n")
}

/// The table and its view. The last optional columns are left out if there is no room for them.
fn table(set: &ComparisonSet, width: usize, colour: bool) -> (String, View) {
    let mut view = View::beside_urgent(set);
    view.leave_out(Column::is_wide);
    let fits = |view: &View| {
        let text = laid_out(set, view, width, false);
        // Names would be cut to keep lines short, but they are worth more than an optional column.
        let named = set.cells.iter().all(|cell| text.contains(&*clean(&cell.arm)));
        named && text.lines().all(|line| text::width(line) <= width)
    };
    while let Some(last) = view.columns.last().copied().filter(|last| last.is_optional() && !fits(&view)) {
        view.leave_out(|column| column == last);
    }
    (laid_out(set, &view, width, colour), view)
}

fn laid_out(set: &ComparisonSet, view: &View, width: usize, colour: bool) -> String {
    // Several axes, or one with long values, go into headings, to leave room for the numbers.
    let short = |group: &Group| group.values.iter().all(|value| value.len() <= WIDEST_VALUE);
    let axis_column = view.axes.len() == 1 && view.groups.iter().all(short);
    let compared = !set.comparisons.is_empty();
    let versus = format!("vs {}", set.baseline.as_deref().unwrap_or(""));
    let mut titles: Vec<(&str, Align)> = Vec::new();
    if axis_column {
        titles.push((&view.axes[0], Align::Right));
    }
    let narrow = titles.len();
    titles.extend([("arm", Align::Left), (IOPS.title, Align::Right), ("±", Align::Right)]);
    if compared {
        titles.extend([(versus.as_str(), Align::Left), ("", Align::Left)]);
    }
    titles.extend(view.columns.iter().map(|column| (column.title(), column.align())));
    if view.incomplete {
        titles.push(("trials", Align::Right));
    }
    let align: Vec<Align> = titles.iter().map(|(_, align)| *align).collect();
    let title = |(text, _): &(&str, Align)| Entry::new(text::cut(text, 16), Style::Bold);
    let mut lines = vec![Line::Entries(titles.iter().map(title).collect())];
    for group in &view.groups {
        lines.push(Line::Rule);
        if !axis_column && !view.axes.is_empty() {
            lines.push(Line::Heading(clean(&group.point)));
        }
        for (index, row) in group.rows.iter().enumerate() {
            let mut entries = Vec::new();
            if axis_column {
                let value = if index == 0 { group.values[0].as_str() } else { "" };
                entries.push(Entry::new(value, Style::Bold));
            }
            entries.extend(row_entries(row, compared, view));
            lines.push(Line::Entries(entries));
        }
    }
    columns(&lines, &align, narrow, width, colour)
}

fn row_entries(row: &Row, compared: bool, view: &View) -> Vec<Entry> {
    let plain = if row.host.is_some() { Style::Dim } else { Style::Plain };
    let verdict = match row.verdict {
        Some(Verdict::Faster) => Style::Good,
        Some(Verdict::Slower) => Style::Bad,
        _ => Style::Dim,
    };
    let name = row.host.as_ref().map_or_else(|| row.arm.clone(), |host| format!("  on {host}"));
    let mut entries = vec![(name, plain), (row.rate.clone(), plain), (row.spread.clone(), Style::Dim)];
    if compared {
        entries.extend([(row.ratio.clone(), verdict), (row.word.clone(), verdict)]);
    }
    entries.extend(row.entries.iter().map(|text| (text.clone(), plain)));
    if view.incomplete {
        entries.push((row.trials(), if row.is_complete() { plain } else { Style::Bad }));
    }
    entries.into_iter().map(|(text, style)| Entry::new(text, style)).collect()
}

fn expectations(set: &ComparisonSet, width: usize, colour: bool) -> String {
    let mut lines = vec![Style::Bold.paint("Expectations", colour)];
    for expectation in &set.expectations {
        let word = outcome(expectation.outcome());
        let style = match expectation.outcome() {
            Some(true) => Style::Good,
            Some(false) => Style::Bad,
            None => Style::Bold,
        };
        let mut text = format!("{word}: {}", expectation.text);
        if !expectation.detail.is_empty() {
            text.push_str(&format!(" ({})", expectation.detail));
        }
        let text = indented(wrap(&text, width - 2, 4));
        lines.push(text.replacen(word, &style.paint(word, colour), 1));
    }
    lines.join("\n")
}

fn warnings(set: &ComparisonSet, width: usize, colour: bool) -> String {
    let mut lines = vec![Style::Bold.paint("Warnings", colour)];
    for warning in set.warnings.iter().take(MOST_WARNINGS) {
        let host = warning.place().map_or_else(String::new, |place| format!(" [{place}]"));
        let text = format!("{}{host}: {}", warning.code(), warning.message());
        lines.push(indented(wrap(&text, width - 2, 4)));
        if !warning.remedy().is_empty() {
            lines.push(indented(indented(wrap(&format!("-> {}", warning.remedy()), width - 4, 3))));
        }
    }
    if let Some(more @ 1..) = set.warnings.len().checked_sub(MOST_WARNINGS) {
        let warnings = if more == 1 { "warning" } else { "warnings" };
        let more = format!("{more} more {warnings}: see report.html, or --format json");
        lines.push(indented(wrap(&more, width - 2, 4)));
    }
    lines.join("\n")
}
