//! `summary.json`: a comparison with its sentences.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::Value;

use super::Export;
use crate::{
    params::Params,
    report::words,
    summary::{Comparison, ComparisonSet, crossover::Crossover, explanation::Explanation},
};

pub(super) static EXPORT: Export = Export {
    name: "json",
    help: "As in summary.json",
    details: None,
    render: |source| Ok(render(source.set)),
    join: Some(super::array),
};

/// A comparison and its sentences, as in `summary.json`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ComparisonSet")]
struct Document<'a> {
    /// The answer as sentences, from the comparisons: the fastest arm, then an entry for each arm.
    answer: Vec<String>,
    #[serde(flatten)]
    set: &'a ComparisonSet,
    /// Why the run is not trustworthy; empty if it is.
    untrusted_because: Vec<String>,
    /// Each arm against the baseline, at each point.
    comparisons: Vec<ComparisonDocument<'a>>,
    /// Why arms differ or do not.
    #[serde(default)]
    explanations: Vec<ExplanationDocument<'a>>,
    /// Where arms begin or cease to be better than the baseline.
    #[serde(default)]
    crossovers: Vec<CrossoverDocument<'a>>,
}

/// An arm against the baseline at the same point.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Comparison")]
struct ComparisonDocument<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    /// Why the figures were not judged, which makes the verdict inconclusive; null if they were.
    #[serde(default)]
    reason: Option<String>,
}

/// Why an arm differs from the baseline at a point or does not: a diagnosis from the measured figures.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Explanation")]
struct ExplanationDocument<'a> {
    /// The arm.
    arm: &'a str,
    /// The point.
    params: &'a Params,
    /// The cause as a stable word, such as `device`, `syscalls`, `copy`, `locks`, `punts`, `poll_thread`.
    cause: &'static str,
    /// The explanation as a sentence.
    text: String,
    /// The measured figures behind it, each as a short text with its unit.
    evidence: Vec<String>,
}

/// Between which values of an axis an arm begins or ceases to be better than the baseline.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Crossover")]
struct CrossoverDocument<'a> {
    /// The arm.
    arm: &'a str,
    /// The axis, such as `depth`.
    axis: &'a str,
    /// The metric of the comparisons, such as `iops`.
    metric: &'static str,
    /// The last value at which the arm is not better; null if it is better from the first value on.
    after: Option<&'a Value>,
    /// The first value at which the arm is better.
    from: &'a Value,
    /// Whether the arm ceases to be better: `after` is then the last value at which it is better, and `from` the first
    /// at which it is not.
    #[serde(default)]
    ends: bool,
    /// The values of the other axes.
    params: &'a Params,
    /// The crossover as a sentence.
    text: String,
}

impl<'a> Document<'a> {
    fn of(set: &'a ComparisonSet) -> Self {
        Self {
            answer: words::answer::sentences(&set.answer),
            set,
            untrusted_because: set.untrusted.iter().map(words::untrusted).collect(),
            comparisons: set.comparisons.iter().map(ComparisonDocument::of).collect(),
            explanations: set.explanations.iter().map(ExplanationDocument::of).collect(),
            crossovers: set.crossovers.iter().map(CrossoverDocument::of).collect(),
        }
    }
}

impl<'a> ComparisonDocument<'a> {
    fn of(comparison: &'a Comparison) -> Self {
        Self { comparison, reason: comparison.reason.as_ref().map(words::unjudged) }
    }
}

impl<'a> ExplanationDocument<'a> {
    fn of(found: &'a Explanation) -> Self {
        Self {
            arm: &found.arm,
            params: &found.params,
            cause: found.finding.cause().as_str(),
            text: words::explanation::sentence(&found.finding),
            evidence: found.evidence.iter().map(words::evidence::line).collect(),
        }
    }
}

impl<'a> CrossoverDocument<'a> {
    fn of(found: &'a Crossover) -> Self {
        Self {
            arm: &found.arm,
            axis: &found.axis,
            metric: found.metric.metric().compared_as().unwrap_or_default(),
            after: found.after(),
            from: found.from(),
            ends: found.ends(),
            params: &found.others,
            text: words::crossover::sentence(found),
        }
    }
}

/// The text of `summary.json`.
pub(in crate::report) fn render(set: &ComparisonSet) -> String {
    to_json(&Document::of(set))
}

/// The JSON Schema of `summary.json`, draft-07.
#[must_use]
pub fn summary_schema() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Document<'_>>().to_value()
}

#[allow(clippy::expect_used, reason = "every key is a string and no value has a serialiser of its own")]
pub(in crate::report) fn to_json(data: &impl Serialize) -> String {
    serde_json::to_string_pretty(data).expect("reports are plain data") + "\n"
}
