//! The slots of a queue: how requests in flight are told apart.

/// The place of a request among those in flight, from 0 to depth - 1.
pub type Slot = u32;

/// The user data of the read that wakes a combiner. It is not a request of the trial, so no instrument counts it.
pub const WAKE_UP: Slot = Slot::MAX;
