//! OpenMetrics text: one exposition of a finished run, for time series databases. Units are base units: seconds, bytes,
//! ratios.
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::fmt::Write as _;

use proto::outcome::Direction;

use super::Export;
use crate::{
    analysis::export_rows::{self, CellTotals},
    metric, params,
    params::Params,
    stats::confidence::confidence_percent,
    summary::{ComparisonSet, Verdict},
};

pub(super) static EXPORT: Export = Export {
    name: "openmetrics",
    help: "OpenMetrics text in base units, for time series databases",
    details: Some(
        "Every sample has `scenario` and `run_id`, those of a cell also `arm`, the axes, and `host` (empty: merged over \
         hosts). `ringbench_latency_seconds` is a summary for each direction; verdicts are a state set.",
    ),
    render: |source| Ok(render(source.set, &export_rows::totals(source.plan, source.run)?)),
    join: Some(join),
};

/// The labels that Ringbench sets. An axis with such a name gets a prefix.
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

/// The last line of an exposition.
const END: &str = "# EOF";

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
    families.extend(metrics(set));
    families.extend(counts(set));
    families.push(latency(set, totals));
    families.extend(verdicts(set));
    let mut out = String::new();
    for family in &families {
        family.write(&mut out);
    }
    out + END + "\n"
}

/// One exposition of those of several runs. A family is written once, with the samples of all runs.
fn join(expositions: &[String]) -> String {
    let mut families: Vec<(&str, String)> = Vec::new();
    for exposition in expositions {
        let mut family = "";
        for line in exposition.lines().filter(|line| *line != END) {
            let head = line.strip_prefix("# ").and_then(|head| head.split(' ').nth(1));
            family = head.unwrap_or(family);
            let at = families.iter().position(|(name, _)| *name == family).unwrap_or(families.len());
            if at == families.len() {
                families.push((family, String::new()));
            }
            let text = &mut families[at].1;
            // The head of a family is the same in every exposition.
            if head.is_none() || !text.lines().any(|known| known == line) {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    let text: String = families.into_iter().map(|(_, text)| text).collect();
    format!("{text}{END}\n")
}

fn info(set: &ComparisonSet) -> Family {
    let mut family = Family::new("ringbench_run", "info", "", "The run of all samples.");
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

/// Labels of a cell: run, arm, host and axes.
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
        // Empty, which OpenMetrics treats as absent, if merged over the hosts.
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

/// Escapes a label's value or a help text as the specification requires.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', " ")
}

/// The gauges of metrics, a family each.
fn metrics(set: &ComparisonSet) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for found in metric::all().filter_map(|metric| metric.openmetrics.map(|sample| sample.family)) {
        if families.iter().any(|known| known.name == found.name) {
            continue;
        }
        let mut family = Family::new(found.name, "gauge", found.unit, found.help);
        for cell in &set.cells {
            for metric in metric::all() {
                let Some(sample) = metric.openmetrics.filter(|sample| sample.family.name == found.name)
                else {
                    continue;
                };
                let labels =
                    place(set, &cell.arm, cell.host.as_deref(), &cell.params, sample.label.as_slice());
                family.add(labels, metric.of(cell).map(|value| metric.unit.in_base_units(value)));
            }
        }
        families.push(family);
    }
    families
}

/// Numbers of trials, and of failed requests.
fn counts(set: &ComparisonSet) -> [Family; 2] {
    let help = "Timed trials: planned, complete, or marked and kept out.";
    let mut trials = Family::new("ringbench_trials", "gauge", "", help);
    let mut errors = Family::new("ringbench_errors", "counter", "", "Failed requests in all trials.");
    for cell in &set.cells {
        let at = |more: &[(&str, &str)]| place(set, &cell.arm, cell.host.as_deref(), &cell.params, more);
        let counts = cell.trials;
        for (state, count) in
            [("planned", counts.planned), ("complete", counts.complete), ("marked", counts.marked)]
        {
            trials.add(at(&[("state", state)]), Some(f64::from(count)));
        }
        for error in &cell.integrity.errors {
            errors.add_as("_total", at(&[("code", &error.name)]), Some(error.count as f64));
        }
    }
    [trials, errors]
}

/// Quantiles with sum and count, for each direction; over the trials that count and their hosts.
fn latency(set: &ComparisonSet, totals: &[CellTotals]) -> Family {
    let help = "Latency seen by the application for operations and syncs, by direction.";
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
    let mut ratio =
        gauge("ringbench_comparison_ratio", "The metric of an arm divided by that of the baseline.");
    let mut low = gauge(
        "ringbench_comparison_low_ratio",
        concat!("The lower end of the ratio's ", confidence_percent!(), " % interval."),
    );
    let mut high = gauge(
        "ringbench_comparison_high_ratio",
        concat!("The upper end of the ratio's ", confidence_percent!(), " % interval."),
    );
    let mut verdict = Family::new("ringbench_verdict", "stateset", "", "The verdict of a comparison.");
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
    let mut held = Family::new(
        "ringbench_expectation_held",
        "gauge",
        "",
        "Whether an expectation of the scenario held.",
    );
    for claim in &set.expectations {
        let at = labels(&[("scenario", &set.scenario), ("run_id", &set.run_id), ("claim", &claim.text)]);
        held.add(at, claim.outcome().map(f64::from));
    }
    vec![ratio, low, high, verdict, held]
}
