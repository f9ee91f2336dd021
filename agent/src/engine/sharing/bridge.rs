//! The state shared by the combiner and the workers' handles of its ring; see [`super::combiner`].

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
    futex::Parker,
};
use crate::workload::Op;

/// The state shared by both sides.
pub(super) struct Bridge {
    /// The combiner sleeps, or is about to sleep.
    pub(super) asleep: AtomicBool,
    /// Workers that may still queue something.
    pub(super) workers: AtomicU32,
    /// The errno of the combiner's failure; 0 if none.
    pub(super) failed: AtomicI32,
    /// The eventfd that wakes the combiner.
    pub(super) wake_fd: OwnedFd,
    /// The destination of the read that wakes the combiner.
    pub(super) sink: AtomicU64,
    /// One for each worker.
    pub(super) waiters: Box<[Waiter]>,
    /// Time for which workers poll before they sleep, in ticks.
    pub(super) spin: u64,
    pub(super) moves_data: bool,
}

/// The place where one worker waits for completions. Aligned so that neighbours share no cache line.
#[repr(align(128))]
pub(super) struct Waiter {
    /// The number of completions in its inbox that the worker waits for; 0 while it does not sleep.
    pub(super) wants: AtomicU32,
    pub(super) parker: Parker,
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
    /// Reports a failure to the workers, which get no more completions. Only the first failure is kept.
    #[cold]
    pub(super) fn fail(&self, error: io::Error) -> io::Error {
        let errno = match error.kind() {
            io::ErrorKind::TimedOut => libc::ETIMEDOUT,
            _ => error.raw_os_error().unwrap_or(libc::EIO),
        };
        let _ = self.failed.compare_exchange(0, errno, Release, Relaxed);
        fence(SeqCst);
        for waiter in &self.waiters {
            waiter.parker.unpark();
        }
        error
    }

    /// Wakes the combiner.
    pub(super) fn wake(&self) -> io::Result<()> {
        rustix::io::write(&self.wake_fd, &1u64.to_ne_bytes())?;
        Ok(())
    }

    /// Wakes the combiner if it sleeps; returns the number of system calls that this took.
    #[inline]
    pub(super) fn wake_if_asleep(&self) -> io::Result<u64> {
        // Requests are queued before checking whether the combiner sleeps.
        fence(SeqCst);
        if !self.asleep.load(Relaxed) || !self.asleep.swap(false, AcqRel) {
            return Ok(0);
        }
        self.wake().map(|()| 1)
    }
}
