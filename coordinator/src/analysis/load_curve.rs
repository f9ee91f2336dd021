//! Where arms in open loop stop keeping up with the offered rate, and where queueing begins.

use crate::{
    metric::latency::P99,
    params::Params,
    summary::{
        CellSummary, ComparisonSet,
        load::{KNEE, LoadCurve},
    },
};

/// The axis of offered rates.
const AXIS: &str = "rate";

/// The curve of each arm that was offered at least two rates, with the other axes fixed.
pub(super) fn curves(set: &ComparisonSet) -> Vec<LoadCurve> {
    let mut lines: Vec<(LoadCurve, Vec<(f64, &CellSummary)>)> = Vec::new();
    for cell in set.cells.iter().filter(|cell| cell.host.is_none() && cell.params.contains_key(AXIS)) {
        let Some(offered) = cell.throughput.offered_per_s else { continue };
        let mut params: Params = cell.params.clone();
        params.shift_remove(AXIS);
        match lines.iter_mut().find(|(line, _)| line.arm == cell.arm && line.params == params) {
            Some((_, cells)) => cells.push((offered, cell)),
            None => lines.push((
                LoadCurve { arm: cell.arm.clone(), params, ..LoadCurve::default() },
                vec![(offered, cell)],
            )),
        }
    }
    lines
        .into_iter()
        .filter(|(_, cells)| cells.len() > 1)
        .filter_map(|(line, cells)| curve(line, cells))
        .collect()
}

/// The facts of a line; `None` if a point was not measured.
fn curve(line: LoadCurve, mut cells: Vec<(f64, &CellSummary)>) -> Option<LoadCurve> {
    cells.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let keeps_up = |cell: &CellSummary| {
        let (iops, least) = (cell.throughput.iops.as_ref()?.mean, cell.throughput.reached_from_per_s?);
        Some(iops >= least)
    };
    let kept: Vec<bool> = cells.iter().map(|(_, cell)| keeps_up(cell)).collect::<Option<_>>()?;
    let behind = kept.iter().position(|kept| !kept);
    let last_kept = behind.unwrap_or(cells.len()).checked_sub(1);
    Some(LoadCurve {
        keeps_up_to_per_s: last_kept.map(|index| cells[index].0),
        falls_behind_at_per_s: behind.map(|index| cells[index].0),
        // Where an arm is behind, its queue and its latency grow for as long as the trial lasts.
        knee_at_per_s: knee(&cells[..behind.map_or(cells.len(), |index| index + 1)])
            .map(|index| cells[index].0),
        ..line
    })
}

/// The index of the knee among cells of increasing load.
fn knee(cells: &[(f64, &CellSummary)]) -> Option<usize> {
    let mut lowest: Option<(f64, [f64; 2])> = None;
    cells.iter().position(|(_, cell)| {
        let Some(here) = P99.of(cell).zip(P99.interval(cell)) else { return false };
        let rises = lowest.is_some_and(|(p99, [_, high])| here.0 >= KNEE * p99 && here.1[0] > high);
        if lowest.is_none_or(|(p99, _)| here.0 < p99) {
            lowest = Some(here);
        }
        rises
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{Estimate, Latencies, Latency, LatencyIntervals, Throughput};

    /// A cell with an offered rate, the rate achieved and its p99, whose interval is a factor wide.
    fn cell(offered: f64, iops: f64, p99: u64, factor: f64) -> CellSummary {
        let interval = Some([p99 as f64 / factor, p99 as f64 * factor]);
        CellSummary {
            arm: "sync".into(),
            params: Params::from_iter([
                ("rate".to_owned(), offered.into()),
                ("size".to_owned(), "4KiB".into()),
            ]),
            throughput: Throughput {
                iops: Some(Estimate { mean: iops, ci95: None, samples: vec![iops; 3] }),
                offered_per_s: Some(offered),
                reached_from_per_s: Some(0.98 * offered),
                ..Throughput::default()
            },
            latency: Latencies {
                all: Some(Latency {
                    p99,
                    ci95: LatencyIntervals { p50: None, p99: interval },
                    ..Latency::default()
                }),
                ..Latencies::default()
            },
            ..CellSummary::default()
        }
    }

    fn curve_of(cells: Vec<CellSummary>) -> Option<LoadCurve> {
        let mut found = curves(&ComparisonSet { cells, ..ComparisonSet::default() });
        assert!(found.len() < 2, "{found:?}");
        found.pop()
    }

    #[test]
    fn the_curve_has_the_last_rate_kept_the_first_one_missed_and_the_knee() {
        // In any order of the cells.
        let found = curve_of(vec![
            cell(64_000.0, 20_000.0, 900_000_000, 1.1),
            cell(1_000.0, 1_000.0, 100_000, 1.1),
            cell(16_000.0, 15_900.0, 400_000, 1.1),
            cell(4_000.0, 4_000.0, 110_000, 1.1),
        ]);
        let found = found.unwrap();
        assert_eq!((found.arm.as_str(), found.params["size"].as_str()), ("sync", Some("4KiB")));
        assert_eq!(
            (found.keeps_up_to_per_s, found.falls_behind_at_per_s, found.knee_at_per_s),
            (Some(16_000.0), Some(64_000.0), Some(16_000.0))
        );
    }

    #[test]
    fn an_arm_that_is_behind_has_no_later_knee() {
        let behind = curve_of(vec![
            cell(1_000.0, 1_000.0, 100_000, 1.1),
            cell(4_000.0, 3_000.0, 200_000, 1.1),
            cell(16_000.0, 3_000.0, 900_000_000, 1.1),
        ]);
        let behind = behind.unwrap();
        assert_eq!((behind.falls_behind_at_per_s, behind.knee_at_per_s), (Some(4_000.0), None));
    }

    #[test]
    fn noise_is_no_knee_and_one_rate_is_no_curve() {
        let noisy =
            curve_of(vec![cell(1_000.0, 1_000.0, 100_000, 3.0), cell(4_000.0, 4_000.0, 400_000, 3.0)]);
        let noisy = noisy.unwrap();
        assert_eq!((noisy.knee_at_per_s, noisy.keeps_up_to_per_s), (None, Some(4_000.0)));
        assert_eq!(noisy.falls_behind_at_per_s, None);
        let behind = curve_of(vec![cell(1_000.0, 500.0, 100, 1.1), cell(4_000.0, 500.0, 100, 1.1)]).unwrap();
        assert_eq!((behind.keeps_up_to_per_s, behind.falls_behind_at_per_s), (None, Some(1_000.0)));
        assert_eq!(curve_of(vec![cell(1_000.0, 1_000.0, 100, 1.1)]), None);
        let mut unmeasured = cell(4_000.0, 4_000.0, 100, 1.1);
        unmeasured.throughput.iops = None;
        assert_eq!(curve_of(vec![cell(1_000.0, 1_000.0, 100, 1.1), unmeasured]), None);
    }
}
