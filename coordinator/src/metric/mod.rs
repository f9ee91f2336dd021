//! The registry of metrics.
//!
//! A [`Metric`] has a name, a unit, a direction (whether higher or lower is better), the way it is read from a cell and
//! from a trial, and the places where it is shown. Expectations, comparisons, calibrations, tables, CSV, OpenMetrics
//! and `docs/metrics.md` are derived from the registry. A new metric is one entry in one of the files of this module:
//! [`throughput`], [`latency`], [`lanes`], [`cost`], [`ring`], [`hardware`] or [`integrity`].
//!
//! A metric of a new counter needs no field in the summary: with [`Metric::of_trials`], the cell keeps one value per
//! trial in `trial_values`, and its own value is their mean.

use crate::{
    params::Params,
    summary::{CellSummary, Comparison, ComparisonSet, crossover::CrossoverMetric},
};

mod build;
pub mod cost;
#[cfg(test)]
mod doc;
pub mod hardware;
pub mod integrity;
pub mod lanes;
pub mod latency;
mod reading;
pub mod ring;
mod shown;
#[cfg(test)]
mod tests;
pub mod throughput;
pub mod trial;
mod unit;

use reading::Reading;
pub use reading::{Operations, Statistic};
pub use shown::{Column, CsvValue, Family, Sample};
use trial::Trial;
pub use unit::{Better, Unit};

use self::{
    cost::{CPU_PER_IO, SYSCALLS_PER_IO},
    lanes::{bulk, urgent},
    latency::{LATENCY_MEAN, P50, P99, P99_9},
    throughput::IOPS,
};

/// A number that a run yields for each cell.
#[derive(Debug)]
pub struct Metric {
    /// The name in expectations, in `--metric` and in `trial_values`.
    pub name: &'static str,
    /// The unit.
    pub unit: Unit,
    /// Whether higher or lower values are better.
    pub better: Better,
    /// The title in tables and legends.
    pub title: &'static str,
    /// The title in charts.
    pub heading: &'static str,
    /// The meaning, as a sentence for the documentation.
    pub help: &'static str,
    /// Whether expectations and `--metric` may name it. Others are only exported.
    pub claimable: bool,
    /// The tables of a run in which it is a column.
    pub column: Column,
    /// The line of the table's legend that explains the column.
    pub legend: Option<&'static str>,
    /// The columns in `summary.csv`.
    pub csv: &'static [(&'static str, CsvValue)],
    /// The column in `trials.csv`.
    pub trials_csv: Option<&'static str>,
    /// The sample in OpenMetrics text.
    pub openmetrics: Option<Sample>,
    /// Whether it depends on the slowest urgent operations. A verdict then needs a minimum number of them.
    pub needs_many_urgent: bool,
    reading: Reading,
    /// The value of a trial, if `reading` does not give it.
    trial: Option<fn(&Trial<'_>) -> Option<f64>>,
    /// Whether cells keep the values of trials in `trial_values`.
    kept: bool,
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Metric {}

/// Reading a metric.
impl Metric {
    /// The value of a cell, in the metric's unit; `None` if it was not measured.
    #[must_use]
    pub fn of(&self, cell: &CellSummary) -> Option<f64> {
        self.reading.value(self.name, cell)
    }

    /// One value per trial that counts, in the order in which they ran; empty for a metric that exists only for all
    /// trials together.
    #[must_use]
    pub fn samples<'a>(&self, cell: &'a CellSummary) -> &'a [f64] {
        let stored = || self.reading.samples(cell);
        let found = if self.kept { cell.trial_values.get(self.name) } else { stored() };
        found.map_or(&[], Vec::as_slice)
    }

    /// The confidence interval of the cell's value that the summary holds.
    #[must_use]
    pub fn interval(&self, cell: &CellSummary) -> Option<[f64; 2]> {
        self.reading.interval(cell)
    }

    /// The value of a trial; `None` if it was not measured, or exists only for all trials together.
    #[must_use]
    pub fn in_trial(&self, trial: &Trial<'_>) -> Option<f64> {
        self.trial.map_or_else(|| self.reading.in_trial(trial), |of| of(trial))
    }

    /// Whether a cell has one value per trial. The metric then has an interval and can be compared.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.kept || self.reading.has_samples()
    }

    /// Whether cells keep the values of trials in `trial_values`.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// The operations and the statistic, if it is a statistic of latencies.
    #[must_use]
    pub fn statistic(&self) -> Option<(Operations, Statistic)> {
        match self.reading {
            Reading::Latency(operations, statistic) => Some((operations, statistic)),
            _ => None,
        }
    }

    /// The name in [`Comparison::metric`]; `None` if runs do not compare it.
    #[must_use]
    pub fn compared_as(&self) -> Option<&'static str> {
        COMPARED.iter().find(|compared| compared.metric == self).map(|compared| compared.name)
    }

    /// Whether a comparison is of this metric.
    #[must_use]
    pub fn is_of(&self, comparison: &Comparison) -> bool {
        self.compared_as() == Some(comparison.metric.as_str())
    }
}

