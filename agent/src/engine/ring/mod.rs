//! io_uring: the engine `io_uring`, and `nop`.

pub(crate) mod setup;

use std::{
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::atomic::{Ordering, fence},
};

use io_uring::{IoUring, opcode, squeue, types};
use proto::{
    outcome::{Knob, Refusal},
    trial,
};

pub use self::setup::Attach;
use super::{BATCHES, Completion, Counts, Engine, Slot, batch_class};
use crate::{
    buffers::Buffers,
    workload::{Op, OpKind},
};

const ENTER_GETEVENTS: u32 = 1 << 0;
const ENTER_SQ_WAKEUP: u32 = 1 << 1;
const ENTER_REGISTERED_RING: u32 = 1 << 4;

/// The largest buffer that can be registered as one (the kernel's limit is 1 GiB).
const LARGEST_REGISTERED: usize = 1 << 30;

/// What the ring's requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Nothing.
    Nop,
    /// Read or write a block.
    Transfer,
}

/// A ring that is asked for.
pub struct RingSetup<'a> {
    /// What its requests do.
    pub opcode: Opcode,
    /// Requests in flight, at most.
    pub depth: u32,
    /// The knobs.
    pub engine: &'a trial::Engine,
    /// The worker that it is for.
    pub worker: u32,
    /// The CPU of its polling thread; none: the kernel's choice.
    pub poller: Option<u32>,
    /// Where rings that share a polling thread find each other.
    pub attach: &'a Attach,
}

/// The engines `io_uring` and `nop`.
pub struct Ring {
    ring: IoUring,
    form: Form,
    file: types::Fd,
    /// What stands for the ring in a call: its descriptor, or its registered index.
    enter_fd: RawFd,
    enter_flags: u32,
    /// A kernel thread takes the submissions: completions are awaited by looking.
    sqpoll: bool,
    /// Queued and not yet taken by the kernel.
    queued: u32,
    /// The polling thread was woken for what was queued last.
    woken: bool,
    visible: u32,
    enters: u64,
    submitted: u64,
    reaped: u64,
    batches: [u64; BATCHES],
    iovecs: Box<[libc::iovec]>,
    buffers: ManuallyDrop<Buffers>,
    _file: OwnedFd,
}

/// How a request is written down.
#[derive(Clone, Copy)]
struct Form {
    opcode: Opcode,
    fixed_file: bool,
    /// Slots in one registered buffer, where buffers are registered.
    slots_per_buffer: Option<u32>,
    vectored: bool,
    flags: squeue::Flags,
}

// SAFETY: the iovecs point into `buffers`, which is `Send` and owned by the same value.
unsafe impl Send for Ring {}

impl Drop for Ring {
    fn drop(&mut self) {
        // With requests in flight, or queued where a polling thread takes them, the kernel may yet write to the
        // buffers: then their memory is never given back. It comes to that only where the ring itself failed.
        if self.submitted == self.reaped && !(self.sqpoll && self.queued > 0) {
            if self.form.slots_per_buffer.is_some() {
                // A ring goes away some time after it is closed, and until then its buffers count as locked
                // memory, which the next trial may need.
                let _ = self.ring.submitter().unregister_buffers();
            }
            // SAFETY: the field is used nowhere after this, and nothing in the kernel refers to it.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
        } else {
            std::mem::forget(std::mem::take(&mut self.iovecs));
        }
    }
}

