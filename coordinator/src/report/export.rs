//! Formats of other tools' making: what they need of a run besides its comparison.

use super::{Format, fio, openmetrics, render, trials_csv};
use crate::{
    analysis::{
        set::ComparisonSet,
        tidy::{self, CellTotals, TrialRow},
    },
    plan::Plan,
    store::{RunDir, StoreError},
};

/// Renders a run. As [`render`], but the formats that tell of trials and of directions have them.
///
/// # Errors
/// Where the run's records or histograms cannot be read.
pub fn render_run(
    set: &ComparisonSet,
    (plan, run): (&Plan, &RunDir),
    format: Format,
    width: u16,
    colour: bool,
) -> Result<String, StoreError> {
    Ok(match format {
        Format::Fio => fio::render(set, plan, &tidy::totals(plan, run)?),
        Format::Openmetrics => openmetrics::render(set, &tidy::totals(plan, run)?),
        Format::TrialsCsv => trials_csv::render(&set.run_id, &set.scenario, &tidy::rows(run)?),
        Format::Table | Format::Json | Format::Csv | Format::Markdown => render(set, format, width, colour),
    })
}

/// The same formats where only the comparison is at hand: without trials, and without directions.
pub(super) fn of_set_alone(set: &ComparisonSet, format: Format) -> String {
    let (no_cells, no_trials): (&[CellTotals], &[TrialRow]) = (&[], &[]);
    match format {
        Format::TrialsCsv => trials_csv::render(&set.run_id, &set.scenario, no_trials),
        Format::Fio => fio::render(set, &Plan::empty(&set.scenario), no_cells),
        _ => openmetrics::render(set, no_cells),
    }
}
