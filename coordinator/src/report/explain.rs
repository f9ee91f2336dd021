//! Explanations and ladders, for the terminal and for Markdown.

use std::fmt::Write as _;

use super::{
    text::{Align, Entry, Line, Style, columns, wrap},
    words,
};
use crate::{
    metric::throughput::IOPS,
    params::{self, Params},
    report::text::indented,
    stats::confidence::confidence_percent,
    summary::{
        ComparisonSet,
        answer::Points,
        cause::Cause,
        explanation::Explanation,
        insight::{Waterfall, WaterfallStep},
    },
    units::nanos,
};

/// Columns of the longest bar: at most, and at least.
const BAR: [usize; 2] = [28, 6];
/// Columns for the name and the four numbers beside the bar.
const BESIDE: usize = 66;
/// The legend of a ladder.
const LEGEND: &str = concat!(
    "time/IO: workers / IOPS. change: from the previous step, paired by block. ±: ",
    confidence_percent!(),
    " % interval."
);

/// One line for each arm and cause: the arm with its points, and the explanation at the point with the largest
/// difference.
fn lines(set: &ComparisonSet) -> Vec<(String, String)> {
    let mut groups: Vec<Vec<&Explanation>> = Vec::new();
    for found in &set.explanations {
        // The answer names the arms that do no I/O.
        if found.finding.cause() == Cause::NoIo {
            continue;
        }
        let same = |group: &&mut Vec<&Explanation>| {
            group
                .first()
                .is_some_and(|first| first.arm == found.arm && first.finding.cause() == found.finding.cause())
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(found),
            None => groups.push(vec![found]),
        }
    }
    // Keep the lines of an arm together.
    let place = |group: &Vec<&Explanation>| {
        set.explanations.iter().position(|found| group.first().is_some_and(|first| first.arm == found.arm))
    };
    groups.sort_by_key(place);
    groups.iter().filter_map(|group| line(set, group)).collect()
}

fn line(set: &ComparisonSet, group: &[&Explanation]) -> Option<(String, String)> {
    let first = group.first()?;
    let of_arm = set.with_baseline().filter(|found| found.arm == first.arm && IOPS.is_of(found));
    let all: Vec<Params> = of_arm.map(|found| found.params.clone()).collect();
    let points = Points::among(group.iter().map(|found| found.params.clone()).collect(), &all);
    let ratio = |found: &Explanation| set.compared(&found.arm, &IOPS, &found.params)?.ratio;
    let size = |found: &Explanation| ratio(found).map_or(0.0, |ratio| ratio.ln().abs());
    let most = group.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    let example = match group.len() {
        1 => String::new(),
        _ => format!(" (At {}.)", params::point(&most.params)),
    };
    let why = words::explanation::sentence(&most.finding);
    Some((format!("{}{}", first.arm, words::at_points(&points)), format!("{why}{example}")))
}

/// The explanations for a terminal; `None` if there are none.
pub(super) fn section(set: &ComparisonSet, width: usize, colour: bool) -> Option<String> {
    let lines = lines(set);
    let mut section = vec![Style::Bold.paint("Explanations", colour)];
    section.extend(lines.iter().map(|(who, why)| indented(wrap(&format!("{who}: {why}"), width - 2, 4))));
    (!lines.is_empty()).then(|| section.join("\n"))
}

/// The ladder of each point, with bars; `None` if there is no ladder.
pub(super) fn ladders(set: &ComparisonSet, width: usize, colour: bool) -> Option<String> {
    let drawn: Vec<String> = set.ladders.iter().map(|ladder| drawn(ladder, width, colour)).collect();
    let legend = || {
        let lines = wrap(LEGEND, width, 0);
        lines.lines().map(|line| Style::Dim.paint(line, colour)).collect::<Vec<_>>().join("\n")
    };
    (!drawn.is_empty()).then(|| format!("{}\n{}", drawn.join("\n\n"), legend()))
}

fn drawn(ladder: &Waterfall, width: usize, colour: bool) -> String {
    let longest = ladder.steps.iter().filter_map(|step| step.ns_per_io).fold(0.0, f64::max);
    let room = width.saturating_sub(BESIDE).clamp(BAR[1], BAR[0]) as f64;
    let title = |text: &str| Entry::new(text, Style::Bold);
    let mut lines = vec![
        Line::Heading(heading(ladder)),
        Line::Entries(["step", "time/IO", "±", "change", "±", ""].map(title).into()),
        Line::Rule,
    ];
    for step in &ladder.steps {
        let style = match step.change_ci95 {
            Some([_, high]) if high < 0.0 => Style::Good,
            Some([low, _]) if low > 0.0 => Style::Bad,
            _ => Style::Dim,
        };
        let [time, spread, change, change_spread] = texts(step);
        let bar = step.ns_per_io.map_or(0.0, |ns| if longest > 0.0 { room * ns / longest } else { 0.0 });
        lines.push(Line::Entries(vec![
            Entry::new(&step.arm, Style::Plain),
            Entry::new(time, Style::Plain),
            Entry::new(spread, Style::Dim),
            Entry::new(change, style),
            Entry::new(change_spread, Style::Dim),
            Entry::new("█".repeat(bar.round() as usize), style),
        ]));
    }
    let right = Align::Right;
    let text = columns(&lines, &[Align::Left, right, right, right, right, Align::Left], 0, width, colour);
    text.trim_end().to_owned()
}

