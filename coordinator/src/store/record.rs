//! One line of `trials.jsonl`: the record of one executed trial. Its histograms are in `histograms/`.

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
    /// When the coordinator started it, in UTC, RFC 3339.
    pub started_at: String,
    /// Why the trial is excluded from verdicts; empty if it counts. A marked trial is shown, never dropped.
    pub marks: Vec<String>,
    /// The results of each host.
    pub hosts: Vec<HostTrial>,
}

impl TrialRecord {
    /// Whether it counts in verdicts.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.marks.is_empty()
    }

    /// Whether every host ran it to its end. A resumed run executes any other trial again.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let ended =
            |host: &HostTrial| host.finished.as_ref().is_some_and(|finished| !finished.window.cut_short);
        !self.hosts.is_empty() && self.hosts.iter().all(|host| host.refusal.is_none() && ended(host))
    }
}

/// The result of one host in a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostTrial {
    /// The host's name in the inventory.
    pub host: String,
    /// The host's monotonic clock minus the coordinator's, in nanoseconds, and its error bound.
    pub clock: ClockOffset,
    /// The granted options; absent if the host never became ready.
    pub ready: Option<Ready>,
    /// The intervals that arrived, by their edges; their histograms are in [`HostTrial::histograms`].
    pub intervals: Vec<IntervalEdges>,
    /// The host's totals of the trial; absent if it refused or was lost.
    pub finished: Option<Finished>,
    /// Why the host refused or was lost.
    pub refusal: Option<Refusal>,
    /// The interval log within the run directory, such as `histograms/0007-uring-tuned-n1.hlog`; absent if no
    /// interval arrived.
    pub histograms: Option<String>,
    /// The log's SHA-256; absent in records of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms_sha256: Option<String>,
}

/// An interval without its histograms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalEdges {
    /// The index, from 0.
    pub index: u32,
    /// First edge on the host's monotonic clock, in nanoseconds.
    pub begin_ns: u64,
    /// Second edge, in nanoseconds.
    pub end_ns: u64,
    /// Bytes moved, by direction.
    pub bytes: Vec<(Direction, u64)>,
}
