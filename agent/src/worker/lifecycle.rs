//! One worker thread: pinned, given an engine by the [`factory`](super::factory), run, and reported.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use proto::{
    outcome::Refusal,
    trial::{Sharing, Trial},
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    descriptors,
    event::{Report, WorkerEvent},
    factory,
    gate::Gate,
    handles::SharedHandles,
    operations::Operations,
    thread::{caught, settle},
};
use crate::engine::{Attach, sharing::nothing_built};

/// What a worker thread starts with.
pub(super) struct Worker {
    pub(super) index: u32,
    pub(super) cpu: u32,
    /// The CPU of its ring's polling thread; none: the kernel's choice.
    pub(super) poller: Option<u32>,
    pub(super) trial: Arc<Trial>,
    /// Bytes of the target.
    pub(super) size: u64,
    pub(super) gate: Arc<Gate>,
    pub(super) attach: Arc<Attach>,
    pub(super) handles: Arc<SharedHandles>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) events: UnboundedSender<WorkerEvent>,
    /// Bytes that all workers have read back to verify them.
    pub(super) read_back: Arc<AtomicU64>,
}

impl Worker {
    /// The thread's body: works, and reports what came of it.
    pub(super) fn live(self, files: Vec<Arc<OwnedFd>>) {
        let outcome = caught(&format!("worker {}", self.index), || self.work(files));
        // Others may be waiting for the first worker's ring: if it was never built, end their wait.
        if self.index == 0 {
            self.attach.announce(None);
            if self.trial.engine.ring.sharing == Sharing::Shared {
                self.handles.give_up(&outcome.as_ref().err().cloned().unwrap_or_else(nothing_built));
            }
        }
        // Nobody receives events of a trial that was dropped.
        let _ = self.events.send(WorkerEvent::Done(outcome));
    }

    /// Builds the engine on the thread that is going to use it, and runs it.
    fn work(&self, files: Vec<Arc<OwnedFd>>) -> Result<Report, Refusal> {
        settle(&format!("worker {}", self.index), self.cpu)?;
        let own =
            |file| Arc::try_unwrap(file).or_else(|lone: Arc<OwnedFd>| descriptors::own_table(lone.as_fd()));
        let files = files.into_iter().map(own).collect::<Result<Vec<_>, _>>().map_err(|error| {
            Refusal::new(
                "open-files",
                format!("worker {} cannot keep the target open: {error}", self.index),
                "raise the limit of open files (ulimit -n, LimitNOFILE=)",
            )
        })?;
        factory::construct(self, files, Operations(self))
    }
}
