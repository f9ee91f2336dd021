//! Cells that are not tried again.

use std::collections::BTreeSet;

use super::RefusedCell;
use crate::cluster::{Cluster, trial::TrialRun};

/// Cells that a host refused. It would refuse them every time.
#[derive(Debug, Default)]
pub(super) struct RefusedCells(BTreeSet<usize>);

impl RefusedCells {
    pub(super) fn contains(&self, cell: usize) -> bool {
        self.0.contains(&cell)
    }

    /// Records the refusals of a trial and returns the new ones.
    pub(super) fn record(&mut self, cell: usize, cluster: &Cluster, run: &TrialRun) -> Vec<RefusedCell> {
        let refused = run.hosts.iter().filter(|host| !host.lost && !run.interrupted).filter_map(|host| {
            let refusal = host.refusal.clone()?;
            Some(RefusedCell { cell, host: cluster.hosts()[host.host].name.clone(), refusal })
        });
        let refused: Vec<_> = refused.collect();
        if !refused.is_empty() {
            self.0.insert(cell);
        }
        refused
    }
}
