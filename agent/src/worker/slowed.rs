//! Operations with a busy wait before each: a slowdown of known size, to see what a rig and its verdicts make of it.
//! A kind of source of its own, so that a loop without it is compiled without it.

use proto::outcome::Lane;

use crate::{
    clock::HotClock,
    slot::{Completion, Slot},
    source::{Source, Turn},
    workload::{Op, OpKind},
};

/// Overshoot that is made good by later waits, in readings of the clock. What is more was no wait: the thread was
/// interrupted or preempted.
const FORGIVEN_READINGS: i64 = 8;

/// Waits busily before each operation; syncs laid around it do not wait.
///
/// The waits are right on average, not one by one: a reading of the clock takes about as long as the shortest waits
/// that make sense, so what a wait took too much is taken off those that follow.
pub struct Slowed<S> {
    operations: S,
    clock: HotClock,
    /// Ticks that each operation waits.
    wait: i64,
    /// Ticks that a reading of the clock takes: half of it before the moment that it tells, half after.
    reading: i64,
    /// Ticks that are still to be waited; below zero where too many were.
    owed: i64,
}

impl<S: Source> Slowed<S> {
    /// With a wait of so many nanoseconds; 0 is none.
    pub fn new(operations: S, wait_ns: u64, clock: HotClock) -> Self {
        let wait = clock.ticks_in(wait_ns) as i64;
        let distances = (0..256).map(|_| {
            let before = clock.ticks();
            clock.ticks().wrapping_sub(before) as i64
        });
        let mut distances: Vec<i64> = distances.collect();
        distances.sort_unstable();
        // The median: some are longer by an interrupt, and on a coarse clock some are zero.
        let reading = distances[distances.len() / 2].max(1);
        Self { operations, clock, wait, reading, owed: 0 }
    }

    /// The operations alone.
    pub fn into_operations(self) -> S {
        self.operations
    }

    #[inline]
    fn wait(&mut self) {
        self.owed += self.wait;
        // Two readings tell a distance, and take one more reading than they tell.
        if self.owed < 2 * self.reading {
            return;
        }
        let begin = self.clock.ticks();
        let told = loop {
            // No hint to the processor here: it may rest for longer than the wait.
            let told = self.clock.ticks().wrapping_sub(begin) as i64;
            if told + self.reading >= self.owed {
                break told;
            }
        };
        self.owed = (self.owed - told - self.reading).max(-FORGIVEN_READINGS * self.reading);
    }
}

impl<S: Source> Source for Slowed<S> {
    const LANES: bool = S::LANES;

    #[inline]
    fn turn(&mut self) -> Turn {
        self.operations.turn()
    }

    #[inline]
    fn next_writes(&mut self) -> bool {
        self.operations.next_writes()
    }

    #[inline]
    fn take(&mut self, slot: Slot) -> Op {
        if self.wait > 0 {
            self.wait();
        }
        self.operations.take(slot)
    }

    #[inline]
    fn done(&mut self, completion: Completion, kind: OpKind, lane: Lane) {
        self.operations.done(completion, kind, lane);
    }

    #[inline]
    fn overtakers(&self, slot: Slot) -> u64 {
        self.operations.overtakers(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Reads;

    impl Source for Reads {
        fn turn(&mut self) -> Turn {
            Turn::Operation
        }

        fn next_writes(&mut self) -> bool {
            false
        }

        fn take(&mut self, slot: Slot) -> Op {
            Op::new(OpKind::Read, u64::from(slot), 512)
        }

        fn done(&mut self, _: Completion, _: OpKind, _: Lane) {}
    }

    /// The quickest of some rounds, in nanoseconds an operation: interrupts only add, and rounds of some tens of
    /// microseconds find a gap between whatever else runs.
    fn quickest(wait_ns: u64) -> f64 {
        let clock = HotClock::new();
        let mut source = Slowed::new(Reads, wait_ns, clock.clone());
        let operations = (50_000 / wait_ns.max(50)) as u32;
        let rounds = (0..1000).map(|_| {
            let begin = clock.ticks();
            for slot in 0..operations {
                assert_eq!(source.take(slot).offset, u64::from(slot));
            }
            clock.nanos_between(begin, clock.ticks()) as f64 / f64::from(operations)
        });
        rounds.fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn an_operation_waits_as_long_as_was_asked() {
        let none = quickest(0);
        for wait in [20.0, 200.0, 5000.0] {
            let waited = quickest(wait as u64) - none;
            // Code that is not optimised takes some tens of nanoseconds to look at the clock.
            let slack = if cfg!(debug_assertions) { 150.0 } else { 10.0 };
            assert!(waited > 0.95 * wait - 5.0 && waited < 1.05 * wait + slack, "{waited} for {wait} ns");
        }
    }
}
