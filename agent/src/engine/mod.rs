//! The interface between the hot loop and an engine, which is a method of I/O: prepare (the constructors, on the
//! worker's own thread), queue, commit, reap.
//!
//! A request is identified by its slot, from 0 to depth - 1, and owns the slot's block of the
//! [`Buffers`](crate::buffers::Buffers) until it is reaped. The loop is generic over the engine: nothing is dispatched
//! per request.
//!
//! To add an engine: a kind in the table of `proto`, a file here, a line below, and an arm in the worker's factory.

mod libaio;
mod null;
mod nvme;
mod psync;
mod pvsync2;
pub(crate) mod ring;
pub(crate) mod sharing;

use std::{io, os::fd::RawFd};

pub use libaio::Libaio;
pub use null::Null;
pub use nvme::{Commands, Namespace};
use proto::outcome::{EngineCounts, SharingCosts};
pub use psync::Psync;
pub use pvsync2::Pvsync2;
pub use ring::{Attach, DualRing, Opcode, Ring, RingSetup};
pub use sharing::{Combined, Shared};

pub use crate::slot::{Completion, Slot};
use crate::workload::Op;

/// A method of I/O, as the hot loop uses it.
pub trait Engine {
    /// Whether requests move data. If so, [`Completion::result`] of a request that transferred everything is
    /// [`Op::whole`], otherwise 0.
    fn moves_data(&self) -> bool {
        true
    }

    /// Queues requests without necessarily passing them to the kernel. Each slot must be free; there are never more
    /// requests than free slots.
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>);

    /// Submits everything that is queued, waits for `wait` completions, and returns how many can be reaped. The count
    /// may be less than `wait` if a signal or a limit of the kernel ended the wait, or after [`LOOKS`] polls by an
    /// engine that waits by polling, because the caller has other work to do. With nothing queued and `wait` 0 it only
    /// polls, and makes a system call only if completions would not become visible otherwise.
    ///
    /// # Errors
    /// The error of the system call, except EINTR. Requests that were not submitted stay queued; completions can be
    /// reaped nevertheless.
    fn commit(&mut self, wait: u32) -> io::Result<u32>;

    /// Takes the completions that the last commit counted, without a system call. Later ones stay for the next commit,
    /// so that no latency ends before the clock is read.
    fn reap(&mut self, each: impl FnMut(Completion));

    /// The engine's counts since it was created.
    fn counts(&self) -> Counts;

    /// The descriptors of the rings that the engine owns.
    fn rings(&self) -> Vec<RawFd> {
        Vec::new()
    }
}

proto::counters! {
    /// The counts of an engine.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Counts {
        /// System calls by name.
        pub syscalls: [(&'static str, u64); CALLS],
        /// Requests submitted to the kernel.
        pub submitted: u64,
        /// Calls that submit, by the number of requests that they submitted: none, 1, 2 to 3, 4 to 7 and so on. All
        /// zero if the engine does not count them.
        pub batches: [u64; BATCHES],
        /// Calls that submitted only part of a batch of writes with linked syncs: such a sync may have been separated
        /// from its write, and then did not wait for it.
        pub parted: u64,
        /// The cost of sharing the ring; `None` if it is not shared.
        pub sharing: Option<SharingCosts> => either,
        /// Counts that are reported as they are.
        pub engine: EngineCounts,
    }
}

/// The number of polls in one commit of an engine that waits by polling. They take less than a few milliseconds.
pub const LOOKS: u32 = 1 << 14;

/// The maximum number of different system calls that one engine makes.
pub const CALLS: usize = 4;

/// Size classes of batches: empty, and one for each power of two up to the largest depth.
pub const BATCHES: usize = 17;

/// The size class of a batch of `taken` requests.
#[inline]
pub(crate) fn batch_class(taken: u32) -> usize {
    ((u32::BITS - taken.leading_zeros()) as usize).min(BATCHES - 1)
}

/// Whether the error of a commit is a temporary shortage, after which the commit may be retried.
#[cold]
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY | libc::ENOMEM))
}

/// The outcome of a system call in the form of [`Completion::result`].
///
/// Engines make system calls without the C library: its wrapper was measured to add a tenth to a short read.
#[inline]
fn result(outcome: Result<usize, syscalls::Errno>) -> i32 {
    match outcome {
        Ok(moved) => moved as i32,
        Err(errno) => -errno.into_raw(),
    }
}

#[cfg(test)]
mod tests;
