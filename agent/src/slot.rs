//! The slots of a queue, which identify requests in flight, and the completions of those requests.

/// The position of a request among those in flight, from 0 to depth - 1.
pub type Slot = u32;

/// The user data of the read that wakes a combiner. It is not one of the trial's requests, so no counter includes it.
pub const WAKE_UP: Slot = Slot::MAX;

/// A completed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Slot in which it was queued.
    pub slot: Slot,
    /// Bytes transferred, or a negated errno.
    pub result: i32,
}
