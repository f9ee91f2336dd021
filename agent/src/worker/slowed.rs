//! Operations with a busy wait before each: a slowdown of known size, to test whether a setup and its verdicts detect
//! it. This is a separate source, so that other loops are compiled without it.

use proto::outcome::Lane;

use crate::{
    clock::HotClock,
    slot::{Completion, Slot},
    source::{Source, delegate},
    workload::{Op, OpKind},
};

/// The maximum excess that later waits compensate, in clock readings. A larger one means that the thread was
/// interrupted or preempted.
const FORGIVEN_READINGS: i64 = 8;

/// Waits busily before each operation; syncs around it do not wait.
///
/// The waits are exact on average, not individually: reading the clock takes about as long as the shortest useful wait,
/// so the excess of a wait is deducted from those that follow.
pub struct Slowed<S> {
    operations: S,
    clock: HotClock,
    /// Ticks that each operation waits.
    wait: i64,
    /// Ticks that a clock reading takes: half before the returned moment, half after.
    reading: i64,
    /// Ticks still to be waited; negative after an excess.
    owed: i64,
}

impl<S: Source> Slowed<S> {
    /// Adds a wait of `wait_ns` nanoseconds; 0 disables it.
    pub fn new(operations: S, wait_ns: u64, clock: HotClock) -> Self {
        let wait = clock.ticks_in(wait_ns) as i64;
        let distances = (0..256).map(|_| {
            let before = clock.ticks();
            clock.ticks().wrapping_sub(before) as i64
        });
        let mut distances: Vec<i64> = distances.collect();
        distances.sort_unstable();
        // The median: interrupts lengthen some, and on a coarse clock some are zero.
        let reading = distances[distances.len() / 2].max(1);
        Self { operations, clock, wait, reading, owed: 0 }
    }

    /// The undecorated operations.
    pub fn into_operations(self) -> S {
        self.operations
    }

    #[inline]
    fn wait(&mut self) {
        self.owed += self.wait;
        // Two readings measure a distance, and take one reading longer than it.
        if self.owed < 2 * self.reading {
            return;
        }
        let begin = self.clock.ticks();
        let waited = loop {
            // Without a pause hint: the processor may pause for longer than the wait.
            let waited = self.clock.ticks().wrapping_sub(begin) as i64;
            if waited + self.reading >= self.owed {
                break waited;
            }
        };
        self.owed = (self.owed - waited - self.reading).max(-FORGIVEN_READINGS * self.reading);
    }
}

impl<S: Source> Source for Slowed<S> {
    const LANES: bool = S::LANES;

    delegate!(turn, next_writes, done, overtakers);

    #[inline]
    fn take(&mut self, slot: Slot) -> Op {
        if self.wait > 0 {
            self.wait();
        }
        self.operations.take(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Turn;

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

    /// The fastest of many rounds, in nanoseconds per operation. Interrupts only add, and rounds of some tens of
    /// microseconds fit between other work on the machine.
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
    fn waits_as_long_as_configured() {
        let none = quickest(0);
        for wait in [20.0, 200.0, 5000.0] {
            let waited = quickest(wait as u64) - none;
            // Unoptimised code takes some tens of nanoseconds to read the clock.
            let slack = if cfg!(debug_assertions) { 150.0 } else { 10.0 };
            assert!(waited > 0.95 * wait - 5.0 && waited < 1.05 * wait + slack, "{waited} for {wait} ns");
        }
    }
}
