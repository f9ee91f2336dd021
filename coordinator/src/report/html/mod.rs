//! The HTML report, one page that opens offline. The template escapes all texts, because names and messages come from
//! files and from other machines. The page's content security policy allows only its own style and script, by hash.

use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;

use super::{
    calibration,
    view::{Row, View, outcome},
    words,
};
use crate::{
    metric::throughput::IOPS,
    plan::Plan,
    stats::confidence::INTERVAL,
    summary::{ComparisonSet, Verdict},
};

mod bars;
mod charts;
mod facets;
mod figure;
mod head;
mod metric_chart;
mod rerun;
mod scale;
#[cfg(test)]
mod tests;
mod xy;

use head::Badge;
use rerun::Rerun;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// SHA-256 of the script and of the style in base64, for the page's policy; a failing test prints the expected values.
const SCRIPT_HASH: &str = "WEVEMZ1lQAtzK2N8VWC41lm7Edq9tJWaQg4HYa7utqM=";
const STYLE_HASH: &str = "KREkQTy8h4bYkjSq1lghlDlaK9OynfUjPX44CWSkhac=";

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
    let view = View::of(set);
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
    let answer = words::answer::findings(&set.answer);
    let untrusted: Vec<String> = set.untrusted.iter().map(words::untrusted).collect();
    let crossovers: Vec<String> = set.crossovers.iter().map(words::crossover::sentence).collect();
    let verdicts = [Verdict::Faster, Verdict::Slower, Verdict::NoDifference, Verdict::Inconclusive];
    environment.render_str(
        TEMPLATE,
        context! {
            set, answer, untrusted, crossovers, axes => view.axes, titles, rows, claims, scenario,
            cards => head::cards(set), sections => charts::sections(set), legend => view.legend_of_words(),
            heeded => set.calibration.as_ref().map(calibration::heeded),
            interval => INTERVAL, rerun => Rerun::of(set, plan), badges => verdicts.map(Badge::of),
            style => STYLE, script => SCRIPT, script_hash => SCRIPT_HASH, style_hash => STYLE_HASH,
        },
    )
}

fn entries(row: &Row, compared: bool) -> Vec<String> {
    let mut entries = vec![&row.rate, &row.spread];
    if compared {
        entries.extend([&row.ratio, &row.interval, &row.words]);
    }
    entries.extend(&row.entries);
    entries.into_iter().cloned().chain([row.trials()]).collect()
}
