//! Descriptors of an open file, and memory for direct I/O.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
};

use super::proc_path;

/// The alignment of the trial's buffers, in bytes: enough for every device in use.
const BUFFER_ALIGN: usize = 4096;

/// Opens the same file as a new open file description.
pub(super) fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(proc_path(fd), flags | OFlags::CLOEXEC, Mode::empty())
}

/// Memory that is aligned for direct I/O.
pub(super) struct Aligned {
    memory: Vec<u8>,
    len: usize,
}

impl Aligned {
    pub(super) fn new(len: usize) -> Self {
        Self { memory: vec![0; len + BUFFER_ALIGN], len }
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        let skip = self.memory.as_ptr().align_offset(BUFFER_ALIGN).min(BUFFER_ALIGN);
        &mut self.memory[skip..skip + self.len]
    }
}
