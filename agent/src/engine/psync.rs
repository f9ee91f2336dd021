//! pread and pwrite: one system call an operation, one operation at a time.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use syscalls::{Sysno, syscall};

use super::{Completion, Counts, Engine, Slot, result};
use crate::{
    buffers::Buffers,
    workload::{Op, OpKind},
};

/// The engine `psync`.
pub struct Psync {
    file: OwnedFd,
    buffers: Buffers,
    queued: Option<(Slot, Op)>,
    done: Option<Completion>,
    reads: u64,
    writes: u64,
}

impl Psync {
    #[cfg(test)]
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Works on `file`, with one slot of `buffers`.
    #[must_use]
    pub fn new(file: OwnedFd, buffers: Buffers) -> Self {
        Self { file, buffers, queued: None, done: None, reads: 0, writes: 0 }
    }
}

impl Engine for Psync {
    #[inline]
    fn queue(&mut self, mut requests: impl Iterator<Item = (Slot, Op)>) {
        if let Some(request) = requests.next() {
            self.queued = Some(request);
        }
    }

    #[inline]
    fn commit(&mut self, _wait: u32) -> io::Result<u32> {
        let Some((slot, op)) = self.queued else { return Ok(u32::from(self.done.is_some())) };
        let (fd, len, at) = (self.file.as_raw_fd(), op.len as usize, op.offset);
        let said = match op.kind {
            OpKind::Read => {
                self.reads += 1;
                // SAFETY: the block is `len` bytes or more of our own mapping, to which no reference exists, and
                // stays so for the length of the call.
                unsafe { syscall!(Sysno::pread64, fd, self.buffers.slot(slot), len, at) }
            }
            OpKind::Write => {
                self.writes += 1;
                // SAFETY: as above.
                unsafe { syscall!(Sysno::pwrite64, fd, self.buffers.slot(slot), len, at) }
            }
        };
        self.queued = None;
        self.done = Some(Completion { slot, result: result(said) });
        Ok(1)
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        if let Some(completion) = self.done.take() {
            each(completion);
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            syscalls: [("pread64", self.reads), ("pwrite64", self.writes)],
            submitted: self.reads + self.writes,
            ..Counts::default()
        }
    }
}
