//! One worker thread: pins itself, gets its engine from the [`factory`], runs it, and reports.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use proto::{
    refusal::{OpenFor, Refusal, ThreadName, WorkerRefusal},
    trial::Sharing,
};

use super::{
    context::Worker,
    descriptors,
    event::{Report, WorkerEvent},
    factory,
    operations::Operations,
    thread::{caught, settle},
};
use crate::engine::sharing::nothing_built;

impl Worker {
    /// The body of the thread: does the work and reports the outcome.
    pub(super) fn live(self, files: Vec<Arc<OwnedFd>>) {
        let outcome = caught(ThreadName::Worker(self.index), || self.work(files));
        // Others may be waiting for the first worker's ring: if it was never built, end their wait.
        if self.index == 0 {
            self.attach.announce(None);
            if self.trial.engine.ring.sharing == Sharing::Shared {
                self.handles.give_up(&outcome.as_ref().err().cloned().unwrap_or_else(nothing_built));
            }
        }
        // Nothing receives events of a trial that was dropped.
        let _ = self.events.send(WorkerEvent::Done(outcome));
    }

    /// Builds the engine on the thread that is going to use it, and runs it.
    fn work(&self, files: Vec<Arc<OwnedFd>>) -> Result<Report, Refusal> {
        settle(ThreadName::Worker(self.index), self.cpu)?;
        let own =
            |file| Arc::try_unwrap(file).or_else(|lone: Arc<OwnedFd>| descriptors::own_table(lone.as_fd()));
        let files = files.into_iter().map(own).collect::<Result<Vec<_>, _>>().map_err(|error| {
            WorkerRefusal::OpenFiles { by: OpenFor::Table(self.index), error: error.into() }
        })?;
        factory::construct(self, files, Operations(self))
    }
}
