//! Merges intervals into the result of a host, and hosts into the result of a trial.

use hdrhistogram::Histogram;
use proto::outcome::{Interval, Kind, Lane};

use crate::metric::trial::{Part, Work};

impl Work {
    /// The operations that are not urgent; all if none is.
    #[must_use]
    pub fn bulk(&self) -> Part {
        let all = Part { iops: self.iops, bytes_per_s: self.bytes_per_s, latency: self.latency.clone() };
        let Some(urgent) = &self.urgent else { return all };
        let latency = less(&all.latency, &urgent.latency);
        // Sums of rates differ in their last digits, so an empty rest is zero by definition.
        let rest = |all: f64, urgent: f64| if latency.is_empty() { 0.0 } else { all - urgent };
        Part {
            iops: rest(all.iops, urgent.iops),
            bytes_per_s: rest(all.bytes_per_s, urgent.bytes_per_s),
            latency,
        }
    }
}

/// The sum of a host's intervals, added one at a time.
#[derive(Debug)]
pub struct Sum {
    latency: Histogram<u64>,
    service: Option<Histogram<u64>>,
    sync: Option<Histogram<u64>>,
    urgent: Option<Histogram<u64>>,
    bytes: u64,
    urgent_bytes: u64,
    duration_ns: u64,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            latency: proto::histogram::empty(),
            service: None,
            sync: None,
            urgent: None,
            bytes: 0,
            urgent_bytes: 0,
            duration_ns: 0,
        }
    }
}

impl Sum {
    /// Adds an interval.
    pub fn add(&mut self, interval: &Interval) {
        self.duration_ns += interval.end_ns.saturating_sub(interval.begin_ns);
        for series in &interval.series {
            if series.direction.kind() == Kind::Sync {
                add_some(&mut self.sync, Some(&series.latency));
                continue;
            }
            if series.direction.lane() == Lane::Urgent && !series.latency.is_empty() {
                self.urgent_bytes += series.bytes;
                add_some(&mut self.urgent, Some(&series.latency));
            }
            self.bytes += series.bytes;
            add(&mut self.latency, &series.latency);
            add_some(&mut self.service, series.service.as_ref());
        }
    }

    /// The result: operations and bytes over the summed duration of the intervals. `None` if that is zero.
    #[must_use]
    pub fn finish(self) -> Option<Work> {
        let seconds = self.duration_ns as f64 / 1e9;
        (self.duration_ns > 0).then(|| Work {
            iops: self.latency.len() as f64 / seconds,
            bytes_per_s: self.bytes as f64 / seconds,
            syncs_per_s: self.sync.as_ref().map_or(0.0, |sync| sync.len() as f64 / seconds),
            sync: self.sync,
            latency: self.latency,
            service: self.service,
            urgent: self.urgent.map(|latency| Part {
                iops: latency.len() as f64 / seconds,
                bytes_per_s: self.urgent_bytes as f64 / seconds,
                latency,
            }),
        })
    }
}

/// The result of several hosts together: rates and histograms are added. `None` without a host.
#[must_use]
pub fn hosts(parts: impl IntoIterator<Item = Work>) -> Option<Work> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next()?;
    for part in parts {
        sum.iops += part.iops;
        sum.bytes_per_s += part.bytes_per_s;
        sum.syncs_per_s += part.syncs_per_s;
        add_some(&mut sum.sync, part.sync.as_ref());
        add(&mut sum.latency, &part.latency);
        add_some(&mut sum.service, part.service.as_ref());
        add_part(&mut sum.urgent, part.urgent.as_ref());
    }
    Some(sum)
}

fn add_part(sum: &mut Option<Part>, part: Option<&Part>) {
    match (sum, part) {
        (Some(sum), Some(part)) => {
            sum.iops += part.iops;
            sum.bytes_per_s += part.bytes_per_s;
            add(&mut sum.latency, &part.latency);
        }
        (sum @ None, Some(part)) => *sum = Some(part.clone()),
        (_, None) => {}
    }
}

