//! io_uring: the engines `io_uring`, `nop`, and, with its own type of request, `nvme`.

pub(crate) mod abi;
mod context;
pub(crate) mod diagnosis;
mod dual;
mod ring_fd;
pub(crate) mod setup;
mod transfers;
mod urgent_hint;

use std::{
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::atomic::{Ordering, fence},
};

use io_uring::{IoUring, cqueue, squeue};
use proto::{
    engine::Grant,
    knob::Knob,
    outcome::{EngineCounts, Refusal},
    trial,
};

pub(super) use self::ring_fd::RingFd;
use self::ring_fd::{ENTER_GETEVENTS, ENTER_REGISTERED_RING, ENTER_SQ_WAKEUP};
pub use self::{context::RequestContext, dual::DualRing, setup::Attach, transfers::Transfers};
use super::{BATCHES, Completion, Counts, Engine, LOOKS, Slot, batch_class};
use crate::{buffers::Buffers, workload::Op};

/// The kind of a ring's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Nothing.
    Nop,
    /// Reads or writes of a block.
    Transfer,
}

impl Opcode {
    /// The opcode of an engine's requests.
    #[must_use]
    pub fn of(engine: trial::EngineKind) -> Self {
        if engine == trial::EngineKind::Nop { Self::Nop } else { Self::Transfer }
    }
}

/// The configuration of a ring.
pub struct RingSetup<'a> {
    /// The kind of its requests.
    pub opcode: Opcode,
    /// The maximum number of requests in flight.
    pub depth: u32,
    /// The engine's options.
    pub engine: &'a trial::Engine,
    /// The number of the worker that the ring is for.
    pub worker: u32,
    /// The CPU of its polling thread; `None` leaves the choice to the kernel.
    pub poller: Option<u32>,
    /// Access to the first ring, for rings that share its polling thread.
    pub attach: &'a Attach,
}

/// How requests are encoded in a ring's entries, and how completions are decoded.
pub trait Requests {
    /// An entry of the submission queue.
    type Sqe: squeue::EntryMarker;
    /// An entry of the completion queue.
    type Cqe: cqueue::EntryMarker;

    /// Sets up a ring with entries of these types. If the kernel itself fills in the parameters, they contain its
    /// features afterwards.
    ///
    /// # Errors
    /// The error of io_uring_setup.
    fn open(params: &mut setup::Params, entries: u32) -> io::Result<IoUring<Self::Sqe, Self::Cqe>>;

    /// Whether requests move data; see [`Engine::moves_data`].
    fn moves_data(&self) -> bool;

    /// Called when files and buffers have been registered or unregistered.
    fn settle(&mut self, _place: &RequestContext) {}

    /// Encodes the request of a slot.
    fn entry(&mut self, context: &RequestContext, slot: Slot, op: Op) -> Self::Sqe;

    /// Decodes a completion.
    fn completion(entry: &Self::Cqe) -> Completion;
}

/// The engines `io_uring` and `nop`; with [`super::Commands`] as requests, `nvme`.
pub struct Ring<R: Requests = Transfers> {
    ring: IoUring<R::Sqe, R::Cqe>,
    requests: ManuallyDrop<R>,
    pub(super) context: RequestContext,
    ring_fd: RingFd,
    /// A kernel thread takes the submissions, and this thread polls for completions.
    sqpoll: bool,
    /// Queued, and not yet taken by the kernel.
    queued: u32,
    /// The polling thread has been woken for the requests that were queued last.
    woken: bool,
    visible: u32,
    enters: u64,
    submitted: u64,
    reaped: u64,
    batches: [u64; BATCHES],
    /// Writes are linked to their syncs.
    links: bool,
    parted: u64,
}

impl<R: Requests> Drop for Ring<R> {
    fn drop(&mut self) {
        // While requests are in flight, or queued for a polling thread, the kernel may still write to the buffers, so
        // their memory is never freed. This happens only if the ring itself failed, or requests did not complete before
        // the drain deadline.
        if self.submitted == self.reaped && !(self.sqpoll && self.queued > 0) {
            // A ring is destroyed some time after it is closed. Until then its buffers count as locked memory, which
            // the next trial may need.
            self.unregister_buffers();
            // SAFETY: the fields are used nowhere after this, and nothing in the kernel refers to them.
            unsafe {
                ManuallyDrop::drop(&mut self.requests);
                ManuallyDrop::drop(&mut self.context.buffers);
            }
        }
    }
}

impl Ring {
    /// Builds the ring on the thread that is going to use it, and registers files and buffers. Returns requested and
    /// granted options.
    ///
    /// # Errors
    /// A refusal that names the option and its requirements. With `fallback: allow` an option that is not granted is
    /// dropped instead.
    pub fn new(setup: &RingSetup<'_>, file: OwnedFd, buffers: Buffers) -> Result<(Self, Vec<Knob>), Refusal> {
        Self::over(setup, vec![file], buffers)
    }

