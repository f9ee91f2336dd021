//! The combiner's thread: pinned, held at the start line and measured like a worker, but it serves the workers instead
//! of running the hot loop.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use proto::{
    outcome::Lane,
    refusal::{Refusal, ThreadName},
    trial::Trial,
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    event::{Report, WorkerEvent},
    gate::Gate,
    handles::SharedHandles,
    recorder::Tally,
    thread::{buffers, caught, engine_failed, instruments, settle, try_sync},
    window::{Schedule, Window},
};
use crate::{
    clock::HotClock,
    engine::{
        Attach, Engine as _, Opcode, RingSetup,
        sharing::{combiner::Combiner, nothing_built},
    },
};

/// The initial state of the thread.
pub(super) struct Thread {
    pub(super) cpu: u32,
    /// No other thread of the trial is on that CPU.
    pub(super) alone: bool,
    /// No two workers share a CPU.
    pub(super) distinct_cpus: bool,
    pub(super) poller: Option<u32>,
    pub(super) trial: Arc<Trial>,
    pub(super) gate: Arc<Gate>,
    pub(super) handles: Arc<SharedHandles>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) events: UnboundedSender<WorkerEvent>,
}

impl Thread {
    pub(super) fn live(self, files: Vec<OwnedFd>) {
        let outcome = caught(ThreadName::Combiner, || self.work(files));
        // Workers may be waiting for their handles: if the ring was never built, end their wait.
        self.handles.give_up(&outcome.as_ref().err().cloned().unwrap_or_else(nothing_built));
        // Nothing receives events of a trial that was dropped.
        let _ = self.events.send(WorkerEvent::Done(outcome));
    }

    /// Builds the ring on the only thread that is going to use it, and serves the workers.
    fn work(&self, files: Vec<OwnedFd>) -> Result<Report, Refusal> {
        settle(ThreadName::Combiner, self.cpu)?;
        let trial = &*self.trial;
        let clock = HotClock::new();
        let depth = trial.shared_depth().ok_or_else(nothing_built)?;
        let setup = RingSetup {
            opcode: Opcode::of(trial.engine.kind),
            depth,
            engine: &trial.engine,
            worker: 0,
            poller: self.poller,
            attach: &Attach::default(),
        };
        let (mut combiner, handles, knobs) = Combiner::build(
            &setup,
            files,
            buffers(trial, Lane::Bulk, depth, 0)?,
            &clock,
            (self.alone, self.distinct_cpus),
        )?;
        try_sync(trial, combiner.ring(), &self.stop)?;
        // Workers warn of instruments that no thread can open. Warnings for this thread only are reported with its
        // counts.
        let mut missing = Vec::new();
        let audit = instruments(trial, None, &knobs, combiner.ring().rings(), &mut missing)
            .map(|audit| audit.saying(missing));
        self.handles.combined.publish(Ok((handles, knobs)));
        let Some(start_ns) = self.gate.wait() else {
            return Ok(Report::nothing());
        };

        let mut window = Window::new(clock.clone(), Schedule::of(&trial.workload, start_ns), audit);
        let mut shortages = BTreeMap::<i32, u64>::new();
        let ran = combiner.run(&mut window, &self.stop, |errno| *shortages.entry(errno).or_default() += 1);
        // The workers' windows end a moment earlier or later, so the window is not cut short when all workers are gone.
        window.close(clock.ticks(), || combiner.counts(), self.stop.load(Ordering::Relaxed));
        ran.map_err(|error| engine_failed(ThreadName::Combiner, trial, &error))?;
        let window = window.into_counts()?.map(Box::new);
        let errors = if window.is_some() { shortages.into_iter().collect() } else { Vec::new() };
        Ok(Report { window, tally: Tally::default(), errors, verified: None })
    }
}
