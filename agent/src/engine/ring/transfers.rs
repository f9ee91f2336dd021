//! The requests of the engines `io_uring` and `nop`: reads and writes of a file, or nothing.

use std::io;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::{Completion, Opcode, Place, Requests, Slot, setup};
use crate::{
    buffers::Buffers,
    workload::{Op, OpKind},
};

/// Reads and writes of a file, or NOPs, in entries of the usual size.
pub struct Transfers {
    opcode: Opcode,
    /// One for each slot, where requests are vectored.
    iovecs: Option<Box<[libc::iovec]>>,
}

// SAFETY: the iovecs point into the buffers of the ring that these requests are made for, which are `Send` and
// owned by the same value.
unsafe impl Send for Transfers {}

impl Transfers {
    pub(super) fn new(opcode: Opcode, vectored: bool, slots: u32, buffers: &Buffers) -> Self {
        let iovec = |slot| libc::iovec { iov_base: buffers.slot(slot).cast(), iov_len: buffers.block() };
        Self { opcode, iovecs: vectored.then(|| (0..slots).map(iovec).collect()) }
    }
}

impl Requests for Transfers {
    type Sqe = squeue::Entry;
    type Cqe = cqueue::Entry;

    fn open(params: setup::Params, entries: u32) -> io::Result<IoUring> {
        setup::open(params, entries)
    }

    fn moves_data(&self) -> bool {
        self.opcode == Opcode::Transfer
    }

    #[inline(always)]
    fn entry(&mut self, place: &Place, slot: Slot, op: Op) -> squeue::Entry {
        let (address, len) = (place.buffers.slot(slot), op.len);
        // The opcodes are generic over the kind of descriptor by a trait that cannot be named.
        macro_rules! transfer {
            ($file:expr) => {
                match (place.buffer(slot), op.kind) {
                    (None, OpKind::Read) => opcode::Read::new($file, address, len).offset(op.offset).build(),
                    (None, _) => opcode::Write::new($file, address, len).offset(op.offset).build(),
                    (Some(buffer), OpKind::Read) => {
                        opcode::ReadFixed::new($file, address, len, buffer).offset(op.offset).build()
                    }
                    (Some(buffer), _) => {
                        opcode::WriteFixed::new($file, address, len, buffer).offset(op.offset).build()
                    }
                }
            };
        }
        macro_rules! vectored {
            ($file:expr, $iovecs:expr) => {{
                let iovec = &mut $iovecs[slot as usize];
                iovec.iov_len = len as usize;
                let iovec = &raw const *iovec;
                match op.kind {
                    OpKind::Read => opcode::Readv::new($file, iovec, 1).offset(op.offset).build(),
                    _ => opcode::Writev::new($file, iovec, 1).offset(op.offset).build(),
                }
            }};
        }
        macro_rules! sync {
            ($file:expr) => {{
                let data_only = op.kind == OpKind::Fdatasync;
                let flags = if data_only { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
                opcode::Fsync::new($file).flags(flags).build()
            }};
        }
        let syncs = matches!(op.kind, OpKind::Fsync | OpKind::Fdatasync);
        let entry = match (self.opcode, &mut self.iovecs, place.fixed_file) {
            (Opcode::Nop, ..) => opcode::Nop::new().build(),
            (Opcode::Transfer, _, true) if syncs => sync!(types::Fixed(place.file(slot))),
            (Opcode::Transfer, _, false) if syncs => sync!(place.fd(slot)),
            (Opcode::Transfer, None, true) => transfer!(types::Fixed(place.file(slot))),
            (Opcode::Transfer, None, false) => transfer!(place.fd(slot)),
            (Opcode::Transfer, Some(iovecs), true) => vectored!(types::Fixed(place.file(slot)), iovecs),
            (Opcode::Transfer, Some(iovecs), false) => vectored!(place.fd(slot), iovecs),
        };
        // The sync that follows in the same submission waits for the write. At the end of a submission a link
        // would be none; the loop queues the two together, and the queue is published whole.
        let link =
            if op.kind == OpKind::WriteLinked { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
        entry.user_data(u64::from(slot)).flags(place.flags | link)
    }

    #[inline]
    fn completion(entry: &cqueue::Entry) -> Completion {
        Completion { slot: entry.user_data() as Slot, result: entry.result() }
    }
}
