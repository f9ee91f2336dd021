//! The answer of a run, as facts from its comparisons; `report` makes the sentences.

mod concurrency;
mod points;

pub use self::{
    concurrency::{Concurrency, Extent, Facet, Group, Limit, LimitedBy, Shipped, Standing},
    points::{Points, RatioAt, TrialsNeeded},
};
use super::{Verdict, crossover::Crossover, evidence::Pair, explanation::Finding, load::LoadCurve};
use crate::params::Params;

/// The answer of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Caveats of the whole run.
    pub notices: Vec<Notice>,
    /// The overall result; `None` if there is none beside the arms'.
    pub headline: Option<Headline>,
    /// Each arm that was compared with the baseline, in the plan's order.
    pub arms: Vec<ArmAnswer>,
    /// Comparisons at equal concurrency; `None` if the scenario names no such pair.
    pub concurrency: Option<Concurrency>,
    /// What limits all arms of equal concurrency, if the figures show it.
    pub limit: Option<Limit>,
    /// Arms in open loop over the offered rates.
    pub loads: Vec<LoadCurve>,
}

/// A caveat of the whole run.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The run was shortened.
    Quick,
    /// The run is incomplete or its data are not trustworthy.
    Incomplete(Vec<Untrusted>),
}

/// Why a run is not trustworthy.
#[derive(Clone, Debug, PartialEq)]
pub enum Untrusted {
    /// Trials of a cell are missing or do not count.
    MissingTrials {
        /// The arm.
        arm: String,
        /// The point.
        params: Params,
        /// Trials that count.
        complete: u32,
        /// Trials that were planned.
        planned: u32,
    },
    /// Data that was read differs from what was written.
    CorruptData {
        /// The arm.
        arm: String,
        /// Sectors whose contents differ from what was written.
        sectors: u64,
    },
}

/// The overall result.
#[derive(Clone, Debug, PartialEq)]
pub enum Headline {
    /// An arm is faster than the baseline.
    Fastest(Fastest),
    /// No arm is faster than the baseline.
    NothingFaster {
        /// The baseline.
        baseline: String,
        /// Whether some comparison is inconclusive.
        inconclusive: bool,
        /// The arm that comes closest, if its explanation is known.
        closest: Option<Closest>,
    },
    /// Nothing was compared: the cell with the most operations per second.
    Most {
        /// Its arm.
        arm: String,
        /// Its point.
        params: Params,
        /// Operations per second.
        iops: f64,
        /// Whether there are other arms.
        among_others: bool,
        /// Whether the scenario names a baseline.
        has_baseline: bool,
    },
    /// No trial counts.
    NoTrial,
}

/// The fastest arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Fastest {
    /// The arm.
    pub arm: String,
    /// The baseline.
    pub baseline: String,
    /// The largest ratio of its IOPS to those of the baseline, and the point.
    pub best: RatioAt,
    /// Confidence interval of the ratio.
    pub ci95: Option<[f64; 2]>,
    /// Operations per second.
    pub iops: Option<Pair>,
    /// System calls per I/O, unless `finding` names them.
    pub syscalls_per_io: Option<Pair>,
    /// Why it is faster, if that is known.
    pub finding: Option<Finding>,
}

/// The arm that comes closest to being faster than the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Closest {
    /// The arm.
    pub arm: String,
    /// Its best ratio.
    pub best: RatioAt,
    /// Why it is not faster.
    pub finding: Finding,
}

/// An arm against the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmAnswer {
    /// The arm.
    pub arm: String,
    /// Whether it does I/O.
    pub does_io: bool,
    /// The verdicts on its IOPS that occur, each once.
    pub verdicts: Vec<VerdictAt>,
    /// The points at which one side was not measured.
    pub not_compared: Option<Points>,
    /// Changes of the 99th percentiles of latency.
    pub tails: Vec<TailChange>,
    /// Where it begins or ceases to be faster, if only one axis is swept.
    pub crossovers: Vec<Crossover>,
    /// System calls, if there are clearly fewer.
    pub syscalls: Option<SyscallsAt>,
}

/// A verdict, and where it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictAt {
    /// The verdict.
    pub verdict: Verdict,
    /// Where it holds.
    pub points: Points,
    /// For *faster* and *slower*: the ratio that is furthest from 1.
    pub most: Option<RatioAt>,
    /// For *inconclusive*: the number of further trials that a verdict needs.
    pub trials_needed: Option<TrialsNeeded>,
}

/// A change of a 99th percentile.
#[derive(Clone, Debug, PartialEq)]
pub struct TailChange {
    /// The operations.
    pub of: TailOf,
    /// Whether it is longer than the baseline's.
    pub longer: bool,
    /// Where it changed most.
    pub most: RatioAt,
    /// The number of all points.
    pub points: usize,
}

/// The operations that a 99th percentile is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailOf {
    /// All operations.
    All,
    /// Urgent operations alone.
    Urgent,
}

/// System calls per I/O where they fell most.
#[derive(Clone, Debug, PartialEq)]
pub struct SyscallsAt {
    /// System calls per I/O.
    pub calls: Pair,
    /// The point.
    pub params: Params,
}
