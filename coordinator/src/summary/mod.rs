//! The one result that every report renders: [`ComparisonSet`].
//!
//! `summary.json` holds a set with the sentences that [`report`](crate::report) makes of it. Keys are only ever added.
//! Times are nanoseconds, rates are per second. `null` means *not measured*, never zero. What the sentences say is
//! typed here and not read back from the file: it follows from the numbers in it.

use std::{collections::BTreeMap, path::PathBuf};

use proto::{engine::Sharing, facts::TargetFacts, knob::KnobValues, outcome::Verified};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod answer;
pub mod audit;
pub mod calibration;
pub mod cause;
pub mod crossover;
pub mod evidence;
pub mod explanation;
pub mod insight;
pub mod lane;
pub mod placement;
pub mod timeline;

use self::{
    answer::{Answer, Untrusted},
    audit::{Batches, Completed, HardwarePerIo},
    calibration::CalibrationUse,
    crossover::Crossover,
    explanation::Explanation,
    insight::{FactDifference, TrendLine, Waterfall},
    lane::Lane,
    placement::Placement,
    timeline::{CurvePoint, TimelinePoint},
};
use crate::params::Params;

/// The version of `summary.json`, raised when a key changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// All that a run has to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonSet {
    /// The version of this format.
    pub schema: u32,
    /// The run: the name of its directory.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's question.
    pub question: Option<String>,
    /// The answer; in the file, sentences.
    #[serde(skip)]
    #[schemars(skip)]
    pub answer: Answer,
    /// The arm that the others are held against.
    pub baseline: Option<String>,
    /// Whether the run was a shortened one, whose numbers are a smoke test.
    pub quick: bool,
    /// Arms are called equal where the interval of their ratio lies within 1 ± this share; null in runs that an
    /// earlier version concluded.
    #[serde(default)]
    pub margin: Option<f64>,
    /// Where precision decided the number of trials: the fewest that there could be of a cell. null where it was fixed.
    #[serde(default)]
    pub least_trials: Option<u32>,
    /// Decided the order of the trials and their offsets.
    pub seed: u64,
    /// Whether every planned trial counts.
    pub trustworthy: bool,
    /// Why not; in the file, texts in `untrusted_because`.
    #[serde(skip)]
    #[schemars(skip)]
    pub untrusted: Vec<Untrusted>,
    /// An arm at a point, in the plan's order; where several hosts ran it, one more entry for each of them.
    pub cells: Vec<CellSummary>,
    /// Each arm against the baseline, at each point; in the file, with the `reason` as a text.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub comparisons: Vec<Comparison>,
    /// The scenario's claims, and whether they held.
    pub expectations: Vec<Expectation>,
    /// What the reader must know, and what to do about it.
    pub warnings: Vec<SetWarning>,
    /// The hosts that took part.
    pub hosts: Vec<HostSummary>,
    /// Why arms differ, or do about the same; in the file, sentences.
    #[serde(skip)]
    #[schemars(skip)]
    pub explanations: Vec<Explanation>,
    /// What each step of the scenario's ladder costs or saves, a point each.
    #[serde(default)]
    pub ladders: Vec<Waterfall>,
    /// Where arms diverge; in the file, with sentences.
    #[serde(skip)]
    #[schemars(skip)]
    pub crossovers: Vec<Crossover>,
    /// In what the hosts differ.
    #[serde(default)]
    pub host_differences: Vec<FactDifference>,
    /// How cells did in earlier runs of the scenario.
    #[serde(default)]
    pub trend: Vec<TrendLine>,
    /// The calibration that verdicts heed; null where the run was given none.
    #[serde(default)]
    pub calibration: Option<CalibrationUse>,
    /// Where the run lies, for people; no part of the file, which may be moved.
    #[serde(skip)]
    #[schemars(skip)]
    pub run_path: Option<PathBuf>,
}

