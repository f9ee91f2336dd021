//! Two rings of one worker: urgent requests have one to themselves. It is handed over first; if some of them are
//! complete by then, they are seen before the others are handed over at all.
//!
//! No call waits for two rings. Where nothing has come back, the worker waits in ppoll, which is one call more; under
//! SQPOLL it looks at both, as it does at one. Both then have one polling thread, which takes at most eight requests
//! of a ring in turn, as kernels do where rings share a thread.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
};

use proto::{
    outcome::{Knob, Refusal},
    trial,
};
use syscalls::{Errno, Sysno, syscall};

use super::{Attach, Completion, Counts, Engine, Op, Ring, RingSetup, Slot};
use crate::buffers::Buffers;

/// A ring for urgent requests beside that of the others. A slot is one place among those in flight, in whichever.
pub struct Apart {
    urgent: Ring,
    bulk: Ring,
    polls: u64,
}

impl Apart {
    /// Builds both alike; each has blocks of its own for all slots.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub fn new(
        setup: &RingSetup<'_>,
        file: OwnedFd,
        buffers: Buffers,
        urgent_buffers: Buffers,
    ) -> Result<(Self, Vec<Knob>), Refusal> {
        let again = file.try_clone().map_err(|error| {
            Refusal::new(
                "open-files",
                format!("the target cannot be opened once more, for the ring of urgent requests: {error}"),
                "raise the limit of open files (ulimit -n, LimitNOFILE=)",
            )
        })?;
        let (bulk, knobs) = Ring::new(setup, file, buffers)?;
        // As the second of two workers, whose rings share the thread of the first.
        let attach = Attach::default();
        attach.announce(Some(bulk.ring.as_raw_fd()));
        let sqpoll = setup.engine.sqpoll.map(|sqpoll| trial::Sqpoll { shared: true, ..sqpoll });
        let engine = trial::Engine { sqpoll, ..setup.engine.clone() };
        let second = RingSetup { engine: &engine, worker: 1, attach: &attach, ..*setup };
        let (urgent, _) = Ring::new(&second, again, urgent_buffers)?;
        Ok((Self { urgent, bulk, polls: 0 }, knobs))
    }

    /// Waits until one of the two has a completion. Signals end no wait here: workers block them.
    fn wait(&mut self) -> io::Result<()> {
        let of = |ring: &Ring| libc::pollfd { fd: ring.ring.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut fds = [of(&self.urgent), of(&self.bulk)];
        self.polls += 1;
        let none = std::ptr::null::<libc::c_void>();
        // SAFETY: the call writes to the array, which lives until it returns; the other pointers are null.
        match unsafe { syscall!(Sysno::ppoll, fds.as_mut_ptr(), fds.len(), none, none, 0) } {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Engine for Apart {
    fn moves_data(&self) -> bool {
        self.bulk.moves_data()
    }

    #[inline]
    fn room(&self) -> u32 {
        self.urgent.room().min(self.bulk.room())
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        // SAFETY: `&mut self` makes these the only views of the submission queues while they live.
        let mut queues =
            unsafe { (self.urgent.ring.submission_shared(), self.bulk.ring.submission_shared()) };
        let mut queued = (0, 0);
        for (slot, op) in requests {
            let (ring, queue, count) = match op.kind.is_urgent() {
                true => (&mut self.urgent.requests, &mut queues.0, &mut queued.0),
                false => (&mut self.bulk.requests, &mut queues.1, &mut queued.1),
            };
            let place = if op.kind.is_urgent() { &self.urgent.place } else { &self.bulk.place };
            let entry = super::Requests::entry(&mut **ring, place, slot, op);
            // SAFETY: as in `Ring::queue`: the slot is free, so that neither ring has a request for its block.
            let pushed = unsafe { queue.push(&entry) };
            debug_assert!(pushed.is_ok(), "there is room in both");
            *count += 1;
        }
        // A polling thread sees the urgent ones first.
        drop(queues.0);
        drop(queues.1);
        self.urgent.queued += queued.0;
        self.bulk.queued += queued.1;
    }

    #[inline]
    fn commit(&mut self, wait: u32) -> io::Result<u32> {
        loop {
            let urgent = self.urgent.commit(0)?;
            if urgent > 0 && urgent >= wait {
                return Ok(urgent);
            }
            let visible = urgent + self.bulk.commit(0)?;
            if visible >= wait {
                return Ok(visible);
            }
            if self.bulk.polls_submissions() {
                std::hint::spin_loop();
            } else {
                self.wait()?;
            }
        }
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        self.urgent.reap(&mut each);
        self.bulk.reap(each);
    }

    fn counts(&self) -> Counts {
        let (urgent, bulk) = (self.urgent.counts(), self.bulk.counts());
        let mut batches = bulk.batches;
        batches.iter_mut().zip(urgent.batches).for_each(|(sum, more)| *sum += more);
        let enters = bulk.syscalls[0].1 + urgent.syscalls[0].1;
        Counts {
            syscalls: [("io_uring_enter", enters), ("ppoll", self.polls), ("", 0), ("", 0)],
            submitted: bulk.submitted + urgent.submitted,
            batches,
            overflows: bulk.overflows + urgent.overflows,
            sharing: None,
        }
    }

    fn rings(&self) -> Vec<RawFd> {
        [&self.urgent, &self.bulk].into_iter().flat_map(Ring::rings).collect()
    }
}
