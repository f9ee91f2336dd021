//! `ring: shared`: the ring is behind a lock, which is held to submit requests and to take completions, but never while
//! sleeping.
//!
//! A completion belongs to the worker that queued its request: whichever worker takes it from the ring puts it into the
//! owner's inbox. Of the workers that have to wait, one *leads*: it sleeps in the kernel, without the lock. The others
//! sleep beside it until they have the completions that they wait for, or are woken to lead. While a worker leads, no
//! other takes completions from the ring: the kernel counts the completions that are in the queue when it is entered,
//! so the leader would wait in vain for one that was taken a moment before.

use std::{io, os::fd::OwnedFd, sync::Arc};

use proto::{
    outcome::{EngineCounts, Knob, LockCosts, Refusal, SharingCosts},
    trial::Sharing,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    super::{BATCHES, Completion, Counts, Engine, LOOKS, Ring, RingSetup, Slot, batch_class, ring::RingFd},
    futex::{Bed, Guard, Lock},
    knob,
};
use crate::{buffers::Buffers, clock::HotClock, workload::Op};

/// One worker's handle of the shared ring.
pub struct Shared {
    hub: Arc<Hub>,
    me: Worker,
}

/// The state that all workers share.
struct Hub {
    lock: Lock<Inner>,
    /// Where each worker sleeps that does not lead.
    beds: Box<[Bed]>,
    ring_fd: RingFd,
    /// The number of slots of each worker.
    depth: u32,
    polls_submissions: bool,
    moves_data: bool,
}

/// What the lock protects.
struct Inner {
    ring: Ring,
    inboxes: Box<[Producer<Completion>]>,
    /// How many more completions each worker that sleeps beside the leader needs; 0: it does not sleep. While a worker
    /// sleeps, there is a leader, or one has been woken and has not taken the lock yet.
    needs: Box<[u32]>,
    /// A worker leads: it sleeps in the kernel, or is on its way there or back.
    led: bool,
}

