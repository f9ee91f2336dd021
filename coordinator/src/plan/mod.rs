//! Axes x arms x trials become an ordered, seeded, interleaved list of trials.

use std::collections::BTreeMap;

use proto::trial::{Measure, Trial};
use serde::{Deserialize, Serialize};

/// A point of the sweep: axis to value, in the order of the scenario; sizes and durations as text.
pub type Params = serde_json::Map<String, serde_json::Value>;

/// All that a run is going to do. Written to `plan.json` before the first trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// Decides the order of the trials and, through it, every trial's own seed.
    pub seed: u64,
    /// Whether `--quick` shortened it.
    pub quick: bool,
    /// `--set` as given, in order.
    pub overrides: Vec<String>,
    /// Arms at points, arm by arm within each point, in the scenario's order.
    pub cells: Vec<Cell>,
    /// Timed trials planned for each cell.
    pub trials_per_cell: u32,
    /// In the order in which they run: first the audits, which also show early what cannot run, then the
    /// timed trials, block by block; each block runs every cell once in an order of its own.
    pub trials: Vec<PlannedTrial>,
}

/// An arm at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The arm's name.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// Labels that a host must have to run it; empty: every host runs it.
    pub hosts: BTreeMap<String, String>,
    /// What is run. Its `id`, `seed` and `measure` are set for each trial by [`Plan::trial`].
    pub template: Trial,
}

/// One execution of a cell, in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTrial {
    /// Unique in the run, fit for a file name: `0007-uring-tuned`, where 7 is the place in the order.
    pub id: String,
    /// Index into [`Plan::cells`].
    pub cell: usize,
    /// The block it belongs to, from 1; 0 for audits.
    pub block: u32,
    /// Timed, or the audit.
    pub measure: Measure,
    /// Decides the trial's offsets. The same for all cells of a block that differ only in their arm, so that
    /// arms meet the same offsets.
    pub seed: u64,
}

impl Plan {
    /// A planned trial with nothing left to decide.
    #[must_use]
    pub fn trial(&self, planned: &PlannedTrial) -> Trial {
        Trial {
            id: planned.id.clone(),
            seed: planned.seed,
            measure: planned.measure,
            ..self.cells[planned.cell].template.clone()
        }
    }
}
