//! The registry of metrics: the one place that names what is measured.
//!
//! A [`Metric`] says what a number is called, what it is counted in, which way it is better, how it is read from a
//! cell and from a trial, and where it is shown. Expectations, comparisons, calibrations, tables, CSV, OpenMetrics and
//! `docs/metrics.md` read all of this from here, so that a new metric is one entry in one of the files of this
//! module: [`throughput`], [`latency`], [`lanes`], [`cost`], [`ring`], [`hardware`] or [`integrity`].
//!
//! A metric of a new counter needs no field in the summary: [`Metric::of_trials`] keeps one value for each trial in
//! `trial_values`, and the value of the cell is their mean.

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

/// One kind of number that a run yields for each cell.
#[derive(Debug)]
pub struct Metric {
    /// Its name in expectations, in `--metric` and in `trial_values`.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Which values are better.
    pub better: Better,
    /// Its title in tables, and the beginning of its name in legends.
    pub title: &'static str,
    /// Its title in charts.
    pub heading: &'static str,
    /// What it means, as a sentence for documentation.
    pub help: &'static str,
    /// Whether expectations and `--metric` may name it. Others are only exported.
    pub claimable: bool,
    /// Where it is a column of the table of a run.
    pub column: Column,
    /// How to read the column: a line of the table's legend.
    pub legend: Option<&'static str>,
    /// Its columns in `summary.csv`.
    pub csv: &'static [(&'static str, CsvValue)],
    /// Its column in `trials.csv`.
    pub trials_csv: Option<&'static str>,
    /// Where it stands in OpenMetrics text.
    pub openmetrics: Option<Sample>,
    /// Whether it depends on the slowest urgent operations, which takes enough of these for a verdict.
    pub needs_many_urgent: bool,
    reading: Reading,
    /// Its value in a trial, where the reading does not say it.
    trial: Option<fn(&Trial<'_>) -> Option<f64>>,
    /// Whether cells keep its values by trial in `trial_values`.
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

    /// One value for each trial that counts, in the order in which they ran; empty for a metric that is known only of
    /// all trials together.
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

    /// The value of a trial; `None` if it was not measured, or is known only of all trials together.
    #[must_use]
    pub fn in_trial(&self, trial: &Trial<'_>) -> Option<f64> {
        self.trial.map_or_else(|| self.reading.in_trial(trial), |of| of(trial))
    }

    /// Whether a cell has a value of it for each trial: then it has an interval and can be compared.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.kept || self.reading.has_samples()
    }

    /// Whether cells keep its values by trial in `trial_values`.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// If it is a statistic of latencies: which, and of which operations.
    #[must_use]
    pub fn statistic(&self) -> Option<(Operations, Statistic)> {
        match self.reading {
            Reading::Latency(operations, statistic) => Some((operations, statistic)),
            _ => None,
        }
    }

    /// Its name in [`Comparison::metric`]; `None` if a run does not compare it.
    #[must_use]
    pub fn compared_as(&self) -> Option<&'static str> {
        COMPARED.iter().find(|compared| compared.metric == self).map(|compared| compared.name)
    }

    /// Whether a comparison is in this metric.
    #[must_use]
    pub fn is_of(&self, comparison: &Comparison) -> bool {
        self.compared_as() == Some(comparison.metric.as_str())
    }
}

/// A metric that a run compares each arm with the baseline in. The comparisons of one metric are one family.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The metric.
    pub metric: &'static Metric,
    /// Its name in [`Comparison::metric`].
    pub name: &'static str,
    /// Whether it exists only where some operations are urgent.
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

/// What a run compares, in the order of the summary. A calibration measures the spread of the same metrics, those of
/// lanes excepted.
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

/// What two runs are compared in unless metrics are named.
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

/// The metric of a name, among those that expectations may name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    claimable().find(|metric| metric.name == name)
}

/// The metric that a comparison is in, by its name in [`Comparison::metric`].
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

    /// The values of its trials; see [`Metric::samples`].
    #[must_use]
    pub fn samples(&self, name: &str) -> &[f64] {
        find(name).map_or(&[], |metric| metric.samples(self))
    }
}

impl CrossoverMetric {
    /// The metric that it is.
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

    /// The comparison of an arm with the baseline in a metric at a point.
    #[must_use]
    pub fn compared(&self, arm: &str, metric: &Metric, params: &Params) -> Option<&Comparison> {
        self.comparison(arm, metric.compared_as()?, params)
    }
}

/// Declares metrics and the list of them, in that order.
macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $metric:expr;)+) => {
        $($(#[$doc])* pub static $name: $crate::metric::Metric = $metric;)+
        /// All of the above, in that order.
        pub static ALL: &[&$crate::metric::Metric] = &[$(&$name),+];
    };
}
use metrics;
