//! THE hot loop: queue, commit, read the clock once, reap, record. It allocates nothing, locks nothing, and
//! makes no system call but the engine's; what else there is to do happens at the edges of an interval.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{clock::HotClock, recorder::Recorder};
use crate::{engine::Engine, engine::Slot, workload::Ops};

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

#[derive(Clone, Copy, Default)]
struct InFlight {
    started: u64,
    write: bool,
}

/// Runs a worker until its edges say that it is over or `stop` is set, and then until nothing is in flight.
///
/// Closed loop: a request starts at the reading of the clock that ended the batch before it, so that preparing
/// it counts as the application's waiting.
///
/// # Errors
/// A commit that failed for good; passing shortages (EAGAIN, EBUSY, ENOMEM) are counted and tried again.
pub fn run<E: Engine>(
    engine: &mut E,
    ops: &mut Ops,
    recorder: &mut Recorder,
    edges: &mut impl Edges,
    clock: &HotClock,
    batching: Batching,
    stop: &AtomicBool,
) -> io::Result<()> {
    let whole = engine.whole();
    let mut slots = vec![InFlight::default(); batching.depth as usize];
    let mut free: Vec<Slot> = (0..batching.depth).rev().collect();
    let mut next_edge = edges.next();
    let mut now = clock.ticks();
    loop {
        let fill = free.len().min(batching.submit as usize);
        let taken = free.len() - fill..;
        engine.queue(free.drain(taken).map(|slot| {
            let op = ops.next_op();
            slots[slot as usize] = InFlight { started: now, write: op.write };
            (slot, op)
        }));
        // While there is room left, hand over more before waiting.
        let in_flight = batching.depth - free.len() as u32;
        let wait = if free.is_empty() || fill == 0 { batching.complete.min(in_flight) } else { 0 };
        commit(engine, wait, recorder)?;
        now = clock.ticks();
        engine.reap(|completion| {
            let request = slots[completion.slot as usize];
            if completion.result == whole {
                recorder.complete(request.write, request.started, now);
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
    while free.len() < slots.len() {
        commit(engine, 1, recorder)?;
        engine.reap(|completion| free.push(completion.slot));
    }
    Ok(())
}

/// Commits; a shortage that passes is counted by errno and left for the next round.
#[inline]
fn commit<E: Engine>(engine: &mut E, wait: u32, recorder: &mut Recorder) -> io::Result<()> {
    match engine.commit(wait) {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(errno @ (libc::EAGAIN | libc::EBUSY | libc::ENOMEM)) => {
                recorder.fail(-errno);
                Ok(())
            }
            _ => Err(error),
        },
    }
}
