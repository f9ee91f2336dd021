//! Latencies of all trials of a cell, and their percentiles.

use hdrhistogram::Histogram;

use super::{merge, timeline};
use crate::{
    stats,
    summary::{Latency, LatencyIntervals, LatencySamples, timeline::CurvePoint},
};

/// Latencies over the trials of a cell.
#[derive(Default)]
pub(super) struct Times {
    all: Option<Histogram<u64>>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Times {
    /// Adds a trial; `None` if it has none of these latencies.
    pub(super) fn add(&mut self, of_trial: Option<&Histogram<u64>>) {
        if let Some(times) = of_trial {
            self.p50.push(times.value_at_quantile(0.5) as f64);
            self.p99.push(times.value_at_quantile(0.99) as f64);
        }
        merge::add_some(&mut self.all, of_trial);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.all.as_ref().map_or(0, Histogram::len)
    }

    /// The latency curve; empty without latencies.
    pub(super) fn curve(&self) -> Vec<CurvePoint> {
        self.all.as_ref().map(timeline::curve).unwrap_or_default()
    }

    /// Percentiles; `None` without latencies.
    pub(super) fn percentiles(self) -> Option<Latency> {
        Some(percentiles(&self.all?, self.p50, self.p99))
    }
}

/// Percentiles over all trials; `p50` and `p99` are those of each trial.
pub(super) fn percentiles(latency: &Histogram<u64>, p50: Vec<f64>, p99: Vec<f64>) -> Latency {
    let at = |quantile| latency.value_at_quantile(quantile);
    let around = |quantile, of_trials: &[f64]| stats::positive_interval(at(quantile) as f64, of_trials);
    Latency {
        mean: latency.mean(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p99_9: at(0.999),
        p99_99: at(0.9999),
        max: latency.max(),
        ci95: LatencyIntervals { p50: around(0.5, &p50), p99: around(0.99, &p99) },
        samples: LatencySamples { p50, p99 },
    }
}
