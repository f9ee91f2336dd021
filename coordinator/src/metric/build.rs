//! Builds the entries of the registry.

use super::{
    Better, Column, CsvValue, Family, Metric, Operations, Sample, Statistic, Unit, reading::Reading,
    trial::Trial,
};
use crate::summary::{CellSummary, Estimate};

/// Building a metric. By default, lower is better, expectations may name it, and it is shown nowhere.
impl Metric {
    pub(super) const fn new(name: &'static str, unit: Unit, reading: Reading) -> Self {
        Self {
            name,
            unit,
            better: Better::Lower,
            title: name,
            heading: name,
            help: "",
            claimable: true,
            column: Column::None,
            legend: None,
            csv: &[],
            trials_csv: None,
            openmetrics: None,
            needs_many_urgent: false,
            reading,
            trial: None,
            kept: false,
        }
    }

    /// A rate: a mean over the trials, for which the summary has an estimate. Higher is better.
    pub(super) const fn rate(
        name: &'static str,
        unit: Unit,
        cell: fn(&CellSummary) -> Option<&Estimate>,
        trial: fn(&Trial<'_>) -> Option<f64>,
    ) -> Self {
        Self::new(name, unit, Reading::Estimate { cell, trial }).higher_is_better()
    }

    /// A statistic of latencies.
    pub(super) const fn latency(name: &'static str, operations: Operations, statistic: Statistic) -> Self {
        Self::new(name, Unit::Nanoseconds, Reading::Latency(operations, statistic))
    }

    /// A value for which the summary has a field.
    pub(super) const fn sums(name: &'static str, unit: Unit, cell: fn(&CellSummary) -> Option<f64>) -> Self {
        Self::new(name, unit, Reading::Sums(cell))
    }

    /// A value of each trial, for which the summary needs no field. The value of a cell is the mean of its trials.
    #[must_use]
    pub const fn of_trials(name: &'static str, unit: Unit, trial: fn(&Trial<'_>) -> Option<f64>) -> Self {
        Self::new(name, unit, Reading::Trials).kept(trial)
    }

    pub(super) const fn titled(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }

    pub(super) const fn heading(mut self, heading: &'static str) -> Self {
        self.heading = heading;
        self
    }

    pub(super) const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    pub(super) const fn higher_is_better(mut self) -> Self {
        self.better = Better::Higher;
        self
    }

    /// Excludes it from expectations.
    pub(super) const fn exported_only(mut self) -> Self {
        self.claimable = false;
        self
    }

    pub(super) const fn column(mut self, column: Column) -> Self {
        self.column = column;
        self
    }

    pub(super) const fn legend(mut self, legend: &'static str) -> Self {
        self.legend = Some(legend);
        self
    }

    pub(super) const fn csv(mut self, columns: &'static [(&'static str, CsvValue)]) -> Self {
        self.csv = columns;
        self
    }

    pub(super) const fn trials_csv(mut self, column: &'static str) -> Self {
        self.trials_csv = Some(column);
        self
    }

    /// Shows it in OpenMetrics as a gauge without a unit, in its own family.
    pub(super) const fn gauge(mut self, name: &'static str, help: &'static str) -> Self {
        self.openmetrics = Some(Sample { family: Family { name, unit: "", help }, label: None });
        self
    }

    pub(super) const fn labelled(mut self, family: Family, label: &'static str, value: &'static str) -> Self {
        self.openmetrics = Some(Sample { family, label: Some((label, value)) });
        self
    }

    pub(super) const fn needs_many_urgent(mut self) -> Self {
        self.needs_many_urgent = true;
        self
    }

    /// Sets the value of a trial.
    pub(super) const fn in_trials(mut self, trial: fn(&Trial<'_>) -> Option<f64>) -> Self {
        self.trial = Some(trial);
        self
    }

    /// Sets the value of a trial, and makes cells keep it.
    pub(super) const fn kept(self, trial: fn(&Trial<'_>) -> Option<f64>) -> Self {
        self.in_trials(trial).keep()
    }

    /// Makes cells keep the values of trials.
    pub(super) const fn keep(mut self) -> Self {
        self.kept = true;
        self
    }
}
