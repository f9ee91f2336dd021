//! Placing a host's clock on ours. Both are CLOCK_MONOTONIC, which no step of the wall clock disturbs.
//!
//! A reading of the host's clock lies somewhere between our sending of the question and our receiving of the
//! answer. Taking it for the middle is wrong by half the round trip at most, so that the shortest round trip
//! of several gives the best estimate, together with its bound.

use rustix::time::{ClockId, clock_gettime};

use serde::{Deserialize, Serialize};

/// Host clock less coordinator clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Nanoseconds; the host's monotonic clock less the coordinator's.
    pub offset_ns: i64,
    /// Half the shortest round trip: the bound on the error of `offset_ns`, in nanoseconds.
    pub error_ns: u64,
}

/// One question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Our clock when the question was sent.
    pub sent_ns: u64,
    /// The host's clock in the answer.
    pub host_ns: u64,
    /// Our clock when the answer was there.
    pub received_ns: u64,
}

impl Sample {
    fn round_trip(self) -> u64 {
        self.received_ns.saturating_sub(self.sent_ns)
    }
}

/// Our monotonic clock, in nanoseconds.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The monotonic clock counts from the machine's start: it is never negative.
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// The best estimate that the samples allow; `None` without samples.
#[must_use]
pub fn estimate(samples: &[Sample]) -> Option<ClockOffset> {
    let best = samples.iter().min_by_key(|sample| sample.round_trip())?;
    let round_trip = best.round_trip();
    let offset = i128::from(best.host_ns) - i128::from(best.sent_ns) - i128::from(round_trip / 2);
    Some(ClockOffset {
        offset_ns: offset.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
        error_ns: round_trip.div_ceil(2),
    })
}

/// The host's reading at our `local_ns`.
#[must_use]
pub fn to_host(local_ns: u64, clock: ClockOffset) -> u64 {
    local_ns.saturating_add_signed(clock.offset_ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the round trip splits into way there and way back, the bound holds.
        #[test]
        fn the_error_is_at_most_half_the_round_trip(
            offset in -1_000_000_000_000i64..1_000_000_000_000,
            trips in prop::collection::vec((0u64..50_000_000, 0u64..50_000_000), 1..20),
        ) {
            let mut now = 2_000_000_000_000u64;
            let samples: Vec<_> = trips
                .iter()
                .map(|&(there, back)| {
                    let sent_ns = now;
                    now += there + back + 1_000;
                    Sample {
                        sent_ns,
                        host_ns: (sent_ns + there).saturating_add_signed(offset),
                        received_ns: sent_ns + there + back,
                    }
                })
                .collect();
            let clock = estimate(&samples).unwrap();
            let shortest = trips.iter().map(|(there, back)| there + back).min().unwrap();
            prop_assert_eq!(clock.error_ns, shortest.div_ceil(2));
            prop_assert!(clock.offset_ns.abs_diff(offset) <= clock.error_ns);
            prop_assert_eq!(to_host(5_000_000_000_000, clock) as i64, 5_000_000_000_000 + clock.offset_ns);
        }
    }

    #[test]
    fn no_sample_no_estimate() {
        assert_eq!(estimate(&[]), None);
        assert!(now_ns() > 0);
    }
}
