//! Generates the lists of metrics in `docs/metrics.md`.

use std::fmt::Write as _;

use super::{Better, Metric, all, claimable};
use crate::docs;

fn columns(metric: &Metric) -> String {
    let names: Vec<String> = metric.csv.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(" ")
}

fn of_claims() -> String {
    let mut text = "| Metric | Unit | Per trial | Better | In `summary.csv` | Meaning |\n".to_owned();
    text += "| --- | --- | --- | --- | --- | --- |\n";
    for metric in claimable() {
        // The direction matters only for metrics that can have a verdict.
        let (sampled, better) = match (metric.is_sampled(), metric.better) {
            (false, _) => ("", ""),
            (true, Better::Higher) => ("yes", "higher"),
            (true, Better::Lower) => ("yes", "lower"),
        };
        let (name, unit, columns) = (metric.name, metric.unit.name(), columns(metric));
        let _ = writeln!(text, "| `{name}` | {unit} | {sampled} | {better} | {columns} | {} |", metric.help);
    }
    text
}

fn of_exports() -> String {
    let mut text =
        "| In `summary.csv` | In `trials.csv` | Unit | Meaning |\n| --- | --- | --- | --- |\n".to_owned();
    let exported = |metric: &&Metric| !metric.csv.is_empty() || metric.trials_csv.is_some();
    for metric in all().filter(|metric| !metric.claimable).filter(exported) {
        let trials = metric.trials_csv.map_or_else(String::new, |name| format!("`{name}`"));
        let (unit, columns) = (metric.unit.name(), columns(metric));
        let _ = writeln!(text, "| {columns} | {trials} | {unit} | {} |", metric.help);
    }
    text
}

#[test]
fn the_page_lists_every_metric() {
    docs::check("docs/metrics.md", &[("metrics", &of_claims()), ("exports", &of_exports())]);
}
