//! Markdown for merge requests, with the same content as the table in the terminal.

use std::fmt::Write as _;

use super::Export;
use crate::{
    metric::throughput::IOPS,
    report::{
        calibration, differences, explain,
        text::escape,
        urgent,
        view::{HostRows, View, outcome, ratio},
        words,
    },
    stats::confidence::INTERVAL,
    summary::{ComparisonSet, Verdict},
};

pub(super) static EXPORT: Export = Export {
    name: "markdown",
    help: "For a merge request",
    details: None,
    render: |source| Ok(render(source.set)),
    join: None,
};

pub(in crate::report) fn render(set: &ComparisonSet) -> String {
    let mut out = format!("### {}\n", escape(set.question.as_deref().unwrap_or(&set.scenario)));
    let answer = words::answer::sentences(&set.answer);
    if !answer.is_empty() {
        out.push('\n');
    }
    for sentence in answer {
        let _ = writeln!(out, "- {}", escape(&sentence));
    }
    out.push('\n');
    table(set, &mut out);
    urgent::markdown(set, &mut out);
    explain::markdown(set, escape, &mut out);
    if !set.expectations.is_empty() {
        out.push_str("\n#### Expectations\n\n");
        for expectation in &set.expectations {
            let word = outcome(expectation.outcome());
            let detail = match expectation.detail.as_str() {
                "" => String::new(),
                detail => format!(" ({})", escape(detail)),
            };
            let _ = writeln!(out, "- **{word}**: {}{detail}", escape(&expectation.text));
        }
    }
    if !set.warnings.is_empty() {
        out.push_str("\n#### Warnings\n\n");
        for warning in &set.warnings {
            let host = warning.place().map_or_else(String::new, |place| format!(" ({})", escape(&place)));
            let _ = writeln!(
                out,
                "- **{}**{host}: {} *{}*",
                escape(warning.code()),
                escape(&warning.message()),
                escape(&warning.remedy())
            );
        }
    }
    if let Some(pauses) = words::course::pauses(&set.pauses, set.looks) {
        let _ = writeln!(out, "\n{}", escape(&pauses));
    }
    if let Some(heeded) = &set.calibration {
        let _ = writeln!(out, "\n{}", escape(&calibration::heeded(heeded)));
    }
    out.push_str(&differences::markdown(set));
    let _ = writeln!(
        out,
        "\n{}\nRun {}.",
        View::beside_urgent(set, HostRows::Few).legend_of_words().join("\n"),
        escape(&set.run_id)
    );
    out
}

fn table(set: &ComparisonSet, out: &mut String) {
    let view = View::beside_urgent(set, HostRows::Few);
    let compared = !set.comparisons.is_empty();
    let mut titles: Vec<String> = view.axes.iter().map(|axis| escape(axis)).collect();
    let text_columns = titles.len() + 1;
    titles.extend(["arm", IOPS.title, "±"].map(Into::into));
    if compared {
        titles.push(format!("vs {}", escape(set.baseline.as_deref().unwrap_or(""))));
        titles.extend([INTERVAL, "verdict"].map(Into::into));
        let further = view.against.iter().skip(1);
        titles.extend(further.map(|other| format!("vs {}", escape(other))));
    }
    titles.extend(view.columns.iter().map(|column| column.title().to_owned()));
    titles.push("trials".to_owned());
    let _ = writeln!(out, "| {} |", titles.join(" | "));
    let rule = (0..titles.len()).map(|index| if index < text_columns { "---" } else { "---:" });
    let _ = writeln!(out, "| {} |", rule.collect::<Vec<_>>().join(" | "));
    for group in &view.groups {
        for row in &group.rows {
            let arm = match &row.host {
                Some(host) => format!("{} on {}", escape(&row.arm), escape(host)),
                None => escape(&row.arm),
            };
            let mut entries: Vec<String> = group.values.iter().map(|value| escape(value)).collect();
            entries.extend([arm, row.rate.clone(), row.spread.clone()]);
            if compared {
                entries.extend([row.ratio.clone(), row.interval.clone(), row.words.clone()]);
                entries.extend(row.versus.iter().skip(1).map(|versus| {
                    let word = versus.verdict.map_or("", Verdict::as_str);
                    let ratio = versus.ratio.map(ratio).unwrap_or_default();
                    format!("{ratio} {word}").trim().to_owned()
                }));
            }
            entries.extend(row.entries.iter().map(|text| escape(text)));
            entries.push(row.trials());
            let _ = writeln!(out, "| {} |", entries.join(" | "));
        }
    }
}