impl Ring {
    /// Builds the ring, on the thread that is going to use it, and registers what is to be registered. Says of
    /// each knob what was granted.
    ///
    /// # Errors
    /// A refusal that names the knob and what would grant it; a knob is dropped only under
    /// `fallback: allow`.
    pub fn new(setup: &RingSetup<'_>, file: OwnedFd, buffers: Buffers) -> Result<(Self, Vec<Knob>), Refusal> {
        let engine = setup.engine;
        let (ring, mut knobs) = setup::build(setup)?;
        let transfers = setup.opcode == Opcode::Transfer;
        let mut form = Form {
            opcode: setup.opcode,
            fixed_file: false,
            slots_per_buffer: None,
            vectored: engine.vectored,
            flags: if engine.force_async { squeue::Flags::ASYNC } else { squeue::Flags::empty() },
        };
        let written = [
            ("force_async", engine.force_async),
            ("vectored", engine.vectored),
            ("link_sync", engine.link_sync),
        ];
        for (name, asked) in written {
            if asked {
                // These are how requests are written; there is nothing to be granted at setup.
                setup::granted(name, Ok(()), engine, &mut knobs)?;
            }
        }
        if engine.fixed_files && transfers {
            let registered = ring.submitter().register_files(&[file.as_raw_fd()]);
            form.fixed_file = setup::granted("fixed_files", registered, engine, &mut knobs)?.is_some();
        }
        if engine.fixed_buffers && transfers {
            let (iovecs, per_buffer) = registrable(&buffers, setup.depth);
            // SAFETY: the iovecs lie within `buffers`, which the ring owns and outlives.
            let registered = unsafe { ring.submitter().register_buffers(&iovecs) };
            let granted = setup::granted("fixed_buffers", registered, engine, &mut knobs)?;
            form.slots_per_buffer = granted.map(|()| per_buffer);
        }
        if let Some(limits) = engine.iowq_workers {
            let mut limits = [limits.bounded, limits.unbounded];
            let registered = ring.submitter().register_iowq_max_workers(&mut limits);
            setup::granted("iowq_workers", registered, engine, &mut knobs)?;
        }
        let (mut enter_fd, mut enter_flags) = (ring.as_raw_fd(), 0);
        if engine.registered_ring {
            let registered = setup::register_ring(enter_fd);
            if let Some(index) = setup::granted("registered_ring", registered, engine, &mut knobs)? {
                (enter_fd, enter_flags) = (index, ENTER_REGISTERED_RING);
            }
        }
        let blocks = if engine.vectored { setup.depth } else { 0 };
        let iovec = |slot| libc::iovec { iov_base: buffers.slot(slot).cast(), iov_len: buffers.block() };
        let ring = Self {
            form,
            file: types::Fd(file.as_raw_fd()),
            enter_fd,
            enter_flags,
            sqpoll: ring.params().is_setup_sqpoll(),
            ring,
            queued: 0,
            woken: false,
            visible: 0,
            enters: 0,
            submitted: 0,
            reaped: 0,
            batches: [0; BATCHES],
            iovecs: (0..blocks).map(iovec).collect(),
            buffers: ManuallyDrop::new(buffers),
            _file: file,
        };
        Ok((ring, knobs))
    }

