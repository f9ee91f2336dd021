//! The table of urgent and bulk operations, side by side. The table of all operations has no room for them.

use std::fmt::Write as _;

use super::text::{Align, Entry, Line, Style, columns, wrap};
use crate::{
    metric::{
        Metric,
        lanes::{bulk, urgent},
        latency::P99,
    },
    params,
    report::text::escape,
    summary::{CellSummary, ComparisonSet, Verdict},
};

const LEGEND: &str = "urgent: urgent I/Os only; verdicts compare their p99. bulk: all other I/Os. overtaken: urgent \
                      I/Os that a bulk I/O submitted with them or later overtook. starved: bulk I/Os that waited more \
                      than ten times the median of bulk I/Os.";

/// The texts of a cell.
struct Row<'a> {
    cell: &'a CellSummary,
    numbers: [String; 3],
    verdict: Option<Verdict>,
    versus: [String; 2],
    bulk: [String; 3],
}

/// The columns of a row: urgent operations, then bulk operations. The first column of each names the group.
static URGENT: [&Metric; 3] = [&urgent::P50, &urgent::P99, &urgent::OVERTAKEN_SHARE];
static BULK: [&Metric; 3] = [&bulk::IOPS, &bulk::P99, &bulk::STARVED_SHARE];

fn titles([first, _, share]: [&'static Metric; 3]) -> [&'static str; 3] {
    [first.heading, P99.title, share.title]
}

/// Merged cells with urgent operations, and their rows by host if there are several hosts.
fn rows(set: &ComparisonSet) -> Vec<Row<'_>> {
    let has = |cell: &&CellSummary| {
        set.cell(&cell.arm, &cell.params).is_some_and(|merged| merged.lanes.urgent.is_some())
    };
    set.cells.iter().filter(has).map(|cell| row(set, cell)).collect()
}

fn row<'a>(set: &ComparisonSet, cell: &'a CellSummary) -> Row<'a> {
    let text =
        |metric: &Metric| metric.of(cell).map_or_else(|| "-".to_owned(), |value| metric.unit.text(value));
    // Comparisons refer to merged numbers, so the row of a single host has none.
    let merged = cell.host.is_none();
    let compared =
        set.compared(&cell.arm, &urgent::P99, &cell.params).filter(|found| merged && found.ratio.is_some());
    let is_baseline = merged && set.baseline.as_deref() == Some(&cell.arm);
    let word = match compared {
        Some(found) => found.verdict.as_str().to_owned(),
        None => if is_baseline { "baseline" } else { "" }.to_owned(),
    };
    Row {
        cell,
        numbers: URGENT.map(text),
        verdict: compared.map(|found| found.verdict),
        versus: [
            compared.and_then(|found| found.ratio).map(|ratio| format!("x{ratio:.2}")).unwrap_or_default(),
            word,
        ],
        bulk: BULK.map(text),
    }
}

/// The table for a terminal; `None` if no operation was urgent.
pub(super) fn section(set: &ComparisonSet, width: usize, colour: bool) -> Option<String> {
    let rows = rows(set);
    let first = rows.first()?;
    let versus = format!("vs {}", set.baseline.as_deref().unwrap_or(""));
    let compared = rows.iter().any(|row| row.verdict.is_some());
    let mut titles = vec![("arm", Align::Left)];
    titles.extend(self::titles(URGENT).map(|title| (title, Align::Right)));
    if compared {
        titles.extend([(versus.as_str(), Align::Left), ("", Align::Left)]);
    }
    titles.extend(self::titles(BULK).map(|title| (title, Align::Right)));
    let title = |(text, _): &(&str, Align)| Entry::new(super::text::cut(text, 16), Style::Bold);
    let align: Vec<Align> = titles.iter().map(|(_, align)| *align).collect();
    let mut lines = vec![Line::Entries(titles.iter().map(title).collect()), Line::Rule];
    let mut point = &first.cell.params;
    for (index, row) in rows.iter().enumerate() {
        if index == 0 || *point != row.cell.params {
            point = &row.cell.params;
            lines.extend((!point.is_empty()).then(|| Line::Heading(params::point(point))));
        }
        let style = match row.verdict {
            Some(Verdict::Faster) => Style::Good,
            Some(Verdict::Slower) => Style::Bad,
            _ => Style::Dim,
        };
        let of_host = row.cell.host.as_ref().map(|host| format!("  on {host}"));
        let usual = if of_host.is_some() { Style::Dim } else { Style::Plain };
        let plain = |text: &String| Entry::new(text, usual);
        let mut entries = vec![plain(of_host.as_ref().unwrap_or(&row.cell.arm))];
        entries.extend(row.numbers.iter().map(plain));
        if compared {
            entries.extend(row.versus.iter().map(|text| Entry::new(text, style)));
        }
        entries.extend(row.bulk.iter().map(plain));
        lines.push(Line::Entries(entries));
    }
    let legend = wrap(LEGEND, width, 0);
    let legend: Vec<String> = legend.lines().map(|line| Style::Dim.paint(line, colour)).collect();
    Some(columns(&lines, &align, 0, width, colour) + "\n" + &legend.join("\n"))
}