/// An arm at a point: merged over its hosts, or on one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellSummary {
    /// The arm.
    pub arm: String,
    /// The point: axis to value.
    pub params: Params,
    /// The hosts that ran it.
    pub hosts: Vec<String>,
    /// null: merged over `hosts`. Otherwise the one host that these numbers are of.
    pub host: Option<String>,
    /// How many trials there are.
    pub trials: TrialCounts,
    /// Completed operations per second; hosts added up. null where no trial is complete.
    pub iops: Option<Estimate>,
    /// Bytes transferred per second; hosts added up.
    pub bandwidth_bytes_per_s: Option<Estimate>,
    /// What the application waited for an operation.
    pub latency_ns: Option<Latency>,
    /// The same latencies as a curve, from 0 % up to the last quantile beyond which an operation was seen. Empty on
    /// rows of one host.
    #[serde(default)]
    pub latency_curve: Vec<CurvePoint>,
    /// The same latencies over the time of a trial, all trials laid over each other. Empty on rows of one host.
    #[serde(default)]
    pub latency_over_time: Vec<TimelinePoint>,
    /// Open loop: the same operations from being handed over instead of from their intended time. null in closed
    /// loop, where the two are the same.
    pub service_ns: Option<Latency>,
    /// Urgent operations, which are among all those above. null where none was to be urgent, or none completed.
    #[serde(default)]
    pub urgent: Option<Lane>,
    /// The others. null where none was to be urgent, or no urgent one completed.
    #[serde(default)]
    pub bulk: Option<Lane>,
    /// What the application waited for a sync, which is not among the operations. null where nothing was synced.
    pub sync_latency_ns: Option<Latency>,
    /// Syncs per second; hosts added up. null where nothing was to be synced.
    pub syncs_per_s: Option<Estimate>,
    /// Open loop: operations per second that were to arrive; hosts added up. null in closed loop.
    pub offered_per_s: Option<f64>,
    /// System calls per operation, by the engine's own count in the timed trials. Those of syncs are among them.
    pub syscalls_per_io: Option<f64>,
    /// System calls by name.
    pub syscalls: Syscalls,
    /// CPU time per operation in the timed trials. That of syncs is in it.
    pub cpu_ns_per_io: Option<CpuPerIo>,
    /// Context switches of the workers per operation, wanted or not.
    pub context_switches_per_io: Option<f64>,
    /// Interrupts of the device per operation in the timed trials, whoever caused them; null where the device has
    /// none, or they cannot be told: `target.interrupts` says which.
    #[serde(default)]
    pub interrupts_per_io: Option<f64>,
    /// What the processor counted on the workers, in the audit; null where it does not count.
    #[serde(default)]
    pub hardware: Option<HardwarePerIo>,
    /// With a target that is kept cold: the highest share of it that was found in the page cache in any trial, from
    /// 0 to 1. null with any other, and where the kernel does not tell.
    #[serde(default)]
    pub cached_share: Option<f64>,
    /// What was asked of the engine and what it got.
    pub ring: Ring,
    /// Failed requests in the trials, whether or not these count.
    pub errors: Vec<ErrorCount>,
    /// Requests that transferred less than was asked, in all trials.
    pub short_transfers: u64,
    /// What came of verification in all trials; null where it was off. Where it was on, it cost CPU time in the
    /// loop, and the numbers are not to be compared with those of runs without.
    pub verified: Option<Verified>,
    /// What the target really was, as reported by the hosts.
    pub target: TargetFacts,
    /// The CPUs that the workers were pinned to, of all hosts.
    pub pinned_cpus: Vec<u32>,
    /// Who did the I/O, and on which CPUs.
    #[serde(default)]
    pub placement: Placement,
    /// The blocks of the trials that count, in the order of the samples.
    #[serde(default)]
    pub blocks: Vec<u32>,
    /// One value a trial, in the order in which they ran, of metrics that have no samples of their own above; by the
    /// names that expectations use.
    #[serde(default)]
    pub trial_values: BTreeMap<String, Vec<f64>>,
}

/// Trials of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialCounts {
    /// Timed trials that were planned.
    pub planned: u32,
    /// Timed trials that ended and count.
    pub complete: u32,
    /// Timed trials that took place but are kept out of the statistics.
    pub marked: u32,
}

