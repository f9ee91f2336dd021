//! Worker threads: built on their own CPU, held at the start line, run through the hot loop, joined.

pub mod clock;
pub mod hot;
pub mod memory;
pub mod pacer;
pub mod recorder;
pub mod source;
pub mod window;

use std::{
    cell::Cell,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use proto::{
    outcome::{Knob, Refusal, Warning},
    trial::{EngineKind, Measure, Trial},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::{
    clock::HotClock,
    hot::Batching,
    pacer::{Closed as ClosedLoop, Open as OpenLoop, Pacer},
    recorder::{Kinds, Recorder, Slices, Tally},
    source::{Source, Synced, sync_kind},
    window::{Closed, Schedule, Window},
};
use crate::{
    buffers::{Blocks, Buffers},
    counters::perf::{self, Perf},
    engine::{Attach, Engine, Libaio, Null, Opcode, Psync, Pvsync2, Ring, RingSetup},
    topology,
    verify::{Outcome, Verified},
    workload::{Op, Ops},
};

/// What a worker says to the trial that it works for.
pub enum Note {
    /// It stands at the start line.
    Ready(Built),
    /// It is done, or could not go on. Its last note.
    Done(Result<Report, Refusal>),
}

/// What a worker has built before the start.
pub struct Built {
    /// What was asked and what was granted.
    pub knobs: Vec<Knob>,
    /// What the reader must know.
    pub warnings: Vec<Warning>,
    /// Where its latencies will come from.
    pub slices: Slices,
}

/// What a worker did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The accounts of its window; absent where it never came to measuring.
    pub window: Option<Box<Closed>>,
    /// Counts beside the histogram.
    pub tally: Tally,
    /// Failed requests by errno.
    pub errors: Vec<(i32, u64)>,
    /// What came of verification; absent where there was none.
    pub verified: Option<Outcome>,
}

/// The workers of one trial. Dropped, it stops them and waits until they are gone.
pub struct Crew {
    gate: Arc<Gate>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    notes: UnboundedReceiver<Note>,
    read_back: Arc<AtomicU64>,
}

impl Crew {
    /// Starts one thread for each file, pinned to the CPU of the same place; its ring's polling thread, if it
    /// is to have one, to the poller's.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn launch(
        trial: &Arc<Trial>,
        size: u64,
        files: Vec<OwnedFd>,
        cpus: &[u32],
        pollers: &[u32],
    ) -> Result<Self, Refusal> {
        let (sender, notes) = unbounded_channel();
        let attach = Arc::<Attach>::default();
        let mut crew = Self {
            gate: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
            notes,
            read_back: Arc::default(),
        };
        for (index, (file, cpu)) in files.into_iter().zip(cpus).enumerate() {
            let worker = Worker {
                index: index as u32,
                cpu: *cpu,
                poller: pollers.get(index).copied(),
                trial: Arc::clone(trial),
                size,
                gate: Arc::clone(&crew.gate),
                attach: Arc::clone(&attach),
                stop: Arc::clone(&crew.stop),
                notes: sender.clone(),
                read_back: Arc::clone(&crew.read_back),
                blocks: Cell::new(None),
                again: Cell::new(None),
            };
            let spawned = Builder::new().name(format!("worker-{index}")).spawn(move || worker.live(file));
            crew.threads.push(spawned.map_err(|error| {
                Refusal::new(
                    "no-threads",
                    format!("worker thread {index} could not be started: {error}"),
                    "raise the limit on processes (`ulimit -u`, TasksMax=) or ask for fewer threads",
                )
                .at("workload.threads")
            })?);
        }
        Ok(crew)
    }

    /// Bytes of the target that have been read back to verify them.
    #[must_use]
    pub fn read_back(&self) -> u64 {
        self.read_back.load(Ordering::Relaxed)
    }

    /// The next thing that a worker says; none once all are done.
    pub async fn note(&mut self) -> Option<Note> {
        self.notes.recv().await
    }

    /// Opens the gate: warmup begins at `at_ns` of CLOCK_MONOTONIC.
    pub fn start(&self, at_ns: u64) {
        self.gate.set(Start::At(at_ns));
    }

    /// Ends the trial early. Returns at once; workers finish what is in flight.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.gate.set(Start::Never);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A worker catches its own panics, so there is nothing to learn from the result.
            let _ = thread.join();
        }
    }
}

/// Where workers wait for the start.
#[derive(Default)]
struct Gate {
    start: Mutex<Start>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
enum Start {
    #[default]
    Awaited,
    /// In nanoseconds of CLOCK_MONOTONIC.
    At(u64),
    /// It is not going to come.
    Never,
}

impl Gate {
    fn set(&self, start: Start) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = start;
        self.changed.notify_all();
    }

    /// Waits until the time of the start has come, and returns it. None if it is called off before that.
    fn wait(&self) -> Option<u64> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            start = match *start {
                Start::Never => return None,
                Start::Awaited => self.changed.wait(start).unwrap_or_else(PoisonError::into_inner),
                Start::At(at_ns) => match at_ns.saturating_sub(clock::monotonic_ns()) {
                    0 => return Some(at_ns),
                    left => {
                        let waited = self.changed.wait_timeout(start, Duration::from_nanos(left));
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                },
            };
        }
    }
}

