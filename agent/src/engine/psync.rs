//! pread and pwrite: one system call per operation, one operation at a time. Syncs by fsync and fdatasync.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

use syscalls::{Errno, Sysno, syscall};

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
    syncs: Syncs,
}

/// Makes and counts calls of fsync and fdatasync.
#[derive(Default)]
pub(super) struct Syncs {
    fsync: u64,
    fdatasync: u64,
}

impl Syncs {
    /// Makes the file durable by the call that `kind` names, and returns the outcome of the call.
    #[inline]
    pub(super) fn call(&mut self, kind: OpKind, fd: RawFd) -> Result<usize, Errno> {
        if kind == OpKind::Fsync {
            self.fsync += 1;
            // SAFETY: the call takes a descriptor and no memory.
            unsafe { syscall!(Sysno::fsync, fd) }
        } else {
            self.fdatasync += 1;
            // SAFETY: as above.
            unsafe { syscall!(Sysno::fdatasync, fd) }
        }
    }

    /// The number of calls by name.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [("fsync", self.fsync), ("fdatasync", self.fdatasync)]
    }

    pub(super) fn total(&self) -> u64 {
        self.fsync + self.fdatasync
    }
}

impl Psync {
    #[cfg(test)]
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Operates on `file`, with one slot of `buffers`.
    #[must_use]
    pub fn new(file: OwnedFd, buffers: Buffers) -> Self {
        Self { file, buffers, queued: None, done: None, reads: 0, writes: 0, syncs: Syncs::default() }
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
        let outcome = match op.kind {
            OpKind::Read => {
                self.reads += 1;
                // SAFETY: the block is at least `len` bytes of this engine's mapping; no reference to it exists, or can
                // exist during the call.
                unsafe { syscall!(Sysno::pread64, fd, self.buffers.slot(slot), len, at) }
            }
            OpKind::Write | OpKind::WriteLinked => {
                self.writes += 1;
                // SAFETY: as above.
                unsafe { syscall!(Sysno::pwrite64, fd, self.buffers.of(slot, op), len, at) }
            }
            OpKind::Fsync | OpKind::Fdatasync => self.syncs.call(op.kind, fd),
        };
        self.queued = None;
        self.done = Some(Completion { slot, result: result(outcome) });
        Ok(1)
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        if let Some(completion) = self.done.take() {
            each(completion);
        }
    }

    fn counts(&self) -> Counts {
        let [fsync, fdatasync] = self.syncs.counts();
        Counts {
            syscalls: [("pread64", self.reads), ("pwrite64", self.writes), fsync, fdatasync],
            submitted: self.reads + self.writes + self.syncs.total(),
            ..Counts::default()
        }
    }
}
