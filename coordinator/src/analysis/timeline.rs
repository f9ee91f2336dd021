//! The latency curve of a cell, and its latency over the time of a trial.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proto::outcome::{Direction, Interval};

use super::merge;
use crate::summary::timeline::{CurvePoint, TimelinePoint};

/// The maximum number of points in a timeline. In longer trials, neighbouring intervals are merged.
const MAX_POINTS: usize = 60;
/// Shares of operations that take longer, within a decade. The quantiles are about evenly spaced on the scale of
/// 1 / (1 - quantile) and include 0, 50, 90 and 99 %.
const TAILS: [f64; 6] = [1.0, 0.681, 0.5, 0.316, 0.215, 0.147];

/// The latency curve: six points per decade, up to the last quantile beyond which there is an operation.
#[must_use]
pub fn curve(latency: &Histogram<u64>) -> Vec<CurvePoint> {
    let count = latency.len() as f64;
    let tails = (0..).flat_map(|decade| TAILS.map(|tail| tail / 10f64.powi(decade)));
    let seen = tails.take_while(|tail| tail * count >= 1.0);
    let point = |tail: f64| {
        // Rounding yields 0.999 instead of 0.99899999….
        let quantile = ((1.0 - tail) * 1e12).round() / 1e12;
        CurvePoint { quantile, ns: latency.value_at_quantile(quantile) }
    };
    seen.map(point).collect()
}

/// Trials merged interval by interval.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    slots: Vec<Slot>,
    /// Intervals in a slot.
    stride: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    latency: Histogram<u64>,
    /// Operations and their time in nanoseconds, by host.
    hosts: BTreeMap<String, (u64, u64)>,
    /// The sum of the trials' times at the end of the slot, in nanoseconds, and the number of trials.
    ends: (u64, u64),
}

impl Default for Timeline {
    fn default() -> Self {
        Self { slots: Vec::new(), stride: 1 }
    }
}

impl Timeline {
    /// Makes room for a host's intervals within the common window of a trial, to be added in order.
    pub(super) fn part<'a>(&'a mut self, host: &'a str, count: usize) -> HostPart<'a> {
        while count > MAX_POINTS * self.stride {
            self.halve();
        }
        HostPart { timeline: self, host, count, index: 0, begin_ns: 0 }
    }

    /// Merges neighbouring slots.
    fn halve(&mut self) {
        let mut slots = std::mem::take(&mut self.slots).into_iter();
        while let Some(mut slot) = slots.next() {
            if let Some(next) = slots.next() {
                merge::add(&mut slot.latency, &next.latency);
                for (host, (ops, ns)) in next.hosts {
                    let done = slot.hosts.entry(host).or_default();
                    (done.0, done.1) = (done.0 + ops, done.1 + ns);
                }
                slot.ends = next.ends;
            }
            self.slots.push(slot);
        }
        self.stride *= 2;
    }

    /// The points in order of time; slots without a completed operation have none.
    pub(super) fn points(&self) -> Vec<TimelinePoint> {
        let point = |slot: &Slot| TimelinePoint {
            t_s: (slot.ends.0 / slot.ends.1.max(1)) as f64 / 1e9,
            p50: slot.latency.value_at_quantile(0.5),
            p99: slot.latency.value_at_quantile(0.99),
            iops: slot.hosts.values().map(|(ops, ns)| *ops as f64 * 1e9 / (*ns).max(1) as f64).sum(),
        };
        self.slots.iter().filter(|slot| !slot.latency.is_empty()).map(point).collect()
    }
}

/// The intervals of a host in a trial.
#[derive(Debug)]
pub(super) struct HostPart<'a> {
    timeline: &'a mut Timeline,
    host: &'a str,
    count: usize,
    /// Of the next interval.
    index: usize,
    /// The begin of the first.
    begin_ns: u64,
}

