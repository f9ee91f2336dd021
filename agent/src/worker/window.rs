//! The measured window of one worker: when it begins and ends, and the accounts taken at its edges.

use proto::{outcome::PerfCounts, trial::Workload};

use super::{
    clock::{HotClock, monotonic_ns},
    hot::Edges,
    recorder::Recorder,
};
use crate::{
    counters::{perf::Perf, usage::Usage},
    engine::{Counts, Engine},
};

/// When a worker measures, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// When the warmup begins, on CLOCK_MONOTONIC.
    pub start_ns: u64,
    /// Time before measuring begins.
    pub warmup_ns: u64,
    /// Measured time.
    pub runtime_ns: u64,
    /// Length of an interval.
    pub interval_ns: u64,
}

impl Schedule {
    /// That of a workload whose warmup begins at `start_ns`.
    #[must_use]
    pub fn of(work: &Workload, start_ns: u64) -> Self {
        Self { start_ns, warmup_ns: work.warmup.0, runtime_ns: work.runtime.0, interval_ns: work.slice().0 }
    }
}

/// Waits for its edges and keeps the accounts.
pub struct Window {
    clock: HotClock,
    runtime: u64,
    interval: u64,
    next: u64,
    end: u64,
    perf: Option<Perf>,
    opened: Option<Opened>,
    closed: Option<Closed>,
}

struct Opened {
    ticks: u64,
    monotonic_ns: u64,
    usage: Usage,
    counts: Counts,
}

/// The accounts of a window.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// First edge, in nanoseconds of CLOCK_MONOTONIC.
    pub begin_ns: u64,
    /// Second edge.
    pub end_ns: u64,
    /// What the engine did.
    pub counts: Counts,
    /// What the thread used.
    pub usage: Usage,
    /// What perf counted, or why it could not be read; absent where it was not armed.
    pub perf: Option<Result<PerfCounts, String>>,
    /// Disagreement of the hot clock with CLOCK_MONOTONIC.
    pub clock_drift_ppm: f64,
    /// The window ended before its time.
    pub cut_short: bool,
}

impl Window {
    /// A window by this schedule; `perf` is armed for its length.
    #[must_use]
    pub fn new(clock: HotClock, schedule: Schedule, perf: Option<Perf>) -> Self {
        let next = clock.ticks_at(schedule.start_ns + schedule.warmup_ns);
        let runtime = clock.ticks_in(schedule.runtime_ns).max(1);
        let interval = clock.ticks_in(schedule.interval_ns).max(1);
        Self { clock, runtime, interval, next, end: u64::MAX, perf, opened: None, closed: None }
    }

    fn open(&mut self, counts: impl FnOnce() -> Counts, start_over: impl FnOnce(u64)) {
        let usage = Usage::of_this_thread().unwrap_or_default();
        // Everything before this reading, these calls included, belongs to the warmup.
        let armed = self.perf.as_mut().map(Perf::arm);
        let (ticks, monotonic_ns) = (self.clock.ticks(), monotonic_ns());
        start_over(self.clock.monotonic(ticks));
        if let Some(Err(error)) = armed {
            tracing::warn!("perf could not be armed: {error}");
            self.perf = None;
        }
        self.opened = Some(Opened { ticks, monotonic_ns, usage, counts: counts() });
        self.end = ticks + self.runtime;
        self.next = self.end.min(ticks + self.interval);
    }

    /// Ends the window, if it is open, at `now`.
    pub fn close(&mut self, now: u64, counts: impl FnOnce() -> Counts, cut_short: bool) {
        let Some(opened) = self.opened.take() else { return };
        let counts = counts().since(&opened.counts);
        let disarmed = self.perf.as_mut().map(Perf::disarm);
        let elapsed = monotonic_ns() - opened.monotonic_ns;
        let ticked = self.clock.nanos_between(opened.ticks, self.clock.ticks());
        let perf = disarmed.map(|disarmed| {
            disarmed.and_then(|()| self.perf.as_mut().map(Perf::read).transpose()).map_err(|e| e.to_string())
        });
        self.closed = Some(Closed {
            begin_ns: self.clock.monotonic(opened.ticks),
            end_ns: self.clock.monotonic(now),
            counts,
            usage: Usage::of_this_thread().unwrap_or_default().since(opened.usage),
            perf: perf.map(|counts| counts.map(Option::unwrap_or_default)),
            clock_drift_ppm: (ticked as f64 / elapsed.max(1) as f64 - 1.0) * 1e6,
            cut_short,
        });
    }

    /// When the next edge is due, in ticks.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// For a thread that records no latency: opens or closes the window where that is due at `now`, in ticks.
    pub fn pass(&mut self, now: u64, counts: impl FnOnce() -> Counts) {
        if self.opened.is_some() && now >= self.end {
            self.close(now, counts, false);
        } else if self.opened.is_none() && self.closed.is_none() {
            self.open(counts, |_| {});
        }
        // Intervals are of no interest to it.
        self.next = if self.closed.is_some() { u64::MAX } else { self.end };
    }

    /// The accounts, if the window was ever open. Drops the counters.
    #[must_use]
    pub fn into_accounts(self) -> Option<Closed> {
        self.closed
    }
}

impl Edges for Window {
    fn next(&self) -> u64 {
        Self::next(self)
    }

    #[cold]
    fn edge<E: Engine>(&mut self, now: u64, engine: &E, recorder: &mut Recorder) -> bool {
        let Some(opened) = &self.opened else {
            self.open(|| engine.counts(), |begin_ns| recorder.start_over(begin_ns));
            return true;
        };
        if now >= self.end {
            self.close(now, || engine.counts(), false);
            return false;
        }
        let index = (now - opened.ticks) / self.interval;
        recorder.swap(self.clock.monotonic(now), index as u32);
        self.next = self.end.min(opened.ticks + (index + 1) * self.interval);
        true
    }
}
