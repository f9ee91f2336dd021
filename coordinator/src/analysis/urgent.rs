//! Urgent operations and the others, each by themselves: what preferring some brought these, and what it cost those.

use hdrhistogram::Histogram;
use proto::outcome::UrgentCounts;

use super::{latency::percentiles, merge, warnings::Warnings};
use crate::{
    metric::{Metric, trial::Part},
    params, stats,
    summary::{
        CellSummary, TooFewUrgent,
        lane::{Lane, Overtaken, Starved},
    },
};

/// An operation that is not urgent is starved where it waits for more than so many times the median of its like.
pub const STARVED: u64 = 10;
/// Urgent operations per trial that a 99th percentile needs. With fewer, it is close to the worst of them.
pub const FEWEST: u64 = 100;

/// How many urgent operations a trial had on average, where that is too few; `None` where it is enough, or there is no
/// word of them.
fn too_few(cell: &CellSummary) -> Option<f64> {
    let (ops, trials) = (cell.lanes.urgent.as_ref()?.ops, u64::from(cell.trials.complete));
    (ops < FEWEST * trials).then(|| ops as f64 / trials as f64)
}

/// A mean with one digit, if that says anything.
fn short(mean: f64) -> f64 {
    (10.0 * mean).round() / 10.0
}

/// The cell that has too few urgent operations for a verdict in this metric; `None` if both have enough.
pub(super) fn too_few_urgent(metric: &Metric, cells: [&CellSummary; 2]) -> Option<TooFewUrgent> {
    if !metric.needs_many_urgent {
        return None;
    }
    let (arm, per_trial) = cells.iter().find_map(|cell| Some((&cell.arm, too_few(cell)?)))?;
    Some(TooFewUrgent { arm: arm.clone(), per_trial, needed: FEWEST })
}

/// That urgent operations were asked for in a cell, and there were too few.
pub(super) fn warn(warnings: &mut Warnings, cell: &CellSummary) {
    if cell.trials.complete == 0 {
        return;
    }
    let name = params::cell(&cell.arm, &cell.params);
    let message = match (&cell.lanes.urgent, too_few(cell)) {
        (None, _) => format!("{name}: no urgent operation completed, so there is nothing to say of them"),
        (Some(_), Some(mean)) => format!(
            "{name}: {} urgent operations a trial tell no 99th percentile, so theirs is shown without a verdict",
            short(mean)
        ),
        (Some(_), None) => return,
    };
    let remedy = format!(
        "choose a longer `runtime` or a larger `share` of urgent operations: {FEWEST} a trial at least"
    );
    warnings.add("too-few-urgent", None, message, &remedy);
}

/// What the trials of a cell add up to.
#[derive(Default)]
pub(super) struct LaneSums {
    latency: Option<Histogram<u64>>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    iops: Vec<f64>,
    bytes_per_s: Vec<f64>,
}

impl LaneSums {
    /// Adds what a trial did; `None`: there was nothing of the kind in it.
    pub(super) fn add(&mut self, of_trial: Option<&Part>) {
        self.iops.push(of_trial.map_or(0.0, |part| part.iops));
        self.bytes_per_s.push(of_trial.map_or(0.0, |part| part.bytes_per_s));
        let Some(part) = of_trial.filter(|part| !part.latency.is_empty()) else { return };
        self.p50.push(part.latency.value_at_quantile(0.5) as f64);
        self.p99.push(part.latency.value_at_quantile(0.99) as f64);
        merge::add_some(&mut self.latency, Some(&part.latency));
    }

    /// Of `all` operations; `None` where there were none.
    fn lane(self, all: u64) -> Option<Lane> {
        let latency = self.latency.filter(|latency| !latency.is_empty())?;
        Some(Lane {
            share: latency.len() as f64 / all.max(1) as f64,
            ops: latency.len(),
            iops: stats::estimate(self.iops),
            bandwidth_bytes_per_s: stats::estimate(self.bytes_per_s),
            latency_ns: percentiles(&latency, self.p50, self.p99),
            overtaken: None,
            starved: None,
        })
    }

    /// As urgent operations.
    pub(super) fn urgent(self, all: u64, counts: Option<UrgentCounts>) -> Option<Lane> {
        let of = |counts: UrgentCounts| {
            let ops = counts.ops as f64;
            (counts.ops > 0).then(|| Overtaken {
                share: counts.overtaken as f64 / ops,
                mean: counts.overtakers as f64 / ops,
                max: counts.most_overtakers,
            })
        };
        Some(Lane { overtaken: counts.and_then(of), ..self.lane(all)? })
    }

    /// As the others.
    pub(super) fn bulk(self, all: u64) -> Option<Lane> {
        let starved = self.latency.as_ref().map(starved);
        Some(Lane { starved, ..self.lane(all)? })
    }
}

fn starved(latency: &Histogram<u64>) -> Starved {
    let above_ns = STARVED * latency.value_at_quantile(0.5);
    // A counter that holds the bound itself does not count.
    let first = latency.next_non_equivalent(above_ns);
    let count = if first > latency.max() { 0 } else { latency.count_between(first, latency.max()) };
    Starved { above_ns, count, share: count as f64 / latency.len().max(1) as f64 }
}

#[cfg(test)]
#[path = "urgent_tests.rs"]
mod tests;