/// Subtracts the histogram of a part from that of all.
#[allow(clippy::expect_used, reason = "taking out fails only for what is not in it, and all of the part is")]
fn less(all: &Histogram<u64>, part: &Histogram<u64>) -> Histogram<u64> {
    let mut rest = all.clone();
    rest.subtract(part).expect("the part is in it");
    rest
}

/// Adds an optional histogram to an optional sum.
pub(super) fn add_some(sum: &mut Option<Histogram<u64>>, part: Option<&Histogram<u64>>) {
    match (sum, part) {
        (Some(sum), Some(part)) => add(sum, part),
        (sum @ None, Some(part)) => *sum = Some(part.clone()),
        (_, None) => {}
    }
}

/// Adds a histogram to another with the same bounds.
#[allow(clippy::expect_used, reason = "adding fails only for a value above the bound, which all share")]
pub fn add(sum: &mut Histogram<u64>, part: &Histogram<u64>) {
    sum.add(part).expect("histograms share their bounds");
}

#[cfg(test)]
mod tests {
    use proto::outcome::Direction;

    use proptest::prelude::*;
    use proto::outcome::Series;

    use super::{super::packed::PackedWork, *};

    fn host(intervals: &[Interval]) -> Option<Work> {
        let mut sum = Sum::default();
        intervals.iter().for_each(|interval| sum.add(interval));
        sum.finish()
    }

    fn interval(index: u32, duration_ns: u64, reads: &[u64], writes: &[u64]) -> Interval {
        let series = |direction, values: &[u64]| {
            let mut latency = proto::histogram::empty();
            values.iter().for_each(|value| latency.saturating_record(*value));
            Series { direction, bytes: 4096 * values.len() as u64, latency, service: None }
        };
        let begin_ns = 5 + u64::from(index) * duration_ns;
        Interval {
            index,
            begin_ns,
            end_ns: begin_ns + duration_ns,
            series: vec![series(Direction::Read, reads), series(Direction::Write, writes)],
        }
    }

    #[test]
    fn rates_are_per_host_and_add_up() {
        let fast = host(&[interval(0, 500_000_000, &[10; 50], &[20; 50])]).unwrap();
        let slow = host(&[interval(0, 1_000_000_000, &[10; 10], &[])]).unwrap();
        assert_eq!((fast.iops, slow.iops), (200.0, 10.0));
        let both = hosts([fast, slow]).unwrap();
        assert_eq!((both.iops, both.bytes_per_s, both.latency.len()), (210.0, 210.0 * 4096.0, 110));
        assert!(host(&[]).is_none() && hosts([]).is_none());
    }

    #[test]
    fn urgent_operations_are_in_the_total_and_separate() {
        let mut mixed = interval(0, 500_000_000, &[10; 50], &[20; 10]);
        let mut latency = proto::histogram::empty();
        latency.saturating_record_n(10, 4);
        let urgent = Series { direction: Direction::UrgentRead, bytes: 2048, latency, service: None };
        mixed.series.push(urgent);
        let one = host(&[mixed]).unwrap();
        let (urgent, bulk) = (one.urgent.as_ref().unwrap(), one.bulk());
        assert_eq!((one.iops, urgent.iops, bulk.iops), (128.0, 8.0, 120.0));
        assert_eq!((urgent.bytes_per_s, bulk.bytes_per_s), (4096.0, 120.0 * 4096.0));
        assert_eq!((bulk.latency.count_at(10), bulk.latency.count_at(20)), (50, 10));
        let none = host(&[interval(0, 500_000_000, &[10; 50], &[])]).unwrap();
        assert!(none.urgent.is_none());
        assert_eq!((none.bulk().iops, none.bulk().latency.len()), (100.0, 50), "all are bulk");
        for both in [hosts([none.clone(), one.clone()]).unwrap(), hosts([one, none]).unwrap()] {
            let bulk = both.bulk();
            assert_eq!((both.urgent.unwrap().iops, bulk.iops, bulk.latency.len()), (8.0, 220.0, 110));
            assert_eq!(bulk.bytes_per_s, 220.0 * 4096.0);
        }
        let mut alone = interval(0, 300_000_000, &[10; 7], &[]);
        alone.series.iter_mut().for_each(|series| series.direction = Direction::UrgentRead);
        let (bulk, all) = (host(&[alone.clone()]).unwrap().bulk(), host(&[alone]).unwrap());
        assert_eq!((bulk.iops, bulk.bytes_per_s, bulk.latency.len()), (0.0, 0.0, 0));
        assert_eq!(all.urgent.unwrap().latency.len(), 7);
    }

