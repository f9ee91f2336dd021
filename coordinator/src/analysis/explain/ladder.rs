//! The ladder as a waterfall: the cost or saving of each step, in ns of a worker's time per I/O.

use crate::{
    stats,
    summary::{
        CellSummary, ComparisonSet,
        insight::{Waterfall, WaterfallStep},
    },
};

/// A waterfall for each point; none without a ladder.
pub(super) fn waterfalls(set: &ComparisonSet, ladder: &[String]) -> Vec<Waterfall> {
    let mut found: Vec<Waterfall> = Vec::new();
    if ladder.len() < 2 {
        return found;
    }
    for cell in set.cells.iter().filter(|cell| cell.host.is_none()) {
        if found.iter().all(|waterfall| waterfall.params != cell.params) {
            let cells = ladder.iter().filter_map(|arm| set.cell(arm, &cell.params));
            found.push(Waterfall { params: cell.params.clone(), steps: steps(cells) });
        }
    }
    found
}

fn steps<'a>(cells: impl Iterator<Item = &'a CellSummary>) -> Vec<WaterfallStep> {
    let mut before: Option<Vec<(u32, f64)>> = None;
    let mut steps = Vec::new();
    for cell in cells {
        let trials = trials(cell);
        let times: Vec<f64> = trials.iter().map(|(_, ns)| *ns).collect();
        // The two trials of a block ran close together, so that drift over the run cancels in their difference.
        let changes: Vec<f64> = before
            .iter()
            .flatten()
            .filter_map(|(block, then)| {
                let (_, now) = trials.iter().find(|(known, _)| known == block)?;
                Some(now - then)
            })
            .collect();
        let ns_per_io = stats::mean(&times);
        steps.push(WaterfallStep {
            arm: cell.arm.clone(),
            ns_per_io,
            ci95: ns_per_io.and_then(|mean| stats::positive_interval(mean, &times)),
            change_ns: stats::mean(&changes),
            change_ci95: stats::t_interval(&changes),
        });
        before = Some(trials);
    }
    steps
}

/// Each trial that counts: its block, and a worker's time per I/O in ns: 1e9 * workers / IOPS.
fn trials(cell: &CellSummary) -> Vec<(u32, f64)> {
    let (Some(workers), Some(iops)) = (cell.threads.placement.workers, &cell.throughput.iops) else {
        return Vec::new();
    };
    let timed = cell.blocks.iter().zip(&iops.samples);
    let ns = timed.map(|(block, iops)| (*block, 1e9 * f64::from(workers) / iops));
    ns.filter(|(_, ns)| ns.is_finite() && *ns >= 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{Estimate, Threads, Throughput, placement::Placement};

    fn cell(arm: &str, workers: u32, blocks: &[u32], samples: &[f64]) -> CellSummary {
        CellSummary {
            arm: arm.into(),
            throughput: Throughput {
                iops: Some(Estimate { mean: 0.0, ci95: None, samples: samples.to_vec() }),
                ..Throughput::default()
            },
            blocks: blocks.to_vec(),
            threads: Threads {
                placement: Placement { workers: Some(workers), ..Placement::default() },
                ..Threads::default()
            },
            ..CellSummary::default()
        }
    }

    #[test]
    fn pairs_changes_by_block() {
        // A drift of 100 ns per block affects both arms: the change is 400 ns in each block that both have.
        let pread = cell("pread", 1, &[1, 2, 3], &[1e6, 1e9 / 1100.0, 1e9 / 1200.0]);
        let ring = cell("ring", 1, &[1, 3, 4], &[1e9 / 600.0, 1e9 / 800.0, 1e9]);
        let set = ComparisonSet { cells: vec![ring, pread], ..ComparisonSet::default() };
        let found = waterfalls(&set, &["pread".into(), "ring".into()]);
        let [first, second] = &found[0].steps[..] else { panic!("{found:?}") };
        assert_eq!((first.arm.as_str(), first.change_ns, first.change_ci95), ("pread", None, None));
        assert!((first.ns_per_io.unwrap() - 1100.0).abs() < 1e-6);
        let [low, high] = first.ci95.unwrap();
        // ln: s = 0.091192, n = 3; 1100 / f and 1100 * f with f = exp(4.30265 * s / sqrt(3)).
        assert!((low - 877.021).abs() < 1e-2 && (high - 1379.670).abs() < 1e-2, "{low} {high}");
        assert!((second.change_ns.unwrap() + 400.0).abs() < 1e-6);
        let [low, high] = second.change_ci95.unwrap();
        assert!((low + 400.0).abs() < 1e-6 && (high + 400.0).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn counts_the_time_of_every_worker() {
        let set = ComparisonSet {
            cells: vec![
                cell("one", 1, &[1], &[1e6]),
                cell("four", 4, &[2], &[2e6]),
                cell("none", 1, &[], &[]),
            ],
            ..ComparisonSet::default()
        };
        let found = waterfalls(&set, &["one".into(), "four".into(), "none".into()]);
        let steps = &found[0].steps;
        assert_eq!((steps[0].ns_per_io, steps[1].ns_per_io), (Some(1000.0), Some(2000.0)));
        assert_eq!((steps[1].change_ns, steps[1].ci95), (None, None), "no block in common, and one trial");
        assert_eq!((steps[2].ns_per_io, steps[2].change_ns), (None, None));
        assert!(waterfalls(&set, &[]).is_empty());
    }
}