    /// As [`Self::new`], over several files: the first of n files serves the first n-th of the slots, and so on.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn over(
        setup: &RingSetup<'_>,
        files: Vec<OwnedFd>,
        buffers: Buffers,
    ) -> Result<(Self, Vec<Knob>), Refusal> {
        let requests = Transfers::new(setup.opcode, setup.engine.ring.vectored, setup.depth, &buffers);
        Self::with(requests, setup, files, buffers)
    }
}

impl<R: Requests> Ring<R> {
    /// Builds a ring that makes these requests.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub(super) fn with(
        requests: R,
        setup: &RingSetup<'_>,
        files: Vec<OwnedFd>,
        buffers: Buffers,
    ) -> Result<(Self, Vec<Knob>), Refusal> {
        let engine = setup.engine;
        let setup::Built { ring, mut knobs, urgent: flagged } = setup::build::<R>(setup)?;
        let transfers = setup.opcode == Opcode::Transfer;
        let flags = if engine.ring.force_async { squeue::Flags::ASYNC } else { squeue::Flags::empty() };
        // Complete from the start, so that drop frees the buffers if an option is refused below.
        let mut built = Self {
            requests: ManuallyDrop::new(requests),
            context: RequestContext::new(files, setup.depth, flags, buffers),
            ring_fd: RingFd { fd: ring.as_raw_fd(), flags: 0 },
            sqpoll: ring.params().is_setup_sqpoll(),
            ring,
            queued: 0,
            woken: false,
            visible: 0,
            enters: 0,
            submitted: 0,
            reaped: 0,
            batches: [0; BATCHES],
            links: engine.ring.link_sync,
            parted: 0,
        };
        let (ring, context) = (&built.ring, &mut built.context);
        // These options are part of each request, so they need no grant in advance.
        let written = engine.set_options().filter(|option| option.grant == Grant::Request);
        knobs.extend(written.map(|option| Knob::switch(option.name, true)));
        if engine.ring.fixed_files && transfers {
            let registered = ring.submitter().register_files(&context.fds);
            context.fixed_file = setup::granted("fixed_files", registered, engine, &mut knobs)?.is_some();
        }
        if engine.ring.fixed_buffers && transfers {
            let (iovecs, per_buffer) = context::registrable(&context.buffers, setup.depth);
            // SAFETY: the iovecs lie within the buffers, which the ring owns and outlives.
            let registered = unsafe { ring.submitter().register_buffers(&iovecs) };
            let granted = setup::granted("fixed_buffers", registered, engine, &mut knobs)?;
            context.slots_per_buffer = granted.map(|()| per_buffer);
        }
        if let Some(limits) = engine.ring.iowq_workers {
            let mut limits = [limits.bounded, limits.unbounded];
            let registered = ring.submitter().register_iowq_max_workers(&mut limits);
            setup::granted("iowq_workers", registered, engine, &mut knobs)?;
        }
        if engine.ring.registered_ring {
            let registered = setup::register_ring(built.ring_fd.fd);
            if let Some(index) = setup::granted("registered_ring", registered, engine, &mut knobs)? {
                built.ring_fd = RingFd { fd: index, flags: ENTER_REGISTERED_RING };
            }
        }
        built.requests.settle(&built.context);
        knobs.extend(built.urgent_hint(setup, flagged)?);
        Ok((built, knobs))
    }

    /// Unregisters the buffers; requests then refer to memory by address only. Nothing may be in flight.
    pub(super) fn unregister_buffers(&mut self) {
        if self.context.slots_per_buffer.take().is_some() {
            let _ = self.ring.submitter().unregister_buffers();
            self.requests.settle(&self.context);
        }
    }

    /// Whether the kernel supports a request, by its opcode.
    pub(super) fn knows(&self, code: u8) -> bool {
        let mut probe = io_uring::Probe::new();
        self.ring.submitter().register_probe(&mut probe).is_ok() && probe.is_supported(code)
    }

    /// The descriptor by which a thread that does not own the ring can wait for it.
    pub(super) fn ring_fd(&self) -> RingFd {
        self.ring_fd
    }

    /// Whether a kernel thread takes the submissions.
    pub(super) fn polls_submissions(&self) -> bool {
        self.sqpoll
    }

    /// Whether completions become visible, or requests are taken, only if the thread polls.
    pub(super) fn polls(&self) -> bool {
        self.sqpoll || self.ring.params().is_setup_iopoll()
    }

    /// The numbers of calls made and requests submitted so far.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.enters, self.submitted)
    }

    /// Requests that the kernel has not taken yet.
    pub(super) fn queued(&self) -> u32 {
        self.queued
    }

    /// Queues a request of another type, whose user data stands for the slot in its completion.
    ///
    /// # Safety
    /// Everything that the entry refers to must live until its completion is reaped, and the queue must have room.
    pub(super) unsafe fn queue_entry(&mut self, entry: &R::Sqe) {
        // SAFETY: the caller guarantees that everything that the entry refers to lives long enough.
        let pushed = unsafe { self.ring.submission().push(entry) };
        debug_assert!(pushed.is_ok(), "the caller made sure that there is room");
        self.queued += 1;
    }

    #[cfg(test)]
    pub(super) fn requests(&self) -> &R {
        &self.requests
    }

    #[cfg(test)]
    pub(super) fn buffers(&self) -> &Buffers {
        &self.context.buffers
    }

    #[inline]
    fn enter(&mut self, submit: u32, wait: u32, flags: u32) -> io::Result<u32> {
        self.ring_fd.enter(submit, wait, flags, &mut self.enters)
    }

    /// Lets the next reap take all completions that are visible without a call; returns their number.
    #[inline]
    pub(super) fn look(&mut self) -> u32 {
        self.visible = self.ring.completion().len() as u32;
        self.visible
    }

    /// Whether some completions become visible only after a call: polled ones, deferred ones, and those that did not
    /// fit into the queue.
    fn needs_call(&mut self) -> bool {
        let polled = self.ring.params().is_setup_iopoll() && self.submitted > self.reaped;
        let queue = self.ring.submission();
        polled || queue.taskrun() || queue.cq_overflow()
    }

    /// Queued requests are already visible to the kernel's thread. Polls for completions until there are enough, or
    /// [`LOOKS`] times; calls the kernel only to wake the thread, or to refill a completion queue that overflowed.
    fn commit_polled(&mut self, wait: u32) -> io::Result<u32> {
        if self.queued > 0 {
            self.submitted += u64::from(std::mem::take(&mut self.queued));
            self.woken = false;
        }
        for _ in 0..LOOKS {
            // The thread sets the flag and then reads the tail a last time; this side moved the tail and then reads the
            // flag. The fence ensures that at least one side sees the other's change.
            fence(Ordering::SeqCst);
            let queue = self.ring.submission();
            // The thread wakes by itself for completions, so only requests that it has not taken need the call.
            let (asleep, overflown) = (queue.need_wakeup() && !queue.is_empty(), queue.cq_overflow());
            drop(queue);
            // One call wakes the thread for everything that is queued. The flag stays set until the thread runs.
            let wake = asleep && !std::mem::replace(&mut self.woken, asleep);
            if wake || overflown {
                let wakeup = if wake { ENTER_SQ_WAKEUP } else { 0 };
                let refill = if overflown { ENTER_GETEVENTS } else { 0 };
                self.enter(0, 0, wakeup | refill)?;
            }
            if self.look() >= wait {
                break;
            }
            std::hint::spin_loop();
        }
        Ok(self.visible)
    }
}

