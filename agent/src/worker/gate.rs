//! The start line.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::clock;

/// Where workers wait for the start.
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
    /// It is not going to come.
    Never,
}

impl Gate {
    /// Lets everybody know.
    pub(super) fn set(&self, start: Start) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = start;
        self.changed.notify_all();
    }

    /// Waits until the time of the start has come, and returns it. None if it is called off before that.
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
