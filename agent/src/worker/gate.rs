//! The start line of a trial.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::clock;

/// The start line at which workers wait.
#[derive(Default)]
pub(super) struct Gate {
    start: Mutex<Start>,
    changed: Condvar,
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
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = start;
        self.changed.notify_all();
    }

    /// Waits until the start time has come, and returns it in nanoseconds of CLOCK_MONOTONIC; `None` if the trial is
    /// cancelled before that.
    pub(super) fn wait(&self) -> Option<u64> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            start = match *start {
                Start::Never => return None,
                Start::Awaited => self.changed.wait(start).unwrap_or_else(PoisonError::into_inner),
                Start::At(at_ns) => match at_ns.saturating_sub(clock::monotonic_ns()) {
                    0 => return Some(at_ns),
                    left => {
                        let waited = self.changed.wait_timeout(start, Duration::from_nanos(left));
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                },
            };
        }
    }
}
