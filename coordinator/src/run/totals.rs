//! Running totals of a trial: all that the display needs of the intervals, which are not kept.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proto::outcome::Interval;

use crate::analysis::merge;

/// The totals of a trial. Their size depends on the number of hosts, and hardly on that of intervals.
#[derive(Debug)]
pub(super) struct Totals {
    hosts: BTreeMap<String, HostTotals>,
    /// Latencies of the whole trial.
    latency: Histogram<u64>,
    /// The newest slice that a host has finished, and the latencies of it so far.
    newest: (u32, Histogram<u64>),
    /// Latencies of the slice before it, which most hosts have finished; empty during the first.
    previous: Histogram<u64>,
}

#[derive(Debug)]
struct HostTotals {
    /// The first and the last edge, in nanoseconds on the host's clock.
    span_ns: (u64, u64),
    ops: u64,
    /// Operations per second in the newest slice.
    rate: f64,
}

impl Default for Totals {
    fn default() -> Self {
        let empty = proto::histogram::empty;
        Self { hosts: BTreeMap::new(), latency: empty(), newest: (0, empty()), previous: empty() }
    }
}

impl Totals {
    /// Adds a slice of a host.
    pub(super) fn add(&mut self, host: &str, interval: &Interval) {
        if interval.index > self.newest.0 {
            std::mem::swap(&mut self.previous, &mut self.newest.1);
            self.newest.0 = interval.index;
            self.newest.1.reset();
        }
        for series in &interval.series {
            merge::add(&mut self.latency, &series.latency);
            merge::add(&mut self.newest.1, &series.latency);
        }
        let (ops, seconds) = (interval.ops(), interval.end_ns.saturating_sub(interval.begin_ns) as f64 / 1e9);
        let span_ns = (interval.begin_ns, interval.end_ns);
        if !self.hosts.contains_key(host) {
            self.hosts.insert(host.to_owned(), HostTotals { span_ns, ops: 0, rate: 0.0 });
        }
        if let Some(totals) = self.hosts.get_mut(host) {
            totals.span_ns.1 = interval.end_ns;
            totals.ops += ops;
            totals.rate = if seconds > 0.0 { ops as f64 / seconds } else { 0.0 };
        }
    }

    /// The rate of all hosts, each in its newest slice, and the latencies of a slice.
    pub(super) fn live(&self) -> (f64, &Histogram<u64>) {
        let latency = if self.previous.is_empty() { &self.newest.1 } else { &self.previous };
        (self.hosts.values().map(|host| host.rate).sum(), latency)
    }

    /// The rate of all hosts and all latencies over the whole trial; `None` if nothing was measured.
    pub(super) fn whole(&self) -> Option<(f64, &Histogram<u64>)> {
        let rate = |host: &HostTotals| {
            let ns = host.span_ns.1.saturating_sub(host.span_ns.0);
            if ns == 0 { 0.0 } else { host.ops as f64 * 1e9 / ns as f64 }
        };
        (!self.latency.is_empty()).then(|| (self.hosts.values().map(rate).sum(), &self.latency))
    }
}

#[cfg(test)]
mod tests {
    use proto::outcome::{Direction, Series};

    use super::*;

    fn interval(index: u32, value: u64, count: u64) -> Interval {
        let mut latency = proto::histogram::empty();
        latency.saturating_record_n(value, count);
        let series = vec![Series { direction: Direction::Read, bytes: 0, latency, service: None }];
        let begin_ns = 7_000_000_000 + u64::from(index) * 500_000_000;
        Interval { index, begin_ns, end_ns: begin_ns + 500_000_000, series }
    }

    #[test]
    fn hosts_add_up_and_slices_follow_each_other() {
        let mut totals = Totals::default();
        assert!(totals.whole().is_none() && totals.live().1.is_empty());
        totals.add("n1", &interval(0, 100, 10));
        totals.add("n2", &interval(0, 300, 30));
        let (rate, latency) = totals.live();
        assert_eq!((rate, latency.len(), latency.max()), (80.0, 40, 300));
        totals.add("n1", &interval(1, 500, 20));
        let (rate, latency) = totals.live();
        assert_eq!(
            (rate, latency.len(), latency.max()),
            (100.0, 40, 300),
            "the slice that all have finished"
        );
        totals.add("n2", &interval(2, 700, 5));
        assert_eq!(totals.live().1.max(), 500);
        let (rate, latency) = totals.whole().unwrap();
        assert_eq!((latency.len(), latency.max()), (65, 711.min(latency.max())));
        // n2 missed a slice: 35 operations in 1.5 s.
        assert_eq!(rate, 30.0 + 35.0 / 1.5);
    }
}
