//! One ring for all workers of a host, either behind a lock ([`shared`]) or owned by an additional thread
//! ([`combiner`]). Each worker runs the same hot loop over a handle. The ring itself is a [`Ring`](super::Ring) with
//! the slots of the first worker first, then those of the second, and so on.

mod bridge;
mod combined;
pub(crate) mod combiner;
mod futex;
pub(crate) mod shared;
#[cfg(test)]
mod tests;

use std::sync::{Condvar, Mutex, PoisonError};

pub use combined::Combined;
use proto::{
    knob::{Knob, KnobValue, RING},
    refusal::{EngineRefusal, Refusal, RingFailure},
    trial::Sharing,
};
pub use shared::Shared;

use super::Counts;

/// The edges of the measured window, as the combiner's thread passes them.
pub(crate) trait WindowEdges {
    /// The time of the next edge, in ticks.
    fn next(&self) -> u64;

    /// Passes the edge that is due at `now`, in ticks.
    fn pass(&mut self, now: u64, counts: impl FnOnce() -> Counts);
}

/// Hands workers their handles of a ring that another thread builds.
pub(crate) struct HandleExchange<T> {
    handles: Mutex<Option<Result<Handles<T>, Refusal>>>,
    known: Condvar,
}

/// The handle of each worker until it is fetched, and requested and granted options.
struct Handles<T> {
    left: Vec<Option<T>>,
    knobs: Vec<Knob>,
}

impl<T> Default for HandleExchange<T> {
    fn default() -> Self {
        Self { handles: Mutex::default(), known: Condvar::new() }
    }
}

impl<T> HandleExchange<T> {
    /// Publishes the handles in worker order, or the reason why there are none. Only the first call has an effect.
    pub(crate) fn publish(&self, built: Result<(Vec<T>, Vec<Knob>), Refusal>) {
        let handles =
            built.map(|(handles, knobs)| Handles { left: handles.into_iter().map(Some).collect(), knobs });
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(handles);
        self.known.notify_all();
    }

    /// Waits for a worker's handle. If there are none, every worker gets the reason, so that any worker's report
    /// contains the cause.
    pub(crate) fn fetch(&self, worker: u32) -> Result<(T, Vec<Knob>), Refusal> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &mut *handles {
                Some(Ok(Handles { left, knobs })) => {
                    let handle = left.get_mut(worker as usize).and_then(Option::take);
                    return handle.map(|handle| (handle, knobs.clone())).ok_or_else(nothing_built);
                }
                Some(Err(refusal)) => return Err(refusal.clone()),
                None => handles = self.known.wait(handles).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The refusal if the thread that was to build the ring ended without a reason.
pub(crate) fn nothing_built() -> Refusal {
    EngineRefusal::Ring { failure: RingFailure::NoSharedRing }.into()
}

/// The option of a ring that is shared as requested.
fn knob(sharing: Sharing) -> Knob {
    Knob::new(RING, KnobValue::Sharing(sharing), KnobValue::Sharing(sharing))
}
