//! The one call of a ring, whoever makes it.

use std::{io, os::fd::RawFd};

use syscalls::{Errno, Sysno, syscall};

/// Completions are wanted: they are awaited, polled for, and those held back are let out.
pub(super) const ENTER_GETEVENTS: u32 = 1 << 0;
/// The polling thread is to be woken.
pub(super) const ENTER_SQ_WAKEUP: u32 = 1 << 1;
/// The descriptor is a registered index.
pub(super) const ENTER_REGISTERED_RING: u32 = 1 << 4;

/// What stands for a ring in a call: its descriptor, or its registered index.
#[derive(Clone, Copy)]
pub(in crate::engine) struct RingFd {
    /// The descriptor or the index.
    pub(super) fd: RawFd,
    /// Flags that go with it in every call.
    pub(super) flags: u32,
}

impl RingFd {
    /// One io_uring_enter, over again where a signal ended it; each is added to `calls`. Returns how many requests
    /// it took.
    #[inline]
    pub(super) fn enter(self, submit: u32, wait: u32, flags: u32, calls: &mut u64) -> io::Result<u32> {
        loop {
            *calls += 1;
            // SAFETY: what is queued refers to slots that stay untouched until they are reaped; no other
            // pointer is handed over.
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

    /// Waits in the kernel until the completion queue holds `wait`, and submits nothing: for a thread that does
    /// not hold the ring. It must be open.
    pub(in crate::engine) fn wait(self, wait: u32, calls: &mut u64) -> io::Result<()> {
        self.enter(0, wait, ENTER_GETEVENTS, calls).map(drop)
    }
}
