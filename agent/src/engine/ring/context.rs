//! The file and the buffers of a ring's requests, by address or as they are registered.

use std::{
    mem::ManuallyDrop,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

use io_uring::{squeue, types};
use proto::outcome::Lane;

use super::Slot;
use crate::buffers::Buffers;

/// The largest buffer that can be registered as one (the kernel's limit is 1 GiB).
const LARGEST_REGISTERED: usize = 1 << 30;

/// What the requests of a lane tell the kernel about their precedence, in addition to what all requests tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Bits of the request's flags.
    pub(super) flags: u8,
    /// Its I/O priority; 0: that of the thread.
    pub(super) ioprio: u16,
}

/// What requests refer to, and how the kernel is told of it.
pub struct RequestContext {
    _files: Vec<OwnedFd>,
    /// Their descriptors; each file is for as many slots as the others.
    pub(super) fds: Box<[RawFd]>,
    slots_per_file: u32,
    /// The files are registered, in their order.
    pub(in super::super) fixed_file: bool,
    /// Slots in one registered buffer, where buffers are registered.
    pub(in super::super) slots_per_buffer: Option<u32>,
    /// Flags of every request.
    pub(in super::super) flags: squeue::Flags,
    /// The hint of each lane's requests, by the lane's number.
    pub(super) hints: [Hint; Lane::ALL.len()],
    pub(in super::super) buffers: ManuallyDrop<Buffers>,
}

impl RequestContext {
    /// Nothing of it is registered yet. The first of n files has the first n-th of `slots`, and so on.
    pub(in super::super) fn new(
        files: Vec<OwnedFd>,
        slots: u32,
        flags: squeue::Flags,
        buffers: Buffers,
    ) -> Self {
        let fds: Box<[RawFd]> = files.iter().map(AsRawFd::as_raw_fd).collect();
        Self {
            slots_per_file: (slots / fds.len().max(1) as u32).max(1),
            fds,
            _files: files,
            fixed_file: false,
            slots_per_buffer: None,
            flags,
            hints: Default::default(),
            buffers: ManuallyDrop::new(buffers),
        }
    }

    /// The number of a slot's file, which it is registered by.
    #[inline]
    pub(in super::super) fn file(&self, slot: Slot) -> u32 {
        if self.fds.len() == 1 { 0 } else { slot / self.slots_per_file }
    }

    /// The descriptor of a slot's file.
    #[inline]
    pub(in super::super) fn fd(&self, slot: Slot) -> types::Fd {
        types::Fd(self.fds[self.file(slot) as usize])
    }

    /// The registered buffer that a slot's block lies in, where buffers are registered.
    #[inline]
    pub(in super::super) fn buffer(&self, slot: Slot) -> Option<u16> {
        // Nearly always there is one buffer, and no division.
        self.slots_per_buffer.map(|per| if slot < per { 0 } else { (slot / per) as u16 })
    }
}

/// The buffers as they are registered: as few as the kernel's limit on one allows, with the slots in each.
pub(super) fn registrable(buffers: &Buffers, depth: u32) -> (Vec<libc::iovec>, u32) {
    let per_buffer = (LARGEST_REGISTERED / buffers.block()).min(depth as usize) as u32;
    let iovecs = (0..depth).step_by(per_buffer as usize).map(|first| libc::iovec {
        iov_base: buffers.slot(first).cast(),
        iov_len: per_buffer.min(depth - first) as usize * buffers.block(),
    });
    (iovecs.collect(), per_buffer)
}
