//! The files and buffers of a ring's requests, by address or as registered.

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

/// The marks by which a lane's requests tell the kernel their precedence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Bits of the request's flags.
    pub(super) flags: u8,
    /// Its I/O priority; 0 means the priority of the thread.
    pub(super) ioprio: u16,
}

/// The files, buffers and flags of requests, and their registration.
pub struct RequestContext {
    _files: Vec<OwnedFd>,
    /// Their descriptors; each file serves the same number of slots.
    pub(super) fds: Box<[RawFd]>,
    slots_per_file: u32,
    /// Whether the files are registered, in their order.
    pub(in super::super) fixed_file: bool,
    /// The number of slots in one registered buffer; `None` if buffers are not registered.
    pub(in super::super) slots_per_buffer: Option<u32>,
    /// The flags of every request.
    pub(in super::super) flags: squeue::Flags,
    /// The hint of each lane's requests, by the lane's number.
    pub(super) hints: [Hint; Lane::ALL.len()],
    pub(in super::super) buffers: ManuallyDrop<Buffers>,
}

impl RequestContext {
    /// A context with nothing registered. The first of n files serves the first n-th of `slots`, and so on.
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

    /// The index of a slot's file, also among the registered files.
    #[inline]
    pub(in super::super) fn file(&self, slot: Slot) -> u32 {
        if self.fds.len() == 1 { 0 } else { slot / self.slots_per_file }
    }

    /// The descriptor of a slot's file.
    #[inline]
    pub(in super::super) fn fd(&self, slot: Slot) -> types::Fd {
        types::Fd(self.fds[self.file(slot) as usize])
    }

    /// The index of the registered buffer that contains a slot's block; `None` if buffers are not registered.
    #[inline]
    pub(in super::super) fn buffer(&self, slot: Slot) -> Option<u16> {
        // There is nearly always one buffer, which needs no division.
        self.slots_per_buffer.map(|per| if slot < per { 0 } else { (slot / per) as u16 })
    }
}

/// The buffers to register, as few as the kernel's limit allows, and the number of slots in each.
pub(super) fn registrable(buffers: &Buffers, depth: u32) -> (Vec<libc::iovec>, u32) {
    if let Some(whole) = buffers.whole() {
        return (vec![whole], depth);
    }
    let per_buffer = (LARGEST_REGISTERED / buffers.block()).min(depth as usize) as u32;
    let iovecs = (0..depth).step_by(per_buffer as usize).map(|first| libc::iovec {
        iov_base: buffers.slot(first).cast(),
        iov_len: per_buffer.min(depth - first) as usize * buffers.block(),
    });
    (iovecs.collect(), per_buffer)
}
