//! The hot loop: pace, queue, commit, read the clock once, reap, record. It allocates nothing, takes no locks, and
//! makes no system calls except the engine's. All other work happens at the edges of an interval.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use proto::outcome::Lane;

use super::{pacer::Pacer, recorder::Recorder};
use crate::{
    clock::HotClock,
    drain::DrainDeadline,
    engine::{Engine, Slot, is_transient},
    source::{Source, Turn},
    workload::OpKind,
};

/// Sizes of batches.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// The maximum number of requests in flight.
    pub depth: u32,
    /// The maximum number of requests queued before a commit.
    pub submit: u32,
    /// The minimum number of completions to wait for in a commit.
    pub complete: u32,
}

/// Handles the edges of the measured window and of its intervals. Called outside the measured path, on the worker's
/// thread.
pub trait Edges {
    /// The time of the next edge, in ticks.
    fn next(&self) -> u64;

    /// Called at an edge, at `now` in ticks. Returns whether to continue.
    fn edge<E: Engine>(&mut self, now: u64, engine: &E, recorder: &mut Recorder) -> bool;
}

/// The number of successive commits that fail for a shortage without a completion, after which the drain ends: requests
/// that the kernel never took do not complete.
const MAX_VAIN_COMMITS: u32 = 1_000_000;

#[derive(Clone, Copy, Default)]
struct InFlight {
    /// Its intended start, in ticks.
    started: u64,
    /// Its submission, in ticks; the same in closed loop.
    issued: u64,
    /// Bytes to be moved.
    len: u32,
    kind: OpKind,
    lane: Lane,
}

/// The parts of a worker.
pub struct Worker<'a, E, P, O, W> {
    /// Does the I/O.
    pub engine: &'a mut E,
    /// Decides when requests start.
    pub pacer: &'a mut P,
    /// Supplies the operations.
    pub ops: &'a mut O,
    /// Records latencies.
    pub recorder: &'a mut Recorder,
    /// Handles the edges of the window.
    pub edges: &'a mut W,
    /// Reads the time.
    pub clock: &'a HotClock,
    /// Ends the trial early.
    pub stop: &'a AtomicBool,
}

/// Runs a worker until its edges end it or it is stopped, and then until nothing is in flight. Once it is stopped,
/// requests in flight have a drain deadline.
///
/// Closed loop: a request starts at the clock reading that ended the previous batch, so that preparing it counts as
/// waiting time of the application. Open loop: a request starts at its intended time. While none is due the loop polls
/// for completions and reads the clock, without a system call, so that no timer delays it. Syncs are not arrivals: a
/// sync starts when its turn comes.
///
/// # Errors
/// A commit that failed permanently, or requests that did not complete before the deadline. Temporary shortages
/// (EAGAIN, EBUSY, ENOMEM) are counted and retried.
pub fn run<E: Engine, P: Pacer, O: Source, W: Edges>(
    worker: Worker<'_, E, P, O, W>,
    batching: Batching,
) -> io::Result<()> {
    let Worker { engine, pacer, ops, recorder, edges, clock, stop } = worker;
    // The result of a request that transferred everything: its length, or 0.
    let whole = if engine.moves_data() { u32::MAX } else { 0 };
    let mut slots = vec![InFlight::default(); batching.depth as usize];
    let mut free: Vec<Slot> = (0..batching.depth).rev().collect();
    let mut next_edge = edges.next();
    let mut now = clock.ticks();
    loop {
        let mut room = batching.submit;
        // The batch has room, but nothing can be queued before a request completes.
        let mut held = false;
        engine.queue(std::iter::from_fn(|| {
            if room == 0 || free.is_empty() {
                return None;
            }
            let started = match ops.turn() {
                Turn::Operation => pacer.due(now)?,
                Turn::Pair if free.len() > 1 && room > 1 => pacer.due(now)?,
                Turn::Sync => now,
                turn => {
                    held = turn == Turn::Held || free.len() < 2;
                    return None;
                }
            };
            room -= 1;
            let slot = free.pop()?;
            let op = ops.take(slot);
            slots[slot as usize] =
                InFlight { started, issued: now, len: op.len, kind: op.kind, lane: op.lane };
            Some((slot, op))
        }));
        // While there is room left, queue more (or, in open loop, whatever becomes due) before waiting.
        let in_flight = batching.depth - free.len() as u32;
        let wait = if free.is_empty() || held { batching.complete.min(in_flight) } else { 0 };
        commit(engine, wait, recorder)?;
        now = clock.ticks();
        engine.reap(|completion| {
            let request = slots[completion.slot as usize];
            ops.done(completion, request.kind, request.lane);
            if completion.result == (request.len & whole) as i32 {
                recorder.complete(request.kind, request.lane, request.len, request.started, now);
                if O::LANES && request.lane != Lane::Bulk {
                    recorder.overtaken(ops.overtakers(completion.slot));
                }
                if P::OPEN {
                    recorder.serve(request.kind, request.lane, request.issued, now);
                }
            } else {
                recorder.fail(completion.result);
            }
            free.push(completion.slot);
        });
        recorder.flush(now);
        if now >= next_edge {
            if !edges.edge(now, engine, recorder) {
                break;
            }
            next_edge = edges.next();
            now = clock.ticks();
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let mut vain_commits = 0;
    let mut drain = DrainDeadline::default();
    while free.len() < slots.len() {
        let stopped = stop.load(Ordering::Relaxed);
        // A stopped thread does not wait in the kernel for requests that may never complete.
        let outcome = engine.commit(u32::from(!stopped));
        let before = free.len();
        engine.reap(|completion| {
            let request = slots[completion.slot as usize];
            ops.done(completion, request.kind, request.lane);
            free.push(completion.slot);
        });
        let came = free.len() > before;
        if let Err(error) = outcome {
            vain_commits = if came { 0 } else { vain_commits + 1 };
            if !is_transient(&error) || vain_commits == MAX_VAIN_COMMITS {
                return Err(error);
            }
            std::thread::yield_now();
        }
        if came {
            drain = DrainDeadline::default();
        } else if stopped {
            drain.wait((slots.len() - free.len()) as u32)?;
        }
    }
    Ok(())
}

/// Commits. A temporary shortage is counted by errno and left for the next round.
#[inline]
fn commit<E: Engine>(engine: &mut E, wait: u32, recorder: &mut Recorder) -> io::Result<()> {
    match engine.commit(wait) {
        Ok(_) => Ok(()),
        Err(error) if is_transient(&error) => {
            recorder.fail(-error.raw_os_error().unwrap_or_default());
            Ok(())
        }
        Err(error) => Err(error),
    }
}
