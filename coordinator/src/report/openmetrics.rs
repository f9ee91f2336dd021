//! OpenMetrics text: one exposition of a finished run, for what stores and plots time series. Base units:
//! seconds, bytes, ratios from 0 to 1.
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::fmt::Write as _;

use proto::outcome::Direction;

use crate::{
    analysis::tidy::CellTotals,
    params,
    params::Params,
    summary::{CellSummary, ComparisonSet, Verdict},
};

/// Labels of ours; an axis of such a name would be said twice.
const OWN: [&str; 12] = [
    "scenario",
    "run_id",
    "arm",
    "host",
    "quantile",
    "direction",
    "metric",
    "baseline",
    "state",
    "mode",
    "le",
    "code",
];

struct Family {
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    help: &'static str,
    /// Suffix, labels, value.
    samples: Vec<(&'static str, String, f64)>,
}

impl Family {
    fn new(name: &'static str, kind: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self { name, kind, unit, help, samples: Vec::new() }
    }

    fn add(&mut self, labels: String, value: Option<f64>) {
        self.add_as("", labels, value);
    }

    fn add_as(&mut self, suffix: &'static str, labels: String, value: Option<f64>) {
        if let Some(value) = value {
            self.samples.push((suffix, labels, value));
        }
    }

    fn write(&self, out: &mut String) {
        if self.samples.is_empty() {
            return;
        }
        let _ = writeln!(out, "# TYPE {} {}", self.name, self.kind);
        if !self.unit.is_empty() {
            let _ = writeln!(out, "# UNIT {} {}", self.name, self.unit);
        }
        let _ = writeln!(out, "# HELP {} {}", self.name, escape(self.help));
        for (suffix, labels, value) in &self.samples {
            let _ = writeln!(out, "{}{suffix}{{{labels}}} {value}", self.name);
        }
    }
}

pub(super) fn render(set: &ComparisonSet, totals: &[CellTotals]) -> String {
    let mut families = vec![info(set)];
    families.extend(cells(set));
    families.push(latency(set, totals));
    families.extend(verdicts(set));
    let mut out = String::new();
    for family in &families {
        family.write(&mut out);
    }
    out + "# EOF\n"
}

fn info(set: &ComparisonSet) -> Family {
    let mut family = Family::new("ringbench_run", "info", "", "The run that all samples are of.");
    let labels = labels(&[
        ("scenario", &set.scenario),
        ("run_id", &set.run_id),
        ("baseline", set.baseline.as_deref().unwrap_or("")),
        ("quick", if set.quick { "true" } else { "false" }),
        ("seed", &set.seed.to_string()),
        ("trustworthy", if set.trustworthy { "true" } else { "false" }),
        ("version", env!("CARGO_PKG_VERSION")),
    ]);
    family.add_as("_info", labels, Some(1.0));
    family
}

/// Labels of a cell: where it stands, and the axes.
fn place(
    set: &ComparisonSet,
    arm: &str,
    host: Option<&str>,
    params: &Params,
    more: &[(&str, &str)],
) -> String {
    let mut pairs: Vec<(String, String)> = vec![
        ("scenario".into(), set.scenario.clone()),
        ("run_id".into(), set.run_id.clone()),
        ("arm".into(), arm.into()),
        // Empty, which is the same as absent: merged over the hosts.
        ("host".into(), host.unwrap_or("").into()),
    ];
    for (axis, value) in params {
        let word = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
        let mut name: String = axis.chars().map(word).collect();
        if OWN.contains(&name.as_str()) || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "axis_");
        }
        pairs.push((name, params::value(value)));
    }
    pairs.extend(more.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    let pairs: Vec<(&str, &str)> =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    labels(&pairs)
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    pairs.join(",")
}

/// As the specification escapes a label's value, and a help text.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', " ")
}

