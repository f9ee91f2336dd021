//! The latencies of one worker, slice by slice. Full slices leave through a wait-free queue and empty ones return
//! through another: nothing is allocated or locked, and neither side waits.

use hdrhistogram::Histogram;
use proto::{
    histogram,
    outcome::{Direction, Kind, Lane},
    trial::Trial,
};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::{clock::HotClock, workload::OpKind};

/// The measurements of a worker between two edges.
pub struct Slice {
    /// The number of its interval, from 0.
    pub index: u32,
    /// The interval that the worker continues with: `index + 1`, or more if it missed a boundary.
    pub next_index: u32,
    /// First edge, in nanoseconds of CLOCK_MONOTONIC.
    pub begin_ns: u64,
    /// Second edge.
    pub end_ns: u64,
    /// Latency in nanoseconds, by [`OpKind::series`].
    pub latency: Vec<Histogram<u32>>,
    /// Open loop: service times in nanoseconds, in the same form. Empty in closed loop.
    pub service: Vec<Histogram<u32>>,
    /// Bytes moved, by [`OpKind::series`].
    pub bytes: [u64; SERIES],
}

/// The number of series: kinds of operations in lanes.
pub const SERIES: usize = Direction::ALL.len();

/// The histograms that a worker keeps.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// The last series that has one. Every series before it has one too, so that positions are fixed.
    pub last: Direction,
    /// Service time is recorded in addition to latency.
    pub open: bool,
}

impl Recorded {
    /// The histograms that a trial needs.
    #[must_use]
    pub fn of(trial: &Trial) -> Self {
        let work = &trial.workload;
        let occurs = |series: &Direction| {
            let kind = match series.kind() {
                Kind::Read => true,
                Kind::Write => work.writes(),
                Kind::Sync => work.sync.is_some(),
            };
            kind && trial.engine.lanes().contains(&series.lane())
        };
        let last = Direction::ALL.into_iter().rfind(occurs).unwrap_or(Direction::Read);
        Self { last, open: work.rate.is_some() }
    }

    /// The numbers of histograms of latency and of service time in a slice.
    fn counts(self) -> (usize, usize) {
        let series = self.last as usize + 1;
        (series, if self.open { series } else { 0 })
    }

    /// The number of histograms in a slice.
    #[must_use]
    pub fn count(self) -> usize {
        let (latency, service) = self.counts();
        latency + service
    }
}

impl Slice {
    fn new(recorded: Recorded) -> Self {
        let (latency, service) = recorded.counts();
        let empty = |count| (0..count).map(|_| histogram::empty()).collect();
        Self {
            index: 0,
            next_index: 1,
            begin_ns: 0,
            end_ns: 0,
            latency: empty(latency),
            service: empty(service),
            bytes: [0; SERIES],
        }
    }

    fn clear(&mut self) {
        self.latency.iter_mut().chain(&mut self.service).for_each(Histogram::reset);
        self.bytes = [0; SERIES];
    }
}

/// The reader's side of a [`Recorder`].
pub struct Slices {
    full: Consumer<Box<Slice>>,
    empty: Producer<Box<Slice>>,
}

impl Slices {
    /// The next full slice, if there is one.
    pub fn take(&mut self) -> Option<Box<Slice>> {
        self.full.pop().ok()
    }

    /// Clears a slice and returns it to the recorder.
    pub fn give_back(&mut self, mut slice: Box<Slice>) {
        slice.clear();
        // There is room for every slice, so this cannot fail. If it did, the slice would be dropped and boundaries
        // would come late, which is counted.
        let _ = self.empty.push(slice);
    }
}

/// Records the latencies of one worker.
pub struct Recorder {
    active: Box<Slice>,
    full: Producer<Box<Slice>>,
    empty: Consumer<Box<Slice>>,
    clock: HotClock,
    /// Completions of one batch that were submitted at the same clock reading, and so have the same latency.
    run: Run,
    /// Failed requests by errno, up to the largest errno of the kernel.
    errors: Box<[u64]>,
    /// Counts of errors and of omissions.
    pub tally: Tally,
}

#[derive(Default)]
struct Run {
    started: u64,
    series: usize,
    count: u32,
    bytes: u64,
}

