//! The end of the report in a terminal: expectations, warnings, legend and the path of the page.

use crate::{
    report::{
        calibration,
        text::{Style, clean, indented, paint_lines, width as width_of, wrap},
        view::{View, outcome},
        words,
    },
    stats::confidence::confidence_percent,
    summary::{ComparisonSet, Expectation},
    units::some,
    warning::{RunWarning, SetWarning, Warning},
};

/// The most warnings of an untrustworthy run without `--explain`.
pub(super) const FEW_WARNINGS: usize = 3;
/// Columns between the parts of a line.
const GAP: usize = 5;
/// The legend of the signs of verdicts.
const SIGNS: [&str; 4] = [
    "▲▼ faster, slower",
    "= no difference",
    "? inconclusive",
    concat!(confidence_percent!(), " %, corrected for all comparisons"),
];

/// Counts of expectations and warnings, legend and path. With `details`, the legend is complete; otherwise the
/// expectations that did not hold are listed.
pub(super) fn footer(set: &ComparisonSet, view: &View, width: usize, colour: bool, details: bool) -> String {
    let mut lines = Vec::new();
    let held = set.expectations.iter().filter(|claim| claim.outcome() == Some(true)).count();
    let all = set.expectations.len();
    let mut counts = Vec::new();
    if all > 0 {
        let sign = if held == all { '✓' } else { '✗' };
        counts.push(format!("{sign} {held} of {} held", some(all, "expectation")));
    }
    if !details && !set.warnings.is_empty() {
        counts.push(format!("! {}{} (--explain)", some(set.warnings.len(), "warning"), effect(set)));
    }
    if !details && !set.host_differences.is_empty() {
        counts.push(format!("hosts differ in {} (--explain)", some(set.host_differences.len(), "fact")));
    }
    lines.extend(flowing(&counts, width));
    if !details {
        let others = set.expectations.iter().filter(|claim| claim.outcome() != Some(true));
        lines.extend(others.map(|claim| expectation(claim, width, colour)));
    }
    let dim = |text: &str| paint_lines(Style::Dim, text, colour);
    if !view.against.is_empty() {
        lines.extend(flowing(&SIGNS.map(str::to_owned), width).iter().map(|line| dim(line)));
    }
    if details {
        lines.extend(view.legend().iter().map(|line| dim(&wrap(line, width, 0))));
    }
    lines.extend(set.calibration.as_ref().map(|heeded| dim(&wrap(&calibration::heeded(heeded), width, 0))));
    lines.extend(words::course::pauses(&set.pauses, set.looks).map(|line| dim(&wrap(&line, width, 2))));
    if details {
        lines.extend(set.start.as_ref().map(|start| dim(&wrap(&words::course::start(start), width, 2))));
    }
    if let Some(path) = &set.run_path {
        lines.push(format!("Report  {}", clean(&path.join("report.html").display().to_string())));
    }
    lines.join("\n")
}

/// Whether warnings affect verdicts; empty without a verdict.
fn effect(set: &ComparisonSet) -> String {
    let affecting = set.warnings.iter().filter(|warning| warning.affects_verdicts()).count();
    if set.comparisons.is_empty() { String::new() } else { affect(affecting, set.warnings.len()) }
}

/// How many of some warnings affect verdicts.
fn affect(affecting: usize, warnings: usize) -> String {
    match (affecting, warnings) {
        (0, 1) => ", which affects no verdict".into(),
        (0, _) => ", none affects a verdict".into(),
        (1, 1) => ", which may affect verdicts".into(),
        (all, of) if all == of => ", all may affect verdicts".into(),
        (some, _) => format!(", {some} may affect verdicts"),
    }
}

/// Puts as many parts on each line as fit.
fn flowing(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width_of(line) + GAP + width_of(part) <= width => {
                line.push_str(&" ".repeat(GAP));
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// All expectations; `None` without any.
pub(super) fn expectations(set: &ComparisonSet, width: usize, colour: bool) -> Option<String> {
    let mut lines = vec![Style::Bold.paint("Expectations", colour)];
    lines.extend(set.expectations.iter().map(|claim| expectation(claim, width, colour)));
    (!set.expectations.is_empty()).then(|| lines.join("\n"))
}

fn expectation(claim: &Expectation, width: usize, colour: bool) -> String {
    let word = outcome(claim.outcome());
    let style = match claim.outcome() {
        Some(true) => Style::Good,
        Some(false) => Style::Bad,
        None => Style::Bold,
    };
    let mut text = format!("{word}: {}", claim.text);
    if !claim.detail.is_empty() {
        text.push_str(&format!(" ({})", claim.detail));
    }
    indented(wrap(&text, width - 2, 4)).replacen(word, &style.paint(word, colour), 1)
}

/// The first warnings, those about excluded trials before the others, and then those that affect verdicts; `None`
/// without any.
pub(super) fn warnings(set: &ComparisonSet, most: usize, width: usize, colour: bool) -> Option<String> {
    let excludes =
        |warning: &&SetWarning| matches!(warning.warning, Warning::Run(RunWarning::TrialKeptOut { .. }));
    let (first, rest): (Vec<&SetWarning>, Vec<&SetWarning>) = set.warnings.iter().partition(excludes);
    let mut lines = vec![Style::Bold.paint("Warnings", colour)];
    let (affecting, others): (Vec<&SetWarning>, Vec<&SetWarning>) =
        rest.into_iter().partition(|warning| warning.affects_verdicts());
    for warning in first.into_iter().chain(affecting).chain(others).take(most) {
        let host = warning.place().map_or_else(String::new, |place| format!(" [{place}]"));
        let text = format!("{}{host}: {}", warning.code(), warning.message());
        lines.push(indented(wrap(&text, width - 2, 4)));
        if !warning.remedy().is_empty() {
            lines.push(indented(indented(wrap(&format!("-> {}", warning.remedy()), width - 4, 3))));
        }
    }
    if let Some(more @ 1..) = set.warnings.len().checked_sub(most) {
        let warnings = if more == 1 { "warning" } else { "warnings" };
        lines.push(format!("  {more} more {warnings}: see --explain"));
    }
    (!set.warnings.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_warnings_that_affect_verdicts_is_shown() {
        assert_eq!(affect(0, 3), ", none affects a verdict");
        assert_eq!(affect(0, 1), ", which affects no verdict");
        assert_eq!(affect(2, 3), ", 2 may affect verdicts");
        assert_eq!(affect(2, 2), ", all may affect verdicts");
        assert_eq!(affect(1, 1), ", which may affect verdicts");
    }
}
