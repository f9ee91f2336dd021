//! Columns that a table has only where some row has something to say in them.

use super::text::Align;
use crate::{
    summary::{CellSummary, audit::Completed},
    units,
};

/// Such a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    /// Median of syncs.
    SyncP50,
    /// Their 99th percentile.
    SyncP99,
    /// Median of urgent operations.
    UrgentP50,
    /// Their 99th percentile.
    UrgentP99,
    /// The rate of the others.
    BulkIops,
    /// What sharing the ring made an I/O wait for.
    Wait,
    /// The way that most requests completed.
    Path,
}

impl Extra {
    /// In the order in which they stand.
    pub(super) const ALL: [Self; 7] = [
        Self::SyncP50,
        Self::SyncP99,
        Self::UrgentP50,
        Self::UrgentP99,
        Self::BulkIops,
        Self::Wait,
        Self::Path,
    ];

    /// Those of urgent operations.
    pub(super) const URGENT: [Self; 3] = [Self::UrgentP50, Self::UrgentP99, Self::BulkIops];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::SyncP50 => "sync p50",
            Self::SyncP99 => "sync p99",
            Self::UrgentP50 => "urg p50",
            Self::UrgentP99 => "urg p99",
            Self::BulkIops => "bulk IOPS",
            Self::Wait => "wait/IO",
            Self::Path => "path",
        }
    }

    pub(super) fn align(self) -> Align {
        match self {
            Self::Path => Align::Left,
            _ => Align::Right,
        }
    }

    /// How to read it.
    pub(super) fn legend(self) -> Option<&'static str> {
        match self {
            Self::SyncP50 => {
                Some("sync p50, p99: of the fsync or fdatasync itself; it is not among the IOPS.")
            }
            Self::UrgentP50 => Some(
                "urg p50, p99: of the urgent I/Os alone; bulk IOPS: of the others. All are in IOPS, p50 and p99.",
            ),
            Self::SyncP99 | Self::UrgentP99 | Self::BulkIops => None,
            Self::Wait => Some(
                "wait/IO: time per I/O in user space for sharing a ring: for its lock (shared), or in queues \
                 (combiner).",
            ),
            Self::Path => Some(
                "path: how most requests completed: inline, within the call that submits them; task: by task work, \
                 after an interrupt; polled; punted to a thread of the kernel.",
            ),
        }
    }

    /// What a cell has to say in it.
    pub(super) fn text(self, cell: &CellSummary) -> Option<String> {
        match self {
            Self::SyncP50 => cell.metric("sync_p50").map(units::nanos),
            Self::SyncP99 => cell.metric("sync_p99").map(units::nanos),
            Self::UrgentP50 => cell.metric("urgent_p50").map(units::nanos),
            Self::UrgentP99 => cell.metric("urgent_p99").map(units::nanos),
            Self::BulkIops => cell.metric("bulk_iops").map(units::count),
            Self::Wait => cell.ring.wait_ns_per_io().map(units::nanos),
            Self::Path => cell.ring.completed.as_ref().map(path),
        }
    }
}

/// `inline`, or `73% punted` where others matter.
fn path(completed: &Completed) -> String {
    let most = completed.shares().into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
    match most.unwrap_or_default() {
        (word, share) if share >= 0.995 => word.to_owned(),
        (word, share) => format!("{:.0}% {word}", share * 100.0),
    }
}
