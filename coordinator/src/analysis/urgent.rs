//! Urgent operations and all others, separately.

use hdrhistogram::Histogram;
use proto::outcome::UrgentCounts;

use super::{latency::percentiles, merge, warnings::Warnings};
use crate::{
    metric::{Metric, trial::Part},
    stats,
    summary::{
        CellSummary, TooFewUrgent,
        lane::{Lane, Overtaken, Starved},
    },
    warning::CellWarning,
};

/// An operation that is not urgent is starved if it waits for more than this multiple of their median.
pub const STARVED: u64 = 10;
/// Urgent operations per trial that a 99th percentile needs. With fewer, it is close to the worst of them.
pub const FEWEST: u64 = 100;

/// Urgent operations per trial, on average, if they are too few; `None` if they are enough, or if there are none.
fn too_few(cell: &CellSummary) -> Option<f64> {
    let (ops, trials) = (cell.lanes.urgent.as_ref()?.ops, u64::from(cell.trials.complete));
    (ops < FEWEST * trials).then(|| ops as f64 / trials as f64)
}

/// The cell that has too few urgent operations for a verdict in this metric; `None` if both have enough.
pub(super) fn too_few_urgent(metric: &Metric, cells: [&CellSummary; 2]) -> Option<TooFewUrgent> {
    if !metric.needs_many_urgent {
        return None;
    }
    let (arm, per_trial) = cells.iter().find_map(|cell| Some((&cell.arm, too_few(cell)?)))?;
    Some(TooFewUrgent { arm: arm.clone(), per_trial, needed: FEWEST })
}

/// Warns if a cell with urgent operations has too few of them.
pub(super) fn warn(warnings: &mut Warnings, cell: &CellSummary) {
    let per_trial = too_few(cell);
    if cell.trials.complete == 0 || (cell.lanes.urgent.is_some() && per_trial.is_none()) {
        return;
    }
    let (arm, params) = (cell.arm.clone(), cell.params.clone());
    warnings.add(None, CellWarning::TooFewUrgent { arm, params, per_trial, needed: FEWEST });
}

/// The sums over the trials of a cell.
#[derive(Default)]
pub(super) struct LaneSums {
    latency: Option<Histogram<u64>>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    iops: Vec<f64>,
    bytes_per_s: Vec<f64>,
}

impl LaneSums {
    /// Adds the part of a trial; `None` if it had no such operation.
    pub(super) fn add(&mut self, of_trial: Option<&Part>) {
        self.iops.push(of_trial.map_or(0.0, |part| part.iops));
        self.bytes_per_s.push(of_trial.map_or(0.0, |part| part.bytes_per_s));
        let Some(part) = of_trial.filter(|part| !part.latency.is_empty()) else { return };
        self.p50.push(part.latency.value_at_quantile(0.5) as f64);
        self.p99.push(part.latency.value_at_quantile(0.99) as f64);
        merge::add_some(&mut self.latency, Some(&part.latency));
    }

    /// The lane among `all` operations; `None` if it has none.
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

    /// The lane of urgent operations.
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

    /// The lane of all other operations.
    pub(super) fn bulk(self, all: u64) -> Option<Lane> {
        let starved = self.latency.as_ref().map(starved);
        Some(Lane { starved, ..self.lane(all)? })
    }
}

fn starved(latency: &Histogram<u64>) -> Starved {
    let above_ns = STARVED * latency.value_at_quantile(0.5);
    // Values equal to the bound, within the resolution, are not starved.
    let first = latency.next_non_equivalent(above_ns);
    let count = if first > latency.max() { 0 } else { latency.count_between(first, latency.max()) };
    Starved { above_ns, count, share: count as f64 / latency.len().max(1) as f64 }
}

#[cfg(test)]
#[path = "urgent_tests.rs"]
mod tests;
