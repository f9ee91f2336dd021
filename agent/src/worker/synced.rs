//! Operations with a sync after a number of writes.

use proto::{outcome::Lane, trial::Workload};

use crate::{
    slot::{Completion, Slot},
    source::{Source, Turn, delegate},
    workload::{Op, OpKind},
};

/// Inserts a sync after every `every` writes.
///
/// Without linking, a sync is submitted when that many writes have completed, successfully or not, and makes all of
/// them durable. With linking, it is queued directly behind the write that it follows; the kernel starts it after that
/// write.
pub struct Synced<S> {
    operations: S,
    /// `u64::MAX` without syncs.
    every: u64,
    kind: OpKind,
    linked: bool,
    /// Writes since the last sync was due: completed ones, or, with linking, submitted ones.
    writes: u64,
    /// Syncs to be submitted.
    due: u32,
}

impl<S: Source> Synced<S> {
    /// Adds the syncs of a workload, if any.
    pub fn new(operations: S, work: &Workload, linked: bool) -> Self {
        let call = work.sync.map(|sync| sync.call).unwrap_or_default();
        Self {
            operations,
            every: work.sync.map_or(u64::MAX, |sync| u64::from(sync.every)),
            kind: call.into(),
            linked,
            writes: 0,
            due: 0,
        }
    }

    /// The undecorated operations.
    pub fn into_operations(self) -> S {
        self.operations
    }

    #[inline]
    fn count(&mut self) -> bool {
        self.writes += 1;
        let due = self.writes == self.every;
        if due {
            self.writes = 0;
            self.due += 1;
        }
        due
    }
}

impl<S: Source> Source for Synced<S> {
    const LANES: bool = S::LANES;

    delegate!(next_writes, overtakers);

    #[inline]
    fn turn(&mut self) -> Turn {
        if self.due > 0 {
            return Turn::Sync;
        }
        match self.operations.turn() {
            Turn::Operation
                if self.linked && self.writes + 1 == self.every && self.operations.next_writes() =>
            {
                Turn::Pair
            }
            turn => turn,
        }
    }

    #[inline]
    fn take(&mut self, slot: Slot) -> Op {
        if self.due > 0 {
            self.due -= 1;
            return Op::new(self.kind, 0, 0);
        }
        let op = self.operations.take(slot);
        if self.linked && op.kind.writes() && self.count() {
            return Op { kind: OpKind::WriteLinked, ..op };
        }
        op
    }

    #[inline]
    fn done(&mut self, completion: Completion, kind: OpKind, lane: Lane) {
        if !self.linked && kind.writes() {
            self.count();
        }
        self.operations.done(completion, kind, lane);
    }
}

#[cfg(test)]
mod tests {
    use proto::trial::Sync;

    use proto::trial::SyncCall;

    use super::*;

    /// Writes, with every third operation a read.
    struct Script(u32);

    impl Source for Script {
        fn turn(&mut self) -> Turn {
            Turn::Operation
        }

        fn next_writes(&mut self) -> bool {
            self.0 % 3 != 2
        }

        fn take(&mut self, _: Slot) -> Op {
            let kind = if self.next_writes() { OpKind::Write } else { OpKind::Read };
            self.0 += 1;
            Op::new(kind, 0, 512)
        }

        fn done(&mut self, _: Completion, _: OpKind, _: Lane) {}
    }

    fn synced(every: u32, call: SyncCall, linked: bool) -> Synced<Script> {
        let work = Workload { sync: Some(Sync { every, call }), ..Workload::default() };
        Synced::new(Script(0), &work, linked)
    }

    #[test]
    fn submits_a_sync_after_the_configured_number_of_completed_writes() {
        let mut source = synced(2, SyncCall::Fsync, false);
        let taken: Vec<OpKind> = (0..4).map(|slot| source.take(slot).kind).collect();
        assert_eq!(taken, [OpKind::Write, OpKind::Write, OpKind::Read, OpKind::Write]);
        let done = |source: &mut Synced<Script>, slot: u32, result| {
            source.done(Completion { slot, result }, taken[slot as usize], Lane::Bulk);
            source.turn()
        };
        assert_eq!(done(&mut source, 0, 512), Turn::Operation, "one write has completed");
        assert_eq!(done(&mut source, 2, 512), Turn::Operation, "a read does not count");
        assert_eq!(done(&mut source, 3, -libc::EIO), Turn::Sync, "a failed write counts");
        assert_eq!(source.take(0), Op::new(OpKind::Fsync, 0, 0));
        assert_eq!(source.turn(), Turn::Operation);
    }

    #[test]
    fn queues_a_linked_sync_behind_its_write() {
        let mut source = synced(3, SyncCall::Fdatasync, true);
        let mut turns = Vec::new();
        for slot in 0..7 {
            turns.push((source.turn(), source.take(slot).kind));
        }
        use OpKind::{Fdatasync, Read, Write, WriteLinked};
        let plain = |kind| (Turn::Operation, kind);
        let pair = [(Turn::Pair, WriteLinked), (Turn::Sync, Fdatasync)];
        let first = [plain(Write), plain(Write), plain(Read), pair[0], pair[1], plain(Write), plain(Read)];
        assert_eq!(turns, first);
    }
}
