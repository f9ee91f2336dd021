//! A worker's handle of a combiner's ring; see [`super::combiner`].

use std::{
    io,
    sync::{
        Arc,
        atomic::{
            Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
            fence,
        },
    },
};

use proto::outcome::{HandoverCosts, SharingCosts};
use rtrb::{Consumer, Producer};

use super::{
    super::{Completion, Counts, Engine, Slot},
    bridge::{Bridge, Done, Request},
};
use crate::{clock::HotClock, workload::Op};

/// The handle of one worker.
pub struct Combined {
    bridge: Arc<Bridge>,
    index: usize,
    requests: Producer<Request>,
    inbox: Consumer<Done>,
    clock: HotClock,
    /// Something was queued since the last commit.
    pushed: bool,
    visible: u32,
    /// Time when the visible completions were seen, in ticks.
    seen: u64,
    /// Time between the combiner taking a completion and the worker seeing it, in ticks; the sum over all completions.
    inbox_ticks: u64,
    futexes: u64,
    writes: u64,
}

impl Combined {
    /// Creates the handle of one worker from the shared state, its queue to the combiner, and its inbox.
    pub(super) fn new(
        bridge: Arc<Bridge>,
        index: usize,
        (requests, inbox): (Producer<Request>, Consumer<Done>),
        clock: HotClock,
    ) -> Self {
        Self {
            bridge,
            index,
            requests,
            inbox,
            clock,
            pushed: false,
            visible: 0,
            seen: 0,
            inbox_ticks: 0,
            futexes: 0,
            writes: 0,
        }
    }

    fn has(&self) -> u32 {
        self.inbox.slots() as u32
    }

    /// The combiner's error, if it has failed; no more completions arrive then.
    fn failure(&self) -> Option<io::Error> {
        match self.bridge.failed.load(Acquire) {
            0 => None,
            errno => Some(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Waits until there are `wait` completions in the inbox, or no more can arrive.
    fn wait(&mut self, wait: u32) {
        if self.bridge.spin > 0 {
            let until = self.clock.ticks() + self.bridge.spin;
            while self.clock.ticks() < until {
                if self.has() >= wait {
                    return;
                }
                std::hint::spin_loop();
            }
        }
        let waiter = &self.bridge.waiters[self.index];
        loop {
            waiter.wants.store(wait, Relaxed);
            fence(SeqCst);
            if self.has() >= wait || self.failure().is_some() {
                waiter.wants.store(0, Relaxed);
                return;
            }
            self.futexes += waiter.parker.park();
        }
    }
}

impl Engine for Combined {
    fn moves_data(&self) -> bool {
        self.bridge.moves_data
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        let mut queued_at = None;
        for (slot, op) in requests {
            let at = *queued_at.get_or_insert_with(|| self.clock.ticks());
            let pushed = self.requests.push(Request { slot, op, at });
            debug_assert!(pushed.is_ok(), "there is room for every slot");
        }
        self.pushed |= queued_at.is_some();
    }

    #[inline]
    fn commit(&mut self, wait: u32) -> io::Result<u32> {
        if std::mem::take(&mut self.pushed) {
            self.writes += self.bridge.wake_if_asleep()?;
        }
        if self.has() < wait {
            self.wait(wait);
        }
        self.visible = self.has();
        if self.visible > 0 {
            self.seen = self.clock.ticks();
        }
        match self.failure() {
            Some(error) if self.visible < wait || wait == 0 => Err(error),
            _ => Ok(self.visible),
        }
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        let visible = std::mem::take(&mut self.visible) as usize;
        let (seen, inbox_ticks) = (self.seen, &mut self.inbox_ticks);
        if let Ok(arrived) = self.inbox.read_chunk(visible) {
            for done in arrived {
                *inbox_ticks += seen.saturating_sub(done.at);
                each(done.completion);
            }
        }
    }

    /// Counts of the worker's own calls; the combiner counts those of the ring. This is called at the edges of the
    /// window, at which the combiner must be awake too, so it is woken by a call that is not counted.
    fn counts(&self) -> Counts {
        // An error of the wake-up recurs, and is reported, at the next commit.
        let _ = self.bridge.wake_if_asleep();
        Counts {
            syscalls: [("futex", self.futexes), ("write", self.writes), ("", 0), ("", 0)],
            sharing: Some(SharingCosts::Handover(HandoverCosts {
                ns: self.clock.nanos_between(0, self.inbox_ticks),
            })),
            ..Counts::default()
        }
    }
}

impl Drop for Combined {
    fn drop(&mut self) {
        self.bridge.workers.fetch_sub(1, AcqRel);
        // The combiner may be asleep without a request in flight, and has to notice that no worker is left.
        let _ = self.bridge.wake_if_asleep();
    }
}
