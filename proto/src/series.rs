//! Latencies by series: one series for each combination of an operation's kind ([`Kind`]) and lane ([`Lane`]).

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Moves data from the target into memory.
    Read,
    /// Moves data from memory to the target.
    Write,
    /// Makes completed writes durable. It moves no data and does not count as an operation.
    Sync,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Sync];
}

/// A lane of operations. Lanes are measured separately and may be treated differently. Syncs are always in the bulk
/// lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// All operations that are not urgent.
    #[default]
    Bulk,
    /// Operations that a trial marks as urgent; see [`crate::urgent`].
    Urgent,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 2] = [Self::Bulk, Self::Urgent];
}

/// The series that an operation belongs to: a kind in a lane. Its number is its position in [`Self::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Syncs.
    Sync,
    /// Reads of the urgent lane.
    UrgentRead,
    /// Writes of the urgent lane.
    UrgentWrite,
}

impl Direction {
    /// All series, in the order of reports: the kinds of one lane, then those of the next.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Sync, Self::UrgentRead, Self::UrgentWrite];

    /// The word used in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::UrgentRead => "urgent-read",
            Self::UrgentWrite => "urgent-write",
        }
    }

    /// The kind of its operations.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Read | Self::UrgentRead => Kind::Read,
            Self::Write | Self::UrgentWrite => Kind::Write,
            Self::Sync => Kind::Sync,
        }
    }

    /// The lane of its operations.
    #[must_use]
    pub fn lane(self) -> Lane {
        match self {
            Self::Read | Self::Write | Self::Sync => Lane::Bulk,
            Self::UrgentRead | Self::UrgentWrite => Lane::Urgent,
        }
    }
}

/// The operations of all workers of a host in one interval of the measured window.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Counted from 0.
    pub index: u32,
    /// First edge, on the agent's monotonic clock: the mean over workers.
    pub begin_ns: u64,
    /// Second edge.
    pub end_ns: u64,
    /// Each series that occurred.
    pub series: Vec<Series>,
}

impl Interval {
    /// Completed reads and writes.
    #[must_use]
    pub fn ops(&self) -> u64 {
        let operations = self.series.iter().filter(|series| series.direction.kind() != Kind::Sync);
        operations.map(|series| series.latency.len()).sum()
    }
}

/// The operations of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The kind and lane.
    pub direction: Direction,
    /// Bytes transferred.
    pub bytes: u64,
    /// Latency in nanoseconds; its count is the number of completed operations.
    pub latency: Histogram<u64>,
    /// Open loop: service time, counted from the submission instead of from the intended time. Absent in closed loop,
    /// where the two are equal.
    pub service: Option<Histogram<u64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_follows_from_kind_and_lane() {
        for (number, direction) in Direction::ALL.into_iter().enumerate() {
            assert_eq!(direction as usize, number);
            assert_eq!(direction.kind() as usize + Kind::ALL.len() * direction.lane() as usize, number);
        }
    }
}
