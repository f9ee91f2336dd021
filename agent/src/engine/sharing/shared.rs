//! `ring: shared`: the ring is behind a lock, which is held to submit requests and to take completions, but never while
//! sleeping.
//!
//! A completion belongs to the worker that queued its request: whichever worker takes it from the ring puts it into the
//! owner's inbox. Of the workers that have to wait, one is the *leader*: it sleeps in the kernel, without the lock. The
//! others sleep on their parkers until they have the completions that they wait for, or are woken to become the leader.
//! While there is a leader, no other worker takes completions from the ring: the kernel counts the completions in the
//! queue at the time of the call, so the leader would wait in vain for one that was taken just before.

use std::{io, os::fd::OwnedFd, sync::Arc};

use proto::{
    outcome::{EngineCounts, Knob, LockCosts, Refusal, SharingCosts},
    trial::Sharing,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    super::{BATCHES, Completion, Counts, Engine, LOOKS, Ring, RingSetup, Slot, batch_class, ring::RingFd},
    futex::{Guard, Lock, Parker},
    knob,
};
use crate::{buffers::Buffers, clock::HotClock, workload::Op};

/// One worker's handle of the shared ring.
pub struct Shared {
    shared: Arc<SharedRing>,
    worker: Worker,
}

/// The ring and its state, shared by all workers.
struct SharedRing {
    lock: Lock<Inner>,
    /// One for each worker, on which it sleeps unless it is the leader.
    parkers: Box<[Parker]>,
    ring_fd: RingFd,
    /// The number of slots of each worker.
    depth: u32,
    polls_submissions: bool,
    moves_data: bool,
}

/// The state protected by the lock.
struct Inner {
    ring: Ring,
    inboxes: Box<[Producer<Completion>]>,
    /// Number of completions that each parked worker still needs; 0 if it is not parked. While a worker is parked,
    /// there is a leader, or one has been woken and has not taken the lock yet.
    needs: Box<[u32]>,
    /// One worker is the leader: it sleeps in the kernel, or is about to, or has just been woken.
    has_leader: bool,
}

/// The part that belongs to one worker.
struct Worker {
    index: usize,
    /// Requests since the last commit. They are prepared without the lock and written into the ring with it.
    staged: Vec<(Slot, Op)>,
    /// Some requests are still in the submission queue.
    unsent: bool,
    inbox: Consumer<Completion>,
    visible: u32,
    /// The workers to wake as soon as the lock is released.
    to_wake: Vec<usize>,
    clock: HotClock,
    enters: u64,
    submitted: u64,
    batches: [u64; BATCHES],
    futexes: u64,
    locks: u64,
    contended: u64,
    /// The time spent waiting for the lock, in ticks.
    waited: u64,
}

impl Shared {
    /// Builds one ring for as many workers as there are files, and a handle for each of them. Depth and buffers are
    /// those of all workers together.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub fn build(
        setup: &RingSetup<'_>,
        files: Vec<OwnedFd>,
        buffers: Buffers,
        clock: &HotClock,
    ) -> Result<(Vec<Self>, Vec<Knob>), Refusal> {
        let workers = files.len();
        let depth = setup.depth / workers.max(1) as u32;
        let (ring, mut knobs) = Ring::over(setup, files, buffers)?;
        knobs.push(knob(Sharing::Shared));
        let (inboxes, others): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| RingBuffer::new(depth as usize)).unzip();
        let shared = Arc::new(SharedRing {
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            ring_fd: ring.ring_fd(),
            depth,
            polls_submissions: ring.polls_submissions(),
            moves_data: ring.moves_data(),
            lock: Lock::new(Inner {
                ring,
                inboxes: inboxes.into(),
                needs: vec![0; workers].into(),
                has_leader: false,
            }),
        });
        let handle = |(index, inbox)| Self {
            shared: Arc::clone(&shared),
            worker: Worker {
                index,
                staged: Vec::with_capacity(depth as usize),
                unsent: false,
                inbox,
                visible: 0,
                to_wake: Vec::with_capacity(workers + 1),
                clock: clock.clone(),
                enters: 0,
                submitted: 0,
                batches: [0; BATCHES],
                futexes: 0,
                locks: 0,
                contended: 0,
                waited: 0,
            },
        };
        Ok((others.into_iter().enumerate().map(handle).collect(), knobs))
    }
}

