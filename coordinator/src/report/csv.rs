//! Tidy CSV: one row for each cell, merged and on each host; plain numbers, no units but those in the names
//! of the columns. An empty field is *not measured*.

use crate::{
    params,
    summary::{CellSummary, ComparisonSet, CountedBy, Estimate},
};

/// Quoted where RFC 4180 asks for it.
pub(super) fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

type Field = (&'static str, String);

pub(super) fn render(set: &ComparisonSet) -> String {
    let mut axes: Vec<&String> = Vec::new();
    for axis in set.cells.iter().flat_map(|cell| cell.params.keys()) {
        if !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    let mut lines = Vec::with_capacity(set.cells.len() + 1);
    let empty = CellSummary::default();
    let names = |fields: Vec<Field>| fields.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    let mut header = names(identity(set, &empty));
    header.extend(axes.iter().map(|axis| (*axis).clone()));
    header.extend(names(numbers(set, &empty)));
    lines.push(header.iter().map(|name| field(name)).collect::<Vec<_>>().join(","));
    for cell in &set.cells {
        let values = |fields: Vec<Field>| fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        let mut line = values(identity(set, cell));
        line.extend(axes.iter().map(|axis| cell.params.get(*axis).map_or_else(String::new, params::value)));
        line.extend(values(numbers(set, cell)));
        lines.push(line.iter().map(|value| field(value)).collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

fn identity(set: &ComparisonSet, cell: &CellSummary) -> Vec<Field> {
    vec![
        ("run_id", set.run_id.clone()),
        ("scenario", set.scenario.clone()),
        ("arm", cell.arm.clone()),
        ("host", cell.host.clone().unwrap_or_default()),
        ("hosts", cell.hosts.join(";")),
    ]
}

fn numbers(set: &ComparisonSet, cell: &CellSummary) -> Vec<Field> {
    let latency = cell.latency_ns.as_ref();
    let ci = |interval: Option<[f64; 2]>, edge: usize| number(interval.map(|interval| interval[edge]));
    let mean = |estimate: &Option<Estimate>| number(estimate.as_ref().map(|estimate| estimate.mean));
    let iops_ci = cell.iops.as_ref().and_then(|iops| iops.ci95);
    let p99_ci = latency.and_then(|latency| latency.ci95.p99);
    let cpu = cell.cpu_ns_per_io;
    let compared = match cell.host {
        None => set.comparison(&cell.arm, "iops", &cell.params),
        Some(_) => None,
    };
    let samples = cell.iops.iter().flat_map(|iops| &iops.samples).map(f64::to_string);
    let errors: u64 = cell.errors.iter().map(|error| error.count).sum();
    vec![
        ("trials_planned", cell.trials.planned.to_string()),
        ("trials_complete", cell.trials.complete.to_string()),
        ("trials_marked", cell.trials.marked.to_string()),
        ("iops_mean", mean(&cell.iops)),
        ("iops_ci95_low", ci(iops_ci, 0)),
        ("iops_ci95_high", ci(iops_ci, 1)),
        ("iops_samples", samples.collect::<Vec<_>>().join(";")),
        ("bandwidth_bytes_per_s_mean", mean(&cell.bandwidth_bytes_per_s)),
        ("latency_ns_mean", number(cell.metric("latency_mean"))),
        ("latency_ns_p50", number(cell.metric("p50"))),
        ("latency_ns_p90", number(cell.metric("p90"))),
        ("latency_ns_p99", number(cell.metric("p99"))),
        ("latency_ns_p99_ci95_low", ci(p99_ci, 0)),
        ("latency_ns_p99_ci95_high", ci(p99_ci, 1)),
        ("latency_ns_p99_9", number(cell.metric("p99_9"))),
        ("latency_ns_p99_99", number(cell.metric("p99_99"))),
        ("latency_ns_max", number(cell.metric("max"))),
        ("syncs_per_s_mean", number(cell.metric("syncs_per_s"))),
        ("sync_latency_ns_p50", number(cell.metric("sync_p50"))),
        ("sync_latency_ns_p99", number(cell.metric("sync_p99"))),
        ("urgent_iops_mean", number(cell.metric("urgent_iops"))),
        ("urgent_latency_ns_p50", number(cell.metric("urgent_p50"))),
        ("urgent_latency_ns_p99", number(cell.metric("urgent_p99"))),
        ("urgent_overtaken_share", number(cell.metric("urgent_overtaken_share"))),
        ("bulk_iops_mean", number(cell.metric("bulk_iops"))),
        ("bulk_latency_ns_p50", number(cell.metric("bulk_p50"))),
        ("bulk_latency_ns_p99", number(cell.metric("bulk_p99"))),
        ("bulk_starved_share", number(cell.metric("bulk_starved_share"))),
        ("syscalls_per_io", number(cell.syscalls_per_io)),
        ("syscalls_per_io_audit", number(cell.syscalls.audit_per_io)),
        (
            "syscalls_counted_by",
            if cell.syscalls.counted_by == CountedBy::Perf { "perf" } else { "self" }.into(),
        ),
        ("cpu_ns_per_io_user", number(cpu.map(|cpu| cpu.user))),
        ("cpu_ns_per_io_system", number(cpu.map(|cpu| cpu.system))),
        ("cpu_ns_per_io_kernel_threads", number(cpu.and_then(|cpu| cpu.kernel_threads))),
        ("context_switches_per_io", number(cell.context_switches_per_io)),
        ("interrupts_per_io", number(cell.interrupts_per_io)),
        ("sqes_per_enter", number(cell.ring.sqes_per_enter)),
        ("punted_to_io_wq", cell.ring.punted_to_io_wq.map_or_else(String::new, |n| n.to_string())),
        ("ring_sharing", cell.ring.sharing.clone().unwrap_or_default()),
        ("lock_wait_ns_per_io", number(cell.ring.lock_wait_ns_per_io)),
        ("contended_share", number(cell.ring.contended_share)),
        ("handover_ns_per_io", number(cell.ring.handover_ns_per_io)),
        ("inline_share", number(cell.metric("inline_share"))),
        ("task_work_share", number(cell.metric("task_work_share"))),
        ("polled_share", number(cell.metric("polled_share"))),
        ("punted_share", number(cell.metric("punted_share"))),
        ("cycles_per_io", number(cell.hardware.and_then(|hardware| hardware.cycles_per_io))),
        ("instructions_per_io", number(cell.hardware.and_then(|hardware| hardware.instructions_per_io))),
        ("cache_misses_per_io", number(cell.hardware.and_then(|hardware| hardware.cache_misses_per_io))),
        ("cached_share", number(cell.cached_share)),
        ("errors", errors.to_string()),
        ("short_transfers", cell.short_transfers.to_string()),
        ("sectors_verified", cell.verified.map_or_else(String::new, |v| v.sectors.to_string())),
        ("verify_failures", cell.verified.map_or_else(String::new, |v| v.failures.to_string())),
        ("iops_vs_baseline", number(compared.and_then(|found| found.ratio))),
        ("iops_vs_baseline_ci95_low", ci(compared.and_then(|found| found.ci95), 0)),
        ("iops_vs_baseline_ci95_high", ci(compared.and_then(|found| found.ci95), 1)),
        ("iops_vs_baseline_p_value", number(compared.and_then(|found| found.p_value))),
        ("iops_verdict", compared.map_or_else(String::new, |found| found.verdict.as_str().into())),
        ("iops_vs_baseline_p_adjusted", number(compared.and_then(|found| found.p_adjusted))),
        ("iops_vs_baseline_pairs", compared.map_or_else(String::new, |found| found.pairs.to_string())),
        (
            "iops_trials_more",
            compared.and_then(|found| found.trials_more).map_or_else(String::new, |more| more.to_string()),
        ),
    ]
}
