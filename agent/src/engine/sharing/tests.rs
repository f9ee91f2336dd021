//! Tests of both ways of sharing a ring, on real files and through the [`Engine`] interface only: every request
//! completes once, for the worker that queued it, with the data of its own block.

use std::{
    io::Write as _,
    os::fd::OwnedFd,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use proptest::prelude::*;
use proto::{
    counters::Counters as _,
    knob::{Knob, KnobValue, RING},
    outcome::{HandoverCosts, LockCosts, SharingCosts},
    trial::{self, EngineKind, Sharing},
};
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    super::{Attach, Completion, Counts, Engine, Opcode, RingSetup, Slot},
    Combined, Shared,
    combiner::Combiner,
};
use crate::{
    buffers::Buffers,
    clock::{HotClock, monotonic_ns},
    worker::window::{Schedule, Window},
    workload::{Op, OpKind},
};

const BLOCK: usize = 512;
const BLOCKS: u64 = 256;
/// A round that takes longer has lost a wake-up.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A file of blocks that begin with their own number.
fn file() -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    for block in 0..BLOCKS {
        let mut data = [0u8; BLOCK];
        data[..8].copy_from_slice(&block.to_le_bytes());
        file.write_all(&data).unwrap();
    }
    file.into()
}

/// Open file descriptions of one file, one for each worker.
fn files(workers: u32) -> Vec<OwnedFd> {
    use std::os::fd::AsRawFd as _;
    let file = file();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let open = || std::fs::File::options().read(true).open(&path).unwrap().into();
    (0..workers).map(|_| open()).collect()
}

fn read(slot: Slot, block: u64) -> (Slot, Op) {
    (slot, Op::new(OpKind::Read, block * BLOCK as u64, BLOCK as u32))
}

/// The parameters of a round: the way of sharing, the number of workers, the depth.
#[derive(Clone, Debug)]
struct Round {
    sharing: Sharing,
    workers: u32,
    depth: u32,
    opcode: Opcode,
    knobs: trial::Engine,
}

impl Round {
    fn new(sharing: Sharing, workers: u32, depth: u32) -> Self {
        let knobs = trial::Engine {
            ring: trial::RingOptions { sharing, ..trial::RingOptions::default() },
            ..trial::Engine::new(EngineKind::IoUring)
        };
        Self { sharing, workers, depth, opcode: Opcode::Transfer, knobs }
    }

    /// Runs `work` with each worker's handle on a separate thread, and returns the counts of the handles and the
    /// combiner. `work` also gets the address of the worker's first block. `None` if the host forbids rings.
    fn run<W: Work>(&self, work: &W) -> Option<Counts> {
        let total = self.workers * self.depth;
        let attach = Attach::default();
        let setup = RingSetup {
            opcode: self.opcode,
            depth: total,
            engine: &self.knobs,
            worker: 0,
            poller: None,
            attach: &attach,
        };
        let buffers = Buffers::new(total, BLOCK, 1).unwrap();
        let blocks = buffers.slot(0).addr();
        let at = |index: usize| blocks + index * self.depth as usize * BLOCK;
        let clock = HotClock::new();
        let skip_or_panic = |refusal: proto::outcome::Refusal| match refusal.code() {
            "ring-refused" => crate::skip::skip(&refusal.message()),
            _ => panic!("{refusal:?}"),
        };
        thread::scope(|scope| {
            match self.sharing {
                Sharing::Shared => {
                    let built = Shared::build(&setup, files(self.workers), buffers, &clock);
                    let (handles, knobs) = built.map_err(skip_or_panic).ok()?;
                    let shared = KnobValue::Sharing(Sharing::Shared);
                    assert!(knobs.contains(&Knob::new(RING, shared.clone(), shared)), "{knobs:?}");
                    let workers = handles.into_iter().enumerate().map(|(index, mut handle)| {
                        scope.spawn(move || {
                            work.work(index as u32, &mut handle, at(index));
                            handle
                        })
                    });
                    let workers: Vec<_> = workers.collect();
                    // Handles are kept until all workers are done: the first one reports the ring's counts.
                    let handles: Vec<_> = workers.into_iter().map(|w| w.join().unwrap()).collect();
                    Some(sum(handles.iter().map(Engine::counts)))
                }
                _ => {
                    let (sender, handles) = mpsc::channel();
                    let this = self.clone();
                    let combiner = scope.spawn(move || {
                        let attach = Attach::default();
                        let setup = RingSetup { attach: &attach, engine: &this.knobs, ..setup };
                        let clock = HotClock::new();
                        let built =
                            Combiner::build(&setup, files(this.workers), buffers, &clock, (false, false));
                        let (mut combiner, handles, _) = match built {
                            Ok(built) => built,
                            Err(refusal) => {
                                skip_or_panic(refusal);
                                return None;
                            }
                        };
                        sender.send(handles).unwrap();
                        drop(sender);
                        let mut window = window(&clock);
                        combiner
                            .run(&mut window, &AtomicBool::new(false), |errno| panic!("errno {errno}"))
                            .unwrap();
                        Some(combiner.counts())
                    });
                    let Ok(handles) = handles.recv() else { return combiner.join().unwrap() };
                    let workers = handles.into_iter().enumerate().map(|(index, mut handle)| {
                        scope.spawn(move || {
                            work.work(index as u32, &mut handle, at(index));
                            handle.counts()
                        })
                    });
                    let workers: Vec<_> = workers.collect();
                    let counts: Vec<_> = workers.into_iter().map(|w| w.join().unwrap()).collect();
                    Some(sum(counts.into_iter().chain(combiner.join().unwrap())))
                }
            }
        })
    }
}

