//! Tidy CSV of trials: one row for each trial and host, audits included. An empty field is *not measured*.

use crate::params;
use proto::trial::Measure;

use super::csv::{field, number};
use crate::analysis::tidy::{TrialCosts, TrialRow};

/// Columns before the axes.
const BEFORE: [&str; 9] =
    ["run_id", "scenario", "trial", "block", "measure", "started_at", "arm", "host", "counts"];
/// Columns after the axes.
const AFTER: [&str; 22] = [
    "kept_out_because",
    "iops",
    "bandwidth_bytes_per_s",
    "latency_ns_mean",
    "latency_ns_p50",
    "latency_ns_p90",
    "latency_ns_p99",
    "latency_ns_p99_9",
    "latency_ns_p99_99",
    "latency_ns_max",
    "service_ns_p50",
    "service_ns_p99",
    "syncs_per_s",
    "sync_latency_ns_p50",
    "syscalls_per_io",
    "cpu_ns_per_io_user",
    "cpu_ns_per_io_system",
    "cpu_ns_per_io_kernel_threads",
    "context_switches_per_io",
    "errors",
    "short_transfers",
    "clock_error_ns",
];

pub(super) fn render(run_id: &str, scenario: &str, rows: &[TrialRow]) -> String {
    let mut axes: Vec<&str> = Vec::new();
    for axis in rows.iter().flat_map(|row| row.params.keys()) {
        if !axes.contains(&axis.as_str()) {
            axes.push(axis);
        }
    }
    let header = BEFORE.into_iter().chain(axes.iter().copied()).chain(AFTER);
    let mut text = header.map(field).collect::<Vec<_>>().join(",") + "\n";
    for row in rows {
        let before = [
            run_id.to_owned(),
            scenario.to_owned(),
            row.id.clone(),
            row.block.to_string(),
            if row.measure == Measure::Audit { "audit" } else { "timed" }.to_owned(),
            row.started_at.clone(),
            row.arm.clone(),
            row.host.clone(),
            row.kept_out.is_empty().to_string(),
        ];
        let points = axes.iter().map(|axis| row.params.get(*axis).map_or_else(String::new, params::value));
        let line = before.into_iter().chain(points).chain(numbers(row));
        text += &(line.map(|value| field(&value)).collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

fn numbers(row: &TrialRow) -> [String; 22] {
    // An audit is slowed by its probes: its rates and latencies are nobody's.
    let work = row.work.as_ref().filter(|_| row.measure == Measure::Timed);
    let of = |value: &dyn Fn(&crate::analysis::merge::Work) -> Option<f64>| number(work.and_then(value));
    let latency = |quantile: f64| {
        of(&|work| (!work.latency.is_empty()).then(|| work.latency.value_at_quantile(quantile) as f64))
    };
    let service = |quantile: f64| of(&|work| Some(work.service.as_ref()?.value_at_quantile(quantile) as f64));
    let costs = row.costs;
    let per_io = |sum: &dyn Fn(&TrialCosts) -> Option<u64>| {
        let share = costs.filter(|costs| costs.ops > 0);
        number(share.and_then(|costs| Some(sum(&costs)? as f64 / costs.ops as f64)))
    };
    let count = |sum: fn(&TrialCosts) -> u64| costs.map_or_else(String::new, |costs| sum(&costs).to_string());
    [
        row.kept_out.join("; "),
        of(&|work| Some(work.iops)),
        of(&|work| Some(work.bytes_per_s)),
        of(&|work| (!work.latency.is_empty()).then(|| work.latency.mean())),
        latency(0.5),
        latency(0.9),
        latency(0.99),
        latency(0.999),
        latency(0.9999),
        of(&|work| (!work.latency.is_empty()).then(|| work.latency.max() as f64)),
        service(0.5),
        service(0.99),
        of(&|work| work.sync.as_ref().map(|_| work.syncs_per_s)),
        of(&|work| Some(work.sync.as_ref()?.value_at_quantile(0.5) as f64)),
        per_io(&|costs| Some(costs.syscalls)),
        per_io(&|costs| Some(costs.user_ns)),
        per_io(&|costs| Some(costs.system_ns)),
        per_io(&|costs| costs.kernel_threads_ns),
        per_io(&|costs| Some(costs.switches)),
        count(|costs| costs.errors),
        count(|costs| costs.short_transfers),
        row.clock_error_ns.to_string(),
    ]
}
