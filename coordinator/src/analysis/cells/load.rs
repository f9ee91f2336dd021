//! The load of a cell: the requests that it keeps in flight in closed loop, the rate in open loop.

use proto::trial::{Arrival, EngineKind};

use super::super::cell_data::CellData;
use crate::summary::{Latency, Throughput};

/// Share of the offered rate that counts as reached, because a trial starts and ends within a request.
const RATE_REACHED: f64 = 0.98;
/// Standard deviations of a random number of arrivals that count as chance.
const CHANCE: f64 = 4.0;
/// The share of the requests in flight that measured latencies must account for by Little's law.
const ACCOUNTED: f64 = 0.9;
/// The share of the runtime that a request must take before the window can cut latencies off noticeably. Below it,
/// the difference between configured requests and Little's law is the workers' own time.
const LONG_REQUEST: f64 = 0.1;
/// The runtime that latencies need, as a multiple of the time of a request. Requests that all start together then
/// lower the mean latency by 5 % at most.
const RUNTIMES: f64 = 10.0;

impl CellData<'_> {
    fn host_count(&self, scope: Option<&str>) -> u64 {
        if scope.is_some() { 1 } else { self.hosts.len() as u64 }
    }

    /// The offered rate of requests, over the hosts in scope.
    pub(super) fn offered(&self, scope: Option<&str>) -> Option<f64> {
        let rate = self.cell.template.workload.rate?;
        Some(rate.per_second as f64 * self.host_count(scope) as f64)
    }

    /// The rate from which on the offered one counts as reached. Fewer requests may be due by chance: of `n` random
    /// arrivals, `sqrt(n)` is the standard deviation; of fixed arrivals, a trial may miss one on each host.
    pub(super) fn reached_from(&self, scope: Option<&str>) -> Option<f64> {
        let workload = &self.cell.template.workload;
        let offered = self.offered(scope)?;
        let trials = self.samples.len().max(1) as f64;
        let seconds = trials * workload.runtime.as_secs_f64();
        let chance = match workload.rate?.arrival {
            Arrival::Poisson => CHANCE * (offered * seconds).sqrt(),
            Arrival::Fixed => trials * self.host_count(scope) as f64,
        };
        Some((RATE_REACHED * offered).min(offered - chance / seconds).max(0.0))
    }

    /// The requests that the workers in scope keep in flight; `None` in open loop, with syncs, and without a trial that
    /// counts.
    pub(super) fn in_flight(&self, scope: Option<&str>) -> Option<u64> {
        let template = &self.cell.template;
        let steady = template.workload.rate.is_none() && template.workload.sync.is_none();
        let of_host = u64::from(template.workers()) * u64::from(template.depth_per_worker());
        (steady && !self.samples.is_empty()).then(|| of_host * self.host_count(scope))
    }

    /// The runtime that latencies need, in nanoseconds; `None` if the window suffices. Little's law holds in the steady
    /// state: IOPS times mean latency are the requests in flight. Requests that wait beyond the end of the window have
    /// no latency, so the others account for fewer.
    pub(super) fn needs_runtime(
        &self,
        scope: Option<&str>,
        throughput: &Throughput,
        latency: Option<&Latency>,
    ) -> Option<u64> {
        let template = &self.cell.template;
        let without_io = matches!(template.engine.kind, EngineKind::Null | EngineKind::Nop);
        let in_flight =
            self.in_flight(scope).filter(|_| !without_io && template.engine.busy_wait.is_none())? as f64;
        let (iops, latency) = (throughput.iops.as_ref()?.mean, latency?.mean);
        let request = in_flight / iops;
        let cut_off = iops * latency / 1e9 < ACCOUNTED * in_flight
            && request >= LONG_REQUEST * template.workload.runtime.as_secs_f64();
        (cut_off && request.is_finite()).then(|| (RUNTIMES * request).ceil() as u64 * 1_000_000_000)
    }
}