    /// Latencies of a thread: spread evenly, over magnitudes, or around two places far apart.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        let even = 1..10_000_000_000u64;
        let by_magnitude = (0..35u32, 0..1000u64).prop_map(|(bits, more)| (1u64 << bits) + more);
        let two_places = prop_oneof![20_000..21_000u64, 8_000_000..8_100_000u64];
        prop_oneof![
            prop::collection::vec(even, 1..40),
            prop::collection::vec(by_magnitude, 1..40),
            prop::collection::vec(two_places, 1..40),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Threads are merged by the agent, intervals and hosts here. Neither may cost accuracy.
        #[test]
        fn percentiles_are_those_of_the_union_of_all_samples(
            hosts_of_threads in prop::collection::vec(
                prop::collection::vec((values(), values()), 1..9), 1..12,
            ),
        ) {
            let mut all: Vec<u64> = Vec::new();
            let mut works = Vec::new();
            for threads in &hosts_of_threads {
                let first: Vec<u64> = threads.iter().flat_map(|(first, _)| first).copied().collect();
                let second: Vec<u64> = threads.iter().flat_map(|(_, second)| second).copied().collect();
                all.extend(first.iter().chain(&second));
                works.extend(host(&[interval(0, 1_000_000_000, &first, &[]), interval(1, 1_000_000_000, &[], &second)]));
            }
            all.sort_unstable();
            // As the analysis keeps them.
            let packed: Vec<PackedWork> = works.iter().map(PackedWork::from).collect();
            let merged = hosts(packed.iter().map(PackedWork::unpack)).unwrap();
            prop_assert_eq!(merged.latency.len(), all.len() as u64);
            for quantile in [0.001, 0.5, 0.9, 0.99, 0.999, 1.0] {
                let rank = ((quantile * all.len() as f64).ceil() as usize).clamp(1, all.len());
                let (exact, found) = (all[rank - 1] as f64, merged.latency.value_at_quantile(quantile) as f64);
                prop_assert!((found - exact).abs() <= 1.0 + exact * 1e-3, "{} is not {}", found, exact);
            }
        }

        #[test]
        fn merging_keeps_counts_and_quantiles(
            groups in prop::collection::vec(prop::collection::vec(1..10_000_000_000u64, 1..60), 1..5),
        ) {
            let works: Vec<Work> =
                groups.iter().map(|group| host(&[interval(0, 1_000_000_000, group, &[])]).unwrap()).collect();
            let merged = hosts(works).unwrap();
            let mut all: Vec<u64> = groups.concat();
            all.sort_unstable();
            prop_assert_eq!(merged.latency.len(), all.len() as u64);
            for quantile in [0.5, 0.9, 0.99, 1.0] {
                let rank = ((quantile * all.len() as f64).ceil() as usize).clamp(1, all.len());
                let (exact, found) = (all[rank - 1] as f64, merged.latency.value_at_quantile(quantile) as f64);
                prop_assert!((found - exact).abs() <= 1.0 + exact * 1e-3, "{} is not {}", found, exact);
            }
        }
    }
}