    #[cfg(test)]
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    #[inline]
    fn entry(&self, slot: Slot, op: Op) -> squeue::Entry {
        let form = self.form;
        let (address, len) = (self.buffers.slot(slot), op.len);
        // The opcodes are generic over the kind of descriptor by a trait that cannot be named.
        macro_rules! transfer {
            ($file:expr) => {
                match (form.slots_per_buffer, op.kind) {
                    (None, OpKind::Read) => opcode::Read::new($file, address, len).offset(op.offset).build(),
                    (None, _) => opcode::Write::new($file, address, len).offset(op.offset).build(),
                    (Some(per), OpKind::Read) => {
                        opcode::ReadFixed::new($file, address, len, (slot / per) as u16)
                            .offset(op.offset)
                            .build()
                    }
                    (Some(per), _) => opcode::WriteFixed::new($file, address, len, (slot / per) as u16)
                        .offset(op.offset)
                        .build(),
                }
            };
        }
        macro_rules! vectored {
            ($file:expr) => {{
                let iovec = &raw const self.iovecs[slot as usize];
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
        let entry = match (form.opcode, form.vectored, form.fixed_file) {
            (Opcode::Nop, ..) => opcode::Nop::new().build(),
            (Opcode::Transfer, _, true) if syncs => sync!(types::Fixed(0)),
            (Opcode::Transfer, _, false) if syncs => sync!(self.file),
            (Opcode::Transfer, false, true) => transfer!(types::Fixed(0)),
            (Opcode::Transfer, false, false) => transfer!(self.file),
            (Opcode::Transfer, true, true) => vectored!(types::Fixed(0)),
            (Opcode::Transfer, true, false) => vectored!(self.file),
        };
        // The sync that follows in the same submission waits for the write. At the end of a submission a link
        // would be none; the loop queues the two together, and the queue is published whole.
        let link =
            if op.kind == OpKind::WriteLinked { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
        entry.user_data(u64::from(slot)).flags(form.flags | link)
    }

    /// One io_uring_enter, over again where a signal ended it. Returns how many requests it took.
    #[inline]
    fn enter(&mut self, submit: u32, wait: u32, flags: u32) -> io::Result<u32> {
        loop {
            self.enters += 1;
            // SAFETY: what is queued refers to slots that stay untouched until they are reaped; no other
            // pointer is handed over.
            let taken = unsafe {
                libc::syscall(
                    libc::SYS_io_uring_enter,
                    self.enter_fd,
                    submit,
                    wait,
                    flags | self.enter_flags,
                    std::ptr::null::<libc::c_void>(),
                    0usize,
                )
            };
            match taken {
                0.. => return Ok(taken as u32),
                _ => match io::Error::last_os_error() {
                    error if error.raw_os_error() == Some(libc::EINTR) => {}
                    error => return Err(error),
                },
            }
        }
    }

    #[inline]
    fn look(&mut self) -> u32 {
        self.visible = self.ring.completion().len() as u32;
        self.visible
    }

    /// Whether completions would show only after a call: those that are polled for or held back for us, or
    /// found no room in the queue.
    fn needs_call(&mut self) -> bool {
        let polled = self.ring.params().is_setup_iopoll() && self.submitted > self.reaped;
        let queue = self.ring.submission();
        polled || queue.taskrun() || queue.cq_overflow()
    }

    /// The kernel's thread has what is queued already. Looks for completions until there are enough; calls the
    /// kernel only to wake the thread, or to have an overflown completion queue refilled.
    fn commit_polled(&mut self, wait: u32) -> io::Result<u32> {
        if self.queued > 0 {
            self.submitted += u64::from(std::mem::take(&mut self.queued));
            self.woken = false;
        }
        loop {
            // The thread sets the flag before it looks at the tail a last time; we moved the tail before
            // looking at the flag. The fence keeps one of the two from being missed.
            fence(Ordering::SeqCst);
            let queue = self.ring.submission();
            // It wakes by itself for completions: only requests that it has not taken need the call.
            let (asleep, overflown) = (queue.need_wakeup() && !queue.is_empty(), queue.cq_overflow());
            drop(queue);
            // One call wakes it for all that is queued; until it is given a CPU, the flag stays as it was.
            let wake = asleep && !std::mem::replace(&mut self.woken, asleep);
            if wake || overflown {
                let wakeup = if wake { ENTER_SQ_WAKEUP } else { 0 };
                let refill = if overflown { ENTER_GETEVENTS } else { 0 };
                self.enter(0, 0, wakeup | refill)?;
            }
            if self.look() >= wait {
                return Ok(self.visible);
            }
            std::hint::spin_loop();
        }
    }
}

/// The buffers as they are registered: as few as the kernel's limit on one allows, with the slots in each.
fn registrable(buffers: &Buffers, depth: u32) -> (Vec<libc::iovec>, u32) {
    let per_buffer = (LARGEST_REGISTERED / buffers.block()).min(depth as usize) as u32;
    let iovecs = (0..depth).step_by(per_buffer as usize).map(|first| libc::iovec {
        iov_base: buffers.slot(first).cast(),
        iov_len: per_buffer.min(depth - first) as usize * buffers.block(),
    });
    (iovecs.collect(), per_buffer)
}

impl Engine for Ring {
    fn moves_data(&self) -> bool {
        self.form.opcode == Opcode::Transfer
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        // SAFETY: `&mut self` makes this the only view of the submission queue while it lives.
        let mut queue = unsafe { self.ring.submission_shared() };
        let mut queued = 0;
        for (slot, op) in requests {
            if let Some(iovec) = self.iovecs.get_mut(slot as usize) {
                iovec.iov_len = op.len as usize;
            }
            let entry = self.entry(slot, op);
            // SAFETY: the entry's block belongs to this slot alone until its completion is reaped, and file
            // and buffers live as long as the ring.
            let pushed = unsafe { queue.push(&entry) };
            debug_assert!(pushed.is_ok(), "there are as many entries as slots");
            queued += 1;
        }
        drop(queue);
        self.queued += queued;
    }

    #[inline]
    fn commit(&mut self, wait: u32) -> io::Result<u32> {
        if self.sqpoll {
            return self.commit_polled(wait);
        }
        if self.queued == 0 && wait == 0 && !self.needs_call() {
            return Ok(self.look());
        }
        // GETEVENTS also runs the completions that defer_taskrun holds back, and polls under iopoll.
        let taken = self.enter(self.queued, wait, ENTER_GETEVENTS);
        let visible = self.look();
        let taken = taken?;
        self.batches[batch_class(taken)] += 1;
        self.queued -= taken;
        self.submitted += u64::from(taken);
        Ok(visible)
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        let visible = std::mem::take(&mut self.visible) as usize;
        self.reaped += visible as u64;
        for entry in self.ring.completion().take(visible) {
            each(Completion { slot: entry.user_data() as Slot, result: entry.result() });
        }
    }

    fn counts(&self) -> Counts {
        // SAFETY: `&self` keeps the ring; the view is only looked at, for a counter that the kernel writes.
        let overflows = unsafe { self.ring.completion_shared() }.overflow();
        Counts {
            syscalls: [("io_uring_enter", self.enters), ("", 0), ("", 0), ("", 0)],
            submitted: self.submitted,
            batches: self.batches,
            overflows: u64::from(overflows),
        }
    }
}
