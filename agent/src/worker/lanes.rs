//! Marks a share of the operations as urgent before the trial starts, and counts how many bulk operations overtake
//! them. This is a separate source, so that a loop without lanes is compiled without it.
//!
//! Overtaking is counted, not traced. Bulk operations are counted as they are submitted and as they are seen complete.
//! If more bulk operations are complete, when an urgent one is seen complete, than had been submitted before its batch,
//! then at least the difference were submitted with it or after it and completed before it. A batch is everything that
//! is submitted between two completions. If requests complete in order, the bound is exact.

use proto::{
    outcome::Lane,
    trial::{Share, Trial},
};
use rand_core::{RngCore as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{
    slot::{Completion, Slot},
    source::{Source, delegate},
    workload::{Op, OpKind},
};

/// The number of distances between urgent operations that are drawn. With a share of 1 % they repeat after 1.6 M
/// operations.
const DISTANCES: usize = 1 << 14;

/// Operations, a share of which are in the urgent lane.
pub struct Marked<S> {
    operations: S,
    /// The number of bulk operations before each urgent one, used cyclically.
    distances: Box<[u32]>,
    at: usize,
    /// Bulk operations left before the next urgent one.
    left: u32,
    /// The length of urgent operations in bytes; `None` leaves the length of each operation as it is.
    len: Option<u32>,
    /// Bulk operations submitted, and completed.
    submitted: u64,
    completed: u64,
    /// Bulk operations submitted before the current batch.
    before: u64,
    /// A request has completed since the last one was submitted, so the next one starts a batch.
    fresh: bool,
    /// For each slot with an urgent operation: the value of `before` when it was submitted.
    bounds: Box<[u64]>,
}

impl<S: Source> Marked<S> {
    /// The source of a trial's worker. Without urgent operations in the trial it marks none.
    pub fn new(operations: S, trial: &Trial, worker: u32) -> Self {
        let urgent = trial.engine.urgent;
        let distances =
            urgent.map_or_else(|| [u32::MAX].into(), |urgent| drawn(urgent.share, trial.seed, worker));
        Self {
            left: distances[0],
            distances,
            at: 0,
            operations,
            len: urgent.and_then(|urgent| urgent.block_size).map(|size| size.0 as u32),
            submitted: 0,
            completed: 0,
            before: 0,
            fresh: true,
            bounds: vec![0; trial.depth_per_worker() as usize].into(),
        }
    }
}

/// Distances as if each operation were urgent with probability `share`: geometric, by inversion.
fn drawn(share: Share, seed: u64, worker: u32) -> Box<[u32]> {
    // A different sequence from that of the offsets.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5552_4745_4e54);
    (0..worker).for_each(|_| rng.jump());
    let log = (1.0 - share.as_f64()).ln();
    let distance = |_| {
        // 53 random bits, from just above 0 to 1.
        let uniform = ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        (uniform.ln() / log) as u32
    };
    (0..DISTANCES).map(distance).collect()
}

impl<S: Source> Source for Marked<S> {
    const LANES: bool = true;

    delegate!(turn, next_writes);

    #[inline]
    fn take(&mut self, slot: Slot) -> Op {
        let op = self.operations.take(slot);
        if std::mem::take(&mut self.fresh) {
            self.before = self.submitted;
        }
        if self.left > 0 {
            self.left -= 1;
            self.submitted += 1;
            return op;
        }
        self.at += 1;
        if self.at == self.distances.len() {
            self.at = 0;
        }
        self.left = self.distances[self.at];
        self.bounds[slot as usize] = self.before;
        Op { lane: Lane::Urgent, len: self.len.unwrap_or(op.len), ..op }
    }

    #[inline]
    fn done(&mut self, completion: Completion, kind: OpKind, lane: Lane) {
        self.fresh = true;
        if lane == Lane::Bulk && !kind.syncs() {
            self.completed += 1;
        }
        self.operations.done(completion, kind, lane);
    }

    #[inline]
    fn overtakers(&self, slot: Slot) -> u64 {
        self.completed.saturating_sub(self.bounds[slot as usize])
    }
}

#[cfg(test)]
mod tests {
    use proto::{
        trial::{Engine, EngineKind, FileTarget, Measure, QueueOptions, Target, Urgent, UrgentBy, Workload},
        units::ByteSize,
    };

    use super::*;
    use crate::workload::Ops;

    const SIZE: u64 = 64 << 20;

    fn trial(share: u32, read_percent: u32, seed: u64) -> Trial {
        let urgent = Urgent { share: Share(share), by: UrgentBy::None, block_size: Some(ByteSize(512)) };
        Trial {
            id: "t".into(),
            seed,
            target: Target::File(FileTarget::new(ByteSize(SIZE), false)),
            workload: Workload { read_percent, ..Workload::default() },
            engine: Engine {
                queue: QueueOptions::of_depth(16),
                urgent: Some(urgent),
                ..Engine::new(EngineKind::IoUring)
            },
            measure: Measure::Timed,
        }
    }

    fn source(trial: &Trial, worker: u32) -> Marked<Ops> {
        Marked::new(Ops::new(trial, SIZE, worker), trial, worker)
    }

    #[test]
    fn marks_the_configured_share_by_seed() {
        for share in [1_000, 10_000, 300_000] {
            let trial = trial(share, 50, 7);
            let mut marked = source(&trial, 0);
            let mut plain = Ops::new(&trial, SIZE, 0);
            let count = 400_000;
            let mut urgent = 0.0;
            for _ in 0..count {
                let (op, other) = (marked.take(0), plain.next_op());
                assert_eq!((op.offset, op.kind), (other.offset, other.kind), "offset and kind are unchanged");
                assert_eq!(op.len, if op.lane == Lane::Urgent { 512 } else { 4096 });
                urgent += f64::from(u8::from(op.lane == Lane::Urgent));
            }
            let (expected, p) = (f64::from(count) * f64::from(share) / 1e6, f64::from(share) / 1e6);
            // The distances repeat after 2^14 of them, so there are no more independent samples.
            let independent = expected.min(DISTANCES as f64);
            let bound = 6.0 * expected * ((1.0 - p) / independent).sqrt();
            assert!((urgent - expected).abs() < bound, "{urgent} of {expected} ± {bound}");
        }
        let kinds = |seed, worker| {
            let trial = trial(100_000, 100, seed);
            let mut marked = source(&trial, worker);
            (0..500).map(|_| marked.take(0).lane).collect::<Vec<_>>()
        };
        assert_eq!(kinds(1, 0), kinds(1, 0));
        assert_ne!(kinds(1, 0), kinds(2, 0));
        assert_ne!(kinds(1, 0), kinds(1, 1));
    }

    #[test]
    fn overtakers_were_submitted_with_it_or_later() {
        let trial = trial(100_000, 100, 1);
        let mut marked = source(&trial, 0);
        // The urgent operations are the third one, and the first of the second batch.
        (marked.distances, marked.left) = ([2, 1, u32::MAX].into(), 2);
        let take = |marked: &mut Marked<Ops>, slots: std::ops::Range<u32>| -> Vec<bool> {
            slots.map(|slot| marked.take(slot).lane == Lane::Urgent).collect()
        };
        assert_eq!(take(&mut marked, 0..4), [false, false, true, false]);
        let done = |marked: &mut Marked<Ops>, slot: Slot, urgent: bool| {
            let lane = if urgent { Lane::Urgent } else { Lane::Bulk };
            marked.done(Completion { slot, result: 0 }, OpKind::Read, lane);
        };
        done(&mut marked, 3, false);
        done(&mut marked, 0, false);
        assert_eq!(marked.overtakers(2), 2, "both were submitted with it");
        done(&mut marked, 2, true);
        // One bulk operation is still in flight from before; the next urgent one is submitted with another.
        assert_eq!(take(&mut marked, 2..4), [true, false]);
        done(&mut marked, 1, false);
        assert_eq!(marked.overtakers(2), 0, "it was submitted before");
        done(&mut marked, 3, false);
        assert_eq!(marked.overtakers(2), 1);
    }
}
