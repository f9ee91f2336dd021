//! The requests of the engines `io_uring` and `nop`: reads and writes of a file, or nothing.
//!
//! A request is a copy of a template, made once for each kind of operation and each file, in which only what
//! differs is filled in: nothing is decided per request that was decided when the ring was built.

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
    /// For each file [`KINDS`], by the number of the kind.
    templates: Box<[Sqe]>,
}

/// Numbers of kinds of operations: one more than the largest.
const KINDS: usize = 8;

/// All kinds of operations.
const ALL: [OpKind; 5] =
    [OpKind::Read, OpKind::Write, OpKind::WriteLinked, OpKind::Fdatasync, OpKind::Fsync];

/// `struct io_uring_sqe` as eight words. The crate's own entry has no access to the fields once it is built.
///
/// Words of one size, because the compiler then keeps each in a register and stores it once. Fields of mixed sizes
/// it puts together on the stack and copies in pieces that overlap: the processor waits for its own stores, which was
/// a tenth of a NOP.
#[derive(Clone, Copy)]
struct Sqe([u64; 8]);

/// Words of an entry: the file's offset, the address in memory; length and flags; user data; the buffer's index first.
const OFFSET: usize = 1;
const ADDRESS: usize = 2;
const LENGTH: usize = 3;
const USER_DATA: usize = 4;
const BUFFER: usize = 5;

impl Sqe {
    /// Fills in the field that a word begins with, which was zero.
    #[inline(always)]
    fn begin<const N: usize>(&mut self, word: usize, field: [u8; N]) {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(&field);
        self.0[word] |= u64::from_ne_bytes(bytes);
    }
}

impl From<squeue::Entry> for Sqe {
    fn from(entry: squeue::Entry) -> Self {
        // SAFETY: both are the kernel's 64 bytes of a request, of which every value is valid as plain numbers.
        unsafe { std::mem::transmute::<squeue::Entry, Self>(entry) }
    }
}

impl From<Sqe> for squeue::Entry {
    #[inline(always)]
    fn from(sqe: Sqe) -> Self {
        // SAFETY: both are the kernel's 64 bytes of a request: plain numbers in unions, without padding.
        unsafe { std::mem::transmute::<Sqe, Self>(sqe) }
    }
}

// SAFETY: the iovecs point into the buffers of the ring that these requests are made for, which are `Send` and
// owned by the same value.
unsafe impl Send for Transfers {}

impl Transfers {
    pub(super) fn new(opcode: Opcode, vectored: bool, slots: u32, buffers: &Buffers) -> Self {
        let iovec = |slot| libc::iovec { iov_base: buffers.slot(slot).cast(), iov_len: buffers.block() };
        let iovecs = vectored.then(|| (0..slots).map(iovec).collect());
        Self { opcode, iovecs, templates: Box::default() }
    }

    /// A request of one kind for one file, without what differs between requests.
    fn template(&self, place: &Place, file: usize, kind: OpKind) -> Sqe {
        let nowhere = std::ptr::null_mut::<u8>();
        let registered = place.slots_per_buffer.is_some();
        // The opcodes are generic over the kind of descriptor by a trait that cannot be named.
        macro_rules! entry {
            ($file:expr) => {
                match (kind, self.iovecs.is_some(), registered) {
                    (OpKind::Fdatasync, ..) => {
                        opcode::Fsync::new($file).flags(types::FsyncFlags::DATASYNC).build()
                    }
                    (OpKind::Fsync, ..) => opcode::Fsync::new($file).build(),
                    (OpKind::Read, true, _) => opcode::Readv::new($file, nowhere.cast(), 1).build(),
                    (_, true, _) => opcode::Writev::new($file, nowhere.cast(), 1).build(),
                    (OpKind::Read, false, false) => opcode::Read::new($file, nowhere, 0).build(),
                    (_, false, false) => opcode::Write::new($file, nowhere, 0).build(),
                    (OpKind::Read, false, true) => opcode::ReadFixed::new($file, nowhere, 0, 0).build(),
                    (_, false, true) => opcode::WriteFixed::new($file, nowhere, 0, 0).build(),
                }
            };
        }
        let entry = match (self.opcode, place.fixed_file) {
            (Opcode::Nop, _) => opcode::Nop::new().build(),
            (Opcode::Transfer, true) => entry!(types::Fixed(file as u32)),
            (Opcode::Transfer, false) => entry!(types::Fd(place.fds[file])),
        };
        // The sync that follows in the same submission waits for the write. At the end of a submission a link
        // would be none; the loop queues the two together, and the queue is published whole.
        let link = if kind == OpKind::WriteLinked { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
        entry.flags(place.flags | link).into()
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

    fn settle(&mut self, place: &Place) {
        let mut templates = Vec::with_capacity(place.fds.len().max(1) * KINDS);
        for file in 0..place.fds.len().max(1) {
            // Numbers that are no kind's are never asked for.
            templates.extend([self.template(place, file, OpKind::Read); KINDS]);
            for kind in ALL {
                templates[file * KINDS + kind as usize] = self.template(place, file, kind);
            }
        }
        self.templates = templates.into();
    }

    #[inline(always)]
    fn entry(&mut self, place: &Place, slot: Slot, op: Op) -> squeue::Entry {
        let mut sqe = self.templates[place.file(slot) as usize * KINDS + op.kind as usize];
        sqe.0[USER_DATA] = u64::from(slot);
        if self.opcode == Opcode::Transfer && !op.kind.syncs() {
            sqe.0[OFFSET] = op.offset;
            match &mut self.iovecs {
                None => {
                    sqe.0[ADDRESS] = place.buffers.slot(slot).expose_provenance() as u64;
                    sqe.begin(LENGTH, op.len.to_ne_bytes());
                    sqe.begin(BUFFER, place.buffer(slot).unwrap_or_default().to_ne_bytes());
                }
                Some(iovecs) => {
                    let iovec = &mut iovecs[slot as usize];
                    iovec.iov_len = op.len as usize;
                    sqe.0[ADDRESS] = (&raw const *iovec).expose_provenance() as u64;
                }
            }
        }
        sqe.into()
    }

    #[inline]
    fn completion(entry: &cqueue::Entry) -> Completion {
        Completion { slot: entry.user_data() as Slot, result: entry.result() }
    }
}
