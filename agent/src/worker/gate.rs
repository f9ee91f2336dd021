//! The start line of a trial.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proto::outcome::Release;

use super::prompt::Prompt;
use crate::clock;

/// How long before the start the threads wake up, in nanoseconds: more than an idle CPU and its timer need. They wait
/// for the rest of the time without sleeping.
const EARLY_NS: u64 = 300_000;

/// The start line at which workers wait.
pub(super) struct Gate {
    start: Mutex<Start>,
    changed: Condvar,
    /// When the start was set, and when the first and the last thread passed, in nanoseconds of CLOCK_MONOTONIC.
    armed_ns: AtomicU64,
    first_ns: AtomicU64,
    last_ns: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            start: Mutex::default(),
            changed: Condvar::new(),
            armed_ns: AtomicU64::new(0),
            first_ns: AtomicU64::new(u64::MAX),
            last_ns: AtomicU64::new(0),
        }
    }
}

#[derive(Clone, Copy, Default)]
pub(super) enum Start {
    #[default]
    Awaited,
    /// In nanoseconds of CLOCK_MONOTONIC.
    At(u64),
    /// The trial was cancelled.
    Never,
}

impl Gate {
    /// Sets the start for all waiting threads.
    pub(super) fn set(&self, start: Start) {
        if matches!(start, Start::At(_)) {
            self.armed_ns.store(clock::monotonic_ns(), Ordering::Relaxed);
        }
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = start;
        self.changed.notify_all();
    }

    /// Waits until the start time has come, and returns it in nanoseconds of CLOCK_MONOTONIC; `None` if the trial is
    /// cancelled before that.
    pub(super) fn wait(&self) -> Option<u64> {
        let prompt = Prompt::begin();
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let at_ns = loop {
            start = match *start {
                Start::Never => return None,
                Start::Awaited => self.changed.wait(start).unwrap_or_else(PoisonError::into_inner),
                Start::At(at_ns) => {
                    match at_ns.saturating_sub(EARLY_NS).saturating_sub(clock::monotonic_ns()) {
                        0 => break at_ns,
                        left => {
                            let waited = self.changed.wait_timeout(start, Duration::from_nanos(left));
                            waited.unwrap_or_else(PoisonError::into_inner).0
                        }
                    }
                }
            };
        };
        drop(start);
        let now_ns = loop {
            match clock::monotonic_ns() {
                // Threads that share a CPU take turns.
                now_ns if now_ns < at_ns => std::thread::yield_now(),
                now_ns => break now_ns,
            }
        };
        self.first_ns.fetch_min(now_ns, Ordering::Relaxed);
        self.last_ns.fetch_max(now_ns, Ordering::Relaxed);
        drop(prompt);
        Some(at_ns)
    }

    /// When threads passed; `None` if none did.
    pub(super) fn release(&self) -> Option<Release> {
        let last_ns = self.last_ns.load(Ordering::Relaxed);
        (last_ns > 0).then(|| Release {
            armed_ns: self.armed_ns.load(Ordering::Relaxed),
            first_ns: self.first_ns.load(Ordering::Relaxed),
            last_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn all_threads_pass_together_and_not_before_the_start() {
        let gate = Arc::<Gate>::default();
        let wait = |_| {
            thread::spawn({
                let gate = Arc::clone(&gate);
                move || (gate.wait(), clock::monotonic_ns())
            })
        };
        let threads: Vec<_> = (0..4).map(wait).collect();
        assert_eq!(gate.release(), None);
        let at_ns = clock::monotonic_ns() + 20_000_000;
        gate.set(Start::At(at_ns));
        for thread in threads {
            let (start, passed_ns) = thread.join().unwrap();
            assert!(start == Some(at_ns) && passed_ns >= at_ns);
        }
        let release = gate.release().unwrap();
        assert!(release.armed_ns < at_ns && release.first_ns >= at_ns && release.last_ns >= release.first_ns);
    }

    #[test]
    fn a_cancelled_start_releases_nobody() {
        let gate = Arc::<Gate>::default();
        let waiting = thread::spawn({
            let gate = Arc::clone(&gate);
            move || gate.wait()
        });
        gate.set(Start::At(clock::monotonic_ns() + 60_000_000_000));
        gate.set(Start::Never);
        assert_eq!((waiting.join().unwrap(), gate.release()), (None, None));
    }
}
