//! When a run has gone on for long enough: when its intervals are narrow, whatever they say.
//!
//! Nothing here looks at whether an interval excludes 1. A run that stopped where something is significant would
//! find something in far too many runs of nothing; one that stops where it is precise only needs the smaller number
//! of degrees of freedom that [`Length::ByPrecision`](crate::stats::difference::Length) gives it.

use std::collections::BTreeMap;

use proto::{outcome::Interval, trial::Measure};

use crate::{
    analysis::trials,
    plan::{Plan, Stopping},
    stats::{
        difference::{Length, difference, logs},
        remerge,
    },
    store::record::TrialRecord,
};

/// What a trial adds.
#[derive(Clone, Copy, Debug)]
struct Value {
    iops: f64,
    /// Sum of the latencies, and their number.
    latency: (f64, u64),
}

/// Follows a run.
#[derive(Debug)]
pub struct Precision<'a> {
    plan: &'a Plan,
    /// By cell that was run, then by block. A trial that was repeated counts as it came out last.
    values: BTreeMap<usize, BTreeMap<u32, Value>>,
}

impl<'a> Precision<'a> {
    /// Of a run that begins.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        Self { plan, values: BTreeMap::new() }
    }

    /// Takes a trial with the intervals of its hosts, by their place in the record's hosts.
    pub fn take(&mut self, record: &TrialRecord, intervals: &[(usize, Vec<Interval>)]) {
        if self.plan.stopping.is_none() || record.measure != Measure::Timed {
            return;
        }
        // What a host refuses will never be measured, and is not waited for; any other trial that does not count is.
        if record.hosts.iter().any(|host| host.refusal.is_some()) {
            return;
        }
        let of_cell = self.values.entry(record.cell).or_default();
        of_cell.remove(&record.block);
        if !trials::kept_out(record).is_empty() {
            return;
        }
        let mut by_host = vec![Vec::new(); record.hosts.len()];
        for (host, intervals) in intervals {
            if let Some(place) = by_host.get_mut(*host) {
                place.clone_from(intervals);
            }
        }
        let Ok(sample) = trials::sample_of(record, &by_host) else { return };
        let mut value = Value { iops: 0.0, latency: (0.0, 0) };
        for host in &sample.hosts {
            let latency = &host.work.latency;
            value.iops += host.work.iops;
            value.latency.0 += latency.mean() * latency.len() as f64;
            value.latency.1 += latency.len();
        }
        of_cell.insert(record.block, value);
    }

    /// Whether the run may stop, now that a block is complete.
    #[must_use]
    pub fn is_reached(&self, block: u32) -> bool {
        let Some(stopping) = &self.plan.stopping else { return false };
        if block < stopping.min {
            return false;
        }
        // Twice in a row: what is narrow by chance is seldom so again. In logarithms: 2 % above the ratio is its edge.
        [block - 1, block].into_iter().all(|until| {
            let widths = self.half_widths(stopping, until);
            let narrow = |width: &Option<f64>| width.is_some_and(|width| width <= stopping.until.ln_1p());
            !widths.is_empty() && widths.iter().all(narrow)
        })
    }

    /// After the block `until`, half widths of all comparisons, IOPS and mean latency of each; `None` where there is
    /// none yet, as of a cell whose trials were all too noisy to count. Where no arm can be compared, those of the cells'
    /// own means. A cell that was never run, such as one that was refused, has no part in it.
    fn half_widths(&self, stopping: &Stopping, until: u32) -> Vec<Option<f64>> {
        let cells = &self.plan.cells;
        let of = |cell: usize| self.values.get(&cell);
        let mut widths = Vec::new();
        for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.arm != stopping.baseline) {
            let same =
                |base: &crate::scenario::Cell| base.arm == stopping.baseline && base.params == cell.params;
            let base = cells.iter().position(same).and_then(of);
            if let (Some(arm), Some(base)) = (of(index), base) {
                let pairs = arm.range(..=until).filter_map(|(block, arm)| Some((*arm, *base.get(block)?)));
                let (arm, base): (Vec<Value>, Vec<Value>) = pairs.unzip();
                widths.extend(self.of_pairs(&arm, &base));
            }
        }
        if widths.is_empty() {
            for values in (0..cells.len()).filter_map(of) {
                let values: Vec<Value> = values.range(..=until).map(|(_, value)| *value).collect();
                // Against something that never changes.
                let still = vec![Value { iops: 1.0, latency: (1.0, 1) }; values.len()];
                widths.extend(self.of_pairs(&values, &still));
            }
        }
        widths
    }

    fn of_pairs(&self, arm: &[Value], base: &[Value]) -> [Option<f64>; 2] {
        let length: Length = self.plan.length();
        let half = |arm: &[f64], base: &[f64]| difference(arm, base, None, length)?.half_width();
        let iops = |side: &[Value]| logs(&side.iter().map(|value| value.iops).collect::<Vec<_>>());
        let means = |side: &[Value]| {
            let sums: Vec<(f64, u64)> = side.iter().map(|value| value.latency).collect();
            Some(remerge::mean(&sums)?.pseudo)
        };
        [
            iops(arm).zip(iops(base)).and_then(|(arm, base)| half(&arm, &base)),
            means(arm).zip(means(base)).and_then(|(arm, base)| half(&arm, &base)),
        ]
    }
}

#[cfg(test)]
mod tests;
