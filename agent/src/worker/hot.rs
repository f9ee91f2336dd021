//! THE hot loop: pace, queue, commit, read the clock once, reap, record. It allocates nothing, locks nothing, and
//! makes no system call but the engine's; what else there is to do happens at the edges of an interval.

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

/// How many requests go where.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// In flight, at most.
    pub depth: u32,
    /// Queued before a commit, at most.
    pub submit: u32,
    /// Waited for in a commit, at least.
    pub complete: u32,
}

/// What happens at the edges of the measured window and its intervals. Called outside the measured path, on
/// the worker's thread.
pub trait Edges {
    /// When the next edge is due, in ticks.
    fn next(&self) -> u64;

    /// The loop has come to an edge at `now`, in ticks. Returns whether to go on.
    fn edge<E: Engine>(&mut self, now: u64, engine: &E, recorder: &mut Recorder) -> bool;
}

/// Commits that fail for a shortage while nothing comes back, after which the wait for what is in flight ends:
/// what the kernel never took will not come back.
const MOST_IN_VAIN: u32 = 1_000_000;

#[derive(Clone, Copy, Default)]
struct InFlight {
    /// When it was to be handed over.
    started: u64,
    /// When it was. The same in closed loop.
    issued: u64,
    /// Bytes to be moved.
    len: u32,
    kind: OpKind,
    lane: Lane,
}

/// All that a worker works with.
pub struct Worker<'a, E, P, O, W> {
    /// Does the I/O.
    pub engine: &'a mut E,
    /// Says when a request starts.
    pub pacer: &'a mut P,
    /// Says what it is.
    pub ops: &'a mut O,
    /// Takes its latency.
    pub recorder: &'a mut Recorder,
    /// What happens at the edges of the window.
    pub edges: &'a mut W,
    /// Tells the time.
    pub clock: &'a HotClock,
    /// Ends the trial early.
    pub stop: &'a AtomicBool,
}

/// Runs a worker until its edges say that it is over or it is stopped, and then until nothing is in flight; of what
/// does not come back once it is stopped, until patience ends.
///
/// Closed loop: a request starts at the reading of the clock that ended the batch before it, so that preparing
/// it counts as the application's waiting. Open loop: it starts when it was to start; while nothing is due the
/// loop looks for completions and at the clock, without a system call, so that no timer is late for it.
/// A sync belongs to no arrival: it starts when its turn comes.
///
/// # Errors
/// A commit that failed for good, or requests that did not come back; passing shortages (EAGAIN, EBUSY, ENOMEM) are counted and tried again.
pub fn run<E: Engine, P: Pacer, O: Source, W: Edges>(
    worker: Worker<'_, E, P, O, W>,
    batching: Batching,
) -> io::Result<()> {
    let Worker { engine, pacer, ops, recorder, edges, clock, stop } = worker;
    // What a request returns that did all that was asked: its length, or nothing.
    let whole = if engine.moves_data() { u32::MAX } else { 0 };
    let mut slots = vec![InFlight::default(); batching.depth as usize];
    let mut free: Vec<Slot> = (0..batching.depth).rev().collect();
    let mut next_edge = edges.next();
    let mut now = clock.ticks();
    loop {
        let mut room = batching.submit;
        // There is room in the batch, but nothing can go before something comes back.
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
        // While there is room left, hand over more (or, in open loop, see what becomes due) before waiting.
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
    let mut in_vain = 0;
    let mut drain = DrainDeadline::default();
    while free.len() < slots.len() {
        let stopped = stop.load(Ordering::Relaxed);
        // Who is to stop does not wait in the kernel for what may never come.
        let outcome = engine.commit(u32::from(!stopped));
        let before = free.len();
        engine.reap(|completion| {
            let request = slots[completion.slot as usize];
            ops.done(completion, request.kind, request.lane);
            free.push(completion.slot);
        });
        let came = free.len() > before;
        if let Err(error) = outcome {
            in_vain = if came { 0 } else { in_vain + 1 };
            if !is_transient(&error) || in_vain == MOST_IN_VAIN {
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

/// Commits; a shortage that passes is counted by errno and left for the next round.
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