impl SharedRing {
    /// Puts all visible completions into their owners' inboxes, and lists the parked owners that now have all that they
    /// need.
    fn deliver(&self, inner: &mut Inner, to_wake: &mut Vec<usize>) {
        let Inner { ring, inboxes, needs, .. } = inner;
        ring.reap(|completion| {
            let owner = (completion.slot / self.depth) as usize;
            let slot = completion.slot % self.depth;
            // There is room for every slot. A worker that failed has dropped its inbox and needs nothing more.
            let _ = inboxes[owner].push(Completion { slot, ..completion });
            if needs[owner] > 0 {
                needs[owner] -= 1;
                if needs[owner] == 0 {
                    to_wake.push(owner);
                }
            }
        });
    }
}

impl Inner {
    /// If there is no leader, picks a parked worker to wake as leader: the next after `index`, so that all take turns.
    fn pick_leader(&self, index: usize, to_wake: &mut Vec<usize>) {
        let workers = self.needs.len();
        let mut others = (1..workers).map(|distance| (index + distance) % workers);
        if !self.has_leader
            && let Some(next) = others.find(|other| self.needs[*other] > 0)
        {
            to_wake.push(next);
        }
    }
}

impl Worker {
    /// Takes the lock. Reads the clock only if the lock is taken.
    #[inline]
    fn lock<'a>(&mut self, shared: &'a SharedRing) -> Guard<'a, Inner> {
        self.locks += 1;
        match shared.lock.try_lock() {
            Some(inner) => inner,
            None => self.lock_taken(shared),
        }
    }

    #[cold]
    fn lock_taken<'a>(&mut self, shared: &'a SharedRing) -> Guard<'a, Inner> {
        self.contended += 1;
        let from = self.clock.ticks();
        let inner = shared.lock.lock(&mut self.futexes);
        self.waited += self.clock.ticks().saturating_sub(from);
        inner
    }

    fn has(&self) -> u32 {
        self.inbox.slots() as u32
    }

    /// Releases the lock, and then wakes the workers on the list.
    fn unlock(&mut self, shared: &SharedRing, inner: Guard<'_, Inner>) {
        self.futexes += inner.release();
        for worker in self.to_wake.drain(..) {
            self.futexes += shared.parkers[worker].unpark();
        }
    }

    /// Submits all requests queued in the ring, without waiting, and counts them for this worker.
    fn commit(&mut self, ring: &mut Ring) -> io::Result<()> {
        let before = ring.progress();
        let committed = ring.commit(0);
        let (enters, submitted) = ring.progress();
        let (called, taken) = (enters - before.0, submitted - before.1);
        if called > 0 && !ring.polls_submissions() {
            self.batches[batch_class(taken as u32)] += 1;
        }
        self.enters += called;
        self.submitted += taken;
        committed.map(drop)
    }

    /// Submits staged requests and those left from earlier commits.
    fn hand_over(&mut self, shared: &SharedRing) -> io::Result<()> {
        let mut inner = self.lock(shared);
        let first = self.index as u32 * shared.depth;
        inner.ring.queue(self.staged.drain(..).map(|(slot, op)| (first + slot, op)));
        let handed = self.commit(&mut inner.ring);
        self.unsent = inner.ring.queued() > 0;
        if !inner.has_leader {
            shared.deliver(&mut inner, &mut self.to_wake);
        }
        self.unlock(shared, inner);
        handed
    }

    /// Polls for completions, unless another worker holds the lock and will do so.
    fn look(&mut self, shared: &SharedRing) -> io::Result<()> {
        let Some(mut inner) = shared.lock.try_lock() else { return Ok(()) };
        let looked = self.commit(&mut inner.ring);
        if !inner.has_leader {
            shared.deliver(&mut inner, &mut self.to_wake);
        }
        self.unlock(shared, inner);
        looked
    }

    /// Sleeps until there are `wait` completions in the inbox.
    #[cold]
    fn wait(&mut self, shared: &SharedRing, wait: u32) -> io::Result<()> {
        let mut inner = self.lock(shared);
        loop {
            inner.needs[self.index] = 0;
            if !inner.has_leader {
                inner.ring.look();
                shared.deliver(&mut inner, &mut self.to_wake);
            }
            let missing = wait.saturating_sub(self.has());
            if missing == 0 {
                inner.pick_leader(self.index, &mut self.to_wake);
                self.unlock(shared, inner);
                return Ok(());
            }
            if inner.has_leader {
                inner.needs[self.index] = missing;
                self.unlock(shared, inner);
                self.futexes += shared.parkers[self.index].park();
                inner = self.lock(shared);
                continue;
            }
            inner.has_leader = true;
            self.unlock(shared, inner);
            // Waits for as many completions, of any owner, as this worker lacks: its own are among the requests in
            // flight.
            let waited = shared.ring_fd.wait(missing, &mut self.enters);
            self.batches[batch_class(0)] += 1;
            inner = self.lock(shared);
            inner.has_leader = false;
            if let Err(error) = waited {
                inner.pick_leader(self.index, &mut self.to_wake);
                self.unlock(shared, inner);
                return Err(error);
            }
        }
    }

    /// As [`Self::wait`] if a kernel thread takes the submissions: polls for completions, at most [`LOOKS`] times.
    fn wait_looking(&mut self, shared: &SharedRing, wait: u32) -> io::Result<()> {
        for _ in 0..LOOKS {
            if self.has() >= wait {
                break;
            }
            self.look(shared)?;
            std::hint::spin_loop();
        }
        Ok(())
    }
}

