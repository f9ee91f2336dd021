//! An arm against another.

use proto::units::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// An arm against the baseline, or against an arm that `compare` of the scenario names, at the same point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The arm that it is compared with.
    pub baseline: String,
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// The metric: `iops`, `latency_mean`, `latency_p50`, `latency_p99`, `latency_p99_9`, `cpu_per_io` or
    /// `syscalls_per_io`; if some operations are urgent, also `urgent_p50`, `urgent_p99` and `bulk_iops`.
    pub metric: String,
    /// The arm over the baseline, over the blocks in which both have a trial that counts: for latencies, the ratio of
    /// the merged means or percentiles; for other metrics, the geometric mean of the blocks' ratios. null without such
    /// a block.
    pub ratio: Option<f64>,
    /// Confidence interval of the ratio, not corrected for multiple comparisons; null below two blocks.
    pub ci95: Option<[f64; 2]>,
    /// The two-sided p-value: the probability of a difference at least this large if there is none.
    pub p_value: Option<f64>,
    /// The same after Holm's correction over all comparisons of this metric in the run.
    #[serde(default)]
    pub p_adjusted: Option<f64>,
    /// Blocks in which both sides have a trial that counts.
    #[serde(default)]
    pub pairs: u32,
    /// The conclusion.
    pub verdict: Verdict,
    /// Standard deviation of the logarithm of a block's ratio, estimated from all comparisons of this metric in the run;
    /// null without spread or below two blocks.
    #[serde(default)]
    pub spread: Option<f64>,
    /// If inconclusive: the number of further trials of each cell with which a verdict is as likely as not. null if no
    /// number suffices, or if too few trials count for an estimate.
    #[serde(default)]
    pub trials_more: Option<u32>,
    /// If inconclusive: the range of that number.
    #[serde(default)]
    pub trials_more_range: Option<TrialsRange>,
    /// Why the figures were not judged, which makes the verdict inconclusive; a text in the file.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason: Option<Unjudged>,
}

/// How many further trials a verdict needs, as far as the trials so far can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialsRange {
    /// With this number, one run in ten reaches a verdict.
    pub least: u32,
    /// With this number, nine runs in ten do; null if more than 1000 are needed.
    pub most: Option<u32>,
}

/// Why figures of two cells are not judged.
#[derive(Clone, Debug, PartialEq)]
pub enum Unjudged {
    /// A cell has too few urgent operations for a verdict on their slowest.
    TooFewUrgent(TooFewUrgent),
    /// The window of a cell is too short for its latencies, which are lower bounds.
    CutOff {
        /// The arm of the cell.
        arm: String,
        /// The runtime that would do.
        needed: Nanos,
    },
}

/// A cell has too few urgent operations for a verdict on their slowest.
#[derive(Clone, Debug, PartialEq)]
pub struct TooFewUrgent {
    /// The arm of the cell.
    pub arm: String,
    /// Urgent operations per trial, on average.
    pub per_trial: f64,
    /// The minimum for a verdict.
    pub needed: u64,
}

/// The conclusion of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// Better than the baseline.
    #[serde(rename = "faster")]
    Faster,
    /// Worse than the baseline.
    #[serde(rename = "slower")]
    Slower,
    /// Equal within the margin.
    #[serde(rename = "no difference")]
    NoDifference,
    /// The trials allow no conclusion.
    #[serde(rename = "inconclusive")]
    Inconclusive,
}

impl Verdict {
    /// All verdicts, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Faster, Self::Slower, Self::NoDifference, Self::Inconclusive];

    /// The verdict with the two sides exchanged.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Faster => Self::Slower,
            Self::Slower => Self::Faster,
            same => same,
        }
    }

    /// The word used in every report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::NoDifference => "no difference",
            Self::Inconclusive => "inconclusive",
        }
    }
}
