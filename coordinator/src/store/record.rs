//! One line of `trials.jsonl`: all that is known of one executed trial, but for its histograms, which lie in
//! `histograms/`.

use proto::{
    outcome::{Direction, Finished, Ready, Refusal},
    trial::Measure,
};
use serde::{Deserialize, Serialize};

use crate::{cluster::clock::ClockOffset, params::Params};

/// One executed trial, on all of its hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// As in the plan.
    pub id: String,
    /// Index into the plan's cells.
    pub cell: usize,
    /// The arm's name.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// The block, from 1; 0 for audits.
    pub block: u32,
    /// Timed, or the audit.
    pub measure: Measure,
    /// When the coordinator sent it off, UTC, RFC 3339.
    pub started_at: String,
    /// Why the trial is kept out of verdicts; empty: it counts. A marked trial is shown, never dropped.
    pub marks: Vec<String>,
    /// What each host did.
    pub hosts: Vec<HostTrial>,
}

impl TrialRecord {
    /// Whether its numbers may enter a verdict.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.marks.is_empty()
    }
}

/// What one host did in a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostTrial {
    /// The host's name in the inventory.
    pub host: String,
    /// The host's monotonic clock less the coordinator's, in nanoseconds, and how far it may be off.
    pub clock: ClockOffset,
    /// What was granted; absent where the host never became ready.
    pub ready: Option<Ready>,
    /// The intervals that arrived, by their edges; their histograms are in [`HostTrial::histograms`].
    pub intervals: Vec<IntervalEdges>,
    /// The host's own account of the whole trial; absent where it was refused or lost.
    pub finished: Option<Finished>,
    /// Why it was refused or lost.
    pub refusal: Option<Refusal>,
    /// The interval log within the run directory, such as `histograms/0007-uring-tuned-n1.hlog`; absent where
    /// no interval arrived.
    pub histograms: Option<String>,
}

/// An interval without its histograms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalEdges {
    /// Counted from 0.
    pub index: u32,
    /// First edge on the host's monotonic clock, in nanoseconds.
    pub begin_ns: u64,
    /// Second edge.
    pub end_ns: u64,
    /// Bytes moved, by direction.
    pub bytes: Vec<(Direction, u64)>,
}