impl HostPart<'_> {
    /// Adds the next interval.
    pub(super) fn add(&mut self, interval: &Interval) {
        let (index, stride) = (self.index, self.timeline.stride);
        if index == 0 {
            self.begin_ns = interval.begin_ns;
        }
        self.index += 1;
        let slots = &mut self.timeline.slots;
        if index / stride == slots.len() {
            slots.push(Slot { latency: proto::histogram::empty(), hosts: BTreeMap::new(), ends: (0, 0) });
        }
        let Some(slot) = slots.get_mut(index / stride) else { return };
        let done = slot.hosts.entry(self.host.to_owned()).or_default();
        done.1 += interval.end_ns.saturating_sub(interval.begin_ns);
        // Syncs do not count as operations.
        for series in interval.series.iter().filter(|series| series.direction != Direction::Sync) {
            done.0 += series.latency.len();
            merge::add(&mut slot.latency, &series.latency);
        }
        let last_of_slot = self.index.is_multiple_of(stride) || self.index == self.count;
        if last_of_slot {
            slot.ends.0 += interval.end_ns.saturating_sub(self.begin_ns);
            slot.ends.1 += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::outcome::Series;

    use super::*;

    fn interval(index: u32, value: u64, count: u64) -> Interval {
        let mut latency = proto::histogram::empty::<u64>();
        latency.record_n(value, count).unwrap();
        let begin_ns = 7_000_000_000 + u64::from(index) * 1_000_000_000;
        let series = |direction| Series { direction, bytes: 0, latency: latency.clone(), service: None };
        let series = vec![series(Direction::Read), series(Direction::Sync)];
        Interval { index, begin_ns, end_ns: begin_ns + 1_000_000_000, series }
    }

    fn add(timeline: &mut Timeline, host: &str, intervals: &[Interval]) {
        let mut part = timeline.part(host, intervals.len());
        intervals.iter().for_each(|interval| part.add(interval));
    }

    #[test]
    fn a_curve_ends_at_the_last_operation() {
        let mut latency = proto::histogram::empty::<u64>();
        for value in 1..=1000u64 {
            latency.record(value).unwrap();
        }
        let points = curve(&latency);
        let quantiles: Vec<f64> = points.iter().map(|point| point.quantile).collect();
        assert_eq!(quantiles[..4], [0.0, 0.319, 0.5, 0.684]);
        assert_eq!((points.len(), *quantiles.last().unwrap()), (19, 0.999));
        assert!(points.iter().all(|point| point.ns.abs_diff((point.quantile * 1000.0).max(1.0) as u64) <= 1));
        assert!(curve(&proto::histogram::empty()).is_empty());
    }

    #[test]
    fn trials_are_averaged_and_hosts_add_up() {
        let mut timeline = Timeline::default();
        for host in ["n1", "n2"] {
            add(&mut timeline, host, &[interval(0, 100, 10), interval(1, 200, 30)]);
            add(&mut timeline, host, &[interval(3, 100, 20), interval(4, 200, 30)]);
        }
        let points = timeline.points();
        let of = |point: &TimelinePoint| (point.t_s, point.p50, point.p99, point.iops);
        assert_eq!(points.iter().map(of).collect::<Vec<_>>(), [(1.0, 100, 100, 30.0), (2.0, 200, 200, 60.0)]);
    }

    #[test]
    fn a_long_trial_has_few_points() {
        let long: Vec<Interval> = (0..150).map(|index| interval(index, 50, 5)).collect();
        let mut timeline = Timeline::default();
        add(&mut timeline, "n1", &long[..10]);
        add(&mut timeline, "n1", &long);
        let points = timeline.points();
        assert_eq!((points.len(), timeline.stride), (38, 4));
        assert!(points.iter().all(|point| point.iops == 5.0), "{points:?}");
        assert_eq!(points.last().unwrap().t_s, 150.0);
        assert!(points.windows(2).all(|pair| pair[0].t_s < pair[1].t_s), "{points:?}");
    }
}
