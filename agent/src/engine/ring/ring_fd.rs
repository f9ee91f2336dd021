//! The system call of a ring, for every thread that makes it.

use std::{io, os::fd::RawFd};

use syscalls::{Errno, Sysno, syscall};

/// Wait for completions, poll for them, and release deferred ones.
pub(super) const ENTER_GETEVENTS: u32 = 1 << 0;
/// Wake the polling thread.
pub(super) const ENTER_SQ_WAKEUP: u32 = 1 << 1;
/// The descriptor is a registered index.
pub(super) const ENTER_REGISTERED_RING: u32 = 1 << 4;

/// A ring's descriptor, or its registered index.
#[derive(Clone, Copy)]
pub(in crate::engine) struct RingFd {
    /// The descriptor or the index.
    pub(super) fd: RawFd,
    /// Flags of every call with it.
    pub(super) flags: u32,
}

impl RingFd {
    /// Calls io_uring_enter, and repeats it if a signal interrupts it; adds each call to `calls`. Returns the number of
    /// requests taken.
    #[inline]
    pub(super) fn enter(self, submit: u32, wait: u32, flags: u32, calls: &mut u64) -> io::Result<u32> {
        loop {
            *calls += 1;
            // SAFETY: queued requests refer to slots that stay untouched until they are reaped; no other pointer is
            // passed.
            let taken = unsafe {
                syscall!(
                    Sysno::io_uring_enter,
                    self.fd,
                    submit,
                    wait,
                    flags | self.flags,
                    std::ptr::null::<libc::c_void>(),
                    0
                )
            };
            match taken {
                Ok(taken) => return Ok(taken as u32),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Waits in the kernel until the completion queue holds `wait`, without submitting; for a thread that does not own
    /// the ring. The ring must be open.
    pub(in crate::engine) fn wait(self, wait: u32, calls: &mut u64) -> io::Result<()> {
        self.enter(0, wait, ENTER_GETEVENTS, calls).map(drop)
    }
}
