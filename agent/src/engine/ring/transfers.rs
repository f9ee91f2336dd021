//! The requests of the engines `io_uring` and `nop`: reads and writes of a file, or NOPs.
//!
//! A request is made from a template. There is one for each kind of operation, lane and file, so that the hot path
//! decides nothing that is known when the ring is built.

use std::io;

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use proto::outcome::Lane;

use super::{Completion, Opcode, RequestContext, Requests, Slot, context::Hint, setup};
use crate::{
    buffers::Buffers,
    workload::{Op, OpKind},
};

/// Reads and writes of a file, or NOPs, in entries of the usual size.
pub struct Transfers {
    opcode: Opcode,
    /// One for each slot if requests are vectored.
    iovecs: Option<Box<[libc::iovec]>>,
    /// For each file [`TEMPLATES`], by lane and then by kind.
    templates: Box<[Template]>,
}

/// One more than the largest number of an [`OpKind`].
const KINDS: usize = 8;

/// Templates for one file: [`KINDS`] for each lane.
const TEMPLATES: usize = Lane::ALL.len() * KINDS;

/// The common part of requests of one kind: two words of `struct io_uring_sqe`. All other words are filled in, or zero.
///
/// The crate's own entry has no access to its fields once it is built. The words have one size because the compiler
/// then keeps each in a register and stores it once; fields of mixed sizes are assembled on the stack and copied in
/// pieces that overlap, and the processor waits for its own stores, which took a tenth of the time of a NOP.
#[derive(Clone, Copy)]
struct Template {
    /// Opcode, flags, I/O priority, descriptor.
    head: u64,
    /// Length, if it is the same for all, and flags of the opcode.
    length: u64,
}

impl From<squeue::Entry> for Template {
    fn from(entry: squeue::Entry) -> Self {
        // SAFETY: both are the kernel's 64 bytes of a request, of which every value is valid as plain numbers.
        let words = unsafe { std::mem::transmute::<squeue::Entry, [u64; 8]>(entry) };
        let [head, _, _, length, ..] = words;
        debug_assert_eq!(
            words,
            [head, 0, words[2], length, 0, 0, 0, 0],
            "all other words differ between requests"
        );
        Self { head, length }
    }
}

impl Template {
    /// The template with the hint of a lane.
    fn with_hint(self, hint: Hint) -> Self {
        let mut head = self.head.to_ne_bytes();
        head[1] |= hint.flags;
        head[2..4].copy_from_slice(&hint.ioprio.to_ne_bytes());
        Self { head: u64::from_ne_bytes(head), ..self }
    }

    /// A request: its offset in the file, the address and length in memory (length 0: the template's), the registered
    /// buffer, and the user data of its completion.
    #[inline(always)]
    fn with(self, offset: u64, address: u64, len: u32, buffer: u16, user_data: u64) -> squeue::Entry {
        let [a, b, c, d] = len.to_ne_bytes();
        let len = u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]);
        let [a, b] = buffer.to_ne_bytes();
        let buffer = u64::from_ne_bytes([a, b, 0, 0, 0, 0, 0, 0]);
        let words = [self.head, offset, address, self.length | len, user_data, buffer, 0, 0];
        // SAFETY: both are the kernel's 64 bytes of a request: plain numbers in unions, without padding.
        unsafe { std::mem::transmute::<[u64; 8], squeue::Entry>(words) }
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

    /// The template of one kind, lane and file.
    fn template(&self, context: &RequestContext, file: usize, lane: Lane, kind: OpKind) -> Template {
        let nowhere = std::ptr::null_mut::<u8>();
        let registered = context.slots_per_buffer.is_some();
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
        let entry = match (self.opcode, context.fixed_file) {
            (Opcode::Nop, _) => opcode::Nop::new().build(),
            (Opcode::Transfer, true) => entry!(types::Fixed(file as u32)),
            (Opcode::Transfer, false) => entry!(types::Fd(context.fds[file])),
        };
        // The sync that follows in the same submission waits for the write. At the end of a submission a link would
        // have no effect; the loop queues the two together, and the queue is published as a whole.
        let link = if kind == OpKind::WriteLinked { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
        Template::from(entry.flags(context.flags | link)).with_hint(context.hints[lane as usize])
    }
}

impl Requests for Transfers {
    type Sqe = squeue::Entry;
    type Cqe = cqueue::Entry;

    fn open(params: &mut setup::Params, entries: u32) -> io::Result<IoUring> {
        setup::open(params, entries)
    }

    fn moves_data(&self) -> bool {
        self.opcode == Opcode::Transfer
    }

    fn settle(&mut self, context: &RequestContext) {
        let files = context.fds.len().max(1);
        // Entries that belong to no kind are never used.
        let mut templates = vec![self.template(context, 0, Lane::Bulk, OpKind::Read); files * TEMPLATES];
        for (file, templates) in templates.chunks_mut(TEMPLATES).enumerate() {
            for (lane, kind) in Lane::ALL.into_iter().flat_map(|lane| OpKind::ALL.map(|kind| (lane, kind))) {
                templates[lane as usize * KINDS + kind as usize] = self.template(context, file, lane, kind);
            }
        }
        self.templates = templates.into();
    }

    #[inline(always)]
    fn entry(&mut self, context: &RequestContext, slot: Slot, op: Op) -> squeue::Entry {
        let template = self.templates
            [context.file(slot) as usize * TEMPLATES + op.lane as usize * KINDS + op.kind as usize];
        let user_data = u64::from(slot);
        if self.opcode == Opcode::Nop || op.kind.syncs() {
            return template.with(0, 0, 0, 0, user_data);
        }
        match &mut self.iovecs {
            None => {
                let address = context.buffers.of(slot, op).expose_provenance() as u64;
                template.with(op.offset, address, op.len, context.buffer(slot).unwrap_or_default(), user_data)
            }
            Some(iovecs) => {
                let iovec = &mut iovecs[slot as usize];
                iovec.iov_base = context.buffers.of(slot, op).cast();
                iovec.iov_len = op.len as usize;
                let address = (&raw const *iovec).expose_provenance() as u64;
                template.with(op.offset, address, 0, 0, user_data)
            }
        }
    }

    #[inline]
    fn completion(entry: &cqueue::Entry) -> Completion {
        Completion { slot: entry.user_data() as Slot, result: entry.result() }
    }
}
