//! Two rings of one worker, one for each lane. The urgent lane's ring is submitted first; if some of its requests
//! complete at once, they are reaped before the bulk lane is submitted at all.
//!
//! No system call waits for two rings. If nothing has completed, the worker waits in ppoll, which is an additional
//! call; under SQPOLL it polls both rings as it would poll one. Both rings then share one polling thread, which takes
//! at most eight requests from each ring in turn, as the kernel does for rings that share a thread.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
};

use proto::{
    counters::Counters as _,
    outcome::{Knob, Lane},
    refusal::{OpenFor, Refusal, WorkerRefusal},
    trial,
};
use syscalls::{Errno, Sysno, syscall};

use super::{Attach, Completion, Counts, Engine, Op, Ring, RingSetup, Slot};
use crate::buffers::Buffers;

/// A ring for each lane. A slot is a position among the requests in flight of both rings together.
pub struct DualRing {
    urgent: Ring,
    bulk: Ring,
    polls: u64,
}

impl DualRing {
    /// Builds both rings with the same options; each has its own block for every slot, from `buffers`.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub fn new(
        setup: &RingSetup<'_>,
        file: OwnedFd,
        mut buffers: impl FnMut(Lane) -> Result<Buffers, Refusal>,
    ) -> Result<(Self, Vec<Knob>), Refusal> {
        let again = file
            .try_clone()
            .map_err(|error| WorkerRefusal::OpenFiles { by: OpenFor::SecondRing, error: error.into() })?;
        let (bulk, knobs) = Ring::new(setup, file, buffers(Lane::Bulk)?)?;
        // Set up as the second of two workers, whose rings share the thread of the first.
        let attach = Attach::default();
        attach.announce(Some(bulk.ring.as_raw_fd()));
        let sqpoll = setup.engine.ring.sqpoll.map(|sqpoll| trial::Sqpoll { shared: true, ..sqpoll });
        let engine = trial::Engine {
            ring: trial::RingOptions { sqpoll, ..setup.engine.ring },
            ..setup.engine.clone()
        };
        let second = RingSetup { engine: &engine, worker: 1, attach: &attach, ..*setup };
        let (urgent, _) = Ring::new(&second, again, buffers(Lane::Urgent)?)?;
        Ok((Self { urgent, bulk, polls: 0 }, knobs))
    }

    /// Waits until one of the rings has a completion. Workers block signals, so signals do not end the wait.
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

impl Engine for DualRing {
    fn moves_data(&self) -> bool {
        self.bulk.moves_data()
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        // SAFETY: `&mut self` makes these the only views of the submission queues while they live.
        let mut queues =
            unsafe { (self.urgent.ring.submission_shared(), self.bulk.ring.submission_shared()) };
        let mut queued = (0, 0);
        for (slot, op) in requests {
            let (requests, context, queue, count) = match op.lane {
                Lane::Urgent => {
                    (&mut self.urgent.requests, &self.urgent.context, &mut queues.0, &mut queued.0)
                }
                Lane::Bulk => (&mut self.bulk.requests, &self.bulk.context, &mut queues.1, &mut queued.1),
            };
            let entry = super::Requests::entry(&mut **requests, context, slot, op);
            // SAFETY: as in `Ring::queue`; the slot is free, so neither ring has a request for its block.
            let pushed = unsafe { queue.push(&entry) };
            debug_assert!(pushed.is_ok(), "there is room in both");
            *count += 1;
        }
        // The polling thread sees the urgent requests first.
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
        let mut counts = self.bulk.counts();
        counts.add(&self.urgent.counts());
        counts.syscalls[1] = ("ppoll", self.polls);
        counts
    }

