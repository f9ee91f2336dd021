//! `docs/metrics.md` lists the metrics of the registry. The lists are generated.

use std::{fmt::Write as _, fs};

use super::{Better, Metric, all, claimable};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
/// Set to write the lists instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";
const COMMAND: &str = "UPDATE_DOCS=1 cargo test -p coordinator --lib metric::doc";

fn columns(metric: &Metric) -> String {
    let names: Vec<String> = metric.csv.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(" ")
}

fn of_claims() -> String {
    let mut text = "| Metric | Unit | Per trial | Better | In `summary.csv` | Meaning |\n".to_owned();
    text += "| --- | --- | --- | --- | --- | --- |\n";
    for metric in claimable() {
        // Which way is better matters only where there can be a verdict.
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

/// The page with the list between the markers of this name replaced.
fn with(page: &str, name: &str, list: &str) -> String {
    let (begin, end) = (format!("<!-- begin: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("docs/metrics.md lacks {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("docs/metrics.md lacks {end}"));
    format!("{before}{begin}\n{list}\n{end}{after}")
}

#[test]
fn the_page_lists_every_metric() {
    let page = fs::read_to_string(PAGE).unwrap();
    let wanted = with(&with(&page, "metrics", &of_claims()), "exports", &of_exports());
    if std::env::var_os(UPDATE).is_some() {
        fs::write(PAGE, wanted).unwrap();
        return;
    }
    assert!(page == wanted, "docs/metrics.md is out of date; regenerate its lists with: {COMMAND}");
}
