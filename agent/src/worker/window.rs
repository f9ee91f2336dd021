//! The measured window of one worker: its begin and end, and the counts taken at these edges.

use std::io;

use proto::{
    counters::Counters as _,
    refusal::{Refusal, WorkerRefusal},
    trial::Workload,
};

use super::{hot::Edges, recorder::Recorder};
use crate::{
    clock::{HotClock, monotonic_ns},
    counters::{
        audit::{Audit, Audited},
        usage::Usage,
    },
    engine::{Counts, Engine, sharing::WindowEdges},
};

/// The times of a worker's measurement, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The start of the warm-up, on CLOCK_MONOTONIC.
    pub start_ns: u64,
    /// The length of the warm-up.
    pub warmup_ns: u64,
    /// The length of the measured window.
    pub runtime_ns: u64,
    /// The length of an interval.
    pub interval_ns: u64,
}

impl Schedule {
    /// The schedule of a workload whose warm-up starts at `start_ns`.
    #[must_use]
    pub fn of(work: &Workload, start_ns: u64) -> Self {
        Self { start_ns, warmup_ns: work.warmup.0, runtime_ns: work.runtime.0, interval_ns: work.slice().0 }
    }
}

/// Tracks the edges of the window and takes the counts.
pub struct Window {
    clock: HotClock,
    runtime: u64,
    interval: u64,
    next: u64,
    end: u64,
    audit: Option<Audit>,
    warms_up: bool,
    opened: Option<Opened>,
    closed: Option<Closed>,
    /// The error, if the thread's usage could not be read.
    unread: Option<io::Error>,
}

struct Opened {
    ticks: u64,
    monotonic_ns: u64,
    usage: Usage,
    counts: Counts,
}

/// The counts of a window.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// First edge, in nanoseconds of CLOCK_MONOTONIC.
    pub begin_ns: u64,
    /// Second edge.
    pub end_ns: u64,
    /// The counts of the engine.
    pub counts: Counts,
    /// CPU time and context switches of the thread.
    pub usage: Usage,
    /// The additional counts of an audit; empty in a timed trial.
    pub audit: Audited,
    /// The drift of the hot clock relative to CLOCK_MONOTONIC.
    pub clock_drift_ppm: f64,
    /// Whether the window ended early.
    pub cut_short: bool,
}

impl Window {
    /// A window with this schedule, whose warm-up begins now. The counters of the audit are armed for its length.
    #[must_use]
    pub fn new(clock: HotClock, schedule: Schedule, mut audit: Option<Audit>) -> Self {
        let next = clock.ticks_at(schedule.start_ns + schedule.warmup_ns);
        let runtime = clock.ticks_in(schedule.runtime_ns).max(1);
        let interval = clock.ticks_in(schedule.interval_ns).max(1);
        if let Some(audit) = &mut audit {
            audit.begin();
        }
        let warms_up = schedule.warmup_ns > 0;
        Self {
            clock,
            runtime,
            interval,
            next,
            end: u64::MAX,
            audit,
            warms_up,
            opened: None,
            closed: None,
            unread: None,
        }
    }

    /// The thread's usage so far. If it cannot be read, the window has no counts.
    fn usage(&mut self) -> Usage {
        Usage::of_this_thread().unwrap_or_else(|error| {
            self.unread = Some(error);
            Usage::default()
        })
    }

    fn open(&mut self, counts: impl FnOnce() -> Counts, start_over: impl FnOnce(u64)) {
        let usage = self.usage();
        // Everything before this reading, these calls included, belongs to the warm-up.
        if let Some(audit) = &mut self.audit {
            audit.arm(self.warms_up);
        }
        let (ticks, monotonic_ns) = (self.clock.ticks(), monotonic_ns());
        start_over(self.clock.monotonic(ticks));
        self.opened = Some(Opened { ticks, monotonic_ns, usage, counts: counts() });
        self.end = ticks + self.runtime;
        self.next = self.end.min(ticks + self.interval);
    }

    /// Ends the window at `now`, in ticks, if it is open.
    pub fn close(&mut self, now: u64, counts: impl FnOnce() -> Counts, cut_short: bool) {
        let Some(opened) = self.opened.take() else { return };
        let counts = counts().since(&opened.counts);
        if let Some(audit) = &mut self.audit {
            audit.disarm();
        }
        let elapsed = monotonic_ns() - opened.monotonic_ns;
        let ticked = self.clock.nanos_between(opened.ticks, self.clock.ticks());
        let usage = self.usage().since(&opened.usage);
        self.closed = Some(Closed {
            begin_ns: self.clock.monotonic(opened.ticks),
            end_ns: self.clock.monotonic(now),
            counts,
            usage,
            audit: self.audit.as_mut().map(Audit::read).unwrap_or_default(),
            clock_drift_ppm: (ticked as f64 / elapsed.max(1) as f64 - 1.0) * 1e6,
            cut_short,
        });
    }

    /// Returns the counts, if the window was ever open. Closes the counters.
    ///
    /// # Errors
    /// If the thread's CPU time could not be read: reporting a cost of zero would be misleading.
    pub fn into_counts(self) -> Result<Option<Closed>, Refusal> {
        match self.unread {
            None => Ok(self.closed),
            Some(error) => Err(WorkerRefusal::CpuTimeNotRead { error: error.into() }.into()),
        }
    }
}

/// For a combiner, which records no latency: it passes the edges of the window, but no intervals.
impl WindowEdges for Window {
    fn next(&self) -> u64 {
        self.next
    }

    fn pass(&mut self, now: u64, counts: impl FnOnce() -> Counts) {
        if self.opened.is_some() && now >= self.end {
            self.close(now, counts, false);
        } else if self.opened.is_none() && self.closed.is_none() {
            self.open(counts, |_| {});
        }
        self.next = if self.closed.is_some() { u64::MAX } else { self.end };
    }
}

impl Edges for Window {
    fn next(&self) -> u64 {
        self.next
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Forbids getrusage for the calling thread. Returns false if seccomp is not permitted.
    fn forbid_getrusage() -> bool {
        let statement =
            |code: u32, k: u32, skip: u8| libc::sock_filter { code: code as u16, jt: 0, jf: skip, k };
        let mut filter = [
            // The number of the call is the first field of `struct seccomp_data`.
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_getrusage as u32, 1),
            statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0),
            statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: the program and its statements live until the calls return; the kernel copies them.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, u64::from(libc::SECCOMP_MODE_FILTER), &raw const program)
                    == 0
        }
    }

    fn window_counts() -> Result<Option<Closed>, Refusal> {
        let clock = HotClock::new();
        let schedule = Schedule { start_ns: 0, warmup_ns: 0, runtime_ns: 1, interval_ns: 1 };
        let mut window = Window::new(clock.clone(), schedule, None);
        window.pass(clock.ticks(), Counts::default);
        window.close(clock.ticks(), Counts::default, false);
        window.into_counts()
    }

    #[test]
    fn unreadable_cpu_time_refuses_the_trial() {
        let there = window_counts().unwrap().unwrap();
        assert!(there.end_ns >= there.begin_ns && !there.cut_short);
        let refused = std::thread::spawn(|| forbid_getrusage().then(window_counts)).join().unwrap();
        let Some(refused) = refused else { return crate::skip::skip("seccomp filters are not permitted") };
        let refusal = refused.unwrap_err();
        assert_eq!(refusal.code(), "cpu-time-not-read");
        assert!(
            refusal.message().contains("getrusage") && refusal.remedy().contains("seccomp"),
            "{refusal:?}"
        );
    }
}
