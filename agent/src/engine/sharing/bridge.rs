//! What the combiner and the workers' handles of its ring share; see [`super::combiner`].

use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{
        AtomicBool, AtomicI32, AtomicU32, AtomicU64,
        Ordering::{AcqRel, Relaxed, Release, SeqCst},
        fence,
    },
};

use super::{
    super::{Completion, Slot},
    futex::Bed,
};
use crate::workload::Op;

/// The state that both sides see.
pub(super) struct Bridge {
    /// The combiner sleeps, or is about to sleep.
    pub(super) asleep: AtomicBool,
    /// Workers that may still queue something.
    pub(super) workers: AtomicU32,
    /// The errno of the combiner's failure; 0: none.
    pub(super) failed: AtomicI32,
    pub(super) waking: OwnedFd,
    /// The destination of the read that wakes the combiner.
    pub(super) sink: AtomicU64,
    pub(super) seats: Box<[Seat]>,
    /// How long workers poll before they sleep, in ticks.
    pub(super) spin: u64,
    pub(super) moves_data: bool,
}

/// Where a worker waits. It does not share a cache line with its neighbour's.
#[repr(align(128))]
pub(super) struct Seat {
    /// The number of completions in its inbox that the worker waits for; 0: it does not sleep.
    pub(super) wants: AtomicU32,
    pub(super) bed: Bed,
}

#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) slot: Slot,
    pub(super) op: Op,
    /// When it was queued, in ticks.
    pub(super) at: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Done {
    pub(super) completion: Completion,
    /// When it was taken from the ring, in ticks.
    pub(super) at: u64,
}

impl Bridge {
    /// Reports a failure to the workers, which get no more completions; the first one stands.
    #[cold]
    pub(super) fn fail(&self, error: io::Error) -> io::Error {
        let errno = match error.kind() {
            io::ErrorKind::TimedOut => libc::ETIMEDOUT,
            _ => error.raw_os_error().unwrap_or(libc::EIO),
        };
        let _ = self.failed.compare_exchange(0, errno, Release, Relaxed);
        fence(SeqCst);
        for seat in &self.seats {
            seat.bed.wake();
        }
        error
    }

    /// Wakes the combiner.
    pub(super) fn call(&self) -> io::Result<()> {
        rustix::io::write(&self.waking, &1u64.to_ne_bytes())?;
        Ok(())
    }

    /// Wakes the combiner if it sleeps; returns the number of system calls that this took.
    #[inline]
    pub(super) fn rouse(&self) -> io::Result<u64> {
        // Requests are queued before looking whether the combiner sleeps.
        fence(SeqCst);
        if !self.asleep.load(Relaxed) || !self.asleep.swap(false, AcqRel) {
            return Ok(0);
        }
        self.call().map(|()| 1)
    }
}
