//! `ring: shared`: the ring behind a lock, which is held to hand requests over and to take completions, never while
//! sleeping.
//!
//! Completions belong to whoever queued them: whoever takes them out of the ring's queue puts each into its owner's
//! inbox. Of the workers that have to wait, one *leads*: it sleeps in the kernel, without the lock; the others sleep
//! beside it until they have what they wait for, or are called to lead. While somebody leads nobody else takes
//! completions out of the ring: the kernel counts from what is in the queue when it is entered, so one that was
//! taken out a moment before would be waited for in vain.

use std::{io, os::fd::OwnedFd, sync::Arc};

use proto::{
    outcome::{Knob, LockCosts, Refusal, SharingCosts},
    trial::Sharing,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    super::{BATCHES, Completion, Counts, Engine, LOOKS, Ring, RingSetup, Slot, batch_class, ring::RingFd},
    futex::{Bed, Guard, Lock},
    knob,
};
use crate::{buffers::Buffers, clock::HotClock, workload::Op};

/// One worker's handle of a ring that all share.
pub struct Shared {
    hub: Arc<Hub>,
    me: Worker,
}

/// What all workers share.
struct Hub {
    lock: Lock<Inner>,
    /// Where each sleeps that does not lead.
    beds: Box<[Bed]>,
    ring_fd: RingFd,
    /// Slots of each worker.
    depth: u32,
    polls_submissions: bool,
    moves_data: bool,
}

/// What the lock protects.
struct Inner {
    ring: Ring,
    inboxes: Box<[Producer<Completion>]>,
    /// How many more completions each worker that sleeps beside the leader needs; 0: it does not sleep. While
    /// somebody sleeps, there is a leader, or one was called that has not come to the lock yet.
    needs: Box<[u32]>,
    /// Somebody sleeps in the kernel, or is on its way there or back.
    led: bool,
}

/// A worker's own part.
struct Worker {
    index: usize,
    /// Requests since the last commit. They are written into the ring under the lock, but made up before.
    staged: Vec<(Slot, Op)>,
    /// Something was left in the submission queue.
    unsent: bool,
    inbox: Consumer<Completion>,
    visible: u32,
    /// Who is to be woken as soon as the lock is given back.
    calls: Vec<usize>,
    clock: HotClock,
    enters: u64,
    submitted: u64,
    batches: [u64; BATCHES],
    futexes: u64,
    locks: u64,
    contended: u64,
    /// In ticks.
    waited: u64,
}

impl Shared {
    /// Builds one ring for as many workers as there are files, and a handle for each of them. The setup's depth is
    /// that of all, and so are the buffers.
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
    /// Puts what can be seen into its owners' inboxes, and notes who has all that it sleeps for.
    fn deliver(&self, inner: &mut Inner, calls: &mut Vec<usize>) {
        let Inner { ring, inboxes, needs, .. } = inner;
        ring.reap(|completion| {
            let owner = (completion.slot / self.depth) as usize;
            let slot = completion.slot % self.depth;
            // There is room for every slot. An owner that failed has left its inbox, and loses nothing more.
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
    /// Calls one of those that sleep to lead, if there is one and nobody leads: the next after `index`, so that all
    /// have their turn.
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
    /// Takes the lock. The clock is read only if it is taken already.
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

    /// Gives the lock back, and then wakes whoever is to be.
    fn unlock(&mut self, hub: &Hub, inner: Guard<'_, Inner>) {
        self.futexes += inner.release();
        for worker in self.calls.drain(..) {
            self.futexes += hub.beds[worker].wake();
        }
    }

    /// Lets the ring hand over what it has, without waiting, and counts it as this worker's doing.
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

    /// Hands over what is staged, and what was left over.
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

    /// Looks whether something has come; leaves that to whoever holds the lock.
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
            // As many as this worker misses must come, whosever they are: its own are among those in flight.
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

    /// The same where a kernel thread takes the submissions: completions are awaited by looking, for so long and no
    /// longer.
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
        // What the kernel did not take cannot be waited for.
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

    /// What this worker did itself; of what only the ring knows, the first one tells.
    fn counts(&self) -> Counts {
        let me = &self.me;
        let overflows = match me.index {
            0 => {
                self.hub.lock.try_lock().unwrap_or_else(|| self.hub.lock.lock(&mut 0)).ring.counts().overflows
            }
            _ => 0,
        };
        let wait_ns = me.clock.nanos_between(0, me.waited);
        Counts {
            syscalls: [("io_uring_enter", me.enters), ("futex", me.futexes), ("", 0), ("", 0)],
            submitted: me.submitted,
            batches: me.batches,
            overflows,
            parted: 0,
            sharing: Some(SharingCosts::Lock(LockCosts {
                locks: me.locks,
                contended: me.contended,
                wait_ns,
            })),
        }
    }
}
