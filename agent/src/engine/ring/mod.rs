//! io_uring: the engines `io_uring`, `nop`, and (with requests of its own) `nvme`.

pub(crate) mod abi;
mod context;
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
use proto::{engine::Grant, knob::Knob, outcome::Refusal, trial};

pub(super) use self::ring_fd::RingFd;
use self::ring_fd::{ENTER_GETEVENTS, ENTER_REGISTERED_RING, ENTER_SQ_WAKEUP};
pub use self::{context::RequestContext, dual::DualRing, setup::Attach, transfers::Transfers};
use super::{BATCHES, Completion, Counts, Engine, LOOKS, Slot, batch_class};
use crate::{buffers::Buffers, workload::Op};

/// What the ring's requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Nothing.
    Nop,
    /// Read or write a block.
    Transfer,
}

impl Opcode {
    /// That of an engine's requests.
    #[must_use]
    pub fn of(engine: trial::EngineKind) -> Self {
        if engine == trial::EngineKind::Nop { Self::Nop } else { Self::Transfer }
    }
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

/// How requests are written down in a ring's entries, and what its completions say.
pub trait Requests {
    /// An entry of the submission queue.
    type Sqe: squeue::EntryMarker;
    /// An entry of the completion queue.
    type Cqe: cqueue::EntryMarker;

    /// Sets up a ring with entries of these kinds. Where the kernel itself fills the parameters in, they have its
    /// features then.
    ///
    /// # Errors
    /// What io_uring_setup said.
    fn open(params: &mut setup::Params, entries: u32) -> io::Result<IoUring<Self::Sqe, Self::Cqe>>;

    /// Whether they move data; see [`Engine::moves_data`].
    fn moves_data(&self) -> bool;

    /// The file and the buffers are as they are going to be used: registered, or not (any more).
    fn settle(&mut self, _place: &RequestContext) {}

    /// The request of a slot.
    fn entry(&mut self, context: &RequestContext, slot: Slot, op: Op) -> Self::Sqe;

    /// What came back, and from which slot.
    fn completion(entry: &Self::Cqe) -> Completion;
}

/// The engines `io_uring` and `nop`; with requests of another kind, `nvme`.
pub struct Ring<R: Requests = Transfers> {
    ring: IoUring<R::Sqe, R::Cqe>,
    requests: ManuallyDrop<R>,
    pub(super) context: RequestContext,
    ring_fd: RingFd,
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
    /// Writes are linked to their syncs.
    links: bool,
    parted: u64,
}

impl<R: Requests> Drop for Ring<R> {
    fn drop(&mut self) {
        // With requests in flight, or queued where a polling thread takes them, the kernel may yet write to the
        // buffers: then their memory is never given back. It comes to that only where the ring itself failed, or what
        // was in flight did not come back before patience ended.
        if self.submitted == self.reaped && !(self.sqpoll && self.queued > 0) {
            // A ring goes away some time after it is closed, and until then its buffers count as locked memory,
            // which the next trial may need.
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
    /// Builds the ring, on the thread that is going to use it, and registers what is to be registered. Says of
    /// each knob what was granted.
    ///
    /// # Errors
    /// A refusal that names the knob and what would grant it; a knob is dropped only under
    /// `fallback: allow`.
    pub fn new(setup: &RingSetup<'_>, file: OwnedFd, buffers: Buffers) -> Result<(Self, Vec<Knob>), Refusal> {
        Self::over(setup, vec![file], buffers)
    }

    /// The same over several files: the first of n has the first n-th of the slots, and so on.
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
        // Whole from the start: dropped, it gives the buffers back whatever is refused below.
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
        // They are part of each request: there is nothing to be granted in advance.
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

    /// Takes registered buffers back; requests then name memory by its address alone. Nothing may be in flight.
    pub(super) fn unregister_buffers(&mut self) {
        if self.context.slots_per_buffer.take().is_some() {
            let _ = self.ring.submitter().unregister_buffers();
            self.requests.settle(&self.context);
        }
    }

    /// Whether the kernel knows a request, by its number.
    pub(super) fn knows(&self, code: u8) -> bool {
        let mut probe = io_uring::Probe::new();
        self.ring.submitter().register_probe(&mut probe).is_ok() && probe.is_supported(code)
    }

    /// What it is called by, for a thread that waits without holding it.
    pub(super) fn ring_fd(&self) -> RingFd {
        self.ring_fd
    }

    /// Whether a kernel thread takes the submissions.
    pub(super) fn polls_submissions(&self) -> bool {
        self.sqpoll
    }

    /// Whether completions show, or requests are taken, only for someone who looks.
    pub(super) fn polls(&self) -> bool {
        self.sqpoll || self.ring.params().is_setup_iopoll()
    }

    /// Calls made and requests submitted so far.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.enters, self.submitted)
    }

    /// Requests that the kernel has not taken yet.
    pub(super) fn queued(&self) -> u32 {
        self.queued
    }

    /// Queues a request of another kind, whose completion comes with its user data for a slot.
    ///
    /// # Safety
    /// What the entry refers to must live until its completion is reaped, and there must be room in the queue.
    pub(super) unsafe fn queue_entry(&mut self, entry: &R::Sqe) {
        // SAFETY: what the entry refers to is the caller's promise.
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

    /// Lets the next reap take all that can be seen without a call; says how many.
    #[inline]
    pub(super) fn look(&mut self) -> u32 {
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

    /// The kernel's thread has what is queued already. Looks for completions until there are enough, or it has looked
    /// for long; calls the kernel only to wake the thread, or to have an overflown completion queue refilled.
    fn commit_polled(&mut self, wait: u32) -> io::Result<u32> {
        if self.queued > 0 {
            self.submitted += u64::from(std::mem::take(&mut self.queued));
            self.woken = false;
        }
        for _ in 0..LOOKS {
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
        // GETEVENTS also runs the completions that defer_taskrun holds back, and polls under iopoll.
        let taken = self.enter(self.queued, wait, ENTER_GETEVENTS);
        let visible = self.look();
        let taken = taken?;
        self.batches[batch_class(taken)] += 1;
        self.queued -= taken;
        self.submitted += u64::from(taken);
        // A chain ends with the submission: where that is cut short between a write and its sync, the sync that follows
        // in the next one waits for nothing. Which request was the last to be taken cannot be seen any more.
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
        // SAFETY: `&self` keeps the ring; the view is only looked at, for a counter that the kernel writes.
        let overflows = unsafe { self.ring.completion_shared() }.overflow();
        Counts {
            syscalls: [("io_uring_enter", self.enters), ("", 0), ("", 0), ("", 0)],
            submitted: self.submitted,
            batches: self.batches,
            overflows: u64::from(overflows),
            parted: self.parted,
            sharing: None,
        }
    }

    fn rings(&self) -> Vec<RawFd> {
        vec![self.ring.as_raw_fd()]
    }
}
