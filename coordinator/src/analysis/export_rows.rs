//! Data for exports that the [`ComparisonSet`](crate::summary::ComparisonSet) lacks: single trials, and separate
//! histograms of reads, writes and syncs.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proto::{counters::Counters as _, outcome::Direction, trial::Measure};

use super::{latest, merge, packed::PackedWork, trials};
use crate::{
    metric::trial::Costs,
    params::Params,
    plan::Plan,
    store::{RunDir, StoreError, record::TrialRecord},
    warning::KeptOut,
};

/// One trial on one host.
#[derive(Clone, Debug)]
pub struct TrialRow {
    /// The id in the plan.
    pub id: String,
    /// The block, from 1; 0 for audits.
    pub block: u32,
    /// Timed or audit.
    pub measure: Measure,
    /// Time of the start, RFC 3339, UTC.
    pub started_at: String,
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// The host.
    pub host: String,
    /// Why it is kept out of verdicts; empty if it counts.
    pub kept_out: Vec<KeptOut>,
    /// Bound on the error of the host's clock against the coordinator's, in nanoseconds.
    pub clock_error_ns: u64,
    /// The work within the common window of all hosts; for a trial that does not count, in all intervals that arrived.
    /// `None` without an interval.
    pub work: Option<PackedWork>,
    /// The costs over the host's whole window; `None` if the host did not finish.
    pub costs: Option<Costs>,
}

/// One direction of a cell, over its trials that count and over hosts.
#[derive(Clone, Debug)]
pub struct DirectionTotals {
    /// Bytes moved.
    pub bytes: u64,
    /// Latencies of the operations.
    pub latency: Histogram<u64>,
    /// Service times in open loop, from the hand-over of the request.
    pub service: Option<Histogram<u64>>,
    /// Operations per second, one value per trial, summed over hosts.
    pub iops: Vec<f64>,
    /// Bytes per second, one value per trial, summed over hosts.
    pub bytes_per_s: Vec<f64>,
}

/// A cell with separate reads, writes and syncs.
#[derive(Clone, Debug)]
pub struct CellTotals {
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// Index into the plan's cells.
    pub cell: usize,
    /// Directions that occurred.
    pub directions: BTreeMap<Direction, DirectionTotals>,
    /// Measured time in nanoseconds, summed over trials; in each trial, the time of the host that measured longest.
    pub runtime_ns: u64,
    /// Measured time in nanoseconds, summed over trials, hosts and workers: the maximum of CPU time.
    pub worker_ns: u64,
    /// Costs of the same trials.
    pub costs: Costs,
    /// The first errno of all trials; 0 if no request failed.
    pub errno: i32,
    /// Time of the start of its first trial, RFC 3339.
    pub started_at: String,
}

/// Every executed trial in the order of execution, with a row for each host. A repeated trial has rows for each attempt,
/// of which the last may count.
///
/// # Errors
/// The records or their histograms cannot be read.
pub fn rows(run: &RunDir) -> Result<Vec<TrialRow>, StoreError> {
    let trials = run.read_trials()?;
    let last = latest(&trials.records);
    let mut rows = Vec::new();
    for record in &trials.records {
        let (mut kept_out, mut works) = (trials::kept_out(record), BTreeMap::new());
        if kept_out.is_empty() && !last.iter().any(|kept| std::ptr::eq(*kept, record)) {
            kept_out.push(KeptOut::Repeated);
        }
        if kept_out.is_empty() && record.measure == Measure::Timed {
            match trials::sample(run, record)? {
                Ok(sample) => works.extend(sample.hosts.into_iter().map(|host| (host.host, host.work))),
                Err(why) => kept_out.push(why),
            }
        }
        for (index, host) in record.hosts.iter().enumerate() {
            let work = match works.remove(&host.host) {
                Some(work) => Some(work),
                None => {
                    let mut sum = merge::Sum::default();
                    run.each_interval(record, index, |interval| sum.add(&interval))?;
                    sum.finish().as_ref().map(PackedWork::from)
                }
            };
            rows.push(TrialRow {
                id: record.id.clone(),
                block: record.block,
                measure: record.measure,
                started_at: record.started_at.clone(),
                arm: record.arm.clone(),
                params: record.params.clone(),
                host: host.host.clone(),
                kept_out: kept_out.clone(),
                clock_error_ns: host.clock.error_ns,
                work,
                costs: host.finished.as_ref().map(Costs::of),
            });
        }
    }
    Ok(rows)
}

