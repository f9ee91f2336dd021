//! Relates a host's clock to the coordinator's. Both are CLOCK_MONOTONIC, which no step of the wall clock
//! disturbs.
//!
//! The host reads its clock at some moment between the sending of a request and the arrival of the reply. The
//! midpoint is wrong by at most half the round trip, so the shortest of several round trips gives the best
//! estimate and its error bound.

use rustix::time::{ClockId, clock_gettime};

use serde::{Deserialize, Serialize};

/// Host clock minus coordinator clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// The host's monotonic clock minus the coordinator's, in nanoseconds.
    pub offset_ns: i64,
    /// Half the shortest round trip: the bound on the error of `offset_ns`, in nanoseconds.
    pub error_ns: u64,
}

/// One request and its reply. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The coordinator's clock when the request was sent.
    pub sent_ns: u64,
    /// The host's clock in the reply.
    pub host_ns: u64,
    /// The coordinator's clock when the reply arrived.
    pub received_ns: u64,
}

impl Sample {
    fn round_trip(self) -> u64 {
        self.received_ns.saturating_sub(self.sent_ns)
    }
}

/// The coordinator's monotonic clock, in nanoseconds.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The monotonic clock counts from boot and is never negative.
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// The best estimate from the samples; `None` without samples.
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

/// The host's clock at `local_ns` of the coordinator's clock, in nanoseconds.
#[must_use]
pub fn to_host(local_ns: u64, clock: ClockOffset) -> u64 {
    local_ns.saturating_add_signed(clock.offset_ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The bound holds however the round trip is split between the two directions.
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
    fn needs_a_sample_for_an_estimate() {
        assert_eq!(estimate(&[]), None);
        assert!(now_ns() > 0);
    }
}
