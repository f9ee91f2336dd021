//! Reports: the terminal, Markdown, CSV, JSON, HTML and the exports all render one [`ComparisonSet`].

use crate::{
    analysis::export_rows,
    store::{RunDir, StoreError},
    summary::ComparisonSet,
};

mod calibration;
mod column;
mod differences;
mod explain;
mod export;
mod grid;
pub mod history;
mod html;
pub mod run_diff;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod urgent;
mod view;
pub(crate) mod words;

pub use calibration::render as render_calibration;
pub use export::{Format, Source, json::summary_schema};
use export::{csv, json, markdown, table, trials_csv};

/// A format that needs only the result itself. Runs, comparisons of two runs, and lists have all of them; [`Format`]
/// has further ones, for runs only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum BasicFormat {
    /// For a terminal.
    #[default]
    Table,
    /// Complete, for programs.
    Json,
    /// One row for each row of the table.
    Csv,
    /// For a merge request.
    Markdown,
}

/// How much the table shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Detail {
    /// Also print explanations, the full legend and all warnings (format `table`).
    #[arg(long)]
    pub explain: bool,
    /// Print a row for each host; without it, only the slowest, the median and the fastest of more than 8 hosts have rows
    /// (format `table`).
    #[arg(long)]
    pub per_host: bool,
}

/// Renders the comparison. `width` (columns; 100 without a terminal) and `colour` apply to the table only. The text
/// ends with a line feed.
#[must_use]
pub fn render(set: &ComparisonSet, format: BasicFormat, width: u16, colour: bool) -> String {
    match format {
        BasicFormat::Table => table::render(set, width, colour, Detail::default()),
        BasicFormat::Json => json::render(set),
        BasicFormat::Csv => csv::render(set),
        BasicFormat::Markdown => markdown::render(set),
    }
}

/// Renders the self-contained HTML page. `scenario` is the scenario's text.
///
/// # Errors
/// The template cannot be rendered, which is a defect of Ringbench.
pub fn html(set: &ComparisonSet, scenario: &str) -> Result<String, minijinja::Error> {
    html::render(set, scenario, None)
}

/// Writes the derived files: `summary.json`, `summary.csv`, `trials.csv` and `report.html`, each atomically.
///
/// # Errors
/// A file cannot be written, or the run cannot be read.
pub fn write_summary(run: &RunDir, set: &ComparisonSet) -> Result<(), StoreError> {
    run.replace("summary.json", json::render(set).as_bytes())?;
    run.replace("summary.csv", csv::render(set).as_bytes())?;
    let trials = trials_csv::render(&set.run_id, &set.scenario, &export_rows::rows(run)?);
    run.replace("trials.csv", trials.as_bytes())?;
    let plan = run.plan().ok();
    let page = html::render(set, &run.scenario()?, plan.as_ref()).map_err(|error| StoreError::Io {
        path: run.path().join("report.html"),
        doing: "render it",
        source: std::io::Error::other(error),
    })?;
    run.replace("report.html", page.as_bytes())
}
