//! Sums over the trials of a cell.

use std::collections::BTreeMap;

use super::super::{cell_data::CellData, latency::Times, merge, urgent::LaneSums};
use crate::{
    metric::{
        self, COMPARED, Metric, Operations,
        trial::{Costs, Trial},
    },
    stats::remerge::Recorded,
};

/// Sums over the trials of a cell that count, on one host or on all. Each list has one value per trial.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) blocks: Vec<u32>,
    pub(super) iops: Vec<f64>,
    pub(super) bandwidth: Vec<f64>,
    pub(super) syncs: Vec<f64>,
    pub(super) latency: Times,
    pub(super) service: Times,
    pub(super) sync: Times,
    pub(super) urgent: LaneSums,
    pub(super) bulk: LaneSums,
    pub(super) costs: Vec<Costs>,
    pub(super) kept: Kept,
    /// Values by block; only over all hosts together.
    pub(super) values: Vec<BlockValues>,
}

impl Sums {
    /// Sums over the host of this name, or over all hosts together (`None`).
    pub(super) fn of(data: &CellData<'_>, scope: Option<&str>) -> Self {
        let mut sums = Self::default();
        // A trial in which no urgent operation completed counts with a rate of zero.
        let by_lane = data.cell.template.engine.urgent.is_some();
        for sample in &data.samples {
            let in_scope = |host: &str| scope.is_none_or(|scope| scope == host);
            let hosts = || sample.hosts.iter().filter(|host| in_scope(&host.host));
            let Some(work) = merge::hosts(hosts().map(|host| host.work.unpack())) else { continue };
            sums.blocks.push(sample.block);
            sums.iops.push(work.iops);
            sums.bandwidth.push(work.bytes_per_s);
            sums.syncs.push(work.syncs_per_s);
            sums.latency.add(Some(&work.latency));
            sums.service.add(work.service.as_ref());
            sums.sync.add(work.sync.as_ref());
            let bulk = by_lane.then(|| work.bulk());
            if by_lane {
                sums.urgent.add(work.urgent.as_ref());
                sums.bulk.add(bulk.as_ref());
            }
            let costs = Costs::sum(hosts().map(|host| &host.costs));
            let trial = Trial { work: Some(&work), bulk: bulk.as_ref(), costs: Some(&costs) };
            sums.kept.add(&trial);
            if scope.is_none() {
                sums.values.push(BlockValues::of(sample.block, &trial));
            }
            sums.costs.push(costs);
        }
        sums
    }
}

/// The values of a cell in one block.
pub(in crate::analysis) struct BlockValues {
    pub(in crate::analysis) block: u32,
    /// Values of the metrics in [`COMPARED`], in this order.
    pub(in crate::analysis) values: [Option<f64>; COMPARED.len()],
    /// The latencies behind means and percentiles among them.
    pub(in crate::analysis) latencies: BTreeMap<Operations, Recorded>,
}

impl BlockValues {
    fn of(block: u32, trial: &Trial<'_>) -> Self {
        let mut latencies = BTreeMap::new();
        for (operations, _) in COMPARED.iter().filter_map(|compared| compared.metric.statistic()) {
            if let Some(latency) = operations.in_trial(trial) {
                latencies.entry(operations).or_insert_with(|| Recorded::of(latency));
            }
        }
        let values = std::array::from_fn(|index| COMPARED[index].metric.in_trial(trial));
        Self { block, values, latencies }
    }
}

/// The values by trial that a cell keeps: those of each kept metric that every trial has.
pub(super) struct Kept(Vec<(&'static Metric, Option<Vec<f64>>)>);

impl Default for Kept {
    fn default() -> Self {
        Self(metric::all().filter(|metric| metric.is_kept()).map(|metric| (metric, Some(vec![]))).collect())
    }
}

impl Kept {
    fn add(&mut self, trial: &Trial<'_>) {
        for (metric, values) in &mut self.0 {
            match (metric.in_trial(trial), values.as_mut()) {
                (Some(value), Some(values)) => values.push(value),
                (None, _) => *values = None,
                (Some(_), None) => {}
            }
        }
    }

    pub(super) fn values(self) -> BTreeMap<String, Vec<f64>> {
        let known = |(metric, values): (&Metric, Option<Vec<f64>>)| Some((metric.name.to_owned(), values?));
        self.0.into_iter().filter_map(known).filter(|(_, values)| !values.is_empty()).collect()
    }
}
