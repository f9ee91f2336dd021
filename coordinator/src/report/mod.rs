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

/// How what needs no trials is rendered: a comparison, two runs, or a list of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum BasicFormat {
    /// For a terminal.
    #[default]
    Table,
    /// With all that is known.
    Json,
    /// One row for each line of the table.
    Csv,
    /// For a merge request.
    Markdown,
}

/// Renders the comparison. `width` (columns; 100 where there is no terminal) and `colour` matter only to the table. The
/// text ends with a line feed. [`Format`] has the formats that need more than the comparison.
#[must_use]
pub fn render(set: &ComparisonSet, format: BasicFormat, width: u16, colour: bool) -> String {
    match format {
        BasicFormat::Table => table::render(set, width, colour),
        BasicFormat::Json => json::render(set),
        BasicFormat::Csv => csv::render(set),
        BasicFormat::Markdown => markdown::render(set),
    }
}

/// The self-contained page. `scenario` is the text to run again.
///
/// # Errors
/// Where the template cannot be rendered, which is a defect of Ringbench.
pub fn html(set: &ComparisonSet, scenario: &str) -> Result<String, minijinja::Error> {
    html::render(set, scenario, None)
}

/// Writes what is derived from the run: `summary.json`, `summary.csv`, `trials.csv` and `report.html`, each whole or
/// not at all.
///
/// # Errors
/// Where one cannot be written.
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
