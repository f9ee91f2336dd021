//! `ring: combiner`: one thread owns the ring, and no other thread accesses it. Each worker puts its requests into its
//! own queue. The combiner takes the contents of all queues, submits them in one call, and puts each completion into
//! its owner's inbox. Queues and inboxes have one writer and one reader each, and room for every slot.
//!
//! Both sides poll for a while before they sleep, if they do not share CPUs. A worker sleeps on a futex. The combiner
//! sleeps in io_uring_enter, with a read of an eventfd among its requests: a worker that finds it asleep writes to the
//! eventfd, which completes the read.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicI32, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
            fence,
        },
    },
};

use io_uring::{opcode, types};
use proto::{
    outcome::{HandoverCosts, Knob, SharingCosts},
    refusal::{OpenFor, Refusal, WorkerRefusal},
    trial::Sharing,
};
use rtrb::{Consumer, Producer, RingBuffer};
use rustix::event::{EventfdFlags, eventfd};

use super::{
    super::{Completion, Counts, Engine as _, Ring, RingSetup, batch_class, is_transient},
    Combined, WindowEdges,
    bridge::{Bridge, Done, Request, Waiter},
    futex::Parker,
    knob,
};
use crate::{buffers::Buffers, clock::HotClock, drain::DrainDeadline, slot::WAKE_UP};

/// Time for which either side polls before it sleeps, in nanoseconds: about the cost of sleeping and waking.
const SPIN_NS: u64 = 20_000;

/// The state of the combiner's thread.
pub(crate) struct Combiner {
    bridge: Arc<Bridge>,
    ring: Ring,
    requests: Box<[Consumer<Request>]>,
    inboxes: Box<[Producer<Done>]>,
    clock: HotClock,
    /// The number of slots of each worker.
    depth: u32,
    in_flight: u32,
    /// The read that wakes the combiner is in the ring.
    armed: bool,
    /// Time between a worker queueing a request and the combiner taking it, in ticks; the sum over all requests.
    queued_ticks: u64,
    futexes: u64,
    /// Number of wake-up reads. They are not requests of the trial.
    wake_reads: u64,
    /// Time for which it polls before it sleeps, in ticks.
    spin: u64,
}

