//! The clock of the hot loop: the CPU's time stamp counter if the kernel itself trusts it, otherwise CLOCK_MONOTONIC. A
//! reading costs about half as much as clock_gettime.

use quanta::Clock;

/// Reads ticks and converts them to nanoseconds of CLOCK_MONOTONIC.
#[derive(Clone, Debug)]
pub struct HotClock {
    clock: Clock,
    /// The same moment in ticks and in nanoseconds of CLOCK_MONOTONIC.
    anchor: (u64, u64),
    /// Nanoseconds in 2^32 ticks.
    scale: u64,
}

impl HotClock {
    /// Calibrates on first use in a process, which takes a few milliseconds.
    #[must_use]
    pub fn new() -> Self {
        let clock = Clock::new();
        let scale = clock.delta_as_nanos(0, 1 << 32).max(1);
        // Of a few attempts, the one whose two readings of ticks are closest to each other.
        let anchor = (0..8).map(|_| (clock.raw(), monotonic_ns(), clock.raw()));
        let best = anchor.min_by_key(|(before, _, after)| after.wrapping_sub(*before)).unwrap_or_default();
        Self { anchor: (best.0.midpoint(best.2), best.1), clock, scale }
    }

    /// The current time in ticks.
    #[inline]
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.clock.raw()
    }

    /// Nanoseconds from one reading to a later one; 0 if the second is not later.
    #[inline]
    #[must_use]
    pub fn nanos_between(&self, from: u64, to: u64) -> u64 {
        self.clock.delta_as_nanos(from, to)
    }

    /// Converts a reading to nanoseconds of CLOCK_MONOTONIC.
    #[must_use]
    pub fn monotonic(&self, ticks: u64) -> u64 {
        let (anchor, at) = self.anchor;
        match ticks >= anchor {
            true => at + self.nanos_between(anchor, ticks),
            false => at.saturating_sub(self.nanos_between(ticks, anchor)),
        }
    }

    /// The reading at a time of CLOCK_MONOTONIC, given in nanoseconds.
    #[must_use]
    pub fn ticks_at(&self, monotonic_ns: u64) -> u64 {
        let (anchor, at) = self.anchor;
        match monotonic_ns >= at {
            true => anchor + self.ticks_in(monotonic_ns - at),
            false => anchor.saturating_sub(self.ticks_in(at - monotonic_ns)),
        }
    }

    /// The ticks in a number of nanoseconds.
    #[must_use]
    pub fn ticks_in(&self, nanos: u64) -> u64 {
        ((u128::from(nanos) << 32) / u128::from(self.scale)) as u64
    }
}

impl Default for HotClock {
    fn default() -> Self {
        Self::new()
    }
}

/// The current CLOCK_MONOTONIC in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_agree() {
        let clock = HotClock::new();
        let (before, ticks, after) = (monotonic_ns(), clock.ticks(), monotonic_ns());
        let seen = clock.monotonic(ticks);
        assert!((before.saturating_sub(10_000)..after + 10_000).contains(&seen), "{before} {seen} {after}");
        let later = after + 1_000_000_000;
        assert!(clock.monotonic(clock.ticks_at(later)).abs_diff(later) < 100);
    }
}