/// A value with its uncertainty; the sample is the trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Arithmetic mean over the trials.
    pub mean: f64,
    /// 95 % confidence interval of the mean, by Student's t; null below two trials.
    pub ci95: Option<[f64; 2]>,
    /// One value a trial, in the order in which they ran.
    pub samples: Vec<f64>,
}

/// Latency in nanoseconds, from the merged histograms of all trials that count. A percentile is exact to the
/// histogram's 0.1 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Mean over all operations.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p99_9: u64,
    /// 99.99th percentile.
    pub p99_99: u64,
    /// The longest, to the histogram's 0.1 %.
    pub max: u64,
    /// 95 % confidence intervals over the trials' own percentiles.
    pub ci95: LatencyIntervals,
    /// The trials' own percentiles.
    pub samples: LatencySamples,
}

/// 95 % confidence intervals of percentiles: Student's t over one value a trial; null below two trials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyIntervals {
    /// Of the median.
    pub p50: Option<[f64; 2]>,
    /// Of the 99th percentile.
    pub p99: Option<[f64; 2]>,
}

/// One percentile a trial, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySamples {
    /// Medians.
    pub p50: Vec<f64>,
    /// 99th percentiles.
    pub p99: Vec<f64>,
}

/// System calls of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Syscalls {
    /// Who counted `total` and `by_name`.
    pub counted_by: CountedBy,
    /// All of them: in the audit where perf counted, otherwise in the timed trials.
    pub total: Option<u64>,
    /// The same by name.
    pub by_name: BTreeMap<String, u64>,
    /// Per operation, by the engine's own count in the timed trials.
    pub self_per_io: Option<f64>,
    /// Per operation, by perf in the audit; null where perf could not count.
    pub audit_per_io: Option<f64>,
}

/// Who counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedBy {
    /// The kernel's tracepoint, in an audit trial of its own.
    Perf,
    /// The engine itself, in the timed trials.
    #[default]
    #[serde(rename = "self")]
    Engine,
}

/// CPU time per operation, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuPerIo {
    /// Of the workers in user mode.
    pub user: f64,
    /// Of the workers in the kernel.
    pub system: f64,
    /// Of the kernel's own threads that work for them; null where it could not be read.
    pub kernel_threads: Option<f64>,
}

impl CpuPerIo {
    /// All of it, as far as it was measured.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.user + self.system + self.kernel_threads.unwrap_or(0.0)
    }
}

/// What was asked of the engine and what it got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ring {
    /// Knob to value as asked.
    pub requested: KnobValues,
    /// Knob to value as granted.
    pub granted: KnobValues,
    /// Requests handed over by one io_uring_enter, on average; null without a ring, or where a kernel thread
    /// takes them.
    pub sqes_per_enter: Option<f64>,
    /// The same as a distribution: calls of io_uring_enter in the timed trials by how many requests they took
    /// (`0`, `1`, `2-3`, `4-7` and so on).
    pub enters_by_batch: Params,
    /// Who has a ring: `per_thread`, `shared` or `combiner`; null without one.
    #[serde(default)]
    pub sharing: Option<Sharing>,
    /// `shared`: how long workers waited for the ring's lock, per operation; null where there is none.
    #[serde(default)]
    pub lock_wait_ns_per_io: Option<f64>,
    /// `shared`: the share of the times that the lock was wanted at which somebody else had it, from 0 to 1.
    #[serde(default)]
    pub contended_share: Option<f64>,
    /// `combiner`: how long a request lay in its worker's queue, and its completion in the inbox, per operation.
    #[serde(default)]
    pub handover_ns_per_io: Option<f64>,
    /// Completions that the kernel dropped for want of room in the queue, in the timed trials, by its own count; what it
    /// held back for a while is not in it.
    pub cq_overflows: u64,
    /// Requests that the kernel handed to its worker threads, in the audit; null where it was not counted.
    pub punted_to_io_wq: Option<u64>,
    /// Which way requests completed; null without a ring, and where it was not measured.
    #[serde(default)]
    pub completed: Option<Completed>,
    /// Batches as the kernel counted them, in the audit; null where it does not.
    #[serde(default)]
    pub batches: Option<Batches>,
    /// Why there are none, of a ring that was audited.
    #[serde(default)]
    pub batches_missing: Option<String>,
}