impl<R: Requests> Engine for Ring<R> {
    fn moves_data(&self) -> bool {
        self.requests.moves_data()
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        // SAFETY: `&mut self` makes this the only view of the submission queue while it lives.
        let mut queue = unsafe { self.ring.submission_shared() };
        let mut queued = 0;
        for (slot, op) in requests {
            let entry = self.requests.entry(&self.context, slot, op);
            // SAFETY: the entry's block belongs to this slot alone until its completion is reaped, and file
            // and buffers live as long as the ring.
            let pushed = unsafe { queue.push(&entry) };
            debug_assert!(pushed.is_ok(), "there is room for every slot");
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
        // GETEVENTS also runs completions deferred by defer_taskrun, and polls under iopoll.
        let taken = self.enter(self.queued, wait, ENTER_GETEVENTS);
        let visible = self.look();
        let taken = taken?;
        self.batches[batch_class(taken)] += 1;
        self.queued -= taken;
        self.submitted += u64::from(taken);
        // A chain of links ends with the submission. If the submission is cut between a write and its sync, the sync in
        // the next one does not wait for the write. The ring no longer shows which request was the last one taken, so
        // every partial submission counts.
        self.parted += u64::from(self.links && self.queued > 0);
        Ok(visible)
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        let visible = std::mem::take(&mut self.visible) as usize;
        self.reaped += visible as u64;
        for entry in self.ring.completion().take(visible) {
            each(R::completion(&entry));
        }
    }

    fn counts(&self) -> Counts {
        // SAFETY: `&self` keeps the ring alive; the view is used only to read a counter that the kernel writes.
        let overflows = unsafe { self.ring.completion_shared() }.overflow();
        Counts {
            syscalls: [("io_uring_enter", self.enters), ("", 0), ("", 0), ("", 0)],
            submitted: self.submitted,
            batches: self.batches,
            parted: self.parted,
            sharing: None,
            engine: EngineCounts { cq_overflows: u64::from(overflows) },
        }
    }

    fn rings(&self) -> Vec<RawFd> {
        vec![self.ring.as_raw_fd()]
    }
}
