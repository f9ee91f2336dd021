//! Urgent operations and the others, each by themselves: what preferring some brought these, and what it cost those.

use hdrhistogram::Histogram;
use proto::outcome::UrgentCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    across,
    cells::percentiles,
    merge::{self, Part},
    set::{CellSummary, Estimate, Latency},
    stats,
    warnings::Warnings,
};

/// An operation that is not urgent is starved where it waits for more than so many times the median of its like.
pub const STARVED: u64 = 10;
/// Fewer urgent operations a trial tell no 99th percentile: it is the worst of them, or nearly.
pub const FEWEST: u64 = 100;
/// Metrics that are of the worst of the urgent operations.
const TAIL: [&str; 3] = ["urgent_p99", "urgent_p99_9", "urgent_max"];

/// The urgent operations of a cell, or the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// Of all operations, from 0 to 1.
    pub share: f64,
    /// How many completed, in all trials that count; hosts added up.
    #[serde(default)]
    pub ops: u64,
    /// Per second; hosts added up. Zero in a trial without any, which has no percentiles then.
    pub iops: Option<Estimate>,
    /// Bytes per second; hosts added up.
    pub bandwidth_bytes_per_s: Option<Estimate>,
    /// What the application waited for one.
    pub latency_ns: Latency,
    /// Urgent ones: how many others overtook them. null of the others.
    pub overtaken: Option<Overtaken>,
    /// The others: how many of them were starved. null of urgent ones.
    pub starved: Option<Starved>,
}

/// An operation overtakes an urgent one that is handed over with it or after it, and is seen complete before it: an
/// inversion. Counted in all trials that count; a lower bound where operations do not come back in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overtaken {
    /// Urgent operations that some others overtook, of all urgent ones, from 0 to 1.
    pub share: f64,
    /// How many others overtook an urgent operation, on average over all of them.
    pub mean: f64,
    /// The most that overtook one.
    pub max: u64,
}

/// Operations that waited for more than ten times the median of those that are not urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Starved {
    /// That long, in nanoseconds.
    pub above_ns: u64,
    /// How many.
    pub count: u64,
    /// Of those that are not urgent, from 0 to 1.
    pub share: f64,
}

impl Lane {
    /// A number by the end of the name that expectations use: `iops`, `p50` and so on.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let latency = &self.latency_ns;
        match name {
            "iops" => self.iops.as_ref().map(|iops| iops.mean),
            "p50" => Some(latency.p50 as f64),
            "p99" => Some(latency.p99 as f64),
            "p99_9" => Some(latency.p99_9 as f64),
            "max" => Some(latency.max as f64),
            "overtaken_share" => self.overtaken.map(|overtaken| overtaken.share),
            "overtaken_mean" => self.overtaken.map(|overtaken| overtaken.mean),
            "starved_share" => self.starved.map(|starved| starved.share),
            _ => None,
        }
    }

    /// One value a trial, by the same names.
    #[must_use]
    pub fn samples(&self, name: &str) -> Option<&Vec<f64>> {
        match name {
            "iops" => self.iops.as_ref().map(|iops| &iops.samples),
            "p50" => Some(&self.latency_ns.samples.p50),
            "p99" => Some(&self.latency_ns.samples.p99),
            _ => None,
        }
    }
}

/// How many urgent operations a trial had on average, where that is too few; `None` where it is enough, or there is no
/// word of them.
fn too_few(cell: &CellSummary) -> Option<f64> {
    let (ops, trials) = (cell.urgent.as_ref()?.ops, u64::from(cell.trials.complete));
    (ops < FEWEST * trials).then(|| ops as f64 / trials as f64)
}

/// A mean with one digit, if that says anything.
fn short(mean: f64) -> f64 {
    (10.0 * mean).round() / 10.0
}

/// Why a comparison in this metric has no verdict, whatever its figures say.
pub(super) fn untold(metric: &str, cells: [&CellSummary; 2]) -> Option<String> {
    if !TAIL.contains(&metric) {
        return None;
    }
    let (arm, mean) = cells.iter().find_map(|cell| Some((&cell.arm, too_few(cell)?)))?;
    Some(format!("{arm} had {} urgent operations a trial, and this takes {FEWEST}", short(mean)))
}

/// That urgent operations were asked for in a cell, and there were too few.
pub(super) fn warn(warnings: &mut Warnings, cell: &CellSummary) {
    if cell.trials.complete == 0 {
        return;
    }
    let name = across::name(&cell.arm, &cell.params);
    let message = match (&cell.urgent, too_few(cell)) {
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
pub(super) struct Gathered {
    latency: Option<Histogram<u64>>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    iops: Vec<f64>,
    bytes_per_s: Vec<f64>,
}

impl Gathered {
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