/// Failed requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorCount {
    /// The number.
    pub errno: i32,
    /// Its name, such as `EIO`.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// An arm against the baseline at the same point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The arm held against.
    pub baseline: String,
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// `iops`, `latency_mean`, `latency_p50`, `latency_p99`, `latency_p99_9`, `cpu_per_io` or `syscalls_per_io`; where
    /// some operations are urgent also `urgent_p50`, `urgent_p99` and `bulk_iops`.
    pub metric: String,
    /// The arm over the baseline, over the blocks in which both have a trial that counts: of latencies, the ratio
    /// of their merged means or percentiles; of others, the geometric mean of the blocks' ratios. null without
    /// such a block.
    pub ratio: Option<f64>,
    /// 95 % confidence interval of the ratio, not corrected for there being many; null below two blocks.
    pub ci95: Option<[f64; 2]>,
    /// Two-sided: how likely a difference of this size is if there is none.
    pub p_value: Option<f64>,
    /// The same after Holm's correction over all comparisons of this metric in the run.
    #[serde(default)]
    pub p_adjusted: Option<f64>,
    /// Blocks in which both sides have a trial that counts.
    #[serde(default)]
    pub pairs: u32,
    /// What can be concluded.
    pub verdict: Verdict,
    /// Where it is inconclusive: after about so many trials more of each cell it would not be, if they went on as
    /// they did. null where no number of trials would do, and where too few count to tell.
    #[serde(default)]
    pub trials_more: Option<u32>,
    /// Why it is inconclusive whatever the figures say; in the file, a text.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason: Option<TooFewUrgent>,
}

/// A cell has too few urgent operations for a verdict on their slowest.
#[derive(Clone, Debug, PartialEq)]
pub struct TooFewUrgent {
    /// The arm of the cell.
    pub arm: String,
    /// Urgent operations per trial, on average.
    pub per_trial: f64,
    /// How many a verdict needs.
    pub needed: u64,
}

/// What a comparison allows to conclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// Better than the baseline: more of what is good, or less of what is not.
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

    /// The verdict on the other side.
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

/// A claim of the scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// As written.
    pub text: String,
    /// Whether it held. Never true of one that could not be evaluated.
    pub passed: bool,
    /// Whether there were the numbers to tell; without them a claim has neither held nor failed.
    pub evaluated: bool,
    /// The numbers behind it.
    pub detail: String,
}

impl Expectation {
    /// Whether it held, if that could be told.
    #[must_use]
    pub fn outcome(&self) -> Option<bool> {
        self.evaluated.then_some(self.passed)
    }
}

/// What the reader of the numbers must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetWarning {
    /// A stable word for programs.
    pub code: String,
    /// The host; null where it concerns the run.
    pub host: Option<String>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// A host, with what could explain a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSummary {
    /// Its name in the inventory.
    pub name: String,
    /// Where its agent was reached.
    pub address: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The fingerprint.
    pub facts: BTreeMap<String, String>,
}

impl Ring {
    /// What sharing the ring made an operation wait for in user space: the lock, or being handed over; `None`
    /// where no ring is shared.
    #[must_use]
    pub fn wait_ns_per_io(&self) -> Option<f64> {
        self.lock_wait_ns_per_io.or(self.handover_ns_per_io)
    }
}

impl ComparisonSet {
    /// The merged cell of an arm at a point.
    #[must_use]
    pub fn cell(&self, arm: &str, params: &Params) -> Option<&CellSummary> {
        self.cells.iter().find(|cell| cell.host.is_none() && cell.arm == arm && cell.params == *params)
    }

    /// The comparison of an arm with the baseline at a point, by the name of its metric.
    #[must_use]
    pub fn comparison(&self, arm: &str, metric: &str, params: &Params) -> Option<&Comparison> {
        self.comparisons
            .iter()
            .find(|found| found.arm == arm && found.metric == metric && found.params == *params)
    }
}
