//! preadv2 and pwritev2: one system call per operation, with flags. RWF_HIPRI polls the device. RWF_NOWAIT fails
//! instead of blocking; the operation is then repeated by a call that may block.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use proto::trial;
use syscalls::{Sysno, syscall};

use super::{Completion, Counts, Engine, Slot, psync::Syncs, result};
use crate::{
    buffers::Buffers,
    workload::{Op, OpKind},
};

/// The engine `pvsync2`.
pub struct Pvsync2 {
    file: OwnedFd,
    buffers: Buffers,
    flags: libc::c_int,
    nowait: bool,
    queued: Option<(Slot, Op)>,
    done: Option<Completion>,
    reads: u64,
    writes: u64,
    syncs: Syncs,
    submitted: u64,
}

impl Pvsync2 {
    /// Operates on `file`, with one slot of `buffers`.
    #[must_use]
    pub fn new(engine: &trial::Engine, file: OwnedFd, buffers: Buffers) -> Self {
        let flags = if engine.calls.hipri { libc::RWF_HIPRI } else { 0 };
        Self {
            file,
            buffers,
            flags,
            nowait: engine.calls.nowait,
            queued: None,
            done: None,
            reads: 0,
            writes: 0,
            syncs: Syncs::default(),
            submitted: 0,
        }
    }

    #[inline]
    fn call(&mut self, slot: Slot, op: Op, flags: libc::c_int) -> i32 {
        let block = libc::iovec { iov_base: self.buffers.of(slot, op).cast(), iov_len: op.len as usize };
        let (fd, at) = (self.file.as_raw_fd(), op.offset);
        // The offset in two halves; the second is unused if a register holds 64 bits.
        let (iovec, high) = (&raw const block, 0);
        let outcome = match op.kind {
            OpKind::Read => {
                self.reads += 1;
                // SAFETY: the iovec is within one block of this engine's mapping; no reference to it exists, or can
                // exist during the call.
                unsafe { syscall!(Sysno::preadv2, fd, iovec, 1, at, high, flags) }
            }
            OpKind::Write | OpKind::WriteLinked => {
                self.writes += 1;
                // SAFETY: as above.
                unsafe { syscall!(Sysno::pwritev2, fd, iovec, 1, at, high, flags) }
            }
            OpKind::Fsync | OpKind::Fdatasync => self.syncs.call(op.kind, fd),
        };
        result(outcome)
    }
}

impl Engine for Pvsync2 {
    #[inline]
    fn queue(&mut self, mut requests: impl Iterator<Item = (Slot, Op)>) {
        if let Some(request) = requests.next() {
            self.queued = Some(request);
        }
    }

    #[inline]
    fn commit(&mut self, _wait: u32) -> io::Result<u32> {
        let Some((slot, op)) = self.queued.take() else { return Ok(u32::from(self.done.is_some())) };
        self.submitted += 1;
        let mut result = -libc::EAGAIN;
        // A sync always blocks: it takes no flags.
        if self.nowait && op.len > 0 {
            result = self.call(slot, op, self.flags | libc::RWF_NOWAIT);
        }
        // If part of the block is in the cache, the call returns that part without blocking; the whole block is
        // requested again.
        if result == -libc::EAGAIN || (self.nowait && result > 0 && result < op.whole()) {
            result = self.call(slot, op, self.flags);
        }
        self.done = Some(Completion { slot, result });
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
            syscalls: [("preadv2", self.reads), ("pwritev2", self.writes), fsync, fdatasync],
            submitted: self.submitted,
            ..Counts::default()
        }
    }
}