impl Combiner {
    /// Builds one ring for as many workers as there are files, on the thread that is going to run it, and a handle for
    /// each worker. Depth and buffers are those of all workers together. `alone`: the combiner has its CPU to itself,
    /// so it may poll before it sleeps; `distinct_cpus`: no two workers share a CPU, so workers may poll too.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub(crate) fn build(
        setup: &RingSetup<'_>,
        files: Vec<OwnedFd>,
        buffers: Buffers,
        clock: &HotClock,
        (alone, distinct_cpus): (bool, bool),
    ) -> Result<(Self, Vec<Combined>, Vec<Knob>), Refusal> {
        let workers = files.len();
        let depth = setup.depth / workers.max(1) as u32;
        let (ring, mut knobs) = Ring::over(setup, files, buffers)?;
        knobs.push(knob(Sharing::Combiner));
        let spin = clock.ticks_in(SPIN_NS);
        let wake_fd = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| WorkerRefusal::OpenFiles {
            by: OpenFor::EventFd,
            error: io::Error::from(error).into(),
        })?;
        let bridge = Arc::new(Bridge {
            asleep: AtomicBool::new(false),
            workers: AtomicU32::new(workers as u32),
            failed: AtomicI32::new(0),
            wake_fd,
            sink: AtomicU64::new(0),
            waiters: (0..workers)
                .map(|_| Waiter { wants: AtomicU32::new(0), parker: Parker::new() })
                .collect(),
            spin: if alone && distinct_cpus { spin } else { 0 },
            moves_data: ring.moves_data(),
        });
        let (mut requests, mut inboxes, mut handles) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..workers {
            let (request_in, request_out) = RingBuffer::new(depth as usize);
            let (done_in, done_out) = RingBuffer::new(depth as usize);
            requests.push(request_out);
            inboxes.push(done_in);
            handles.push(Combined::new(Arc::clone(&bridge), index, (request_in, done_out), clock.clone()));
        }
        let combiner = Self {
            bridge,
            ring,
            requests: requests.into(),
            inboxes: inboxes.into(),
            clock: clock.clone(),
            depth,
            in_flight: 0,
            armed: false,
            wake_reads: 0,
            spin: if alone { spin } else { 0 },
            queued_ticks: 0,
            futexes: 0,
        };
        Ok((combiner, handles, knobs))
    }

    /// The ring, for tests before the start.
    pub(crate) fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// Serves the workers until all have ended and nothing is in flight. Reports the errno of each temporary shortage
    /// to `shortages`. After `stop`, or once no worker is left, requests in flight have a drain deadline.
    ///
    /// # Errors
    /// A call that failed permanently, or requests that did not complete before the deadline. The workers get the error
    /// too.
    pub(crate) fn run(
        &mut self,
        window: &mut impl WindowEdges,
        stop: &AtomicBool,
        mut shortages: impl FnMut(i32),
    ) -> io::Result<()> {
        // A polled ring shows completions only while it is polled.
        let sleeps = !self.ring.polls();
        let mut active = self.clock.ticks();
        let mut drain = DrainDeadline::default();
        loop {
            let now = self.clock.ticks();
            if now >= window.next() {
                window.pass(now, || self.counts());
            }
            let taken = self.take(now);
            match self.ring.commit(0) {
                Ok(_) => {}
                Err(error) if is_transient(&error) => {
                    shortages(error.raw_os_error().unwrap_or_default());
                    std::thread::yield_now();
                }
                Err(error) => return Err(self.bridge.fail(error)),
            }
            if self.give_back()? || taken {
                active = now;
                drain = DrainDeadline::default();
            } else if self.is_over() {
                return Ok(());
            } else if self.in_flight > 0 && (stop.load(Relaxed) || self.bridge.workers.load(Acquire) == 0) {
                drain.wait(self.in_flight).map_err(|error| self.bridge.fail(error))?;
            } else if sleeps && now - active >= self.spin {
                self.sleep()?;
            } else {
                std::hint::spin_loop();
            }
        }
    }

    fn is_over(&self) -> bool {
        self.in_flight == 0 && self.bridge.workers.load(Acquire) == 0
    }

    /// Moves everything that workers have queued by `now` into the ring.
    fn take(&mut self, now: u64) -> bool {
        // The wake-up read needs the spare room until the kernel has taken it.
        if self.armed && self.ring.queued() > 0 {
            return false;
        }
        let (before, queued_ticks, depth) = (self.in_flight, &mut self.queued_ticks, self.depth);
        for (worker, requests) in self.requests.iter_mut().enumerate() {
            let there = requests.slots();
            if there == 0 {
                continue;
            }
            if let Ok(chunk) = requests.read_chunk(there) {
                let first = worker as u32 * depth;
                self.ring.queue(chunk.into_iter().map(|request| {
                    *queued_ticks += now.saturating_sub(request.at);
                    (first + request.slot, request.op)
                }));
                self.in_flight += there as u32;
            }
        }
        self.in_flight > before
    }

    /// Puts completions into their owners' inboxes, and wakes owners that have as many as they wait for.
    fn give_back(&mut self) -> io::Result<bool> {
        let (mut given, mut woken) = (0, None);
        let (at, depth) = (self.clock.ticks(), self.depth);
        let inboxes = &mut self.inboxes;
        self.ring.reap(|completion| {
            if completion.slot == WAKE_UP {
                woken = Some(completion.result);
                return;
            }
            let owner = (completion.slot / depth) as usize;
            let completion = Completion { slot: completion.slot % depth, ..completion };
            // There is room for every slot. A worker that failed has dropped its inbox and needs nothing more.
            let _ = inboxes[owner].push(Done { completion, at });
            given += 1;
        });
        if let Some(result) = woken {
            self.armed = false;
            if result < 0 {
                return Err(self.bridge.fail(io::Error::from_raw_os_error(-result)));
            }
        }
        if given == 0 {
            return Ok(false);
        }
        self.in_flight -= given;
        // A worker stores the number that it waits for and then checks its inbox a last time; here the inboxes are
        // filled before that number is read. The fence ensures that at least one side sees the other's change.
        fence(SeqCst);
        for (waiter, inbox) in self.bridge.waiters.iter().zip(&self.inboxes) {
            let wants = waiter.wants.load(Relaxed);
            if wants > 0 && depth - inbox.slots() as u32 >= wants && waiter.wants.swap(0, AcqRel) > 0 {
                self.futexes += waiter.parker.unpark();
            }
        }
        Ok(true)
    }

    /// Sleeps in the kernel until a request completes or a worker wakes it.
    fn sleep(&mut self) -> io::Result<()> {
        self.bridge.asleep.store(true, Relaxed);
        // As above: workers queue first and then check whether the combiner sleeps.
        fence(SeqCst);
        if self.requests.iter().all(Consumer::is_empty) && !self.is_over() {
            if !self.armed && self.ring.queued() == 0 {
                let sink = self.bridge.sink.as_ptr().cast();
                let read = opcode::Read::new(types::Fd(self.bridge.wake_fd.as_raw_fd()), sink, 8).build();
                // SAFETY: the bridge outlives the read (see `disarm`), and nothing else is queued.
                unsafe { self.ring.queue_entry(&read.user_data(u64::from(WAKE_UP))) };
                self.armed = true;
                self.wake_reads += 1;
            }
            if let Err(error) = self.ring.commit(1)
                && !is_transient(&error)
            {
                return Err(self.bridge.fail(error));
            }
        }
        self.bridge.asleep.store(false, Relaxed);
        Ok(())
    }

    /// Ends a wake-up read that is still in the ring.
    fn disarm(&mut self) {
        while self.armed {
            let ended = self.bridge.wake().and_then(|()| self.ring.commit(1));
            let armed = &mut self.armed;
            self.ring.reap(|completion| *armed &= completion.slot != WAKE_UP);
            if ended.is_err() && *armed {
                // The kernel may still write to the sink, so the bridge is never freed.
                std::mem::forget(Arc::clone(&self.bridge));
                return;
            }
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.ring.counts();
        // The wake-up read is submitted alone, so each was a batch of one.
        let wake_reads = self.wake_reads - u64::from(self.armed && self.ring.queued() > 0);
        counts.submitted -= wake_reads;
        if !self.ring.polls_submissions() {
            counts.batches[batch_class(1)] -= wake_reads;
            counts.batches[batch_class(0)] += wake_reads;
        }
        Counts {
            syscalls: [counts.syscalls[0], ("futex", self.futexes), ("", 0), ("", 0)],
            sharing: Some(SharingCosts::Handover(HandoverCosts {
                ns: self.clock.nanos_between(0, self.queued_ticks),
            })),
            ..counts
        }
    }
}

impl Drop for Combiner {
    fn drop(&mut self) {
        // Workers are left only after a failure; they must not wait forever.
        if self.bridge.workers.load(Acquire) > 0 {
            self.bridge.fail(io::Error::from_raw_os_error(libc::EPIPE));
        }
        self.disarm();
    }
}