fn heading(ladder: &Waterfall) -> String {
    let at = if ladder.params.is_empty() {
        String::new()
    } else {
        format!(" at {}", params::point(&ladder.params))
    };
    format!("Ladder: a worker's time per I/O{at}")
}

/// Time and change, each followed by its interval. A missing value is empty, except for the time (`-`).
fn texts(step: &WaterfallStep) -> [String; 4] {
    let spread = |ci: Option<[f64; 2]>| {
        ci.map_or_else(String::new, |[low, high]| format!("±{}", nanos((high - low) / 2.0)))
    };
    let signed = |ns: f64| format!("{}{}", if ns < 0.0 { '-' } else { '+' }, nanos(ns.abs()));
    [
        step.ns_per_io.map_or_else(|| "-".into(), nanos),
        spread(step.ci95),
        step.change_ns.map_or_else(String::new, signed),
        spread(step.change_ci95),
    ]
}

/// Ladders and explanations in Markdown.
pub(super) fn markdown(set: &ComparisonSet, escape: fn(&str) -> String, out: &mut String) {
    for ladder in &set.ladders {
        let _ = writeln!(out, "\n#### {}\n", escape(&heading(ladder)));
        out.push_str("| step | time/IO | ± | change | ± |\n| --- | ---: | ---: | ---: | ---: |\n");
        for step in &ladder.steps {
            let _ = writeln!(out, "| {} | {} |", escape(&step.arm), texts(step).join(" | "));
        }
    }
    if !set.ladders.is_empty() {
        let _ = writeln!(out, "\n{LEGEND}");
    }
    let lines = lines(set);
    if !lines.is_empty() {
        out.push_str("\n#### Explanations\n\n");
    }
    for (who, why) in lines {
        let _ = writeln!(out, "- **{}**: {}", escape(&who), escape(&why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::fixture::{Fixture, params},
        report::{export::table, text},
    };

    fn step(arm: &str, ns: f64, change: Option<(f64, f64)>) -> WaterfallStep {
        WaterfallStep {
            arm: arm.into(),
            ns_per_io: Some(ns),
            ci95: Some([ns - 12.0, ns + 12.0]),
            change_ns: change.map(|(change, _)| change),
            change_ci95: change.map(|(change, half)| [change - half, change + half]),
        }
    }

    fn set() -> ComparisonSet {
        let mut fixture = Fixture::new(&["sync", "uring", "uring-tuned"], &[1, 8, 32], 3, &["local"]);
        fixture.change = |record| {
            let host = &mut record.hosts[0];
            let (Some(ready), Some(finished)) = (&mut host.ready, &mut host.finished) else { return };
            ready.target.direct = Some(true);
            let ops = finished.ops();
            let calls = finished.calls.syscalls();
            finished.cpu.user_ns = 400 * ops;
            finished.cpu.system_ns = 900 * ops + 3_000 * calls;
        };
        fixture.execute(usize::MAX);
        let mut set = fixture.analyse(Some("sync"));
        set.ladders = vec![Waterfall {
            params: params(32),
            steps: vec![
                step("sync", 13_600.0, None),
                step("uring", 13_500.0, Some((-100.0, 150.0))),
                step("uring-tuned", 4_330.0, Some((-9_170.0, 40.0))),
                WaterfallStep {
                    arm: "a-name-that-is-not-worth-the-room-that-it-takes".into(),
                    ..step("", 5e3, None)
                },
            ],
        }];
        set
    }

    #[test]
    fn in_a_terminal() {
        let set = set();
        let text =
            format!("{}\n\n{}", ladders(&set, 100, false).unwrap(), section(&set, 100, false).unwrap());
        assert!(text.lines().all(|line| text::width(line) <= 100), "{text}");
        insta::assert_snapshot!(text);
        for columns in [60, 80] {
            let text =
                table::render(&set, columns, false, crate::report::Detail { explain: true, per_host: false });
            let ladder = text.split("Ladder:").nth(1).unwrap();
            assert!(ladder.lines().all(|line| text::width(line) <= usize::from(columns)), "{text}");
        }
    }

    #[test]
    fn in_markdown() {
        let mut out = String::new();
        markdown(&set(), str::to_owned, &mut out);
        insta::assert_snapshot!(out);
    }
}
