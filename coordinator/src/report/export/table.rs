//! The report in a terminal.

mod footer;

use super::Export;
use crate::{
    metric::throughput::IOPS,
    report::{
        Detail,
        column::Column,
        differences, explain,
        text::{self, Align, Entry, Line, Style, clean, columns, indented, paint_lines, wrap},
        urgent,
        view::{Group, HostRows, Row, Versus, View, versus_heading},
        words::{self, concurrency::Labelled},
    },
    summary::{ComparisonSet, Verdict},
};

pub(super) static EXPORT: Export = Export {
    name: "table",
    help: "For a terminal",
    details: None,
    render: |source| Ok(render(source.set, source.width, source.colour, source.detail)),
    join: None,
};

/// The longest axis value, in bytes, that is shown in a column.
const WIDEST_VALUE: usize = 16;
/// Columns of the longest label of the answer.
const WIDEST_LABEL: usize = 20;
/// Columns of the longest heading against an arm.
const WIDEST_HEADING: usize = 16;

/// Question, answer, tables and footer; with `explain`, also explanations, expectations, warnings and the full legend.
pub(in crate::report) fn render(set: &ComparisonSet, width: u16, colour: bool, detail: Detail) -> String {
    let width = usize::from(width.max(60));
    let head = set.question.as_deref().unwrap_or(&set.scenario);
    let mut parts = vec![paint_lines(Style::Bold, &wrap(head, width, 0), colour)];
    let answer = answer(set, width, colour);
    if !answer.is_empty() {
        parts.push(answer);
    }
    let hosts = if detail.per_host { HostRows::All } else { HostRows::Few };
    let (table, view) = table(set, hosts, width, colour);
    parts.push(table.trim_end().to_owned());
    parts.extend(urgent::section(set, width, colour));
    parts.extend(explain::ladders(set, width, colour));
    if detail.explain {
        parts.extend(by_arm(set, width, colour));
        parts.extend(explain::section(set, width, colour));
        parts.extend(footer::expectations(set, width, colour));
        parts.extend(footer::warnings(set, set.warnings.len(), width, colour));
        parts.extend(differences::text(set, width, colour));
    } else if !set.trustworthy {
        // The reasons for distrust are among the warnings.
        parts.extend(footer::warnings(set, footer::FEW_WARNINGS, width, colour));
    }
    parts.push(footer::footer(set, &view, width, colour, detail.explain));
    parts.join("\n\n") + "\n"
}

/// Notices and headline, followed by the labelled lines; empty without any.
fn answer(set: &ComparisonSet, width: usize, colour: bool) -> String {
    let lines = words::answer::lines(&set.answer);
    let longest = lines.iter().map(|line| text::width(&line.label)).max().unwrap_or(0).min(WIDEST_LABEL);
    let sentence = |text: String| indented(wrap(&text, width - 2, 2));
    let labelled = |Labelled { label, text }: Labelled| {
        let label = text::cut(&clean(&label), WIDEST_LABEL);
        let blanks = " ".repeat(longest.saturating_sub(text::width(&label)) + 2);
        let text = wrap(&text, width.saturating_sub(longest + 4), 0)
            .replace('\n', &format!("\n{}", " ".repeat(longest + 4)));
        format!("  {}{blanks}{text}", Style::Bold.paint(&label, colour))
    };
    let head = words::answer::head(&set.answer);
    head.into_iter().map(sentence).chain(lines.into_iter().map(labelled)).collect::<Vec<_>>().join("\n")
}

/// Each arm against the baseline; `None` if there is none.
fn by_arm(set: &ComparisonSet, width: usize, colour: bool) -> Option<String> {
    // Without arms of equal concurrency, the headline leads the report.
    let sentences = match set.answer.concurrency {
        Some(_) => words::answer::by_arm(&set.answer),
        None => words::answer::arms(&set.answer).collect(),
    };
    let mut lines = vec![Style::Bold.paint("By arm", colour)];
    lines.extend(sentences.iter().map(|sentence| indented(wrap(sentence, width - 2, 4))));
    (!set.answer.arms.is_empty()).then(|| lines.join("\n"))
}

/// The table and its view. Columns are left out if there is no room for them, the last optional ones first.
fn table(set: &ComparisonSet, hosts: HostRows, width: usize, colour: bool) -> (String, View) {
    let mut view = View::beside_urgent(set, hosts);
    view.leave_out(Column::is_wide);
    let fits = |view: &View| {
        let text = laid_out(set, view, width, false);
        // Names would be cut to keep lines short, but they are worth more than a column.
        let named = set.cells.iter().all(|cell| text.contains(&*clean(&cell.arm)));
        named && text.lines().all(|line| text::width(line) <= width)
    };
    let optional: Vec<Column> =
        view.columns.iter().rev().copied().filter(|column| column.is_optional()).collect();
    for column in optional.into_iter().chain(Column::dispensable()) {
        if fits(&view) {
            break;
        }
        view.leave_out(|other| other == column);
    }
    (laid_out(set, &view, width, colour), view)
}

fn laid_out(set: &ComparisonSet, view: &View, width: usize, colour: bool) -> String {
    // Several axes, or one with long values, go into headings, to leave room for the numbers.
    let short = |group: &Group| group.values.iter().all(|value| value.len() <= WIDEST_VALUE);
    let axis_column = view.axes.len() == 1 && view.groups.iter().all(short);
    let against: Vec<String> =
        view.against.iter().map(|other| versus_heading(set.baseline.as_deref(), other)).collect();
    let mut titles: Vec<(&str, Align)> = Vec::new();
    if axis_column {
        titles.push((&view.axes[0], Align::Right));
    }
    let narrow = titles.len();
    titles.extend([("arm", Align::Left), (IOPS.title, Align::Right), ("±", Align::Right)]);
    titles.extend(against.iter().map(|heading| (heading.as_str(), Align::Right)));
    titles.extend(view.columns.iter().map(|column| (column.title(), column.align())));
    if view.incomplete {
        titles.push(("trials", Align::Right));
    }
    let align: Vec<Align> = titles.iter().map(|(_, align)| *align).collect();
    let title = |(text, _): &(&str, Align)| Entry::new(text::cut(text, WIDEST_HEADING), Style::Bold);
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
            entries.extend(row_entries(row, view));
            lines.push(Line::Entries(entries));
        }
    }
    columns(&lines, &align, narrow, width, colour)
}

fn row_entries(row: &Row, view: &View) -> Vec<Entry> {
    let plain = if row.host.is_some() { Style::Dim } else { Style::Plain };
    let name = row.host.as_ref().map_or_else(|| row.arm.clone(), |host| format!("  on {host}"));
    let mut entries = vec![(name, plain), (row.rate.clone(), plain), (row.spread.clone(), Style::Dim)];
    entries.extend(row.versus.iter().map(|versus| (versus.marked(), style(versus))));
    entries.extend(row.entries.iter().map(|text| (text.clone(), plain)));
    if view.incomplete {
        entries.push((row.trials(), if row.is_complete() { plain } else { Style::Bad }));
    }
    entries.into_iter().map(|(text, style)| Entry::new(text, style)).collect()
}

fn style(versus: &Versus) -> Style {
    match versus.verdict {
        Some(Verdict::Faster) => Style::Good,
        Some(Verdict::Slower) => Style::Bad,
        _ => Style::Dim,
    }
}