fn cells(set: &ComparisonSet) -> Vec<Family> {
    let gauge = |name, unit, help| Family::new(name, "gauge", unit, help);
    let mut iops =
        gauge("ringbench_operations_per_second", "", "Completed operations a second, mean over the trials.");
    let mut bandwidth =
        gauge("ringbench_transferred_bytes_per_second", "", "Bytes a second, mean over the trials.");
    let mut percentiles = gauge(
        "ringbench_operation_latency_quantile_seconds",
        "seconds",
        "What the application waits, reads and writes together.",
    );
    let mut syscalls =
        gauge("ringbench_syscalls_per_operation", "", "System calls of an operation, by the engine's count.");
    let mut cpu = gauge("ringbench_cpu_per_operation_seconds", "seconds", "CPU time of an operation.");
    let mut switches =
        gauge("ringbench_context_switches_per_operation", "", "Context switches of an operation.");
    let mut trials =
        gauge("ringbench_trials", "", "Timed trials: planned, complete, or marked and kept out.");
    let mut errors = Family::new("ringbench_errors", "counter", "", "Failed requests in all trials.");
    for cell in &set.cells {
        let at = |more: &[(&str, &str)]| place(set, &cell.arm, cell.host.as_deref(), &cell.params, more);
        iops.add(at(&[]), cell.metric("iops"));
        bandwidth.add(at(&[]), cell.metric("bandwidth"));
        for (name, metric) in [
            ("0.5", "p50"),
            ("0.9", "p90"),
            ("0.99", "p99"),
            ("0.999", "p99_9"),
            ("0.9999", "p99_99"),
            ("1", "max"),
        ] {
            percentiles.add(at(&[("quantile", name)]), seconds(cell, metric));
        }
        syscalls.add(at(&[]), cell.syscalls_per_io);
        let modes = cell.cpu_ns_per_io.map(|cpu| {
            [("user", Some(cpu.user)), ("system", Some(cpu.system)), ("kernel_threads", cpu.kernel_threads)]
        });
        for (mode, ns) in modes.into_iter().flatten() {
            cpu.add(at(&[("mode", mode)]), ns.map(|ns| ns / 1e9));
        }
        switches.add(at(&[]), cell.context_switches_per_io);
        let counts = cell.trials;
        for (state, count) in
            [("planned", counts.planned), ("complete", counts.complete), ("marked", counts.marked)]
        {
            trials.add(at(&[("state", state)]), Some(f64::from(count)));
        }
        for error in &cell.errors {
            errors.add_as("_total", at(&[("code", &error.name)]), Some(error.count as f64));
        }
    }
    vec![iops, bandwidth, percentiles, syscalls, cpu, switches, trials, errors]
}

fn seconds(cell: &CellSummary, metric: &str) -> Option<f64> {
    cell.metric(metric).map(|ns| ns / 1e9)
}

/// Quantiles with sum and count, for each direction; over the trials that count and their hosts.
fn latency(set: &ComparisonSet, totals: &[CellTotals]) -> Family {
    let help = "What the application waits for an operation or a sync, by direction.";
    let mut family = Family::new("ringbench_latency_seconds", "summary", "seconds", help);
    for cell in totals {
        for (direction, totals) in &cell.directions {
            let of = &totals.latency;
            let at = |more: &[(&str, &str)]| {
                let mut all = vec![("direction", Direction::as_str(*direction))];
                all.extend(more);
                place(set, &cell.arm, None, &cell.params, &all)
            };
            for quantile in ["0.5", "0.9", "0.99", "0.999", "0.9999"] {
                let value = quantile.parse().map(|q| of.value_at_quantile(q) as f64 / 1e9).ok();
                family.add(at(&[("quantile", quantile)]), value.filter(|_| !of.is_empty()));
            }
            family.add_as("_count", at(&[]), Some(of.len() as f64));
            let sum = if of.is_empty() { 0.0 } else { of.mean() * of.len() as f64 / 1e9 };
            family.add_as("_sum", at(&[]), Some(sum));
        }
    }
    family
}

fn verdicts(set: &ComparisonSet) -> Vec<Family> {
    let gauge = |name, help| Family::new(name, "gauge", "ratio", help);
    let mut ratio = gauge("ringbench_comparison_ratio", "An arm's metric against the baseline's.");
    let mut low = gauge("ringbench_comparison_low_ratio", "The lower end of its 95 % interval.");
    let mut high = gauge("ringbench_comparison_high_ratio", "The upper end of its 95 % interval.");
    let mut verdict = Family::new("ringbench_verdict", "stateset", "", "What the trials allow to say.");
    for found in &set.comparisons {
        let at = |more: &[(&str, &str)]| {
            let mut all = vec![("baseline", found.baseline.as_str()), ("metric", found.metric.as_str())];
            all.extend(more);
            place(set, &found.arm, None, &found.params, &all)
        };
        ratio.add(at(&[]), found.ratio);
        low.add(at(&[]), found.ci95.map(|edges| edges[0]));
        high.add(at(&[]), found.ci95.map(|edges| edges[1]));
        for state in [Verdict::Faster, Verdict::Slower, Verdict::NoDifference, Verdict::Inconclusive] {
            let on = if found.verdict == state { 1.0 } else { 0.0 };
            verdict.add(at(&[("ringbench_verdict", state.as_str())]), Some(on));
        }
    }
    let mut held =
        Family::new("ringbench_expectation_held", "gauge", "", "Whether a claim of the scenario held.");
    for claim in &set.expectations {
        let at = labels(&[("scenario", &set.scenario), ("run_id", &set.run_id), ("claim", &claim.text)]);
        held.add(at, claim.outcome().map(f64::from));
    }
    vec![ratio, low, high, verdict, held]
}