fn window(clock: &HotClock) -> Window {
    let schedule =
        Schedule { start_ns: monotonic_ns(), warmup_ns: 0, runtime_ns: 1_000_000, interval_ns: 1_000_000 };
    Window::new(clock.clone(), schedule, None)
}

fn sum(counts: impl Iterator<Item = Counts>) -> Counts {
    let mut sum = Counts::default();
    let mut enters = 0;
    for counts in counts {
        sum.submitted += counts.submitted;
        enters +=
            counts.syscalls.iter().filter(|(name, _)| *name == "io_uring_enter").map(|(_, n)| n).sum::<u64>();
        match (&mut sum.sharing, counts.sharing) {
            (Some(sum), Some(more)) => sum.add(&more),
            (none, more) => *none = more,
        }
    }
    sum.syscalls[0] = ("io_uring_enter", enters);
    sum
}

/// The work of each worker in a round.
trait Work: Sync {
    fn work<E: Engine>(&self, worker: u32, engine: &mut E, blocks: usize);
}

/// Random reads in batches of random sizes, with random waits; each is checked when it completes.
struct Reads {
    depth: u32,
    /// The number of requests of each worker, so that they end one after another.
    requests: fn(u32) -> u64,
    seed: u64,
    stop: AtomicBool,
    /// The engine waits by polling, and may return with fewer completions than waited for.
    looks: bool,
}

impl Reads {
    fn new(depth: u32, requests: fn(u32) -> u64, seed: u64) -> Self {
        Self { depth, requests, seed, stop: AtomicBool::new(false), looks: false }
    }
}

