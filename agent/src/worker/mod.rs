//! Worker threads: built on their own CPU, held at the start line, run through the hot loop, joined.

pub mod clock;
mod combiner;
mod descriptors;
mod gate;
pub mod hot;
pub mod memory;
pub mod pacer;
pub(crate) mod patience;
pub mod recorder;
pub mod slowed;
pub mod source;
mod thread;
pub mod urgent;
pub mod window;

use std::{
    cell::Cell,
    collections::HashSet,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use proto::{
    outcome::{Knob, Refusal, Warning},
    trial::{EngineKind, Sharing, Trial, UrgentBy},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::{
    clock::HotClock,
    gate::{Gate, Start},
    hot::Batching,
    pacer::{Closed as ClosedLoop, Open as OpenLoop, Pacer},
    recorder::{Kinds, Recorder, Slices, Tally},
    slowed::Slowed,
    source::{Source, Synced},
    thread::{buffers, caught, engine_failed, instruments, settle, try_sync, urgent_buffers},
    urgent::Marked,
    window::{Closed, Schedule, Window},
};
use crate::{
    buffers::{Blocks, Buffers},
    engine::{
        Apart, Attach, Combined, Engine, Libaio, Null, Opcode, Psync, Pvsync2, Ring, RingSetup, Shared,
        sharing::{Desk, nothing_built},
    },
    verify::{Outcome, Verified},
    workload::Ops,
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

/// Where the threads of a trial run.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The CPU of each worker, in worker order.
    pub workers: &'a [u32],
    /// The CPU of each ring's polling thread, in worker order; empty where there are none.
    pub pollers: &'a [u32],
    /// With `ring: combiner`: the CPU of the combiner, and whether it is on its own there.
    pub combiner: Option<(u32, bool)>,
}

/// The workers of one trial. Dropped, it stops them and waits until they are gone.
pub struct Crew {
    gate: Arc<Gate>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    notes: UnboundedReceiver<Note>,
    /// The file of a lone worker, which has a table of descriptors of its own: this is the agent's.
    _lone_file: Option<Arc<OwnedFd>>,
    read_back: Arc<AtomicU64>,
}

impl Crew {
    /// Starts one thread for each file, pinned to the CPU of the same place; its ring's polling thread, if it
    /// is to have one, to the poller's; and the combiner, if there is to be one.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn launch(
        trial: &Arc<Trial>,
        size: u64,
        mut files: Vec<OwnedFd>,
        places: Places<'_>,
    ) -> Result<Self, Refusal> {
        let (sender, notes) = unbounded_channel();
        let (attach, desks) = (Arc::<Attach>::default(), Arc::<Desks>::default());
        let mut crew = Self {
            gate: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
            notes,
            _lone_file: None,
            read_back: Arc::default(),
        };
        if trial.engine.ring == Sharing::Combiner {
            // Nowhere else, it lives with the first worker.
            let beside = (places.workers.first().copied().unwrap_or_default(), false);
            let (cpu, alone) = places.combiner.unwrap_or(beside);
            let combiner = combiner::Thread {
                cpu,
                alone,
                apart: places.workers.iter().collect::<HashSet<_>>().len() == places.workers.len(),
                poller: places.pollers.first().copied(),
                trial: Arc::clone(trial),
                gate: Arc::clone(&crew.gate),
                desks: Arc::clone(&desks),
                stop: Arc::clone(&crew.stop),
                notes: sender.clone(),
            };
            let files = std::mem::take(&mut files);
            let spawned = Builder::new().name("combiner".into()).spawn(move || combiner.live(files));
            crew.threads.push(spawned.map_err(|error| no_thread("the combiner's thread", &error))?);
        }
        let shared = trial.engine.ring != Sharing::PerThread;
        for (index, cpu) in places.workers.iter().enumerate() {
            // Each its own; of one ring for all, whoever builds it has all.
            let own = if shared { files.len() } else { 1.min(files.len()) };
            let files: Vec<_> = files.drain(..own).map(Arc::new).collect();
            if let ([_], [file]) = (places.workers, &files[..]) {
                crew._lone_file = Some(Arc::clone(file));
            }
            let worker = Worker {
                index: index as u32,
                cpu: *cpu,
                poller: places.pollers.get(index).copied(),
                trial: Arc::clone(trial),
                size,
                gate: Arc::clone(&crew.gate),
                attach: Arc::clone(&attach),
                desks: Arc::clone(&desks),
                stop: Arc::clone(&crew.stop),
                notes: sender.clone(),
                read_back: Arc::clone(&crew.read_back),
                blocks: Cell::new(None),
                again: Cell::new(None),
            };
            let spawned = Builder::new().name(format!("worker-{index}")).spawn(move || worker.live(files));
            let spawned = spawned.map_err(|error| no_thread(&format!("worker thread {index}"), &error));
            crew.threads.push(spawned.inspect_err(|refusal| desks.give_up(refusal))?);
        }
        Ok(crew)
    }

    /// How many threads report: the workers, and the combiner if there is one.
    #[must_use]
    pub fn reports(&self) -> usize {
        self.threads.len()
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

fn no_thread(which: &str, error: &std::io::Error) -> Refusal {
    Refusal::new(
        "no-threads",
        format!("{which} could not be started: {error}"),
        "raise the limit on processes (`ulimit -u`, TasksMax=) or ask for fewer threads",
    )
    .at("workload.threads")
}

/// Where workers get their handles of a ring that all share.
#[derive(Default)]
struct Desks {
    shared: Desk<Shared>,
    combined: Desk<Combined>,
}

impl Desks {
    /// Tells whoever waits, or comes yet, that there will be no ring, unless there is one.
    fn give_up(&self, refusal: &Refusal) {
        self.shared.lay_out(Err(refusal.clone()));
        self.combined.lay_out(Err(refusal.clone()));
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
    desks: Arc<Desks>,
    stop: Arc<AtomicBool>,
    notes: UnboundedSender<Note>,
    /// Bytes that were read back by all workers.
    read_back: Arc<AtomicU64>,
    /// To verify: the buffers that the engine was given, and the file once more.
    blocks: Cell<Option<Blocks>>,
    again: Cell<Option<OwnedFd>>,
}

impl Worker {
    fn live(self, files: Vec<Arc<OwnedFd>>) {
        let outcome = caught(&format!("worker {}", self.index), || self.work(files));
        // Others may wait for the first ring: if it was never built, they must hear of it.
        if self.index == 0 {
            self.attach.announce(None);
            if self.trial.engine.ring == Sharing::Shared {
                self.desks.give_up(&outcome.as_ref().err().cloned().unwrap_or_else(nothing_built));
            }
        }
        // Nobody listens any more where the trial was dropped.
        let _ = self.notes.send(Note::Done(outcome));
    }

    /// Builds the engine here, on the thread that is going to use it, and runs it.
    fn work(&self, files: Vec<Arc<OwnedFd>>) -> Result<Report, Refusal> {
        settle(&format!("worker {}", self.index), self.cpu)?;
        let own =
            |file| Arc::try_unwrap(file).or_else(|lone: Arc<OwnedFd>| descriptors::own_table(lone.as_fd()));
        let mut files = files.into_iter().map(own).collect::<Result<Vec<_>, _>>().map_err(|error| {
            Refusal::new(
                "open-files",
                format!("worker {} cannot keep the target open: {error}", self.index),
                "raise the limit of open files (ulimit -n, LimitNOFILE=)",
            )
        })?;
        let (trial, depth) = (&self.trial, self.trial.depth_per_worker());
        let opcode = match trial.engine.engine {
            EngineKind::Nop => Opcode::Nop,
            _ => Opcode::Transfer,
        };
        match trial.engine.ring {
            Sharing::PerThread => {}
            Sharing::Shared => {
                if let Some(depth) = trial.shared_depth().filter(|_| self.index == 0) {
                    let clock = HotClock::new();
                    let built = buffers(trial, depth, 0)
                        .and_then(|buffers| Shared::build(&self.ring(opcode, depth), files, buffers, &clock));
                    self.desks.shared.lay_out(built);
                }
                let (engine, knobs) = self.desks.shared.fetch(self.index)?;
                return self.run(engine, knobs);
            }
            Sharing::Combiner => {
                let (engine, knobs) = self.desks.combined.fetch(self.index)?;
                return self.run(engine, knobs);
            }
        }
        let file = files.pop().ok_or_else(nothing_built)?;
        if trial.workload.verify {
            self.again.set(Some(file.try_clone().map_err(|error| too_few_files(&error))?));
        }
        let buffers = || -> Result<Buffers, Refusal> {
            let buffers = buffers(trial, depth, self.index)?;
            self.blocks.set(Some(buffers.blocks()));
            Ok(buffers)
        };
        match trial.engine.engine {
            EngineKind::Null => self.run(Null::new(depth), Vec::new()),
            EngineKind::Psync => self.run(Psync::new(file, buffers()?), Vec::new()),
            EngineKind::Pvsync2 => self.run(Pvsync2::new(&trial.engine, file, buffers()?), Vec::new()),
            EngineKind::Libaio => self.run(Libaio::new(depth, file, buffers()?)?, Vec::new()),
            EngineKind::Nvme => {
                let (engine, knobs) = Ring::passthrough(&self.ring(opcode, depth), file, buffers()?)?;
                self.run(engine, knobs)
            }
            EngineKind::Nop | EngineKind::IoUring
                if trial.engine.urgent.is_some_and(|urgent| urgent.by == UrgentBy::SeparateRing) =>
            {
                let urgent = urgent_buffers(trial, depth, self.index)?;
                let (engine, knobs) = Apart::new(&self.ring(opcode, depth), file, buffers()?, urgent)?;
                self.run(engine, knobs)
            }
            EngineKind::Nop | EngineKind::IoUring => {
                let (engine, knobs) = Ring::new(&self.ring(opcode, depth), file, buffers()?)?;
                self.run(engine, knobs)
            }
        }
    }

    fn ring(&self, opcode: Opcode, depth: u32) -> RingSetup<'_> {
        RingSetup {
            opcode,
            depth,
            engine: &self.trial.engine,
            worker: self.index,
            poller: self.poller,
            attach: &self.attach,
        }
    }

    fn run<E: Engine>(&self, mut engine: E, knobs: Vec<Knob>) -> Result<Report, Refusal> {
        let (trial, work) = (&self.trial, &self.trial.workload);
        // A combiner has tried for all: it serves nobody before the start.
        if trial.engine.ring != Sharing::Combiner {
            try_sync(trial, &mut engine, &self.stop)?;
        }
        let ops = Ops::new(trial, self.size, self.index);
        let linked = trial.engine.link_sync;
        let wait = trial.engine.busy_wait_ns();
        match (self.blocks.get(), self.again.take(), wait) {
            (Some(blocks), Some(again), _) => {
                // SAFETY: the blocks are those of `engine`, which outlives its source: only the run uses it.
                let ops = unsafe { Verified::new(trial, self.size, self.index, ops, blocks) };
                let ops = Slowed::new(ops, wait.unwrap_or(0), HotClock::new());
                let mut ops = Synced::new(ops, work, linked);
                let mut report = self.measure(engine, &mut ops, knobs)?;
                if report.window.is_some() {
                    let verified = ops.into_operations().into_operations();
                    report.verified = verified.read_back(again, &self.stop, &self.read_back);
                }
                Ok(report)
            }
            _ if trial.engine.urgent.is_some() => {
                let ops =
                    Slowed::new(Marked::new(ops, trial, self.index), wait.unwrap_or(0), HotClock::new());
                self.measure(engine, &mut Synced::new(ops, work, linked), knobs)
            }
            (.., Some(wait)) => {
                let ops = Slowed::new(ops, wait, HotClock::new());
                self.measure(engine, &mut Synced::new(ops, work, linked), knobs)
            }
            _ if work.sync.is_some() => self.measure(engine, &mut Synced::new(ops, work, linked), knobs),
            _ => self.measure(engine, &mut { ops }, knobs),
        }
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
        let (mut recorder, slices) = Recorder::new(clock.clone(), Kinds::of(trial), spares(trial.workers()));
        let mut warnings = Vec::new();
        let audit = instruments(trial, Some(self.index), &knobs, engine.rings(), &mut warnings);
        let _ = self.notes.send(Note::Ready(Built { knobs, warnings, slices }));
        let Some(start_ns) = self.gate.wait() else {
            return Ok(Report { window: None, tally: Tally::default(), errors: Vec::new(), verified: None });
        };

        let depth = trial.depth_per_worker();
        let batching = Batching {
            depth,
            submit: trial.engine.submit_batch.unwrap_or(depth).min(depth),
            complete: trial.engine.complete_batch.min(depth),
        };
        let mut window = Window::new(clock.clone(), Schedule::of(work, start_ns), audit);
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
        window.close(clock.ticks(), || engine.counts(), true);
        ran.map_err(|error| engine_failed(&format!("worker {}", self.index), trial, &error))?;
        let window = window.into_accounts()?.map(Box::new);
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

#[cfg(test)]
mod tests;
