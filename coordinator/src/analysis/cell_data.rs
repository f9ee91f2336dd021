//! The recorded data of a cell.

use super::{timeline::Timeline, trials::Sample};
use crate::{
    scenario::Cell,
    store::record::TrialRecord,
    summary::{TrialCounts, start::Coverage},
};

/// The recorded data of a cell.
pub(super) struct CellData<'a> {
    pub(super) cell: &'a Cell,
    pub(super) counts: TrialCounts,
    /// The hosts that ran it; before its first trial, those that it selects.
    pub(super) hosts: Vec<String>,
    /// How many of the hosts that it selects these are.
    pub(super) coverage: Coverage,
    /// Timed trials that count.
    pub(super) samples: Vec<Sample>,
    /// The same trials over time.
    pub(super) timeline: Timeline,
    /// Audits that count.
    pub(super) audits: Vec<&'a TrialRecord>,
    /// All trials, whether or not they count.
    pub(super) records: Vec<&'a TrialRecord>,
}