    fn rings(&self) -> Vec<RawFd> {
        [&self.urgent, &self.bulk].into_iter().flat_map(Ring::rings).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proto::{
        knob::{KnobValue, URGENT},
        trial::{EngineKind, Share, Sqpoll, Urgent, UrgentBy},
    };

    use super::*;
    use crate::{engine::Opcode, workload::OpKind};

    const BLOCK: usize = 512;
    const DEPTH: u32 = 8;

    fn dual(change: impl FnOnce(&mut trial::Engine)) -> Option<DualRing> {
        let mut file = tempfile::tempfile().unwrap();
        (0..64u8).for_each(|block| file.write_all(&[block; 2 * BLOCK]).unwrap());
        let by = UrgentBy::SeparateRing;
        let urgent = Some(Urgent { share: Share(1), by, block_size: None });
        let mut engine = trial::Engine { urgent, ..trial::Engine::new(EngineKind::IoUring) };
        change(&mut engine);
        let setup = RingSetup {
            opcode: Opcode::Transfer,
            depth: DEPTH,
            engine: &engine,
            worker: 0,
            poller: None,
            attach: &Attach::default(),
        };
        let block = |lane| if lane == Lane::Urgent { BLOCK } else { 2 * BLOCK };
        match DualRing::new(&setup, file.into(), |lane| Ok(Buffers::new(DEPTH, block(lane), 1).unwrap())) {
            Ok((engine, knobs)) => {
                let separate = KnobValue::Urgent(UrgentBy::SeparateRing);
                let urgent = Knob::new(URGENT, separate.clone(), separate);
                assert!(knobs.contains(&urgent), "{knobs:?}");
                Some(engine)
            }
            Err(refusal) if refusal.code() == "ring-refused" => {
                crate::skip::skip(&refusal.message());
                None
            }
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    /// Reads the block of each slot's number, every third slot in the urgent lane, for `rounds` rounds.
    fn run(engine: &mut DualRing, rounds: u32) {
        let urgent = |slot: u32| slot.is_multiple_of(3);
        for _ in 0..rounds {
            engine.queue((0..DEPTH).map(|slot| {
                let offset = u64::from(slot) * 2 * BLOCK as u64;
                let (lane, len) = if urgent(slot) { (Lane::Urgent, BLOCK) } else { (Lane::Bulk, 2 * BLOCK) };
                (slot, Op { lane, ..Op::new(OpKind::Read, offset, len as u32) })
            }));
            let mut seen = Vec::new();
            while seen.len() < DEPTH as usize {
                assert!(engine.commit(1).unwrap() > 0, "waits for a completion");
                engine.reap(|completion| seen.push(completion));
            }
            seen.sort_by_key(|completion| completion.slot);
            for (slot, completion) in (0..DEPTH).zip(seen) {
                let (ring, len) =
                    if urgent(slot) { (&engine.urgent, BLOCK) } else { (&engine.bulk, 2 * BLOCK) };
                assert_eq!(completion, Completion { slot, result: len as i32 });
                // SAFETY: the block is a live mapping, and nothing is in flight.
                assert_eq!(unsafe { *ring.context.buffers.slot(slot) }, slot as u8);
            }
        }
        let counts = engine.counts();
        let asked = u64::from(DEPTH * rounds);
        assert_eq!((counts.submitted, engine.urgent.submitted), (asked, u64::from(rounds) * 3));
    }

    #[test]
    fn reaps_the_urgent_lane_before_submitting_the_bulk_lane() {
        let Some(mut engine) = dual(|_| ()) else { return };
        run(&mut engine, 20);
        engine.queue(
            [Lane::Bulk, Lane::Urgent, Lane::Bulk]
                .into_iter()
                .enumerate()
                .map(|(slot, lane)| (slot as u32, Op { lane, ..Op::new(OpKind::Read, 0, BLOCK as u32) })),
        );
        // The page cache serves the urgent request at once, before the others are submitted.
        assert_eq!(engine.commit(1).unwrap(), 1);
        let mut seen = Vec::new();
        engine.reap(|completion| seen.push(completion.slot));
        assert_eq!((seen, engine.bulk.queued), (vec![1], 2));
        assert_eq!(engine.commit(2).unwrap(), 2);
        engine.reap(|_| ());
    }

    #[test]
    fn waits_for_late_completions() {
        // Threads of the kernel do these reads, so completions arrive after the call returns.
        let Some(mut engine) = dual(|engine| engine.ring.force_async = true) else { return };
        run(&mut engine, 200);
        let counts = engine.counts();
        assert!(counts.syscalls[1].1 > 0, "no wait in 1,600 requests: {counts:?}");
    }

    #[test]
    fn shares_one_polling_thread() {
        let sqpoll = Some(Sqpoll { idle: proto::units::Nanos(5_000_000), ..Sqpoll::default() });
        let Some(mut engine) = dual(|engine| engine.ring.sqpoll = sqpoll) else { return };
        run(&mut engine, 50);
        assert_eq!(engine.counts().syscalls[1], ("ppoll", 0));
        let name = format!("iou-sqp-{}\n", rustix::thread::gettid().as_raw_nonzero());
        let comms = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let own =
            comms.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|is| is == name));
        assert_eq!(own.count(), 1);
    }
}