/// The cells of the plan, each over its timed trials that count.
///
/// # Errors
/// The records or their histograms cannot be read.
pub fn totals(plan: &Plan, run: &RunDir) -> Result<Vec<CellTotals>, StoreError> {
    let trials = run.read_trials()?;
    let records = latest(&trials.records);
    let mut cells = Vec::with_capacity(plan.cells.len());
    for (index, cell) in plan.cells.iter().enumerate() {
        let mut totals = CellTotals {
            arm: cell.arm.clone(),
            params: cell.params.clone(),
            cell: index,
            directions: BTreeMap::new(),
            runtime_ns: 0,
            worker_ns: 0,
            costs: Costs::sum([]),
            errno: 0,
            started_at: String::new(),
        };
        for record in records.iter().filter(|record| record.cell == index && record.measure == Measure::Timed)
        {
            let failed =
                record.hosts.iter().filter_map(|host| host.finished.as_ref()?.work.errors.keys().next());
            totals.errno = if totals.errno == 0 { failed.copied().next().unwrap_or(0) } else { totals.errno };
            if totals.started_at.is_empty() {
                totals.started_at.clone_from(&record.started_at);
            }
            // Uses the same rule as the analysis.
            if trials::kept_out(record).is_empty() && trials::sample(run, record)?.is_ok() {
                totals.add(run, record, u64::from(cell.template.workers()))?;
            }
        }
        cells.push(totals);
    }
    Ok(cells)
}

impl CellTotals {
    fn add(&mut self, run: &RunDir, record: &TrialRecord, workers: u64) -> Result<(), StoreError> {
        let selection = trials::selection(record);
        let mut rates: BTreeMap<Direction, (f64, f64)> = BTreeMap::new();
        let mut longest = 0;
        for (index, (host, chosen)) in record.hosts.iter().zip(&selection.chosen).enumerate() {
            let mut own: BTreeMap<Direction, (u64, u64)> = BTreeMap::new();
            let mut ns = 0;
            trials::each_chosen(run, record, index, chosen, |interval| {
                ns += interval.end_ns.saturating_sub(interval.begin_ns);
                for series in &interval.series {
                    let totals =
                        self.directions.entry(series.direction).or_insert_with(DirectionTotals::none);
                    totals.bytes += series.bytes;
                    merge::add(&mut totals.latency, &series.latency);
                    merge::add_some(&mut totals.service, series.service.as_ref());
                    let (ops, bytes) = own.entry(series.direction).or_default();
                    *ops += series.latency.len();
                    *bytes += series.bytes;
                }
            })?;
            longest = longest.max(ns);
            for (direction, (ops, bytes)) in own {
                let rate = |count: u64| count as f64 * 1e9 / ns.max(1) as f64;
                let sums = rates.entry(direction).or_default();
                *sums = (sums.0 + rate(ops), sums.1 + rate(bytes));
            }
            if let Some(finished) = &host.finished {
                self.worker_ns += workers * finished.window.end_ns.saturating_sub(finished.window.begin_ns);
            }
            self.costs.add(&host.finished.as_ref().map(Costs::of).unwrap_or_default());
        }
        self.runtime_ns += longest;
        for (direction, (ops, bytes)) in rates {
            let totals = self.directions.entry(direction).or_insert_with(DirectionTotals::none);
            totals.iops.push(ops);
            totals.bytes_per_s.push(bytes);
        }
        Ok(())
    }
}

impl DirectionTotals {
    /// The sum with other totals of the same trials.
    #[must_use]
    pub fn plus(mut self, more: Self) -> Self {
        self.bytes += more.bytes;
        merge::add(&mut self.latency, &more.latency);
        merge::add_some(&mut self.service, more.service.as_ref());
        self.iops.iter_mut().zip(&more.iops).for_each(|(sum, more)| *sum += more);
        self.bytes_per_s.iter_mut().zip(&more.bytes_per_s).for_each(|(sum, more)| *sum += more);
        self
    }

    fn none() -> Self {
        let latency = proto::histogram::empty();
        Self { bytes: 0, latency, service: None, iops: Vec::new(), bytes_per_s: Vec::new() }
    }
}
