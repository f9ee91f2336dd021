//! Common steps of all threads of a trial before and after their work.

use std::{
    os::fd::RawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use proto::{
    outcome::{Knob, Lane},
    refusal::{CpuFailure, MemoryFailure, Refusal, ThreadName, WorkerRefusal},
    trial::{Measure, Trial},
    warning::Warning,
};

use super::{event::Report, memory};
use crate::{
    buffers::Buffers, counters::audit::Audit, drain::DrainDeadline, engine::Engine, topology, verify,
    workload::Op,
};

/// Runs a thread's work and turns a panic into a refusal.
pub(super) fn caught(
    thread: ThreadName,
    work: impl FnOnce() -> Result<Report, Refusal>,
) -> Result<Report, Refusal> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(WorkerRefusal::Panicked { thread }.into()))
}

/// Prepares the calling thread: blocks signals and pins it to its CPU.
pub(super) fn settle(thread: ThreadName, cpu: u32) -> Result<(), Refusal> {
    block_signals();
    topology::pin_current_thread(cpu).map_err(|error| {
        let failure = CpuFailure::NotPinned { thread, cpu, error: error.into() };
        WorkerRefusal::CpuNotAvailable { failure }.into()
    })
}

/// The blocks of `depth` slots, for the operations of a lane, or of all lanes that share its ring.
pub(super) fn buffers(trial: &Trial, lane: Lane, depth: u32, worker: u32) -> Result<Buffers, Refusal> {
    let block = trial.largest_block(lane);
    let (block_size, seed) = (block.0 as usize, verify::mark(trial) ^ u64::from(worker));
    let made = match memory::varies(trial) {
        true => Buffers::varied(depth, block_size, seed, trial.workload.compressible),
        false => Buffers::new(depth, block_size, seed),
    };
    made.map_err(|error| {
        let failure = MemoryFailure::Buffers { depth, block, error: error.into() };
        WorkerRefusal::NoMemory { failure }.into()
    })
}

/// Opens the instruments of an audit on the calling thread, which is a worker or (`None`) the combiner.
pub(super) fn instruments(
    trial: &Trial,
    worker: Option<u32>,
    knobs: &[Knob],
    rings: Vec<RawFd>,
    warnings: &mut Vec<Warning>,
) -> Option<Audit> {
    (trial.measure == Measure::Audit).then(|| {
        let (audit, missing) = Audit::open(trial, worker, knobs, rings);
        warnings.extend(missing);
        audit
    })
}

/// Checks before the start whether the engine can sync this target.
pub(super) fn try_sync(trial: &Trial, engine: &mut impl Engine, stop: &AtomicBool) -> Result<(), Refusal> {
    let Some(sync) = trial.workload.sync else { return Ok(()) };
    engine.queue(std::iter::once((0, Op::new(sync.call.into(), 0, 0))));
    let mut result = None;
    let mut outcome = Ok(());
    let mut drain = DrainDeadline::default();
    while result.is_none() && outcome.is_ok() {
        let stopped = stop.load(Ordering::Relaxed);
        outcome = engine.commit(u32::from(!stopped)).map(drop);
        engine.reap(|completion| result = Some(completion.result));
        if stopped && result.is_none() && outcome.is_ok() {
            outcome = drain.wait(1);
        }
    }
    let error = match (outcome, result) {
        (_, Some(0)) => return Ok(()),
        (_, Some(result)) => std::io::Error::from_raw_os_error(-result),
        (Err(error), None) => error,
        (Ok(_), None) => return Ok(()),
    };
    let (engine, call) = (trial.engine.kind, sync.call);
    Err(WorkerRefusal::SyncRefused { engine, call, error: error.into() }.into())
}

pub(super) fn engine_failed(thread: ThreadName, trial: &Trial, error: &std::io::Error) -> Refusal {
    WorkerRefusal::EngineFailed { thread, engine: trial.engine.kind, error: error.into() }.into()
}

/// Signals are handled by the runtime's threads: on a worker, a signal would end a wait in the kernel early.
fn block_signals() {
    // SAFETY: the set is filled before it is used, and the mask is the calling thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}