/// Counts in addition to the histograms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests that transferred everything, by [`OpKind::series`].
    pub ops: [u64; SERIES],
    /// Number of operations that were overtaken by bulk operations; `overtakers`: sum of the bulk operations that
    /// overtook them; `most_overtakers`: maximum for one operation.
    pub overtaken: u64,
    /// See [`Self::overtaken`].
    pub overtakers: u64,
    /// See [`Self::overtaken`].
    pub most_overtakers: u64,
    /// Bytes that they moved.
    pub bytes: u64,
    /// Requests that transferred less than requested.
    pub short: u64,
    /// Latencies above the upper bound of the histogram.
    pub saturated: u64,
    /// Interval boundaries at which no empty slice was available.
    pub late_swaps: u64,
}

const ERRNOS: usize = 4096;

impl Recorder {
    /// A recorder and its reader's side. `spares` is the number of slices that the reader may hold.
    pub fn new(clock: HotClock, recorded: Recorded, spares: usize) -> (Self, Slices) {
        let (full_in, full_out) = RingBuffer::new(spares + 1);
        let (mut empty_in, empty_out) = RingBuffer::new(spares + 1);
        for _ in 0..spares {
            let _ = empty_in.push(Box::new(Slice::new(recorded)));
        }
        let recorder = Self {
            active: Box::new(Slice::new(recorded)),
            full: full_in,
            empty: empty_out,
            clock,
            run: Run::default(),
            errors: vec![0; ERRNOS].into(),
            tally: Tally::default(),
        };
        (recorder, Slices { full: full_out, empty: empty_in })
    }

    /// Records a request that transferred all its `len` bytes: submitted at `started`, seen complete at `now`, in
    /// ticks.
    #[inline]
    pub fn complete(&mut self, kind: OpKind, lane: Lane, len: u32, started: u64, now: u64) {
        let series = kind.series(lane);
        if self.run.started != started || self.run.series != series {
            self.flush(now);
            self.run = Run { started, series, count: 0, bytes: 0 };
        }
        self.run.count += 1;
        self.run.bytes += u64::from(len);
    }

    /// Records the service time of the same request, which was submitted at `issued`.
    #[inline]
    pub fn serve(&mut self, kind: OpKind, lane: Lane, issued: u64, now: u64) {
        let nanos = self.clock.nanos_between(issued, now);
        self.active.service[kind.series(lane)].saturating_record(nanos);
    }

    /// Records that `by` operations of the bulk lane overtook one of another lane.
    #[inline]
    pub fn overtaken(&mut self, by: u64) {
        self.tally.overtaken += u64::from(by > 0);
        self.tally.overtakers += by;
        self.tally.most_overtakers = self.tally.most_overtakers.max(by);
    }

    /// Must be called at the end of a batch, before `now` changes.
    #[inline]
    pub fn flush(&mut self, now: u64) {
        let count = std::mem::take(&mut self.run.count);
        if count == 0 {
            return;
        }
        let nanos = self.clock.nanos_between(self.run.started, now);
        let bytes = std::mem::take(&mut self.run.bytes);
        self.tally.ops[self.run.series] += u64::from(count);
        self.tally.bytes += bytes;
        self.active.bytes[self.run.series] += bytes;
        if nanos > histogram::HIGHEST_NS {
            self.tally.saturated += u64::from(count);
        }
        self.active.latency[self.run.series].saturating_record_n(nanos, count);
    }

    /// Records a request that failed, or transferred less than requested.
    #[cold]
    pub fn fail(&mut self, result: i32) {
        if result >= 0 {
            self.tally.short += 1;
        } else {
            self.errors[(result.unsigned_abs() as usize).min(ERRNOS - 1)] += 1;
        }
    }

    /// Discards everything recorded so far: the warm-up is over, and the first slice begins.
    pub fn start_over(&mut self, begin_ns: u64) {
        self.active.clear();
        self.active.index = 0;
        self.active.begin_ns = begin_ns;
        self.errors.fill(0);
        self.tally = Tally::default();
    }

    /// Ends the slice at an interval boundary; `next_index` is the interval that begins. If no empty slice is
    /// available, continues in the same slice.
    pub fn swap(&mut self, end_ns: u64, next_index: u32) {
        let Ok(empty) = self.empty.pop() else {
            self.tally.late_swaps += 1;
            return;
        };
        let mut done = std::mem::replace(&mut self.active, empty);
        done.end_ns = end_ns;
        done.next_index = next_index;
        self.active.index = next_index;
        self.active.begin_ns = end_ns;
        // The queue has room for every slice.
        let _ = self.full.push(done);
    }

