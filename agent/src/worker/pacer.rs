//! Start times of requests: as soon as there is room (closed loop), or by the clock, regardless of earlier completions
//! (open loop).

use proto::trial::Arrival;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::clock::HotClock;

/// Decides when requests start. The hot loop is compiled once for each implementation.
pub trait Pacer {
    /// Whether latency and service time differ.
    const OPEN: bool;

    /// If a request is due at `now`, takes it and returns its start in ticks.
    fn due(&mut self, now: u64) -> Option<u64>;
}

/// A request starts when there is room for it.
pub struct Closed;

impl Pacer for Closed {
    const OPEN: bool = false;

    #[inline]
    fn due(&mut self, now: u64) -> Option<u64> {
        Some(now)
    }
}

/// The maximum number of distances that all workers of a host draw in advance: 32 MiB.
const DRAWN_BUDGET: usize = 1 << 22;
/// The maximum number of distances that one worker draws: at 1 M requests a second they repeat about once a second.
const DRAWN_MOST: usize = 1 << 20;
/// The minimum number of distances that one worker draws.
const DRAWN_LEAST: usize = 1 << 12;
/// Fractional bits of a tick that are carried from one request to the next.
const FRACTION: u32 = 16;

/// The number of distances between random arrivals that each of `workers` workers draws in advance.
#[must_use]
pub fn drawn(workers: u32) -> usize {
    (DRAWN_BUDGET / workers.max(1) as usize).clamp(DRAWN_LEAST, DRAWN_MOST)
}

/// Requests start by the clock. A request that finds no room starts late, but its latency counts from its intended
/// start.
pub struct Open {
    /// The start of the next request, in ticks with fraction.
    next: u128,
    /// The distances to the following requests, in ticks with fraction; a single one if all are equal.
    gaps: Box<[u64]>,
    at: usize,
}

impl Open {
    /// The arrivals of one of `workers` workers that share `per_second`, from `start` on. Fixed arrivals are spread so
    /// that the workers take turns.
    ///
    /// Poisson: distances are `-ln(1 - u) / rate` for uniform `u` (inversion of the exponential distribution).
    #[must_use]
    pub fn new(
        clock: &HotClock,
        per_second: u64,
        arrival: Arrival,
        (worker, workers): (u32, u32),
        start: u64,
        seed: u64,
    ) -> Self {
        let second = clock.ticks_in(1_000_000_000) as f64 * f64::from(1u32 << FRACTION);
        let mean = second * f64::from(workers.max(1)) / per_second.max(1) as f64;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ (u64::from(worker) << 32));
        // A different part of the sequence from that of the offsets, which use the same seed.
        rng.long_jump();
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let (gaps, first) = match arrival {
            Arrival::Fixed => (vec![mean as u64], mean * f64::from(worker) / f64::from(workers.max(1))),
            Arrival::Poisson => {
                let gaps = (0..drawn(workers)).map(|_| (-(1.0 - uniform()).ln() * mean) as u64).collect();
                (gaps, 0.0)
            }
        };
        Self { next: (u128::from(start) << FRACTION) + first as u128, gaps: gaps.into(), at: 0 }
    }
}

impl Pacer for Open {
    const OPEN: bool = true;

    #[inline]
    fn due(&mut self, now: u64) -> Option<u64> {
        let start = (self.next >> FRACTION) as u64;
        if start > now {
            return None;
        }
        self.next += u128::from(self.gaps[self.at]);
        self.at += 1;
        if self.at == self.gaps.len() {
            self.at = 0;
        }
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(arrival: Arrival, per_second: u64, worker: u32, workers: u32) -> Vec<u64> {
        let clock = HotClock::new();
        let mut open = Open::new(&clock, per_second, arrival, (worker, workers), 1000, 7);
        let end = 1000 + clock.ticks_in(1_000_000_000);
        std::iter::from_fn(|| open.due(end)).map(|ticks| clock.nanos_between(1000, ticks)).collect()
    }

    #[test]
    fn fixed_arrivals_have_the_rate_and_take_turns() {
        let first = starts(Arrival::Fixed, 3000, 0, 3);
        assert!(first.len().abs_diff(1000) <= 1, "{}", first.len());
        assert!(first.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(1_000_000) < 100));
        assert!(starts(Arrival::Fixed, 3000, 1, 3)[0].abs_diff(333_333) < 100);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread() {
        let starts = starts(Arrival::Poisson, 50_000, 0, 1);
        // 50,000 within five standard deviations (the square root of the mean).
        assert!(starts.len().abs_diff(50_000) < 5 * 224, "{}", starts.len());
        let gaps: Vec<f64> = starts.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // The standard deviation of an exponential distribution equals its mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{}", variance.sqrt() / mean);
    }

    #[test]
    fn due_returns_every_arrival_and_none_early() {
        let clock = HotClock::new();
        let mut open = Open::new(&clock, 1000, Arrival::Fixed, (0, 1), 0, 1);
        assert_eq!(open.due(0), Some(0));
        assert_eq!(open.due(clock.ticks_in(500_000)), None);
        let late = clock.ticks_in(3_500_000);
        assert_eq!(std::iter::from_fn(|| open.due(late)).count(), 3, "missed arrivals are due at once");
    }
}