/// The part that belongs to one worker.
struct Worker {
    index: usize,
    /// Requests since the last commit. They are made in advance and written into the ring under the lock.
    staged: Vec<(Slot, Op)>,
    /// Some requests are still in the submission queue.
    unsent: bool,
    inbox: Consumer<Completion>,
    visible: u32,
    /// The workers to wake as soon as the lock is released.
    calls: Vec<usize>,
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
        let hub = Arc::new(Hub {
            beds: (0..workers).map(|_| Bed::new()).collect(),
            ring_fd: ring.ring_fd(),
            depth,
            polls_submissions: ring.polls_submissions(),
            moves_data: ring.moves_data(),
            lock: Lock::new(Inner {
                ring,
                inboxes: inboxes.into(),
                needs: vec![0; workers].into(),
                led: false,
            }),
        });
        let handle = |(index, inbox)| Self {
            hub: Arc::clone(&hub),
            me: Worker {
                index,
                staged: Vec::with_capacity(depth as usize),
                unsent: false,
                inbox,
                visible: 0,
                calls: Vec::with_capacity(workers + 1),
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

impl Hub {
    /// Puts all visible completions into their owners' inboxes, and lists the owners that now have everything they
    /// sleep for.
    fn deliver(&self, inner: &mut Inner, calls: &mut Vec<usize>) {
        let Inner { ring, inboxes, needs, .. } = inner;
        ring.reap(|completion| {
            let owner = (completion.slot / self.depth) as usize;
            let slot = completion.slot % self.depth;
            // There is room for every slot. A worker that failed has dropped its inbox and needs nothing more.
            let _ = inboxes[owner].push(Completion { slot, ..completion });
            if needs[owner] > 0 {
                needs[owner] -= 1;
                if needs[owner] == 0 {
                    calls.push(owner);
                }
            }
        });
    }
}

impl Inner {
    /// If no worker leads, picks one of the sleepers to wake as leader: the next after `index`, so that all take turns.
    fn call_leader(&self, index: usize, calls: &mut Vec<usize>) {
        let workers = self.needs.len();
        let mut others = (1..workers).map(|distance| (index + distance) % workers);
        if !self.led
            && let Some(next) = others.find(|other| self.needs[*other] > 0)
        {
            calls.push(next);
        }
    }
}

impl Worker {
    /// Takes the lock. Reads the clock only if the lock is taken.
    #[inline]
    fn lock<'a>(&mut self, hub: &'a Hub) -> Guard<'a, Inner> {
        self.locks += 1;
        match hub.lock.try_lock() {
            Some(inner) => inner,
            None => self.lock_taken(hub),
        }
    }

    #[cold]
    fn lock_taken<'a>(&mut self, hub: &'a Hub) -> Guard<'a, Inner> {
        self.contended += 1;
        let from = self.clock.ticks();
        let inner = hub.lock.lock(&mut self.futexes);
        self.waited += self.clock.ticks().saturating_sub(from);
        inner
    }

    fn has(&self) -> u32 {
        self.inbox.slots() as u32
    }

    /// Releases the lock, and then wakes the workers on the list.
    fn unlock(&mut self, hub: &Hub, inner: Guard<'_, Inner>) {
        self.futexes += inner.release();
        for worker in self.calls.drain(..) {
            self.futexes += hub.beds[worker].wake();
        }
    }

    /// Submits what the ring holds, without waiting, and counts it as this worker's.
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

    /// Submits staged requests and those that were left over.
    fn hand_over(&mut self, hub: &Hub) -> io::Result<()> {
        let mut inner = self.lock(hub);
        let first = self.index as u32 * hub.depth;
        inner.ring.queue(self.staged.drain(..).map(|(slot, op)| (first + slot, op)));
        let handed = self.commit(&mut inner.ring);
        self.unsent = inner.ring.queued() > 0;
        if !inner.led {
            hub.deliver(&mut inner, &mut self.calls);
        }
        self.unlock(hub, inner);
        handed
    }

    /// Polls for completions, unless another worker holds the lock and will do so.
    fn look(&mut self, hub: &Hub) -> io::Result<()> {
        let Some(mut inner) = hub.lock.try_lock() else { return Ok(()) };
        let looked = self.commit(&mut inner.ring);
        if !inner.led {
            hub.deliver(&mut inner, &mut self.calls);
        }
        self.unlock(hub, inner);
        looked
    }

    /// Sleeps until there are `wait` completions in the inbox.
    #[cold]
    fn wait(&mut self, hub: &Hub, wait: u32) -> io::Result<()> {
        let mut inner = self.lock(hub);
        loop {
            inner.needs[self.index] = 0;
            if !inner.led {
                inner.ring.look();
                hub.deliver(&mut inner, &mut self.calls);
            }
            let missing = wait.saturating_sub(self.has());
            if missing == 0 {
                inner.call_leader(self.index, &mut self.calls);
                self.unlock(hub, inner);
                return Ok(());
            }
            if inner.led {
                inner.needs[self.index] = missing;
                self.unlock(hub, inner);
                self.futexes += hub.beds[self.index].sleep();
                inner = self.lock(hub);
                continue;
            }
            inner.led = true;
            self.unlock(hub, inner);
            // As many completions as this worker lacks must arrive, whoever owns them: its own are among the requests
            // in flight.
            let waited = hub.ring_fd.wait(missing, &mut self.enters);
            self.batches[batch_class(0)] += 1;
            inner = self.lock(hub);
            inner.led = false;
            if let Err(error) = waited {
                inner.call_leader(self.index, &mut self.calls);
                self.unlock(hub, inner);
                return Err(error);
            }
        }
    }

    /// The same if a kernel thread takes the submissions: polls for completions, at most [`LOOKS`] times.
    fn wait_looking(&mut self, hub: &Hub, wait: u32) -> io::Result<()> {
        for _ in 0..LOOKS {
            if self.has() >= wait {
                break;
            }
            self.look(hub)?;
            std::hint::spin_loop();
        }
        Ok(())
    }
}

impl Engine for Shared {
    fn moves_data(&self) -> bool {
        self.hub.moves_data
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        self.me.staged.extend(requests);
    }

    #[inline]
    fn commit(&mut self, wait: u32) -> io::Result<u32> {
        let Self { hub, me } = self;
        let hub = &**hub;
        let mut outcome = Ok(());
        if !me.staged.is_empty() || me.unsent {
            outcome = me.hand_over(hub);
        } else if wait == 0 && me.has() == 0 {
            outcome = me.look(hub);
        }
        // Requests that the kernel did not take cannot be waited for.
        if outcome.is_ok() && !me.unsent && me.has() < wait {
            outcome = if hub.polls_submissions { me.wait_looking(hub, wait) } else { me.wait(hub, wait) };
        }
        me.visible = me.has();
        outcome.map(|()| me.visible)
    }

    #[inline]
    fn reap(&mut self, each: impl FnMut(Completion)) {
        let visible = std::mem::take(&mut self.me.visible) as usize;
        if let Ok(arrived) = self.me.inbox.read_chunk(visible) {
            arrived.into_iter().for_each(each);
        }
    }

    /// What this worker did itself; the first worker also reports what only the ring knows.
    fn counts(&self) -> Counts {
        let me = &self.me;
        let engine = match me.index {
            0 => self.hub.lock.try_lock().unwrap_or_else(|| self.hub.lock.lock(&mut 0)).ring.counts().engine,
            _ => EngineCounts::default(),
        };
        let wait_ns = me.clock.nanos_between(0, me.waited);
        Counts {
            syscalls: [("io_uring_enter", me.enters), ("futex", me.futexes), ("", 0), ("", 0)],
            submitted: me.submitted,
            batches: me.batches,
            parted: 0,
            sharing: Some(SharingCosts::Lock(LockCosts {
                locks: me.locks,
                contended: me.contended,
                wait_ns,
            })),
            engine,
        }
    }
}