    /// Ends the last slice. Returns the counts in addition to the histograms, and failed requests by errno.
    pub fn finish(self, end_ns: u64) -> (Tally, Vec<(i32, u64)>) {
        let Self { mut active, mut full, errors, tally, .. } = self;
        active.end_ns = end_ns;
        active.next_index = u32::MAX;
        let _ = full.push(active);
        let errors = errors.iter().enumerate().filter(|(_, count)| **count > 0);
        (tally, errors.map(|(errno, count)| (errno as i32, *count)).collect())
    }
}

/// The number of slices of a worker that the reader may hold at once. With many workers, memory does not suffice for a
/// reader that is late by more than an interval.
pub(super) fn spares(workers: u32) -> usize {
    if workers <= 16 { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(spares: usize) -> (Recorder, Slices, HotClock) {
        let clock = HotClock::new();
        let (recorder, slices) =
            Recorder::new(clock.clone(), Recorded { last: Direction::UrgentWrite, open: false }, spares);
        (recorder, slices, clock)
    }

    #[test]
    fn records_every_completion_of_a_batch() {
        let (mut recorder, mut slices, clock) = recorder(1);
        let ticks = clock.ticks_in(1_000_000);
        let now = 10 * ticks;
        for started in [ticks, ticks, 2 * ticks] {
            recorder.complete(OpKind::Read, Lane::Bulk, 512, started, now);
        }
        recorder.complete(OpKind::Write, Lane::Bulk, 4096, 2 * ticks, now);
        recorder.complete(OpKind::Fsync, Lane::Bulk, 0, 2 * ticks, now);
        recorder.complete(OpKind::Read, Lane::Urgent, 512, 2 * ticks, now);
        recorder.complete(OpKind::Write, Lane::Urgent, 512, ticks, now);
        recorder.overtaken(0);
        recorder.overtaken(3);
        recorder.flush(now);
        recorder.fail(-libc::EIO);
        recorder.fail(100);
        let (tally, errors) = recorder.finish(5);
        assert_eq!((tally.ops, tally.short, errors), ([3, 1, 1, 1, 1], 1, vec![(libc::EIO, 1)]));
        assert_eq!(tally.bytes, 5 * 512 + 4096);
        assert_eq!((tally.overtaken, tally.overtakers, tally.most_overtakers), (1, 3, 3));
        let slice = slices.take().unwrap();
        assert_eq!((slice.end_ns, slice.latency[0].len(), slice.latency[1].len()), (5, 3, 1));
        assert_eq!((slice.latency[2].len(), slice.bytes), (1, [1536, 4096, 0, 512, 512]));
        assert_eq!((slice.latency[3].len(), slice.latency[4].len()), (1, 1));
        let max = slice.latency[0].max();
        assert!((8_990_000..9_010_000).contains(&max), "{max} ns is not 9 ms");
    }

    #[test]
    fn late_readers_lengthen_slices_and_lose_nothing() {
        let (mut recorder, mut slices, _) = recorder(1);
        for index in 0..4 {
            recorder.complete(OpKind::Read, Lane::Bulk, 512, 1, 2);
            recorder.flush(2);
            recorder.swap(u64::from(index) + 1, index + 1);
        }
        let (tally, _) = recorder.finish(5);
        assert_eq!((tally.late_swaps, tally.ops[0]), (3, 4));
        let mut counts = Vec::new();
        while let Some(slice) = slices.take() {
            counts.push((slice.index, slice.latency[0].len()));
        }
        assert_eq!(counts, [(0, 1), (1, 3)]);
    }

    #[test]
    fn returned_slices_are_empty() {
        let (mut recorder, mut slices, _) = recorder(1);
        for round in 0..5 {
            recorder.complete(OpKind::Read, Lane::Bulk, 512, 1, 2);
            recorder.flush(2);
            recorder.swap(0, round + 1);
            let slice = slices.take().unwrap();
            assert_eq!((slice.index, slice.latency[0].len()), (round, 1));
            slices.give_back(slice);
        }
        assert_eq!(recorder.tally.late_swaps, 0);
    }

    #[test]
    fn counts_and_keeps_saturated_latencies() {
        let (mut recorder, mut slices, clock) = recorder(1);
        recorder.complete(OpKind::Read, Lane::Bulk, 512, 0, clock.ticks_in(2 * histogram::HIGHEST_NS));
        recorder.flush(clock.ticks_in(2 * histogram::HIGHEST_NS));
        let (tally, _) = recorder.finish(1);
        assert_eq!((tally.saturated, slices.take().unwrap().latency[0].len()), (1, 1));
    }
}
