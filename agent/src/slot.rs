//! The slots of a queue, which tell requests in flight apart, and what comes back in them.

/// The place of a request among those in flight, from 0 to depth - 1.
pub type Slot = u32;

/// The user data of the read that wakes a combiner. It is not a request of the trial, so no instrument counts it.
pub const WAKE_UP: Slot = Slot::MAX;

/// A request that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Where it was queued.
    pub slot: Slot,
    /// Bytes transferred, or a negated errno.
    pub result: i32,
}