struct Worker {
    index: u32,
    cpu: u32,
    poller: Option<u32>,
    trial: Arc<Trial>,
    size: u64,
    gate: Arc<Gate>,
    attach: Arc<Attach>,
    stop: Arc<AtomicBool>,
    notes: UnboundedSender<Note>,
    /// Bytes that were read back by all workers.
    read_back: Arc<AtomicU64>,
    /// To verify: the buffers that the engine was given, and the file once more.
    blocks: Cell<Option<Blocks>>,
    again: Cell<Option<OwnedFd>>,
}

impl Worker {
    fn live(self, file: OwnedFd) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work(file))).unwrap_or_else(|_| {
            Err(Refusal::new(
                "worker-panicked",
                format!("worker {} failed unexpectedly", self.index),
                "this is a defect of the agent; its log says where",
            ))
        });
        // Others may wait for the first ring: if it was never built, they must hear of it.
        if self.index == 0 {
            self.attach.announce(None);
        }
        // Nobody listens any more where the trial was dropped.
        let _ = self.notes.send(Note::Done(outcome));
    }

    /// Builds the engine here, on the thread that is going to use it, and runs it.
    fn work(&self, file: OwnedFd) -> Result<Report, Refusal> {
        block_signals();
        topology::pin_current_thread(self.cpu).map_err(|error| {
            Refusal::new(
                "cpu-not-available",
                format!("worker {} could not be pinned to CPU {}: {error}", self.index, self.cpu),
                "choose other `cpus`, or widen the agent's CPU set (AllowedCPUs=, cpuset)",
            )
            .at("workload.cpus")
        })?;
        let (trial, depth) = (&self.trial, self.trial.depth_per_worker());
        let block = trial.workload.block_size.largest();
        if trial.workload.verify {
            self.again.set(Some(file.try_clone().map_err(|error| too_few_files(&error))?));
        }
        let buffers = || -> Result<Buffers, Refusal> {
            let buffers = Buffers::new(depth, block.0 as usize, trial.seed ^ u64::from(self.index));
            let buffers = buffers.map_err(|error| {
                Refusal::new(
                    "no-memory",
                    format!("no memory for {depth} buffers of {block}: {error}"),
                    "lower depth, block size or threads, or raise the agent's memory limit",
                )
                .at("workload.block_size")
            })?;
            self.blocks.set(Some(buffers.blocks()));
            Ok(buffers)
        };
        let attach = &*self.attach;
        let ring = |opcode| RingSetup {
            opcode,
            depth,
            engine: &trial.engine,
            worker: self.index,
            poller: self.poller,
            attach,
        };
        match trial.engine.engine {
            EngineKind::Null => self.run(Null::new(depth), Vec::new()),
            EngineKind::Psync => self.run(Psync::new(file, buffers()?), Vec::new()),
            EngineKind::Pvsync2 => self.run(Pvsync2::new(&trial.engine, file, buffers()?), Vec::new()),
            EngineKind::Libaio => self.run(Libaio::new(depth, file, buffers()?)?, Vec::new()),
            EngineKind::Nop => {
                let (engine, knobs) = Ring::new(&ring(Opcode::Nop), file, buffers()?)?;
                self.run(engine, knobs)
            }
            EngineKind::IoUring => {
                let (engine, knobs) = Ring::new(&ring(Opcode::Transfer), file, buffers()?)?;
                self.run(engine, knobs)
            }
        }
    }

    fn run<E: Engine>(&self, mut engine: E, knobs: Vec<Knob>) -> Result<Report, Refusal> {
        let (trial, work) = (&self.trial, &self.trial.workload);
        self.try_sync(&mut engine)?;
        let ops = Ops::new(trial, self.size, self.index);
        let linked = trial.engine.link_sync;
        match (self.blocks.get(), self.again.take()) {
            (Some(blocks), Some(again)) => {
                // SAFETY: the blocks are those of `engine`, which outlives its source: only the run uses it.
                let ops = unsafe { Verified::new(trial, self.size, self.index, ops, blocks) };
                let mut ops = Synced::new(ops, work, linked);
                let mut report = self.measure(engine, &mut ops, knobs)?;
                if report.window.is_some() {
                    let verified = ops.into_operations();
                    report.verified = Some(verified.read_back(again, &self.stop, &self.read_back));
                }
                Ok(report)
            }
            _ if work.sync.is_some() => self.measure(engine, &mut Synced::new(ops, work, linked), knobs),
            _ => self.measure(engine, &mut { ops }, knobs),
        }
    }

    /// Whether this engine can sync this target at all: better known before the start.
    fn try_sync(&self, engine: &mut impl Engine) -> Result<(), Refusal> {
        let Some(sync) = self.trial.workload.sync else { return Ok(()) };
        engine.queue(std::iter::once((0, Op { kind: sync_kind(sync.call), offset: 0, len: 0 })));
        let mut result = None;
        let mut outcome = Ok(0);
        while result.is_none() && outcome.is_ok() {
            outcome = engine.commit(1);
            engine.reap(|completion| result = Some(completion.result));
        }
        let error = match (outcome, result) {
            (_, Some(0)) => return Ok(()),
            (_, Some(result)) => std::io::Error::from_raw_os_error(-result),
            (Err(error), None) => error,
            (Ok(_), None) => return Ok(()),
        };
        let (name, call) = (self.trial.engine.engine, sync.call.as_str());
        Err(Refusal::new(
            "sync-refused",
            format!("{name} cannot do {call} on this target: {error}"),
            "another engine, or another target; libaio syncs from Linux 4.18 on",
        )
        .at("workload.sync"))
    }

    /// Stands at the start line, and runs through the window.
    fn measure<E: Engine>(
        &self,
        mut engine: E,
        ops: &mut impl Source,
        knobs: Vec<Knob>,
    ) -> Result<Report, Refusal> {
        let (trial, work) = (&self.trial, &self.trial.workload);
        let clock = HotClock::new();
        let (mut recorder, slices) = Recorder::new(clock.clone(), Kinds::of(work), spares(trial.workers()));
        let mut warnings = Vec::new();
        let perf = match trial.measure {
            Measure::Timed => None,
            Measure::Audit => Perf::open()
                .map_err(|error| warnings.push(perf_warning(&error.to_string(), perf::remedy(&error))))
                .ok(),
        };
        let _ = self.notes.send(Note::Ready(Built { knobs, warnings, slices }));
        let Some(start_ns) = self.gate.wait() else {
            return Ok(Report { window: None, tally: Tally::default(), errors: Vec::new(), verified: None });
        };

        let schedule = Schedule {
            start_ns,
            warmup_ns: work.warmup.0,
            runtime_ns: work.runtime.0,
            interval_ns: work.slice().0,
        };
        let depth = trial.depth_per_worker();
        let batching = Batching {
            depth,
            submit: trial.engine.submit_batch.unwrap_or(depth).min(depth),
            complete: trial.engine.complete_batch.min(depth),
        };
        let mut window = Window::new(clock.clone(), schedule, perf);
        let parts = Parts { engine: &mut engine, ops, recorder: &mut recorder, edges: &mut window };
        let ran = match work.rate {
            None => parts.run(&mut ClosedLoop, &clock, &self.stop, batching),
            Some(rate) => {
                let share = (self.index, trial.workers());
                let start = clock.ticks_at(start_ns);
                let mut pacer =
                    OpenLoop::new(&clock, rate.per_second, rate.arrival, share, start, trial.seed);
                parts.run(&mut pacer, &clock, &self.stop, batching)
            }
        };
        window.close(clock.ticks(), &engine, true);
        ran.map_err(|error| {
            Refusal::new(
                "engine-failed",
                format!("worker {} could not go on: {}: {error}", self.index, trial.engine.engine),
                "look at the host's kernel log (`dmesg`)",
            )
        })?;
        let window = window.into_accounts().map(Box::new);
        if window.is_none() {
            // Called off in the warmup, which counts for nothing.
            recorder.start_over(0);
        }
        let end_ns = window.as_ref().map_or(0, |window| window.end_ns);
        let (tally, errors) = recorder.finish(end_ns);
        Ok(Report { window, tally, errors, verified: None })
    }
}

