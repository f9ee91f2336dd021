//! The figures of a cell: merged over its hosts, and for each of them.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    counters::{self, Counters as _},
    facts::TargetFacts,
    outcome::{Finished, Ready},
};

use super::{audit, cell_data::CellData};
use crate::{
    errno::errno_name,
    metric::trial::Costs,
    stats,
    summary::{
        CellSummary, Cost, CountedBy, CpuPerIo, ErrorCount, Integrity, Latencies, Syscalls, TargetState,
        Threads, Throughput,
        host_spread::{HostRate, HostSpread},
        lane::Lanes,
        placement::Placement,
    },
};

mod load;
#[cfg(test)]
mod load_tests;
mod ring;
mod sums;

pub(super) use sums::BlockValues;
use sums::Sums;

/// A row, with the values by block that comparisons need.
pub(super) struct Row {
    pub(super) summary: CellSummary,
    /// The values of each trial that counts. Only merged rows have them, because only they are compared.
    pub(super) blocks: Vec<BlockValues>,
}

impl CellData<'_> {
    /// The merged row, then one for each host if there are several.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut merged = self.row(None);
        let mut hosts = Vec::new();
        if self.hosts.len() > 1 {
            hosts.extend(self.hosts.iter().map(|host| self.row(Some(host))));
        }
        let rate = |row: &Row| {
            let (host, iops) = (row.summary.host.clone()?, row.summary.throughput.iops.as_ref()?.mean);
            Some(HostRate { host, iops })
        };
        merged.summary.host_spread = HostSpread::of(hosts.iter().filter_map(rate));
        std::iter::once(merged).chain(hosts).collect()
    }

    fn row(&self, scope: Option<&str>) -> Row {
        let sums = Sums::of(self, scope);
        let costs = Costs::sum(&sums.costs);
        let throughput = Throughput {
            iops: stats::estimate(sums.iops),
            bandwidth_bytes_per_s: stats::estimate(sums.bandwidth),
            syncs_per_s: stats::estimate(sums.syncs).filter(|_| self.cell.template.workload.sync.is_some()),
            offered_per_s: self.offered(scope),
            reached_from_per_s: self.reached_from(scope),
        };
        let ops = sums.latency.count();
        let lanes = Lanes {
            urgent: sums.urgent.urgent(ops, costs.urgent),
            bulk: if self.any_urgent() { sums.bulk.bulk(ops) } else { None },
        };
        let curve = if scope.is_none() { sums.latency.curve() } else { Vec::new() };
        let all = sums.latency.percentiles();
        let latency = Latencies {
            needs_runtime_ns: self.needs_runtime(scope, &throughput, all.as_ref()),
            curve,
            over_time: if scope.is_none() { self.timeline.points() } else { Vec::new() },
            all,
            service: sums.service.percentiles(),
            sync: sums.sync.percentiles(),
        };
        let summary = CellSummary {
            arm: self.cell.arm.clone(),
            params: self.cell.params.clone(),
            hosts: scope.map_or_else(|| self.hosts.clone(), |host| vec![host.to_owned()]),
            host: scope.map(Into::into),
            coverage: scope.is_none().then_some(self.coverage),
            host_spread: None,
            trials: self.counts,
            throughput,
            latency,
            lanes,
            cost: self.cost(scope, &costs),
            ring: self.ring(scope, &costs),
            state: self.state(scope),
            integrity: self.integrity(scope),
            threads: self.threads(scope),
            blocks: sums.blocks,
            trial_values: sums.kept.values(),
        };
        Row { summary, blocks: sums.values }
    }

    /// Whether an urgent operation completed on any host. Otherwise bulk operations are not shown separately.
    fn any_urgent(&self) -> bool {
        self.samples.iter().flat_map(|sample| &sample.hosts).any(|host| host.work.any_urgent())
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

    fn ready(&self, scope: Option<&str>) -> impl Iterator<Item = &Ready> {
        self.host_trials(scope).filter_map(|host| host.ready.as_ref())
    }

    fn cost(&self, scope: Option<&str>, costs: &Costs) -> Cost {
        let syscalls_per_io = costs.per_io(costs.calls.syscalls());
        let per_io = |ns: u64| ns as f64 / costs.ops() as f64;
        Cost {
            syscalls_per_io,
            syscalls: self.syscalls(scope, costs, syscalls_per_io),
            cpu: (costs.ops() > 0).then(|| CpuPerIo {
                user: per_io(costs.cpu.user_ns),
                system: per_io(costs.cpu.system_ns),
                kernel_threads: costs.cpu.kernel_threads_ns.map(per_io),
            }),
            context_switches_per_io: costs.per_io(costs.cpu.switches()),
            interrupts_per_io: costs.device.interrupts.and_then(|interrupts| costs.per_io(interrupts)),
            hardware: audit::hardware(self, scope),
        }
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

    fn state(&self, scope: Option<&str>) -> TargetState {
        TargetState {
            target: self.target(scope),
            cached_share: self
                .finished(scope)
                .filter_map(|finished| finished.device.cached_share)
                .reduce(f64::max),
        }
    }

    /// Facts of the target. Those on which all hosts and trials agree are typed; the others are text.
    fn target(&self, scope: Option<&str>) -> TargetFacts {
        let facts: Vec<BTreeMap<String, String>> =
            self.ready(scope).map(|ready| ready.target.clone().into()).collect();
        distinct(facts.iter().flatten()).into()
    }

    /// Errors and verification in all trials, whether or not they count.
    fn integrity(&self, scope: Option<&str>) -> Integrity {
        Integrity {
            errors: self.errors(scope),
            short_transfers: self.finished(scope).map(|finished| finished.work.short_transfers).sum(),
            verified: counters::sum(self.finished(scope).filter_map(|finished| finished.verified.as_ref())),
        }
    }

    fn errors(&self, scope: Option<&str>) -> Vec<ErrorCount> {
        let mut counts = BTreeMap::<i32, u64>::new();
        self.finished(scope).for_each(|finished| counts.add(&finished.work.errors));
        let named = |(errno, count)| ErrorCount { errno, name: errno_name(errno), count };
        counts.into_iter().map(named).collect()
    }

    fn threads(&self, scope: Option<&str>) -> Threads {
        let pinned: BTreeSet<u32> = self.ready(scope).flat_map(|ready| &ready.pinned_cpus).copied().collect();
        Threads {
            pinned_cpus: pinned.into_iter().collect(),
            in_flight: self.in_flight(scope),
            placement: Placement::of(self.host_trials(scope)),
        }
    }
}

/// Values by key; if hosts or trials disagree, all values, as `a / b`.
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
