//! Exchange of the handles of a shared ring.

use proto::outcome::Refusal;

use crate::engine::{Combined, Shared, sharing::HandleExchange};

/// The exchanges of both kinds of shared ring; a trial uses at most one.
#[derive(Default)]
pub(super) struct SharedHandles {
    pub(super) shared: HandleExchange<Shared>,
    pub(super) combined: HandleExchange<Combined>,
}

impl SharedHandles {
    /// Ends every present and future wait for a ring with this refusal, unless there is a ring.
    pub(super) fn give_up(&self, refusal: &Refusal) {
        self.shared.publish(Err(refusal.clone()));
        self.combined.publish(Err(refusal.clone()));
    }
}
