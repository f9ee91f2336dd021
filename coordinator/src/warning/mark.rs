//! Marks: reasons for which a trial is excluded from verdicts, as they are recorded.

use std::{collections::BTreeMap, fmt};

use proto::{notice::Notice as _, outcome::Refusal, warning::TargetWarning};

use super::{NoiseWarning, ranges};
use crate::errno::errno_name;

/// A mark of a trial. Its text is complete on its own, as in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The hosts that it concerns, if the trial has several.
    pub hosts: Vec<String>,
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
    /// The measured window has the wrong length, as after the process was stopped or the host was suspended.
    WindowLength {
        /// Its length, in milliseconds.
        ms: u64,
        /// The planned length, in milliseconds.
        planned_ms: u64,
    },
    /// The target is not what the trial is meant to measure.
    Target(TargetWarning),
    /// Other activity on the host could have changed the result.
    Noisy(NoiseWarning),
}

impl Mark {
    /// Joins marks of the same kind on several hosts: counts are added up, of other figures the worst is kept.
    #[must_use]
    pub fn joined(marks: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut joined: Vec<Self> = Vec::new();
        for mark in marks {
            match joined.iter_mut().find_map(|known| known.reason.join(&mark.reason).then_some(known)) {
                Some(known) => known.hosts.extend(mark.hosts),
                None => joined.push(mark),
            }
        }
        joined
    }
}

impl Reason {
    /// Joins a reason of another host; `false` if it is of another kind.
    fn join(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::FailedRequests(counts), Self::FailedRequests(more)) => {
                more.iter().for_each(|(errno, count)| *counts.entry(*errno).or_default() += count);
            }
            (Self::ShortTransfers(count), Self::ShortTransfers(more))
            | (Self::FailedVerification(count), Self::FailedVerification(more)) => *count += more,
            (Self::Late(ms), Self::Late(other)) => *ms = (*ms).max(*other),
            (Self::Noisy(noise), Self::Noisy(other)) if noise.code() == other.code() => {
                if other.weight() > noise.weight() {
                    *noise = other.clone();
                }
            }
            (Self::WindowLength { ms, planned_ms }, Self::WindowLength { ms: other, .. }) => {
                if other.abs_diff(*planned_ms) > ms.abs_diff(*planned_ms) {
                    *ms = *other;
                }
            }
            (known, other) => return known == other,
        }
        true
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.hosts.is_empty() {
            write!(f, "{}: ", ranges(self.hosts.iter().map(String::as_str)).join(", "))?;
        }
        match &self.reason {
            Reason::Late(ms) if self.hosts.len() > 1 => write!(f, "measuring began up to {ms} ms late"),
            reason => reason.fmt(f),
        }
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
            Self::WindowLength { ms, planned_ms } => {
                write!(f, "the measured window has {ms} ms instead of {planned_ms} ms")
            }
            Self::Target(target) => write!(f, "{} ({})", target.message(), target.code()),
            Self::Noisy(noise) => write!(f, "noisy ({}): {}", noise.code(), noise.message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_many_hosts_are_joined_by_kind() {
        let on = |host: u64, reason| Mark { hosts: vec![format!("n{host}")], reason };
        let late = (1..=32).map(|host| on(host, Reason::Late(100 + host)));
        let failed =
            [(3, 2), (7, 5)].map(|(host, count)| on(host, Reason::FailedRequests([(5, count)].into())));
        let marks = Mark::joined(late.chain(failed).chain([on(9, Reason::NotFinished)]));
        let texts: Vec<String> = marks.iter().map(Mark::to_string).collect();
        assert_eq!(
            texts,
            [
                "n1..n32: measuring began up to 132 ms late",
                "n3, n7: 7 requests failed: EIO x7",
                "n9: not run to the end",
            ]
        );
    }
}
