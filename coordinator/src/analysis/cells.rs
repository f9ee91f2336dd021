//! One cell in numbers: merged over its hosts, and on each of them.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    counters::{self, Counters as _},
    facts::TargetFacts,
    knob::KnobValues,
    outcome::{Finished, HandoverCosts, LockCosts, SharingCosts, Verified},
};

use super::{
    audit,
    cell_data::CellData,
    latency::{Apart, percentiles},
    merge, timeline,
    urgent::Gathered,
};
use crate::{
    errno::errno_name,
    metric::{
        self, COMPARED, Metric, Operations,
        trial::{Costs, Trial},
    },
    stats::{self, remerge::Recorded},
    summary::{CellSummary, CountedBy, CpuPerIo, ErrorCount, Ring, Syscalls, placement::Placement},
};

/// A row, and per trial what comparisons need but the row does not show.
pub(super) struct Row {
    pub(super) summary: CellSummary,
    /// One for each trial that counts; only of a merged row, which alone is compared.
    pub(super) blocks: Vec<BlockValues>,
}

/// What the cell did in one block.
pub(super) struct BlockValues {
    pub(super) block: u32,
    /// Of the metrics of [`COMPARED`], in their order.
    pub(super) values: [Option<f64>; COMPARED.len()],
    /// The latencies that statistics among them are of.
    pub(super) latencies: BTreeMap<Operations, Recorded>,
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

/// The values by trial that a cell keeps, of each metric that says so. A metric that some trial does not have is left
/// out.
struct Kept(Vec<(&'static Metric, Option<Vec<f64>>)>);

impl Kept {
    fn new() -> Self {
        Self(metric::all().filter(|metric| metric.is_kept()).map(|metric| (metric, Some(vec![]))).collect())
    }

    fn add(&mut self, trial: &Trial<'_>) {
        for (metric, values) in &mut self.0 {
            match (metric.in_trial(trial), values.as_mut()) {
                (Some(value), Some(values)) => values.push(value),
                (None, _) => *values = None,
                (Some(_), None) => {}
            }
        }
    }

    fn values(self) -> BTreeMap<String, Vec<f64>> {
        let known = |(metric, values): (&Metric, Option<Vec<f64>>)| Some((metric.name.to_owned(), values?));
        self.0.into_iter().filter_map(known).filter(|(_, values)| !values.is_empty()).collect()
    }
}

impl CellData<'_> {
    /// The merged row, then one for each host where there are several.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = vec![self.row(None)];
        if self.hosts.len() > 1 {
            rows.extend(self.hosts.iter().map(|host| self.row(Some(host))));
        }
        rows
    }

    fn row(&self, scope: Option<&str>) -> Row {
        let of = |host: &str| scope.is_none_or(|scope| scope == host);
        let (mut trials, mut blocks) = (Vec::new(), Vec::new());
        let mut latency = proto::histogram::empty();
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        let (mut service, mut sync) = (Apart::default(), Apart::default());
        let mut kept = Kept::new();
        let (mut urgent, mut bulk) = (Gathered::default(), Gathered::default());
        let (mut iops, mut bandwidth, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
        let mut values = Vec::new();
        // A trial in which no urgent operation completed counts like any other: with a rate of zero.
        let apart = self.cell.template.engine.urgent.is_some();
        for sample in &self.samples {
            let hosts = || sample.hosts.iter().filter(|host| of(&host.host));
            let Some(work) = merge::hosts(hosts().map(|host| &host.work)) else { continue };
            iops.push(work.iops);
            blocks.push(sample.block);
            bandwidth.push(work.bytes_per_s);
            p50.push(work.latency.value_at_quantile(0.5) as f64);
            p99.push(work.latency.value_at_quantile(0.99) as f64);
            merge::add(&mut latency, &work.latency);
            service.add(work.service.as_ref());
            sync.add(work.sync.as_ref());
            let others = apart.then(|| work.bulk());
            if let Some(others) = &others {
                urgent.add(work.urgent.as_ref());
                bulk.add(Some(others));
            }
            syncs.push(work.syncs_per_s);
            let costs = Costs::sum(hosts().map(|host| &host.costs));
            let trial = Trial { work: Some(&work), bulk: others.as_ref(), costs: Some(&costs) };
            kept.add(&trial);
            if scope.is_none() {
                values.push(BlockValues::of(sample.block, &trial));
            }
            trials.push(costs);
        }
        let costs = Costs::sum(&trials);
        let syscalls_per_io = costs.per_io(costs.calls.syscalls());
        let summary = CellSummary {
            arm: self.cell.arm.clone(),
            params: self.cell.params.clone(),
            hosts: scope.map_or_else(|| self.hosts.clone(), |host| vec![host.to_owned()]),
            host: scope.map(Into::into),
            trials: self.counts,
            iops: stats::estimate(iops),
            bandwidth_bytes_per_s: stats::estimate(bandwidth),
            latency_curve: if scope.is_none() { timeline::curve(&latency) } else { Vec::new() },
            latency_over_time: if scope.is_none() { self.timeline.points() } else { Vec::new() },
            latency_ns: (!latency.is_empty()).then(|| percentiles(&latency, p50, p99)),
            service_ns: service.percentiles(),
            sync_latency_ns: sync.percentiles(),
            urgent: urgent.urgent(latency.len(), costs.urgent),
            bulk: if self.any_urgent() { bulk.bulk(latency.len()) } else { None },
            syncs_per_s: stats::estimate(syncs).filter(|_| self.cell.template.workload.sync.is_some()),
            offered_per_s: self.offered(scope),
            syscalls_per_io,
            syscalls: self.syscalls(scope, &costs, syscalls_per_io),
            cpu_ns_per_io: (costs.ops() > 0).then(|| CpuPerIo {
                user: costs.cpu.user_ns as f64 / costs.ops() as f64,
                system: costs.cpu.system_ns as f64 / costs.ops() as f64,
                kernel_threads: costs.cpu.kernel_threads_ns.map(|ns| ns as f64 / costs.ops() as f64),
            }),
            context_switches_per_io: costs.per_io(costs.cpu.switches()),
            interrupts_per_io: costs.device.interrupts.and_then(|interrupts| costs.per_io(interrupts)),
            hardware: audit::hardware(self, scope),
            cached_share: self
                .finished(scope)
                .filter_map(|finished| finished.device.cached_share)
                .reduce(f64::max),
            ring: self.ring(scope, &costs),
            errors: self.errors(scope),
            verified: self.verified(scope),
            short_transfers: self.finished(scope).map(|finished| finished.work.short_transfers).sum(),
            target: self.target(scope),
            pinned_cpus: self.pinned_cpus(scope),
            placement: Placement::of(self.host_trials(scope)),
            blocks,
            trial_values: kept.values(),
        };
        Row { summary, blocks: values }
    }

    /// Whether some urgent operation completed on any host: else there is nothing to hold the others against.
    fn any_urgent(&self) -> bool {
        self.samples.iter().flat_map(|sample| &sample.hosts).any(|host| host.work.urgent.is_some())
    }

    /// The rate at which requests were to arrive, over the hosts in scope.
    fn offered(&self, scope: Option<&str>) -> Option<f64> {
        let hosts = if scope.is_some() { 1 } else { self.hosts.len() };
        let rate = self.cell.template.workload.rate?;
        Some(rate.per_second as f64 * hosts as f64)
    }

    fn host_trials(
        &self,
        scope: Option<&str>,
    ) -> impl Iterator<Item = &crate::store::record::HostTrial> + use<'_> {
        let scope = scope.map(str::to_owned);
        self.records
            .iter()
            .flat_map(|record| &record.hosts)
            .filter(move |host| scope.as_ref().is_none_or(|scope| *scope == host.host))
    }

    fn finished(&self, scope: Option<&str>) -> impl Iterator<Item = &Finished> {
        self.host_trials(scope).filter_map(|host| host.finished.as_ref())
    }

    fn syscalls(&self, scope: Option<&str>, costs: &Costs, self_per_io: Option<f64>) -> Syscalls {
        let (perf, ops) = audit::counts(self, scope).map_or((None, 0), |(counts, ops)| (counts.perf, ops));
        let audit_per_io =
            perf.as_ref().filter(|_| ops > 0).map(|perf| perf.syscalls_total as f64 / ops as f64);
        match perf {
            Some(perf) => Syscalls {
                counted_by: CountedBy::Perf,
                total: Some(perf.syscalls_total),
                by_name: perf.syscalls_by_name,
                self_per_io,
                audit_per_io,
            },
            None => Syscalls {
                counted_by: CountedBy::Engine,
                total: (costs.ops() > 0).then(|| costs.calls.syscalls()),
                by_name: costs.calls.syscalls_self.clone(),
                self_per_io,
                audit_per_io,
            },
        }
    }

    fn ring(&self, scope: Option<&str>, costs: &Costs) -> Ring {
        let knobs =
            || self.host_trials(scope).filter_map(|host| host.ready.as_ref()).flat_map(|ready| &ready.knobs);
        let template = &self.cell.template.engine;
        let (lock_wait_ns_per_io, contended_share, handover_ns_per_io) = match costs.calls.sharing {
            Some(SharingCosts::Lock(LockCosts { locks, contended, wait_ns })) => {
                (costs.per_io(wait_ns), (locks > 0).then(|| contended as f64 / locks as f64), None)
            }
            Some(SharingCosts::Handover(HandoverCosts { ns })) => (None, None, costs.per_io(ns)),
            None => (None, None, None),
        };
        Ring {
            sharing: template.kind.is_ring().then_some(template.ring.sharing),
            lock_wait_ns_per_io,
            contended_share,
            handover_ns_per_io,
            requested: KnobValues::of(knobs().map(|knob| (knob.name.as_str(), &knob.requested))),
            granted: KnobValues::of(knobs().map(|knob| (knob.name.as_str(), &knob.granted))),
            sqes_per_enter: (costs.calls.enters > 0 && costs.calls.submitted > 0)
                .then(|| costs.calls.submitted as f64 / costs.calls.enters as f64),
            enters_by_batch: audit::by_batch(&costs.calls.enters_by_batch),
            cq_overflows: costs.calls.cq_overflows,
            punted_to_io_wq: audit::counts(self, scope).and_then(|(counts, _)| counts.perf?.punted_to_io_wq),
            completed: audit::completed(self, scope),
            batches_missing: audit::batches_missing(self, scope),
            batches: audit::batches(self, scope),
        }
    }

    fn errors(&self, scope: Option<&str>) -> Vec<ErrorCount> {
        let mut counts = BTreeMap::<i32, u64>::new();
        self.finished(scope).for_each(|finished| counts.add(&finished.work.errors));
        let named = |(errno, count)| ErrorCount { errno, name: errno_name(errno), count };
        counts.into_iter().map(named).collect()
    }

    /// What came of verification in all trials, whether or not they count.
    fn verified(&self, scope: Option<&str>) -> Option<Verified> {
        counters::sum(self.finished(scope).filter_map(|finished| finished.verified.as_ref()))
    }

    /// The facts on which all hosts and trials agree have types; the others are text.
    fn target(&self, scope: Option<&str>) -> TargetFacts {
        let ready = self.host_trials(scope).filter_map(|host| host.ready.as_ref());
        let facts: Vec<BTreeMap<String, String>> = ready.map(|ready| ready.target.clone().into()).collect();
        distinct(facts.iter().flatten()).into()
    }

    fn pinned_cpus(&self, scope: Option<&str>) -> Vec<u32> {
        let ready = self.host_trials(scope).filter_map(|host| host.ready.as_ref());
        ready.flat_map(|ready| &ready.pinned_cpus).copied().collect::<BTreeSet<u32>>().into_iter().collect()
    }
}

/// Key to value; where hosts or trials disagree, all values, `a / b`.
fn distinct<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::<String, Vec<String>>::new();
    for (key, value) in pairs {
        let known = values.entry(key.clone()).or_default();
        if !known.contains(value) {
            known.push(value.clone());
        }
    }
    values.into_iter().map(|(key, values)| (key, values.join(" / "))).collect()
}