/// A metric in which a run compares each arm with the baseline. The comparisons of one metric are one family.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The metric.
    pub metric: &'static Metric,
    /// Its name in [`Comparison::metric`].
    pub name: &'static str,
    /// Whether it exists only if some operations are urgent.
    pub by_lane: bool,
}

impl Compared {
    const fn always(metric: &'static Metric, name: &'static str) -> Self {
        Self { metric, name, by_lane: false }
    }

    const fn by_lane(metric: &'static Metric) -> Self {
        Self { metric, name: metric.name, by_lane: true }
    }
}

/// The metrics that a run compares, in the order of the summary. A calibration measures the spread of the same metrics,
/// except those of urgent and bulk operations.
pub static COMPARED: [Compared; 10] = [
    Compared::always(&IOPS, IOPS.name),
    Compared::always(&LATENCY_MEAN, LATENCY_MEAN.name),
    Compared::always(&P50, "latency_p50"),
    Compared::always(&P99, "latency_p99"),
    Compared::always(&P99_9, "latency_p99_9"),
    Compared::always(&CPU_PER_IO, CPU_PER_IO.name),
    Compared::always(&SYSCALLS_PER_IO, SYSCALLS_PER_IO.name),
    Compared::by_lane(&urgent::P50),
    Compared::by_lane(&urgent::P99),
    Compared::by_lane(&bulk::IOPS),
];

/// The metrics in which two runs are compared by default.
pub static USUAL: [&Metric; 2] = [&IOPS, &P99];

/// All metrics, in the order of their columns in `summary.csv`.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let groups: [&[&Metric]; 8] = [
        throughput::ALL,
        latency::ALL,
        urgent::ALL,
        bulk::ALL,
        cost::ALL,
        ring::ALL,
        hardware::ALL,
        integrity::ALL,
    ];
    groups.into_iter().flatten().copied()
}

/// The metrics that expectations and `--metric` may name.
pub fn claimable() -> impl Iterator<Item = &'static Metric> {
    all().filter(|metric| metric.claimable)
}

/// The metric with a name, among those that expectations may name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    claimable().find(|metric| metric.name == name)
}

/// The metric of a comparison, by its name in [`Comparison::metric`].
#[must_use]
pub fn of_comparison(name: &str) -> Option<&'static Metric> {
    COMPARED.iter().find(|compared| compared.name == name).map(|compared| compared.metric)
}

impl CellSummary {
    /// The value of a metric by the name that expectations use; see `docs/metrics.md`.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        find(name)?.of(self)
    }

    /// The values of the trials; see [`Metric::samples`].
    #[must_use]
    pub fn samples(&self, name: &str) -> &[f64] {
        find(name).map_or(&[], |metric| metric.samples(self))
    }
}

impl CrossoverMetric {
    /// The metric in the registry.
    #[must_use]
    pub fn metric(self) -> &'static Metric {
        match self {
            Self::Iops => &IOPS,
            Self::LatencyP99 => &P99,
        }
    }
}

impl ComparisonSet {
    /// The value of a metric, merged over hosts, by the name that expectations use.
    #[must_use]
    pub fn metric(&self, arm: &str, name: &str, params: &Params) -> Option<f64> {
        self.cell(arm, params)?.metric(name)
    }

    /// The comparison of an arm with the baseline in a metric, at a point.
    #[must_use]
    pub fn compared(&self, arm: &str, metric: &Metric, params: &Params) -> Option<&Comparison> {
        self.comparison(arm, metric.compared_as()?, params)
    }

    /// The comparison of two arms in a metric, at a point.
    #[must_use]
    pub fn compared_with(
        &self,
        arm: &str,
        against: &str,
        metric: &Metric,
        params: &Params,
    ) -> Option<&Comparison> {
        self.comparison_with(arm, against, metric.compared_as()?, params)
    }
}

/// Declares metrics and the list `ALL` of them.
macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $metric:expr;)+) => {
        $($(#[$doc])* pub static $name: $crate::metric::Metric = $metric;)+
        /// All metrics of this module, in the order of declaration.
        pub static ALL: &[&$crate::metric::Metric] = &[$(&$name),+];
    };
}
use metrics;
