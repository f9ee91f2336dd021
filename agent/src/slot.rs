//! The slots of a queue, which identify requests in flight, and the completions that come back in them.

/// The position of a request among those in flight, from 0 to depth - 1.
pub type Slot = u32;

/// The user data of the read that wakes a combiner. It is not a request of the trial, so no instrument counts it.
pub const WAKE_UP: Slot = Slot::MAX;

/// A completed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The slot that it was queued in.
    pub slot: Slot,
    /// Bytes transferred, or a negated errno.
    pub result: i32,
}
