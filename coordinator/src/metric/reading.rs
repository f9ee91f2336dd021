//! Reads a metric from a cell and from a trial.

use hdrhistogram::Histogram;

use super::trial::Trial;
use crate::summary::{CellSummary, Estimate, Latency};

/// The source of a metric's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// A mean over the trials, with its interval and samples.
    Estimate {
        /// The estimate of a cell.
        cell: fn(&CellSummary) -> Option<&Estimate>,
        /// The value of a trial.
        trial: fn(&Trial<'_>) -> Option<f64>,
    },
    /// A statistic of latencies; for a cell, from the merged histograms of its trials.
    Latency(Operations, Statistic),
    /// A value of a cell that is computed from the sums over its trials.
    Sums(fn(&CellSummary) -> Option<f64>),
    /// A value of each trial; the value of a cell is their mean.
    Trials,
}

/// The operations of a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operations {
    /// All reads and writes, from their intended start.
    All,
    /// All reads and writes, from submission; only in open loop.
    Service,
    /// Syncs.
    Sync,
    /// Urgent operations.
    Urgent,
    /// Operations that are not urgent, if some are.
    Bulk,
}

impl Operations {
    /// The latencies of a cell.
    pub(super) fn in_cell(self, cell: &CellSummary) -> Option<&Latency> {
        match self {
            Self::All => cell.latency.all.as_ref(),
            Self::Service => cell.latency.service.as_ref(),
            Self::Sync => cell.latency.sync.as_ref(),
            Self::Urgent => cell.lanes.urgent.as_ref().map(|lane| &lane.latency_ns),
            Self::Bulk => cell.lanes.bulk.as_ref().map(|lane| &lane.latency_ns),
        }
    }

    /// The latencies of a trial; `None` if no operation completed.
    #[must_use]
    pub fn in_trial<'a>(self, trial: &Trial<'a>) -> Option<&'a Histogram<u64>> {
        let found = match self {
            Self::All => trial.work.map(|work| &work.latency),
            Self::Service => trial.work.and_then(|work| work.service.as_ref()),
            Self::Sync => trial.work.and_then(|work| work.sync.as_ref()),
            Self::Urgent => trial.work.and_then(|work| work.urgent.as_ref()).map(|part| &part.latency),
            Self::Bulk => trial.bulk.map(|part| &part.latency),
        };
        found.filter(|latency| !latency.is_empty())
    }
}

/// A statistic of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
    /// The 99.9th percentile.
    P99_9,
    /// The 99.99th percentile.
    P99_99,
    /// The longest.
    Max,
}

impl Statistic {
    /// The quantile; `None` for the mean.
    #[must_use]
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::Mean => None,
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P99 => Some(0.99),
            Self::P99_9 => Some(0.999),
            Self::P99_99 => Some(0.9999),
            Self::Max => Some(1.0),
        }
    }

    /// The statistic of a trial's latencies, in nanoseconds.
    fn of(self, latency: &Histogram<u64>) -> f64 {
        match self {
            Self::Max => latency.max() as f64,
            other => other
                .quantile()
                .map_or_else(|| latency.mean(), |quantile| latency.value_at_quantile(quantile) as f64),
        }
    }

    /// The statistic of a cell's merged latencies, in nanoseconds.
    fn of_merged(self, latency: &Latency) -> f64 {
        match self {
            Self::Mean => latency.mean,
            Self::P50 => latency.p50 as f64,
            Self::P90 => latency.p90 as f64,
            Self::P99 => latency.p99 as f64,
            Self::P99_9 => latency.p99_9 as f64,
            Self::P99_99 => latency.p99_99 as f64,
            Self::Max => latency.max as f64,
        }
    }

    /// The values of the trials, if a cell stores them with its latencies.
    fn samples(self, latency: &Latency) -> Option<&Vec<f64>> {
        match self {
            Self::P50 => Some(&latency.samples.p50),
            Self::P99 => Some(&latency.samples.p99),
            _ => None,
        }
    }

    /// The interval over the trials' values, if a cell stores it.
    fn interval(self, latency: &Latency) -> Option<[f64; 2]> {
        match self {
            Self::P50 => latency.ci95.p50,
            Self::P99 => latency.ci95.p99,
            _ => None,
        }
    }
}

impl Reading {
    /// The value of a cell. `name` is the metric's name.
    pub(super) fn value(self, name: &str, cell: &CellSummary) -> Option<f64> {
        match self {
            Self::Estimate { cell: of, .. } => of(cell).map(|estimate| estimate.mean),
            Self::Latency(operations, statistic) => {
                operations.in_cell(cell).map(|latency| statistic.of_merged(latency))
            }
            Self::Sums(of) => of(cell),
            Self::Trials => {
                let values = cell.trial_values.get(name).filter(|values| !values.is_empty())?;
                Some(values.iter().sum::<f64>() / values.len() as f64)
            }
        }
    }

    /// One value per trial, if the cell stores them with the value.
    pub(super) fn samples(self, cell: &CellSummary) -> Option<&Vec<f64>> {
        match self {
            Self::Estimate { cell: of, .. } => of(cell).map(|estimate| &estimate.samples),
            Self::Latency(operations, statistic) => {
                operations.in_cell(cell).and_then(|latency| statistic.samples(latency))
            }
            Self::Sums(_) | Self::Trials => None,
        }
    }

    /// The confidence interval that the cell stores.
    pub(super) fn interval(self, cell: &CellSummary) -> Option<[f64; 2]> {
        match self {
            Self::Estimate { cell: of, .. } => of(cell).and_then(|estimate| estimate.ci95),
            Self::Latency(operations, statistic) => {
                operations.in_cell(cell).and_then(|latency| statistic.interval(latency))
            }
            Self::Sums(_) | Self::Trials => None,
        }
    }

    /// The value of a trial, if the source defines it.
    pub(super) fn in_trial(self, trial: &Trial<'_>) -> Option<f64> {
        match self {
            Self::Estimate { trial: of, .. } => of(trial),
            Self::Latency(operations, statistic) => {
                operations.in_trial(trial).map(|latency| statistic.of(latency))
            }
            Self::Sums(_) | Self::Trials => None,
        }
    }

    /// Whether a cell stores the values of its trials with the value.
    pub(super) fn has_samples(self) -> bool {
        match self {
            Self::Estimate { .. } => true,
            Self::Latency(_, statistic) => matches!(statistic, Statistic::P50 | Statistic::P99),
            Self::Sums(_) | Self::Trials => false,
        }
    }
}
