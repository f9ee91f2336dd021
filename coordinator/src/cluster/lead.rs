//! The time between the start requests and the start: long enough for the last host to receive its request.

use std::{collections::VecDeque, time::Duration};

use super::Timing;

/// The number of trials that are remembered.
const REMEMBERED: usize = 16;
/// The number of trials that a lead may rest on.
const ENOUGH: usize = 2;
/// The shortest lead that rests on measured delays.
const LEAST: Duration = Duration::from_millis(4);

/// The delays of start requests in earlier trials.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// The number of hosts of each trial, and the longest delay of a request in it.
    delays: VecDeque<(usize, Duration)>,
}

impl Lead {
    /// Records the longest delay of a start request in a trial of this many hosts.
    pub(super) fn record(&mut self, hosts: usize, delay: Duration) {
        self.delays.push_back((hosts, delay));
        if self.delays.len() > REMEMBERED {
            self.delays.pop_front();
        }
    }

    /// The lead for a trial of this many hosts whose slowest round trip is known: twice the longest delay of trials with
    /// at least as many hosts. Without such trials it is estimated: the measured round trips are the shortest ones of an
    /// idle host, a request on a busy network may take four times as long, and requests to further hosts follow each
    /// other.
    pub(super) fn of(&self, hosts: usize, round_trip: Duration, timing: &Timing) -> Duration {
        let known: Vec<Duration> =
            self.delays.iter().filter(|(of, _)| *of >= hosts).map(|(_, delay)| *delay).collect();
        match known.iter().max() {
            Some(longest) if known.len() >= ENOUGH => longest.saturating_mul(2).saturating_add(LEAST),
            _ => {
                let others = u32::try_from(hosts.saturating_sub(1)).unwrap_or(u32::MAX);
                let reached = round_trip.saturating_mul(4).max(timing.min_lead);
                reached.saturating_add(timing.lead_per_host.saturating_mul(others))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimated_lead_grows_with_round_trips_and_hosts() {
        let of = |hosts: usize, round_trip| {
            let lead = Lead::default().of(hosts, Duration::from_micros(round_trip), &Timing::default());
            lead.as_millis()
        };
        assert_eq!((of(1, 100), of(2, 100)), (20, 26), "short round trips");
        assert_eq!((of(1, 20_000), of(2, 20_000)), (80, 86), "20 ms for a round trip");
        assert_eq!(of(32, 100), 20 + 31 * 6);
    }

    #[test]
    fn measured_delays_replace_the_estimate() {
        let mut lead = Lead::default();
        let of = |lead: &Lead, hosts| lead.of(hosts, Duration::ZERO, &Timing::default()).as_millis();
        lead.record(8, Duration::from_millis(3));
        assert_eq!(of(&lead, 8), 62, "one trial is too few");
        lead.record(8, Duration::from_millis(5));
        assert_eq!((of(&lead, 8), of(&lead, 2), of(&lead, 9)), (14, 14, 68));
        // A late request makes later leads longer, until it is forgotten.
        lead.record(8, Duration::from_millis(40));
        assert_eq!(of(&lead, 8), 84);
        (0..REMEMBERED).for_each(|_| lead.record(8, Duration::from_millis(1)));
        assert_eq!(of(&lead, 8), 6);
    }
}
