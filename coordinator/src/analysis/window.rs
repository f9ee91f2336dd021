//! The common window: hosts never start and stop at exactly the same time, so their rates are added only over the time
//! in which all of them measured.

use crate::cluster::clock::ClockOffset;

/// Share of the window by which an interval may extend beyond it, in addition to the error of the clocks.
pub const TOLERANCE: f64 = 0.01;

/// The intervals of one host, by their edges on the host's own clock.
#[derive(Clone, Debug)]
pub struct HostEdges {
    /// The host's clock against the coordinator's.
    pub clock: ClockOffset,
    /// First and second edge of each interval, in order, in nanoseconds.
    pub edges: Vec<(u64, u64)>,
}

/// The chosen intervals of a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// For each host, indices of the intervals to use.
    pub chosen: Vec<Vec<usize>>,
    /// The largest distance between two hosts' first edges or between their last, in nanoseconds.
    pub skew_ns: u64,
    /// The error bound of the skew: the largest error of a clock, in nanoseconds.
    pub error_ns: u64,
    /// Whether an interval is left out.
    pub trimmed: bool,
}

/// Chooses the intervals to merge.
///
/// Edges are converted to the coordinator's clock (`host - offset`). The common window is from the latest first edge to
/// the earliest last edge. Intervals may extend beyond it by the largest clock error plus [`TOLERANCE`] of the window. If
/// all intervals meet this, all are used, otherwise those that lie inside. If a host has no intervals, there is no common
/// window.
#[must_use]
pub fn select(hosts: &[HostEdges]) -> Selection {
    let on_coordinator = |host: &HostEdges, edge: u64| i128::from(edge) - i128::from(host.clock.offset_ns);
    let spans: Option<Vec<(i128, i128)>> = hosts
        .iter()
        .map(|host| {
            let (first, last) = (host.edges.first()?, host.edges.last()?);
            Some((on_coordinator(host, first.0), on_coordinator(host, last.1)))
        })
        .collect();
    let error_ns = hosts.iter().map(|host| host.clock.error_ns).max().unwrap_or(0);
    let nothing = Selection { chosen: vec![Vec::new(); hosts.len()], error_ns, ..Selection::default() };
    let Some(spans) = spans else { return Selection { trimmed: true, ..nothing } };
    let range =
        |edges: Vec<i128>| -> Option<(i128, i128)> { Some((*edges.iter().min()?, *edges.iter().max()?)) };
    let (Some((first_begin, begin)), Some((end, last_end))) =
        (range(spans.iter().map(|span| span.0).collect()), range(spans.iter().map(|span| span.1).collect()))
    else {
        return nothing;
    };
    let skew = (begin - first_begin).max(last_end - end);
    let window = (end - begin).max(0);
    let tolerance = i128::from(error_ns) + (window as f64 * TOLERANCE) as i128;
    let inside = |host: &HostEdges, edges: &(u64, u64)| {
        on_coordinator(host, edges.0) >= begin - tolerance && on_coordinator(host, edges.1) <= end + tolerance
    };
    let chosen: Vec<Vec<usize>> = hosts
        .iter()
        .map(|host| {
            let kept = host.edges.iter().enumerate().filter(|(_, edges)| inside(host, edges));
            kept.map(|(index, _)| index).collect()
        })
        .collect();
    let trimmed = chosen.iter().zip(hosts).any(|(chosen, host)| chosen.len() < host.edges.len());
    Selection { chosen, skew_ns: u64::try_from(skew).unwrap_or(u64::MAX), error_ns, trimmed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn host(offset_ns: i64, begin: u64, count: u64) -> HostEdges {
        let edge = |i: u64| (begin + i * SECOND).checked_add_signed(offset_ns).unwrap();
        HostEdges {
            clock: ClockOffset { offset_ns, error_ns: 50_000 },
            edges: (0..count).map(|i| (edge(i), edge(i + 1))).collect(),
        }
    }

    #[test]
    fn different_clocks_and_equal_starts_share_all_intervals() {
        let found = select(&[host(0, SECOND, 5), host(1 << 60, SECOND + 20_000, 5)]);
        assert_eq!(found.chosen, vec![vec![0, 1, 2, 3, 4]; 2]);
        assert_eq!((found.skew_ns, found.trimmed), (20_000, false));
    }

    #[test]
    fn a_late_host_shortens_the_window() {
        let found = select(&[host(0, SECOND, 5), host(-400_000_000, SECOND + 500_000_000, 5)]);
        assert_eq!(found.chosen, vec![vec![1, 2, 3, 4], vec![0, 1, 2, 3]]);
        assert_eq!((found.skew_ns, found.trimmed), (500_000_000, true));
    }

    #[test]
    fn hosts_without_a_common_window_share_nothing() {
        let found = select(&[host(0, 0, 2), host(0, 100 * SECOND, 2)]);
        assert_eq!(found.chosen, vec![Vec::<usize>::new(); 2]);
        let silent = HostEdges { clock: ClockOffset::default(), edges: vec![] };
        assert_eq!(select(&[host(0, 0, 2), silent]).chosen, vec![Vec::<usize>::new(); 2]);
        assert!(select(&[]).chosen.is_empty());
    }

    #[test]
    fn all_intervals_of_a_single_host_are_used() {
        assert_eq!(select(&[host(7, 0, 3)]).chosen, vec![vec![0, 1, 2]]);
    }

    proptest! {
        #[test]
        fn the_offset_cancels(offset in -1_000_000_000_000i64..1_000_000_000_000, late in 0..3 * SECOND) {
            let begin = 2_000 * SECOND;
            let plain = select(&[host(0, begin, 4), host(0, begin + late, 4)]);
            let shifted = select(&[host(offset, begin, 4), host(0, begin + late, 4)]);
            prop_assert_eq!(plain, shifted);
        }
    }
}
