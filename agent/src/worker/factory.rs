//! The one place where engines are constructed: maps the trial's kinds of engine and ring to a value of the engine's
//! type and hands it to a generic [`EngineUser`], so that nothing is dispatched per request.

use std::os::fd::OwnedFd;

use proto::{
    outcome::{Knob, Lane},
    refusal::{OpenFor, Refusal, WorkerRefusal},
    trial::{EngineKind, Sharing},
};

use super::{context::Worker, event::Report, thread::buffers};
use crate::{
    buffers::{Blocks, Buffers},
    clock::HotClock,
    engine::{
        DualRing, Engine, Libaio, Null, Opcode, Psync, Pvsync2, Ring, RingSetup, Shared,
        sharing::nothing_built,
    },
};

/// Properties of a constructed engine.
#[derive(Default)]
pub(super) struct Constructed {
    /// Requested and granted options.
    pub(super) knobs: Vec<Knob>,
    /// The memory of the engine's slots; absent if workers share a ring.
    pub(super) blocks: Option<Blocks>,
    /// With `verify`: a second descriptor of the target, to read it back.
    pub(super) again: Option<OwnedFd>,
}

/// Runs an engine of any type.
pub(super) trait EngineUser {
    /// Runs the engine to the end of the trial.
    fn run<E: Engine>(self, engine: E, constructed: Constructed) -> Result<Report, Refusal>;
}

/// Constructs the worker's engine over its files and hands it to `user`.
pub(super) fn construct(
    worker: &Worker,
    mut files: Vec<OwnedFd>,
    user: impl EngineUser,
) -> Result<Report, Refusal> {
    let trial = &*worker.trial;
    let shared = |knobs| Constructed { knobs, ..Constructed::default() };
    match trial.engine.ring.sharing {
        Sharing::PerThread => {}
        Sharing::Shared => {
            if let Some(depth) = trial.shared_depth().filter(|_| worker.index == 0) {
                let setup = ring_setup(worker, depth);
                let built = buffers(trial, Lane::Bulk, depth, 0)
                    .and_then(|buffers| Shared::build(&setup, files, buffers, &HotClock::new()));
                worker.handles.shared.publish(built);
            }
            let (engine, knobs) = worker.handles.shared.fetch(worker.index)?;
            return user.run(engine, shared(knobs));
        }
        Sharing::Combiner => {
            let (engine, knobs) = worker.handles.combined.fetch(worker.index)?;
            return user.run(engine, shared(knobs));
        }
    }
    let file = files.pop().ok_or_else(nothing_built)?;
    let depth = trial.depth_per_worker();
    let mut constructed = Constructed::default();
    if trial.workload.verify {
        constructed.again = Some(file.try_clone().map_err(|error| too_few_files(&error))?);
    }
    let blocks = &mut constructed.blocks;
    let mut own_buffers = || -> Result<Buffers, Refusal> {
        let buffers = buffers(trial, Lane::Bulk, depth, worker.index)?;
        *blocks = Some(buffers.blocks());
        Ok(buffers)
    };
    let setup = ring_setup(worker, depth);
    match trial.engine.kind {
        EngineKind::Null => user.run(Null::new(depth), constructed),
        EngineKind::Psync => {
            let engine = Psync::new(file, own_buffers()?);
            user.run(engine, constructed)
        }
        EngineKind::Pvsync2 => {
            let engine = Pvsync2::new(&trial.engine, file, own_buffers()?);
            user.run(engine, constructed)
        }
        EngineKind::Libaio => {
            let engine = Libaio::new(depth, file, own_buffers()?)?;
            user.run(engine, constructed)
        }
        EngineKind::Nvme => {
            let (engine, knobs) = Ring::passthrough(&setup, file, own_buffers()?)?;
            user.run(engine, Constructed { knobs, ..constructed })
        }
        EngineKind::Nop | EngineKind::IoUring if trial.engine.lanes_with_rings().len() > 1 => {
            let (engine, knobs) =
                DualRing::new(&setup, file, |lane| buffers(trial, lane, depth, worker.index))?;
            user.run(engine, Constructed { knobs, ..constructed })
        }
        EngineKind::Nop | EngineKind::IoUring => {
            let (engine, knobs) = Ring::new(&setup, file, own_buffers()?)?;
            user.run(engine, Constructed { knobs, ..constructed })
        }
    }
}

fn ring_setup(worker: &Worker, depth: u32) -> RingSetup<'_> {
    RingSetup {
        opcode: Opcode::of(worker.trial.engine.kind),
        depth,
        engine: &worker.trial.engine,
        worker: worker.index,
        poller: worker.poller,
        attach: &worker.attach,
    }
}

fn too_few_files(error: &std::io::Error) -> Refusal {
    WorkerRefusal::OpenFiles { by: OpenFor::Verification, error: error.into() }.into()
}
