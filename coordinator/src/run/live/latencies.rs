//! The latencies of a trial: all that views need of the intervals, which are not kept.

use hdrhistogram::Histogram;
use proto::outcome::Interval;

use crate::analysis::merge;

/// The latencies of all hosts in a trial. Their size does not depend on the number of hosts or intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies {
    /// Those of the whole trial.
    whole: Histogram<u64>,
    /// The newest slice that a host has finished, and the latencies of it so far.
    newest: (u32, Histogram<u64>),
    /// Those of the slice before it, which most hosts have finished; empty during the first.
    previous: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        let empty = proto::histogram::empty;
        Self { whole: empty(), newest: (0, empty()), previous: empty() }
    }
}

impl Latencies {
    /// Adds an interval of a host.
    pub(super) fn add(&mut self, interval: &Interval) {
        if interval.index > self.newest.0 {
            std::mem::swap(&mut self.previous, &mut self.newest.1);
            self.newest.0 = interval.index;
            self.newest.1.reset();
        }
        for series in &interval.series {
            merge::add(&mut self.whole, &series.latency);
            merge::add(&mut self.newest.1, &series.latency);
        }
    }

    /// The latencies of a slice, as far as hosts have finished it.
    #[must_use]
    pub fn of_slice(&self) -> &Histogram<u64> {
        if self.previous.is_empty() { &self.newest.1 } else { &self.previous }
    }

    /// The latencies of the whole trial; `None` if nothing was measured.
    #[must_use]
    pub fn whole(&self) -> Option<&Histogram<u64>> {
        (!self.whole.is_empty()).then_some(&self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::interval, *};

    #[test]
    fn slices_follow_each_other() {
        let mut latencies = Latencies::default();
        assert!(latencies.whole().is_none() && latencies.of_slice().is_empty());
        latencies.add(&interval(0, 10, 100));
        latencies.add(&interval(0, 30, 300));
        assert_eq!((latencies.of_slice().len(), latencies.of_slice().max()), (40, 300));
        latencies.add(&interval(1, 20, 500));
        assert_eq!(latencies.of_slice().max(), 300, "the slice that all have finished");
        latencies.add(&interval(2, 5, 700));
        assert_eq!(latencies.of_slice().max(), 500);
        assert_eq!(latencies.whole().unwrap().len(), 65);
    }
}
