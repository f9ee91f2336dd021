//! The HTML report, one page that opens offline. The template escapes all texts, because names and messages come from
//! files and from other machines. The page's content security policy allows only its own style and script, by hash.

use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;

use super::{
    calibration,
    view::{HostRows, Row, View, outcome},
    words,
};
use crate::{
    metric::throughput::IOPS,
    plan::Plan,
    stats::confidence::INTERVAL,
    summary::{ComparisonSet, HostSummary, Verdict},
};

mod badge;
mod bars;
mod charts;
mod facets;
mod figure;
mod labels;
mod metric_chart;
mod pairs;
mod rerun;
mod scale;
#[cfg(test)]
mod tests;
mod why;
mod xy;

use badge::Badge;
use facets::Facets;
use rerun::Rerun;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// SHA-256 of the script and of the style in base64, for the page's policy; a failing test prints the expected values.
const SCRIPT_HASH: &str = "J+XlhMVEitb7FDqrnWEyo1MPzWkHPcooGDcGtBzCIpI=";
const STYLE_HASH: &str = "9EaLFf8Gecyl1NBFAduemzRxQ+iRk2d+eZZLPZw2lgI=";

/// The number of sentences of the answer above the first chart; the rest is folded.
const FOLDED_FROM: usize = 2;

/// Facts that identify a host, for the line above its whole fingerprint.
const IDENTITY: [&str; 4] = ["kernel.release", "cpu.model", "cpu.online", "data_dir.disk"];

#[derive(Serialize)]
struct TableRow<'a> {
    /// Whether this is the first row of its point, which has the axes' values for all rows of the point.
    first: bool,
    rows: usize,
    values: &'a [String],
    arm: &'a str,
    host: Option<&'a str>,
    badge: Option<Badge>,
    entries: Vec<String>,
}

#[derive(Serialize)]
struct Claim<'a> {
    word: &'static str,
    class: &'static str,
    text: &'a str,
    detail: &'a str,
}

pub(super) fn render(
    set: &ComparisonSet,
    scenario: &str,
    plan: Option<&Plan>,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let view = View::of(set, HostRows::Few);
    let compared = !set.comparisons.is_empty();
    let versus = format!("vs {}", set.baseline.as_deref().unwrap_or(""));
    let mut titles = vec![IOPS.title, "±"];
    if compared {
        titles.extend([versus.as_str(), INTERVAL, "verdict"]);
    }
    titles.extend(view.columns.iter().map(|column| column.title()));
    titles.push("trials");
    let mut rows = Vec::new();
    for group in &view.groups {
        for (index, row) in group.rows.iter().enumerate() {
            rows.push(TableRow {
                first: index == 0,
                rows: group.rows.len(),
                values: &group.values,
                arm: &row.arm,
                host: row.host.as_deref(),
                badge: row.verdict.map(Badge::of),
                entries: entries(row, compared),
            });
        }
    }
    let claims: Vec<Claim<'_>> = set
        .expectations
        .iter()
        .map(|claim| Claim {
            word: outcome(claim.outcome()),
            class: match claim.outcome() {
                Some(true) => "good",
                Some(false) => "bad",
                None => "open",
            },
            text: &claim.text,
            detail: &claim.detail,
        })
        .collect();
    // The template has its own notices.
    let mut answer = words::answer::findings(&set.answer);
    let more = answer.split_off(answer.len().min(FOLDED_FROM));
    let untrusted: Vec<String> = set.untrusted.iter().map(words::untrusted).collect();
    let crossovers: Vec<String> = set.crossovers.iter().map(words::crossover::sentence).collect();
    let facets = Facets::of(set);
    let identity: Vec<String> = set.hosts.iter().map(identity).collect();
    let failed = set.expectations.iter().filter(|claim| claim.outcome() != Some(true)).count();
    let verdicts = [Verdict::Faster, Verdict::Slower, Verdict::NoDifference, Verdict::Inconclusive];
    environment.render_str(
        TEMPLATE,
        context! {
            set, answer, more, untrusted, crossovers, axes => view.axes, titles, rows, claims, failed, scenario,
            first => charts::sections(charts::FIRST, &facets), further => charts::sections(charts::FURTHER, &facets),
            why => why::of(set), pairs => pairs::of(set), pair_titles => pairs::METRICS.map(|metric| metric.title), keys => metric_chart::legend(&facets), legend => view.legend(), identity,
            pauses => words::course::pauses(&set.pauses, set.looks),
            start => set.start.as_ref().map(words::course::start),
            heeded => set.calibration.as_ref().map(calibration::heeded),
            interval => INTERVAL, compared, rerun => Rerun::of(set, plan), badges => verdicts.map(Badge::of),
            style => STYLE, script => SCRIPT, script_hash => SCRIPT_HASH, style_hash => STYLE_HASH,
        },
    )
}

/// `6.12.1, AMD EPYC 7763, nvme0n1`.
fn identity(host: &HostSummary) -> String {
    let facts = IDENTITY.iter().filter_map(|fact| {
        let value = host.facts.get(*fact)?;
        Some(if *fact == "cpu.online" { format!("CPUs {value}") } else { value.clone() })
    });
    facts.collect::<Vec<_>>().join(", ")
}

fn entries(row: &Row, compared: bool) -> Vec<String> {
    let mut entries = vec![&row.rate, &row.spread];
    if compared {
        entries.extend([&row.ratio, &row.interval, &row.words]);
    }
    entries.extend(&row.entries);
    entries.into_iter().cloned().chain([row.trials()]).collect()
}
