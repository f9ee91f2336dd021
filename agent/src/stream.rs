//! Merges the slices of many workers into intervals of one host, while the trial runs.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proto::{
    histogram,
    outcome::{Direction, Interval, Series},
};

use crate::worker::recorder::{SERIES, Slice, Slices};

/// Merges finished slices, interval by interval.
pub struct Merger {
    workers: Vec<Source>,
    pending: BTreeMap<u32, Pending>,
    /// The end of the last interval returned, which is the begin of the next. Intervals have no gaps, so their lengths
    /// add up to that of the window.
    edge_ns: Option<u64>,
}

struct Source {
    slices: Slices,
    /// The first interval that the worker may still add to.
    next_index: u32,
}

#[derive(Default)]
struct Pending {
    begins: Vec<u64>,
    ends: Vec<u64>,
    latency: [Option<Histogram<u64>>; SERIES],
    service: [Option<Histogram<u64>>; SERIES],
    bytes: [u64; SERIES],
}

impl Merger {
    /// Merges slices from these workers.
    #[must_use]
    pub fn new(slices: Vec<Slices>) -> Self {
        let workers = slices.into_iter().map(|slices| Source { slices, next_index: 0 }).collect();
        Self { workers, pending: BTreeMap::new(), edge_ns: None }
    }

    /// Takes the slices that workers have finished, and returns the intervals that are complete for all workers.
    pub fn poll(&mut self) -> Vec<Interval> {
        for worker in &mut self.workers {
            while let Some(slice) = worker.slices.take() {
                worker.next_index = slice.next_index;
                // A worker that was cancelled during the warm-up has nothing to add, and no edges.
                if slice.end_ns > 0 {
                    self.pending.entry(slice.index).or_default().add(&slice);
                }
                worker.slices.give_back(slice);
            }
        }
        let complete = self.workers.iter().map(|worker| worker.next_index).min().unwrap_or(0);
        let mut out = Vec::new();
        while let Some(entry) = self.pending.first_entry()
            && *entry.key() < complete
        {
            let (index, pending) = entry.remove_entry();
            let begin_ns = self.edge_ns.unwrap_or_else(|| mean(&pending.begins));
            let end_ns = mean(&pending.ends).max(begin_ns);
            self.edge_ns = Some(end_ns);
            out.push(Interval { index, begin_ns, end_ns, series: pending.into_series() });
        }
        out
    }
}

impl Pending {
    fn add(&mut self, slice: &Slice) {
        self.begins.push(slice.begin_ns);
        self.ends.push(slice.end_ns);
        add_all(&mut self.latency, &slice.latency);
        add_all(&mut self.service, &slice.service);
        self.bytes.iter_mut().zip(slice.bytes).for_each(|(sum, more)| *sum += more);
    }

    fn into_series(self) -> Vec<Series> {
        Direction::ALL
            .into_iter()
            .zip(self.latency.into_iter().zip(self.service))
            .zip(self.bytes)
            .filter_map(|((direction, (latency, service)), bytes)| {
                Some(Series { direction, bytes, latency: latency?, service })
            })
            .collect()
    }
}

fn add_all(sums: &mut [Option<Histogram<u64>>], more: &[Histogram<u32>]) {
    for (sum, more) in sums.iter_mut().zip(more).filter(|(_, more)| !more.is_empty()) {
        let sum = sum.get_or_insert_with(histogram::empty);
        for bucket in more.iter_recorded() {
            sum.saturating_record_n(bucket.value_iterated_to(), u64::from(bucket.count_at_value()));
        }
    }
}

/// The mean of times, without overflow.
pub(crate) fn mean(times: &[u64]) -> u64 {
    let sum: u128 = times.iter().map(|time| u128::from(*time)).sum();
    sum.checked_div(times.len() as u128).unwrap_or(0) as u64
}

#[cfg(test)]
mod tests {
    use proto::outcome::Lane;

    use super::*;
    use crate::{
        clock::HotClock,
        worker::recorder::{Recorded, Recorder},
        workload::OpKind,
    };

    struct Script {
        recorder: Recorder,
        clock: HotClock,
    }

    fn script() -> (Script, Slices) {
        let clock = HotClock::new();
        let (mut recorder, slices) =
            Recorder::new(clock.clone(), Recorded { last: Direction::Write, open: false }, 3);
        recorder.start_over(1000);
        (Script { recorder, clock }, slices)
    }

    impl Script {
        fn op(&mut self, kind: OpKind) {
            let now = self.clock.ticks_in(5000);
            self.recorder.complete(kind, Lane::Bulk, 512, 0, now);
            self.recorder.flush(now);
        }
    }

    #[test]
    fn intervals_wait_for_the_slowest_worker_without_gaps() {
        let ((mut a, slices_a), (mut b, slices_b)) = (script(), script());
        let mut merger = Merger::new(vec![slices_a, slices_b]);
        a.op(OpKind::Read);
        a.recorder.swap(2000, 1);
        assert_eq!(merger.poll(), [], "b may still add to the first interval");
        b.op(OpKind::Write);
        // b missed a boundary: its slice ends in the third interval.
        b.recorder.swap(3200, 2);
        let first = merger.poll();
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].index, first[0].begin_ns, first[0].end_ns), (0, 1000, 2600));
        assert_eq!(first[0].series.len(), 2);
        assert_eq!(first[0].series[1].bytes, 512);
        a.op(OpKind::Read);
        a.op(OpKind::Read);
        a.recorder.swap(3000, 2);
        a.recorder.finish(4000);
        b.recorder.finish(4000);
        let rest = merger.poll();
        let edges: Vec<_> = rest.iter().map(|i| (i.index, i.begin_ns, i.end_ns, i.ops())).collect();
        assert_eq!(edges, [(1, 2600, 3000, 2), (2, 3000, 4000, 0)]);
    }
}