impl Engine for Shared {
    fn moves_data(&self) -> bool {
        self.shared.moves_data
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        self.worker.staged.extend(requests);
    }

    #[inline]
    fn commit(&mut self, wait: u32) -> io::Result<u32> {
        let Self { shared, worker } = self;
        let shared = &**shared;
        let mut outcome = Ok(());
        if !worker.staged.is_empty() || worker.unsent {
            outcome = worker.hand_over(shared);
        } else if wait == 0 && worker.has() == 0 {
            outcome = worker.look(shared);
        }
        // Requests that the kernel did not take cannot be waited for.
        if outcome.is_ok() && !worker.unsent && worker.has() < wait {
            outcome = if shared.polls_submissions {
                worker.wait_looking(shared, wait)
            } else {
                worker.wait(shared, wait)
            };
        }
        worker.visible = worker.has();
        outcome.map(|()| worker.visible)
    }

    #[inline]
    fn reap(&mut self, each: impl FnMut(Completion)) {
        let visible = std::mem::take(&mut self.worker.visible) as usize;
        if let Ok(arrived) = self.worker.inbox.read_chunk(visible) {
            arrived.into_iter().for_each(each);
        }
    }

    /// Counts of this worker; the first worker also reports the counts of the ring.
    fn counts(&self) -> Counts {
        let worker = &self.worker;
        let lock = || self.shared.lock.try_lock().unwrap_or_else(|| self.shared.lock.lock(&mut 0));
        let engine = if worker.index == 0 { lock().ring.counts().engine } else { EngineCounts::default() };
        let wait_ns = worker.clock.nanos_between(0, worker.waited);
        Counts {
            syscalls: [("io_uring_enter", worker.enters), ("futex", worker.futexes), ("", 0), ("", 0)],
            submitted: worker.submitted,
            batches: worker.batches,
            parted: 0,
            sharing: Some(SharingCosts::Lock(LockCosts {
                locks: worker.locks,
                contended: worker.contended,
                wait_ns,
            })),
            engine,
        }
    }
}
