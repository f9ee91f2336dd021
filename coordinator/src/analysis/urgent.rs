//! Urgent operations and the others, each by themselves: what preferring some brought these, and what it cost those.

use hdrhistogram::Histogram;
use proto::outcome::UrgentCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cells::percentiles,
    merge::{self, Part},
    set::{Estimate, Latency},
    stats,
};

/// An operation that is not urgent is starved where it waits for more than so many times the median of its like.
pub const STARVED: u64 = 10;

/// The urgent operations of a cell, or the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// Of all operations, from 0 to 1.
    pub share: f64,
    /// Per second; hosts added up.
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
    pub(super) fn add(&mut self, of_trial: Option<&Part>) {
        let Some(part) = of_trial else { return };
        self.p50.push(part.latency.value_at_quantile(0.5) as f64);
        self.p99.push(part.latency.value_at_quantile(0.99) as f64);
        self.iops.push(part.iops);
        self.bytes_per_s.push(part.bytes_per_s);
        merge::add_some(&mut self.latency, Some(&part.latency));
    }

    /// Of `all` operations; `None` where there were none.
    fn lane(self, all: u64) -> Option<Lane> {
        let latency = self.latency.filter(|latency| !latency.is_empty())?;
        Some(Lane {
            share: latency.len() as f64 / all.max(1) as f64,
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
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_more_than_ten_medians_is_starved() {
        let mut latency = proto::histogram::empty();
        latency.record_n(1_000, 90).unwrap();
        latency.record_n(10_000, 6).unwrap();
        latency.record_n(11_000, 3).unwrap();
        latency.record_n(1_000_000, 1).unwrap();
        let found = starved(&latency);
        assert_eq!((found.above_ns, found.count, found.share), (10_000, 4, 0.04));
        let mut even = proto::histogram::empty();
        even.record_n(1_000, 5).unwrap();
        assert_eq!(starved(&even).count, 0);
    }

    #[test]
    fn a_lane_is_of_its_trials() {
        let part = |value: u64, ops: u64| {
            let mut latency = proto::histogram::empty();
            latency.record_n(value, ops).unwrap();
            Part { iops: ops as f64, bytes_per_s: 0.0, latency }
        };
        let mut gathered = Gathered::default();
        gathered.add(Some(&part(1_000, 10)));
        gathered.add(None);
        gathered.add(Some(&part(3_000, 30)));
        let counts = UrgentCounts { ops: 40, overtaken: 10, overtakers: 80, most_overtakers: 60 };
        let lane = gathered.urgent(4_000, Some(counts)).unwrap();
        assert_eq!(
            (lane.share, lane.metric("iops"), lane.samples("p50").unwrap().len()),
            (0.01, Some(20.0), 2)
        );
        assert_eq!([lane.metric("overtaken_share"), lane.metric("overtaken_mean")], [Some(0.25), Some(2.0)]);
        assert_eq!((lane.metric("starved_share"), lane.metric("p90")), (None, None));
        assert_eq!(Gathered::default().bulk(1), None, "nothing is urgent: there are no others");
    }
}
