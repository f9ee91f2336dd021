//! Decides when a run has enough trials: as soon as its intervals are narrow, wherever they lie.
//!
//! The rule ignores whether an interval excludes 1. Stopping at significance would produce far too many false
//! positives. Stopping at precision only costs some degrees of freedom, as
//! [`Length::ByPrecision`](crate::stats::difference::Length) states.

use std::collections::BTreeMap;

use proto::trial::Measure;

use crate::{
    analysis::trials,
    plan::{Plan, Stopping},
    stats::{
        difference::{Length, difference, logs},
        remerge,
    },
    store::{RunDir, StoreError, record::TrialRecord},
};

/// The contribution of a trial.
#[derive(Clone, Copy, Debug)]
struct Value {
    iops: f64,
    /// Sum of the latencies in nanoseconds, and their number.
    latency: (f64, u64),
}

/// Tracks the precision of a run.
#[derive(Debug)]
pub struct PrecisionTracker<'a> {
    plan: &'a Plan,
    /// By cell, then by block. The last repeat of a trial counts.
    values: BTreeMap<usize, BTreeMap<u32, Value>>,
}

impl<'a> PrecisionTracker<'a> {
    /// Starts with no trials.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        Self { plan, values: BTreeMap::new() }
    }

    /// Adds a trial of a run directory.
    ///
    /// # Errors
    /// Its histograms cannot be read.
    pub fn add(&mut self, record: &TrialRecord, run: &RunDir) -> Result<(), StoreError> {
        if self.plan.stopping.is_none() || record.measure != Measure::Timed {
            return Ok(());
        }
        // A refused cell will never be measured, so the rule does not wait for it. It waits for any other missing
        // trial.
        if record.hosts.iter().any(|host| host.refusal.is_some()) {
            return Ok(());
        }
        let of_cell = self.values.entry(record.cell).or_default();
        of_cell.remove(&record.block);
        if !trials::kept_out(record).is_empty() {
            return Ok(());
        }
        let Ok(sample) = trials::sample(run, record)? else { return Ok(()) };
        let mut value = Value { iops: 0.0, latency: (0.0, 0) };
        for host in &sample.hosts {
            let work = host.work.unpack();
            let latency = &work.latency;
            value.iops += work.iops;
            value.latency.0 += latency.mean() * latency.len() as f64;
            value.latency.1 += latency.len();
        }
        of_cell.insert(record.block, value);
        Ok(())
    }

    /// Whether the run may stop after a complete block.
    #[must_use]
    pub fn is_reached(&self, block: u32) -> bool {
        let Some(stopping) = &self.plan.stopping else { return false };
        if block < stopping.min {
            return false;
        }
        // Requires two blocks in a row, because an interval is rarely narrow by chance twice. The limit is
        // logarithmic: 2 % above the ratio is its edge.
        [block - 1, block].into_iter().all(|until| {
            let widths = self.half_widths(stopping, until);
            let narrow = |width: &Option<f64>| width.is_some_and(|width| width <= stopping.until.ln_1p());
            !widths.is_empty() && widths.iter().all(narrow)
        })
    }

    /// Half widths of the intervals of all comparisons after the block `until`, for IOPS and mean latency; `None`
    /// if a cell has no interval yet, for example because all its trials were noisy. If no arms can be compared,
    /// the half widths of the cells' own means. Cells that never ran, such as refused ones, are ignored.
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
                // Compares with a constant.
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