impl Work for Reads {
    fn work<E: Engine>(&self, worker: u32, engine: &mut E, blocks: usize) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ u64::from(worker) << 32);
        let depth = self.depth;
        // For each slot: its block, and whether the request is a write, which the file does not allow.
        let mut expected: Vec<Option<(u64, bool)>> = vec![None; depth as usize];
        let (mut left, mut in_flight) = ((self.requests)(worker), 0);
        while left > 0 || in_flight > 0 {
            if self.stop.load(Ordering::Relaxed) {
                left = 0;
            }
            let batch = (rng.next_u64() % u64::from(depth + 1)).min(u64::from(depth - in_flight)).min(left);
            let free: Vec<Slot> =
                (0..depth).filter(|slot| expected[*slot as usize].is_none()).take(batch as usize).collect();
            engine.queue(free.into_iter().map(|slot| {
                // Some blocks lie past the end of the file; these reads return 0.
                let block = rng.next_u64() % (BLOCKS + 8);
                let write = rng.next_u64() % 16 == 0;
                expected[slot as usize] = Some((block, write));
                let (slot, op) = read(slot, block);
                (slot, Op { kind: if write { OpKind::Write } else { OpKind::Read }, ..op })
            }));
            (left, in_flight) = (left - batch, in_flight + batch as u32);
            let wait = match rng.next_u64() % 4 {
                0 => 0,
                1 => in_flight,
                _ => in_flight.min(1),
            };
            let seen = engine.commit(wait).unwrap();
            assert!(seen >= wait || self.looks, "{seen} of {wait}");
            let mut reaped = 0;
            engine.reap(|Completion { slot, result }| {
                let (block, write) =
                    expected[slot as usize].take().expect("owned by this worker, and completed once");
                let whole = match write {
                    true => -libc::EBADF,
                    false if block < BLOCKS => BLOCK as i32,
                    false => 0,
                };
                assert_eq!(result, whole, "block {block}");
                if whole > 0 {
                    let at = (blocks + slot as usize * BLOCK) as *const u64;
                    // SAFETY: the block is the slot's own, and nothing is in flight for it; the mapping lives as
                    // long as the ring, which the engine holds.
                    assert_eq!(unsafe { at.read_unaligned() }, block, "worker {worker}, slot {slot}");
                }
                reaped += 1;
            });
            assert_eq!(reaped, seen);
            in_flight -= reaped;
        }
    }
}

/// Runs a round with a time limit, so that a deadlock fails the test.
fn in_time<T: Send + 'static>(what: &str, round: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    let running = thread::spawn(move || sender.send(round()));
    match done.recv_timeout(TIME_LIMIT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let failed = running.join().err();
            panic!("{what} failed: {:?}", failed.and_then(|f| f.downcast::<String>().ok()));
        }
    }
}

const BOTH: [Sharing; 2] = [Sharing::Shared, Sharing::Combiner];

#[test]
fn completes_every_request_once_for_its_worker() {
    for sharing in BOTH {
        for (workers, depth) in [(1, 1), (1, 64), (2, 1), (2, 7), (3, 32), (16, 1), (16, 4), (16, 64)] {
            // Later workers have less to do: they end while others continue.
            let requests = |worker| 4000 / (1 + u64::from(worker));
            let counts = in_time(&format!("{sharing:?}, {workers} workers at depth {depth}"), move || {
                Round::new(sharing, workers, depth).run(&Reads::new(depth, requests, 7))
            });
            let Some(counts) = counts else { return };
            let asked: u64 = (0..workers).map(requests).sum();
            // The combiner also reads from its eventfd.
            let slack = if sharing == Sharing::Combiner { asked } else { 0 };
            assert!((asked..=asked + slack).contains(&counts.submitted), "{counts:?}, {asked} asked");
            assert!(counts.syscalls[0].1 > 0);
        }
    }
}

#[test]
fn rounds_can_stop_at_any_moment() {
    for sharing in BOTH {
        for wait_us in [0, 50, 300, 2000, 9000] {
            in_time(&format!("{sharing:?} after {wait_us} us"), move || {
                let work = Reads::new(8, |_| u64::MAX, wait_us);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        thread::sleep(Duration::from_micros(wait_us));
                        work.stop.store(true, Ordering::Relaxed);
                    });
                    Round::new(sharing, 4, 8).run(&work);
                });
            });
        }
    }
}

/// Requests complete late and out of order, by a worker thread of the kernel, so some workers have to sleep.
#[test]
fn waiting_workers_sleep_and_are_woken() {
    for sharing in BOTH {
        for fixed in [false, true] {
            let counts = in_time(&format!("{sharing:?}, fixed: {fixed}"), move || {
                let mut round = Round::new(sharing, 8, 4);
                round.knobs.ring.force_async = true;
                (round.knobs.ring.fixed_files, round.knobs.ring.fixed_buffers) = (fixed, fixed);
                round.run(&Reads::new(4, |_| 1500, 3))
            });
            let Some(counts) = counts else { return };
            match counts.sharing.unwrap() {
                SharingCosts::Lock(LockCosts { locks, contended, wait_ns }) => {
                    assert_eq!(sharing, Sharing::Shared);
                    assert!(locks > 1000 && contended <= locks, "{counts:?}");
                    assert_eq!(contended > 0, wait_ns > 0, "{counts:?}");
                }
                SharingCosts::Handover(HandoverCosts { ns }) => {
                    assert_eq!(sharing, Sharing::Combiner);
                    assert!(ns > 8 * 1500, "{counts:?}");
                }
            }
        }
    }
}

