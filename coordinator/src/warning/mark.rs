//! Marks: reasons for which a trial is excluded from verdicts, as they are recorded.

use std::{collections::BTreeMap, fmt};

use proto::{notice::Notice as _, outcome::Refusal};

use super::NoiseWarning;
use crate::errno::errno_name;

/// A mark of a trial. Its text is complete on its own, as in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The host, if the trial has several.
    pub host: Option<String>,
    /// The reason.
    pub reason: Reason,
}

/// Why a host's part of a trial is excluded from verdicts.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The host refused the trial.
    Refused(Refusal),
    /// The host is lost.
    Lost(Refusal),
    /// The host did not finish, because the run was interrupted.
    Interrupted,
    /// The host did not finish.
    NotFinished,
    /// The host was stopped before the end.
    CutShort {
        /// Whether the run was interrupted.
        interrupted: bool,
    },
    /// Requests failed; their number by errno.
    FailedRequests(BTreeMap<i32, u64>),
    /// Requests were transferred only in part.
    ShortTransfers(u64),
    /// Sectors did not hold what was written.
    FailedVerification(u64),
    /// The intervals do not hold all operations.
    LostInterval {
        /// Whether syncs are missing; otherwise reads or writes.
        syncs: bool,
        /// Operations in the intervals.
        intervals: u64,
        /// Operations that the agent counted.
        counted: u64,
    },
    /// Measuring began late, by this many milliseconds.
    Late(u64),
    /// Other activity on the host could have changed the result.
    Noisy(NoiseWarning),
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}: ")?;
        }
        self.reason.fmt(f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused ({}): {refusal}", refusal.code()),
            Self::Lost(refusal) => write!(f, "host lost ({}): {refusal}", refusal.code()),
            Self::Interrupted => f.write_str("interrupted"),
            Self::NotFinished => f.write_str("not run to the end"),
            Self::CutShort { interrupted: true } => f.write_str("interrupted: cut short"),
            Self::CutShort { interrupted: false } => f.write_str("cut short"),
            Self::FailedRequests(errors) => {
                let each: Vec<String> =
                    errors.iter().map(|(&errno, count)| format!("{} x{count}", errno_name(errno))).collect();
                let total: u64 = errors.values().sum();
                let requests = if total == 1 { "request" } else { "requests" };
                write!(f, "{total} {requests} failed: {}", each.join(", "))
            }
            Self::ShortTransfers(requests) => {
                write!(f, "{requests} requests were transferred only in part")
            }
            Self::FailedVerification(sectors) => {
                write!(f, "{sectors} sectors failed verification (verify-failed)")
            }
            Self::LostInterval { syncs, intervals, counted } => {
                let what = if *syncs { "syncs" } else { "operations" };
                write!(f, "lost interval: the intervals hold {intervals} {what}, the agent counted {counted}")
            }
            Self::Late(ms) => write!(f, "measuring began {ms} ms late"),
            Self::Noisy(noise) => write!(f, "noisy ({}): {}", noise.code(), noise.message()),
        }
    }
}
