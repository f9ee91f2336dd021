//! Arms of equal concurrency: equally many requests in flight, by one thread or by many.

use super::points::{Points, RatioAt, TrialsNeeded};
use crate::{params::Params, summary::evidence::Pair};

/// What concurrency gains, and how arms of equal concurrency compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Concurrency {
    /// Arms with the baseline's threads and more requests in flight, against the baseline.
    pub gain: Option<Group>,
    /// Arms against others with equally many requests in flight, which are more than the baseline's; one group for
    /// each other arm.
    pub equal: Vec<Group>,
    /// The arms of `gain` against the baseline where both have equally many requests in flight.
    pub start: Option<Group>,
}

/// Comparisons of some arms with the same other arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The arms.
    pub arms: Vec<String>,
    /// The arm that they are compared with.
    pub against: String,
    /// The threads of each arm; `None` if the number varies.
    pub threads: Option<u32>,
    /// The threads of the other arm; `None` if the number varies.
    pub threads_against: Option<u32>,
    /// The points.
    pub points: Points,
    /// The verdicts on each metric that matters here and was compared.
    pub standings: Vec<Standing>,
}

/// A metric of a group's comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    /// Operations per second.
    Iops,
    /// CPU time per I/O, in ns.
    CpuPerIo,
    /// The 99th percentile of latency, in ns.
    LatencyP99,
    /// System calls per I/O.
    SyscallsPerIo,
}

/// The verdicts of a group of comparisons on one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The metric.
    pub facet: Facet,
    /// The number of comparisons with a ratio.
    pub comparisons: usize,
    /// Comparisons in which the arm is better.
    pub better: Option<Extent>,
    /// Comparisons in which it is worse.
    pub worse: Option<Extent>,
    /// Whether every comparison found *no difference*.
    pub all_equal: bool,
    /// Whether every ratio is close to 1, whatever the verdicts.
    pub all_close: bool,
    /// The smallest and the largest ratio.
    pub range: [f64; 2],
    /// The number of further trials that the inconclusive comparisons need, if it is known.
    pub trials_needed: Option<TrialsNeeded>,
}

/// The comparisons of a group that have one verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// Their number.
    pub comparisons: usize,
    /// Their points, if every arm has the verdict at each of them.
    pub points: Option<Points>,
    /// The smallest and the largest ratio.
    pub range: [f64; 2],
    /// The ratio that is furthest from 1.
    pub most: RatioAt,
    /// The arm of that ratio.
    pub arm: String,
    /// The figures of both arms there.
    pub figures: Option<Pair>,
}

/// A limit that all arms of equal concurrency reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The limit.
    pub by: LimitedBy,
    /// The first point at which it is reached; it holds at all later ones.
    pub from: Params,
    /// Whether that is the last point.
    pub last_only: bool,
    /// The shipped scenario that shows the difference without this limit.
    pub shown_by: Option<Shipped>,
}

/// What limits arms of equal concurrency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The device: IOPS no longer grow, and the CPUs are not full.
    Device,
    /// The workers' CPUs are full.
    Cpu,
}

/// A shipped scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// `scenarios/ramdisk.yaml`.
    Ramdisk,
}
