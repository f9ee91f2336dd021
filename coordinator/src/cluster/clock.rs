//! Relates a host's clock to the coordinator's. Both are CLOCK_MONOTONIC, which no step of the wall clock
//! disturbs.
//!
//! The host reads its clock at some moment between the sending of a request and the arrival of the reply. The
//! midpoint is wrong by at most half the round trip, so the shortest of several round trips gives the best
//! estimate and its error bound.

use std::{collections::VecDeque, time::Duration};

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

/// The bound on the drift between the clocks of two hosts, in parts per million: the kernel slews a clock by at most as
/// much.
const DRIFT_PPM: u64 = 500;
/// The number of readings that are kept.
const KEPT: usize = 16;

/// The readings of a host's clock over time.
///
/// Every reading bounds the offset at every other time: its error grows by `DRIFT_PPM` with the distance in time. The
/// offset at a time lies within all these bounds, so it is interpolated between the readings before and after.
#[derive(Clone, Debug, Default)]
pub struct ClockTrack {
    /// The coordinator's clock at the reading in nanoseconds, and the reading.
    readings: VecDeque<(u64, ClockOffset)>,
}

impl ClockTrack {
    /// Adds a reading that was made at this time of the coordinator's clock.
    pub fn add(&mut self, at_ns: u64, reading: ClockOffset) {
        self.readings.push_back((at_ns, reading));
        if self.readings.len() > KEPT {
            self.readings.pop_front();
        }
    }

    /// The age of the last reading; `None` without one.
    #[must_use]
    pub fn age(&self, now_ns: u64) -> Option<Duration> {
        self.readings.back().map(|(at_ns, _)| Duration::from_nanos(now_ns.saturating_sub(*at_ns)))
    }

    /// The offset at a time of the coordinator's clock; zero without a reading. If readings contradict each other, as
    /// after a suspend, the one nearest in time decides.
    #[must_use]
    pub fn at(&self, local_ns: u64) -> ClockOffset {
        let aged = |(at_ns, reading): &(u64, ClockOffset)| {
            let drift = at_ns.abs_diff(local_ns).saturating_mul(DRIFT_PPM) / 1_000_000;
            ClockOffset { error_ns: reading.error_ns.saturating_add(drift), ..*reading }
        };
        let bounds = |clock: ClockOffset| {
            let (offset, error) = (i128::from(clock.offset_ns), i128::from(clock.error_ns));
            (offset - error, offset + error)
        };
        let all = self.readings.iter().map(|reading| bounds(aged(reading)));
        let within = all.reduce(|one, other| (one.0.max(other.0), one.1.min(other.1)));
        match within {
            Some((least, most)) if least <= most => ClockOffset {
                offset_ns: i128::midpoint(least, most).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
                error_ns: u64::try_from((most - least + 1) / 2).unwrap_or(u64::MAX),
            },
            _ => {
                let nearest = self.readings.iter().min_by_key(|(at_ns, _)| at_ns.abs_diff(local_ns));
                nearest.map(aged).unwrap_or_default()
            }
        }
    }
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

    proptest! {
        /// The bound holds for a clock that drifts, before, between and after the readings.
        #[test]
        fn an_offset_at_any_time_is_within_its_bound(
            drift_ppm in -500i64..=500,
            readings in prop::collection::vec((1_000_000u64..1_000_000_000, 0u64..500_000, -1.0f64..=1.0), 1..20),
            back in 0u64..10_000_000_000,
        ) {
            let begin = 1_000_000_000_000u64;
            let true_at = |at: u64| 5_000_000 + (at - begin) as i64 * drift_ppm / 1_000_000;
            let (mut track, mut now) = (ClockTrack::default(), begin);
            for (pause, error_ns, wrong) in readings {
                now += pause;
                let offset_ns = true_at(now) + (error_ns as f64 * wrong) as i64;
                track.add(now, ClockOffset { offset_ns, error_ns });
            }
            let at = now.saturating_sub(back).max(begin);
            let found = track.at(at);
            // Nanoseconds are lost in divisions.
            prop_assert!(found.offset_ns.abs_diff(true_at(at)) <= found.error_ns + 2);
            prop_assert!(track.at(now).error_ns <= track.readings.back().unwrap().1.error_ns);
        }
    }

    #[test]
    fn readings_that_contradict_each_other_leave_the_nearest() {
        let mut track = ClockTrack::default();
        assert_eq!((track.at(7), track.age(7)), (ClockOffset::default(), None));
        track.add(1_000_000, ClockOffset { offset_ns: 0, error_ns: 10 });
        track.add(2_000_000, ClockOffset { offset_ns: 1_000_000, error_ns: 10 });
        assert_eq!(track.at(2_000_000).offset_ns, 1_000_000);
        assert_eq!(track.at(3_000_000), ClockOffset { offset_ns: 1_000_000, error_ns: 510 });
        assert_eq!(track.age(3_000_000), Some(Duration::from_millis(1)));
    }

    #[test]
    fn needs_a_sample_for_an_estimate() {
        assert_eq!(estimate(&[]), None);
        assert!(now_ns() > 0);
    }
}
