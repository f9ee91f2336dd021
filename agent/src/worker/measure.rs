//! From the start line to the worker's report: instruments, pacing, the hot loop, and the counts of the window.

use std::sync::atomic::AtomicBool;

use proto::{
    outcome::Knob,
    refusal::{Refusal, ThreadName},
};

use super::{
    context::Worker,
    event::{Built, Report, WorkerEvent},
    hot::{self, Batching},
    pacer::{Closed as ClosedLoop, Open as OpenLoop, Pacer},
    recorder::{Recorded, Recorder, spares},
    thread::{engine_failed, instruments},
    window::{Schedule, Window},
};
use crate::{clock::HotClock, engine::Engine, source::Source};

/// Waits at the start line, and runs until the end of the window.
pub(super) fn measure<E: Engine>(
    worker: &Worker,
    mut engine: E,
    ops: &mut impl Source,
    knobs: Vec<Knob>,
) -> Result<Report, Refusal> {
    let (trial, work) = (&*worker.trial, &worker.trial.workload);
    let clock = HotClock::new();
    let (mut recorder, slices) = Recorder::new(clock.clone(), Recorded::of(trial), spares(trial.workers()));
    let mut warnings = Vec::new();
    let audit = instruments(trial, Some(worker.index), &knobs, engine.rings(), &mut warnings);
    let _ = worker.events.send(WorkerEvent::Ready(Built { knobs, warnings, slices }));
    let Some(start_ns) = worker.gate.wait() else { return Ok(Report::nothing()) };

    let depth = trial.depth_per_worker();
    let batching = Batching {
        depth,
        submit: trial.engine.queue.submit_batch.unwrap_or(depth).min(depth),
        complete: trial.engine.queue.complete_batch.min(depth),
    };
    let mut window = Window::new(clock.clone(), Schedule::of(work, start_ns), audit);
    let parts = Parts { engine: &mut engine, ops, recorder: &mut recorder, edges: &mut window };
    let ran = match work.rate {
        None => parts.run(&mut ClosedLoop, &clock, &worker.stop, batching),
        Some(rate) => {
            let share = (worker.index, trial.workers());
            let start = clock.ticks_at(start_ns);
            let mut pacer = OpenLoop::new(&clock, rate.per_second, rate.arrival, share, start, trial.seed);
            parts.run(&mut pacer, &clock, &worker.stop, batching)
        }
    };
    window.close(clock.ticks(), || engine.counts(), true);
    ran.map_err(|error| engine_failed(ThreadName::Worker(worker.index), trial, &error))?;
    let window = window.into_counts()?.map(Box::new);
    if window.is_none() {
        // Cancelled during the warm-up, whose operations do not count.
        recorder.start_over(0);
    }
    let end_ns = window.as_ref().map_or(0, |window| window.end_ns);
    let (tally, errors) = recorder.finish(end_ns);
    Ok(Report { window, tally, errors, verified: None })
}

/// The parts of the hot loop that do not depend on the pacer.
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
