//! What the combiner and the workers' ends of its ring share; see [`super::combiner`].

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

/// What both ends see.
pub(super) struct Bridge {
    /// The combiner sleeps, or is about to.
    pub(super) asleep: AtomicBool,
    /// Workers that may still queue something.
    pub(super) workers: AtomicU32,
    /// Why the combiner could not go on, as an errno.
    pub(super) failed: AtomicI32,
    pub(super) waking: OwnedFd,
    /// Where the read that ends the sleep goes to.
    pub(super) sink: AtomicU64,
    pub(super) seats: Box<[Seat]>,
    /// How long workers look before sleeping, in ticks.
    pub(super) spin: u64,
    pub(super) moves_data: bool,
}

/// Where a worker waits. Not in one cache line with its neighbour's.
#[repr(align(128))]
pub(super) struct Seat {
    /// Completions that it wants to have in its inbox before it is woken; 0: it does not sleep.
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
    /// When it was taken out of the ring, in ticks.
    pub(super) at: u64,
}

impl Bridge {
    /// Tells the workers why nothing will come any more; the first reason stands.
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

    /// Ends the combiner's sleep.
    pub(super) fn call(&self) -> io::Result<()> {
        rustix::io::write(&self.waking, &1u64.to_ne_bytes())?;
        Ok(())
    }

    /// Ends the combiner's sleep, if it sleeps; says how many system calls that took.
    #[inline]
    pub(super) fn rouse(&self) -> io::Result<u64> {
        // What was queued comes before looking whether it sleeps.
        fence(SeqCst);
        if !self.asleep.load(Relaxed) || !self.asleep.swap(false, AcqRel) {
            return Ok(0);
        }
        self.call().map(|()| 1)
    }
}
