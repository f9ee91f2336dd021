//! What was recorded of one cell.

use super::{timeline::Timeline, trials::Sample};
use crate::{scenario::Cell, store::record::TrialRecord, summary::TrialCounts};

/// All that was recorded of a cell.
pub(super) struct CellData<'a> {
    pub(super) cell: &'a Cell,
    pub(super) counts: TrialCounts,
    /// The hosts that ran it, or would have.
    pub(super) hosts: Vec<String>,
    /// Timed trials that count.
    pub(super) samples: Vec<Sample>,
    /// The same, interval by interval.
    pub(super) timeline: Timeline,
    /// Audits that count.
    pub(super) audits: Vec<&'a TrialRecord>,
    /// All trials, whether or not they count.
    pub(super) records: Vec<&'a TrialRecord>,
}
