//! Sources of the hot loop's operations: a precomputed table, alone or wrapped by others (which add syncs,
//! verification, lanes or a busy wait). The loop is compiled once for each combination, so an operation pays only for
//! what it uses.

use proto::outcome::Lane;

use crate::{
    slot::{Completion, Slot},
    workload::{Op, OpKind, Ops},
};

/// The kind of item that a source supplies next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// An operation.
    Operation,
    /// An operation and the sync that is linked to it: both, or neither.
    Pair,
    /// A sync.
    Sync,
    /// Nothing until a request completes.
    Held,
}

/// An endless sequence of operations.
pub trait Source {
    /// Whether the operations use more than one lane.
    const LANES: bool = false;

    /// The next item. Without a [`Source::take`] in between, the answer can only change from [`Turn::Held`].
    fn turn(&mut self) -> Turn;

    /// Whether the next operation is a write.
    fn next_writes(&mut self) -> bool;

    /// Takes the next operation into a free slot. The slot's block belongs to the caller until the operation is queued.
    fn take(&mut self, slot: Slot) -> Op;

    /// Records that a request has completed; its slot's block belongs to the caller again.
    fn done(&mut self, completion: Completion, kind: OpKind, lane: Lane);

    /// Number of bulk-lane operations that overtook the operation of another lane in a slot: they were submitted with
    /// it or later, and completed before it.
    #[inline]
    fn overtakers(&self, _slot: Slot) -> u64 {
        0
    }
}

/// Implements methods of [`Source`] for a wrapper by calling those of its field `operations`.
macro_rules! delegate {
    (turn) => {
        #[inline]
        fn turn(&mut self) -> $crate::source::Turn {
            self.operations.turn()
        }
    };
    (next_writes) => {
        #[inline]
        fn next_writes(&mut self) -> bool {
            self.operations.next_writes()
        }
    };
    (done) => {
        #[inline]
        fn done(&mut self, completion: Completion, kind: OpKind, lane: Lane) {
            self.operations.done(completion, kind, lane);
        }
    };
    (overtakers) => {
        #[inline]
        fn overtakers(&self, slot: Slot) -> u64 {
            self.operations.overtakers(slot)
        }
    };
    ($first:ident, $($rest:ident),+) => {
        $crate::source::delegate!($first);
        $crate::source::delegate!($($rest),+);
    };
}
pub(crate) use delegate;

impl Source for Ops {
    #[inline]
    fn turn(&mut self) -> Turn {
        Turn::Operation
    }

    #[inline]
    fn next_writes(&mut self) -> bool {
        Ops::next_writes(self)
    }

    #[inline]
    fn take(&mut self, _slot: Slot) -> Op {
        self.next_op()
    }

    #[inline]
    fn done(&mut self, _completion: Completion, _kind: OpKind, _lane: Lane) {}
}