/// The table in Markdown; nothing if no operation was urgent.
pub(super) fn markdown(set: &ComparisonSet, out: &mut String) {
    let rows = rows(set);
    if rows.is_empty() {
        return;
    }
    let versus = format!("p99 vs {}", escape(set.baseline.as_deref().unwrap_or("")));
    let titles = ["point", "arm"]
        .into_iter()
        .chain(titles(URGENT))
        .chain([versus.as_str(), "verdict"])
        .chain(titles(BULK));
    let titles: Vec<&str> = titles.collect();
    let _ = writeln!(out, "\n#### Urgent I/Os\n\n| {} |", titles.join(" | "));
    let rule = (0..titles.len()).map(|index| if index < 2 { "---" } else { "---:" });
    let _ = writeln!(out, "| {} |", rule.collect::<Vec<_>>().join(" | "));
    for row in rows {
        let on = row.cell.host.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
        let mut entries = vec![params::point(&row.cell.params), row.cell.arm.clone() + &on];
        entries.extend(row.numbers.into_iter().chain(row.versus).chain(row.bulk));
        let entries: Vec<String> = entries.iter().map(|text| escape(text)).collect();
        let _ = writeln!(out, "| {} |", entries.join(" | "));
    }
    let _ = writeln!(out, "\n{LEGEND}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::Fixture;

    /// The lines of a section, with single spaces between columns.
    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    fn run(hosts: &[&str]) -> ComparisonSet {
        let mut run = Fixture::new(&["uring", "uring-tuned"], &[32], 3, hosts);
        run.some_are_urgent(|_, _, host| if host == 1 { 0 } else { 500 });
        run.execute(usize::MAX);
        run.analyse(Some("uring"))
    }

    #[test]
    fn each_of_several_hosts_has_a_row() {
        let set = run(&["n1", "n2"]);
        let text = section(&set, 120, false).unwrap();
        let found = lines(&text);
        let at = |begins: &str| found.iter().filter(|line| line.starts_with(begins)).count();
        assert_eq!([at("uring "), at("uring-tuned "), at("on n1 "), at("on n2 ")], [1, 1, 2, 2], "{text}");
        // A host without urgent operations is shown too; verdicts refer to both hosts together.
        let n2: Vec<&String> = found.iter().filter(|line| line.starts_with("on n2 ")).collect();
        assert!(n2.iter().all(|line| line.starts_with("on n2 - - - ") && !line.ends_with("- - -")), "{text}");
        let judged = found.iter().filter(|line| line.contains(" x")).count();
        assert_eq!((judged, text.matches("baseline").count()), (1, 1), "{text}");
        let mut page = String::new();
        markdown(&set, &mut page);
        assert_eq!(
            [page.matches("| uring on n1 |").count(), page.matches("| uring on n2 | - |").count()],
            [1, 1]
        );
        assert_eq!(page.matches("| uring-tuned |").count(), 1, "{page}");
    }

    #[test]
    fn a_single_host_has_no_separate_row() {
        let text = section(&run(&["local"]), 120, false).unwrap();
        assert!(!text.contains("on local"), "{text}");
        let mut plain = Fixture::new(&["uring"], &[32], 2, &["n1", "n2"]);
        plain.execute(usize::MAX);
        assert_eq!(section(&plain.analyse(None), 120, false), None, "no operation was urgent");
    }
}