/// What a worker runs with, whichever way it is paced.
struct Parts<'a, E, O> {
    engine: &'a mut E,
    ops: &'a mut O,
    recorder: &'a mut Recorder,
    edges: &'a mut Window,
}

impl<E: Engine, O: Source> Parts<'_, E, O> {
    fn run(
        self,
        pacer: &mut impl Pacer,
        clock: &HotClock,
        stop: &AtomicBool,
        batching: Batching,
    ) -> std::io::Result<()> {
        let Self { engine, ops, recorder, edges } = self;
        hot::run(hot::Worker { engine, pacer, ops, recorder, edges, clock, stop }, batching)
    }
}

/// Slices of a worker that may be away at once. Only few workers have the memory for a reader that is late by more
/// than an interval.
fn spares(workers: u32) -> usize {
    if workers <= 16 { 3 } else { 1 }
}

fn too_few_files(error: &std::io::Error) -> Refusal {
    Refusal::new(
        "open-files",
        format!("a worker cannot open the target once more: {error}"),
        "raise the limit of open files (ulimit -n, LimitNOFILE=), or use fewer threads",
    )
}

/// A warning that an audit goes without perf.
#[must_use]
pub fn perf_warning(error: &str, remedy: &str) -> Warning {
    Warning::new(
        "perf-not-available",
        format!("system calls could not be counted by perf ({error}); the engine's own count stands alone"),
        remedy,
    )
}

/// Signals are the runtime's business: one that lands on a worker would end a wait in the kernel early.
fn block_signals() {
    // SAFETY: the set is filled before it is used, and the mask is the calling thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests;
