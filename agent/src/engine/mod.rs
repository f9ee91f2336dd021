//! The one seam between the hot loop and a way of doing I/O: prepare (the constructors, on the worker's own
//! thread), queue, commit, reap.
//!
//! A request lives in a slot, from 0 to depth - 1, whose block of the [`Buffers`](crate::buffers::Buffers) it
//! owns until it is reaped. The loop is generic over the engine: nothing is dispatched per request.

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
use proto::outcome::SharingCosts;
pub use psync::Psync;
pub use pvsync2::Pvsync2;
pub use ring::{Attach, DualRing, Opcode, Ring, RingSetup};
pub use sharing::{Combined, Shared};

pub use crate::slot::{Completion, Slot};
use crate::workload::Op;

/// One way of doing I/O, as the hot loop uses it.
pub trait Engine {
    /// Whether requests move data. `Completion::result` of a request that did all that was asked is then
    /// [`Op::whole`], else 0.
    fn moves_data(&self) -> bool {
        true
    }

    /// Queues requests; nothing need reach the kernel yet. Each slot must be free, and there are never more
    /// requests than free slots.
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>);

    /// Hands all that is queued to the kernel, waits for `wait` completions, and says how many can be reaped.
    /// The count may fall short of `wait` where a signal or the kernel's own limits ended the wait, or after
    /// [`LOOKS`] looks by an engine that waits by looking: whoever waits has other things to see to. With nothing
    /// queued and nothing to wait for it only looks, by a system call only where nothing else would show.
    ///
    /// # Errors
    /// What the system call said, other than EINTR. Requests that it did not take stay queued; completions
    /// can be reaped all the same.
    fn commit(&mut self, wait: u32) -> io::Result<u32>;

    /// Takes as many completions as the last commit saw, without a system call. Later ones stay for the next
    /// commit, so that no latency ends before the clock was read.
    fn reap(&mut self, each: impl FnMut(Completion));

    /// What the engine has done since it was made.
    fn counts(&self) -> Counts;

    /// The descriptors of its rings, where they are its own.
    fn rings(&self) -> Vec<RawFd> {
        Vec::new()
    }
}

proto::counters! {
    /// What an engine has done.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Counts {
        /// System calls by name.
        pub syscalls: [(&'static str, u64); CALLS],
        /// Requests that reached the kernel.
        pub submitted: u64,
        /// Calls that submit, by how many requests they submitted: none, 1, 2 to 3, 4 to 7 and so on. All zero where
        /// the engine does not count them.
        pub batches: [u64; BATCHES],
        /// Completions that the kernel dropped for lack of space, by its own count. Completions that it held back for
        /// a while are not included.
        pub overflows: u64,
        /// Calls that submitted only part of a batch, where writes are linked to their syncs: such a sync may have been
        /// separated from its write, and then did not wait for it.
        pub parted: u64,
        /// The cost of sharing the ring; `None` where it is not shared.
        pub sharing: Option<SharingCosts> => either,
    }
}

/// How often an engine that waits by looking does so in one commit: for less than some milliseconds.
pub const LOOKS: u32 = 1 << 14;

/// The most system calls that one engine makes.
pub const CALLS: usize = 4;

/// Classes of batches: none, and one for each power of two up to the largest depth.
pub const BATCHES: usize = 17;

/// The class of a batch of `taken` requests.
#[inline]
pub(crate) fn batch_class(taken: u32) -> usize {
    ((u32::BITS - taken.leading_zeros()) as usize).min(BATCHES - 1)
}

/// Whether a commit that failed this way may be retried: the shortage passes.
#[cold]
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY | libc::ENOMEM))
}

/// What a system call said, in the form of [`Completion::result`].
///
/// Engines call the kernel without the C library in between: on the way back its wrapper was seen to add a tenth
/// to a short read.
#[inline]
fn result(said: Result<usize, syscalls::Errno>) -> i32 {
    match said {
        Ok(moved) => moved as i32,
        Err(errno) => -errno.into_raw(),
    }
}

#[cfg(test)]
mod tests;
