//! The operations of a worker: the trial's table, decorated with syncs, verification, lanes or a busy wait as the
//! workload requires. Each combination is a separate type, for which the hot loop is compiled.

use proto::{outcome::Refusal, trial::Sharing};

use super::{
    context::Worker,
    event::Report,
    factory::{Constructed, EngineUser},
    lanes::Marked,
    measure::measure,
    slowed::Slowed,
    synced::Synced,
    thread::try_sync,
};
use crate::{clock::HotClock, engine::Engine, verify::Verified, workload::Ops};

/// Runs an engine over the operations of a worker.
pub(super) struct Operations<'a>(pub(super) &'a Worker);

impl EngineUser for Operations<'_> {
    fn run<E: Engine>(
        self,
        mut engine: E,
        Constructed { knobs, blocks, again }: Constructed,
    ) -> Result<Report, Refusal> {
        let worker = self.0;
        let (trial, work) = (&*worker.trial, &worker.trial.workload);
        // The combiner has tried a sync for all workers, and serves none of them before the start.
        if trial.engine.ring.sharing != Sharing::Combiner {
            try_sync(trial, &mut engine, &worker.stop)?;
        }
        let ops = Ops::new(trial, worker.size, worker.index);
        let linked = trial.engine.ring.link_sync;
        let wait = trial.engine.busy_wait_ns();
        match (blocks, again, wait) {
            (Some(blocks), Some(again), _) => {
                // SAFETY: the blocks are those of `engine`, which outlives its source: only the run uses the source.
                let ops = unsafe { Verified::new(trial, worker.size, worker.index, ops, blocks) };
                let ops = Slowed::new(ops, wait.unwrap_or(0), HotClock::new());
                let mut ops = Synced::new(ops, work, linked);
                let mut report = measure(worker, engine, &mut ops, knobs)?;
                if report.window.is_some() {
                    let verified = ops.into_operations().into_operations();
                    report.verified = verified.read_back(again, &worker.stop, &worker.read_back);
                }
                Ok(report)
            }
            _ if trial.engine.lanes().len() > 1 => {
                let ops = Marked::new(ops, trial, worker.index);
                let ops = Slowed::new(ops, wait.unwrap_or(0), HotClock::new());
                measure(worker, engine, &mut Synced::new(ops, work, linked), knobs)
            }
            (.., Some(wait)) => {
                let ops = Slowed::new(ops, wait, HotClock::new());
                measure(worker, engine, &mut Synced::new(ops, work, linked), knobs)
            }
            _ if work.sync.is_some() => measure(worker, engine, &mut Synced::new(ops, work, linked), knobs),
            _ => measure(worker, engine, &mut { ops }, knobs),
        }
    }
}