#[test]
fn combiner_may_be_a_single_issuer() {
    let counts = in_time("a tuned combiner", || {
        let mut round = Round::new(Sharing::Combiner, 4, 8);
        round.knobs.ring.single_issuer = true;
        round.knobs.ring.defer_taskrun = true;
        round.knobs.ring.registered_ring = true;
        round.knobs.ring.force_async = true;
        round.run(&Reads::new(8, |_| 1000, 5))
    });
    assert!(counts.is_none_or(|counts| counts.submitted >= 4000));
}

#[test]
fn shared_rings_work_with_sqpoll() {
    for sharing in BOTH {
        in_time(&format!("{sharing:?} with sqpoll"), move || {
            let mut round = Round::new(sharing, 2, 4);
            round.knobs.ring.sqpoll = Some(trial::Sqpoll::default());
            round.run(&Reads { looks: true, ..Reads::new(4, |_| 50, 5) })
        });
    }
}

/// One worker ends early, with requests in flight.
struct LeavesEarly;

impl Work for LeavesEarly {
    fn work<E: Engine>(&self, worker: u32, engine: &mut E, blocks: usize) {
        if worker == 1 {
            engine.queue((0..4).map(|slot| read(slot, u64::from(slot))));
            engine.commit(0).unwrap();
        } else {
            Reads::new(4, |_| 500, 9).work(worker, engine, blocks);
        }
    }
}

#[test]
fn other_workers_continue_when_one_leaves() {
    for sharing in BOTH {
        in_time(&format!("{sharing:?}"), move || {
            let mut round = Round::new(sharing, 3, 4);
            round.knobs.ring.force_async = true;
            round.run(&LeavesEarly)
        });
    }
}

#[test]
fn workers_get_an_error_when_the_combiner_is_gone() {
    let setup_of = |knobs| RingSetup {
        opcode: Opcode::Nop,
        depth: 4,
        engine: knobs,
        worker: 0,
        poller: None,
        attach: Box::leak(Box::default()),
    };
    let knobs = trial::Engine::new(EngineKind::Nop);
    let clock = HotClock::new();
    let buffers = Buffers::new(4, BLOCK, 1).unwrap();
    let built = Combiner::build(&setup_of(&knobs), files(2), buffers, &clock, (false, false));
    let (combiner, mut handles, _) = match built {
        Ok(built) => built,
        Err(refusal) => return crate::skip::skip(&refusal.message()),
    };
    let mut last = handles.pop().unwrap();
    let waiting = thread::spawn(move || {
        last.queue([read(0, 0)].into_iter());
        last.commit(1).unwrap_err().raw_os_error()
    });
    thread::sleep(Duration::from_millis(20));
    drop(combiner);
    assert_eq!(waiting.join().unwrap(), Some(libc::EPIPE));
    assert_eq!(handles[0].commit(0).unwrap_err().raw_os_error(), Some(libc::EPIPE));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_number_of_workers_and_any_depth_work(
        shared in any::<bool>(), workers in 1..9u32, depth in 1..33u32, force_async in any::<bool>(),
        files in any::<bool>(), buffers in any::<bool>(), coop in any::<bool>(), seed in any::<u64>(),
    ) {
        let sharing = if shared { Sharing::Shared } else { Sharing::Combiner };
        let mut round = Round::new(sharing, workers, depth);
        round.knobs = trial::Engine { ring: trial::RingOptions { force_async, fixed_files: files, fixed_buffers: buffers, coop_taskrun: coop, ..round.knobs.ring }, fallback: trial::Fallback::Allow, ..round.knobs };
        let what = format!("{round:?}");
        in_time(&what, move || round.run(&Reads::new(depth, |_| 300, seed)));
    }
}

/// Handles are sent to the threads of their workers.
#[test]
fn handles_are_send() {
    fn is_send<T: Send>() {}
    is_send::<Shared>();
    is_send::<Combined>();
}
