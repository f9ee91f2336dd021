//! Axes x arms x trials become an ordered, seeded, interleaved list of trials.

mod order;

use std::{collections::HashSet, time::Duration};

use proto::{
    trial::{FileTarget, Measure, Target, Trial},
    units::Nanos,
};
use serde::{Deserialize, Serialize};

use crate::{
    params::Params,
    scenario::{Cell, Loaded, Precision, ScenarioError, noise::NoisePolicy},
    stats::difference::Length,
};

/// The longest warm-up of an audit: it only counts, so it need not be long.
pub const AUDIT_WARMUP: Nanos = Nanos(100_000_000);
/// The longest measured time of an audit.
pub const AUDIT_RUNTIME: Nanos = Nanos(300_000_000);
/// What a trial is taken to cost beyond its own time: rings, threads, the barrier, the last messages.
pub const OVERHEAD_PER_TRIAL: Duration = Duration::from_millis(150);
/// How fast a file or RAM disk is taken to be filled, in bytes a second. Each distinct one is filled once a run.
pub const FILL_RATE: u64 = 500_000_000;

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
    /// What becomes of noisy trials.
    #[serde(default)]
    pub noise: NoisePolicy,
    /// Timed trials planned for each cell; with `stopping`, at most.
    pub trials_per_cell: u32,
    /// When fewer trials will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
    /// The block after which they did: what was planned beyond it is not missing. Written when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<u32>,
    /// In the order in which they run: first the audits, which also show early what cannot run, then the
    /// timed trials, block by block; each block runs every cell once in an order of its own.
    pub trials: Vec<PlannedTrial>,
}

/// Stopping by precision: after each block from `min` on, the run ends if its intervals are narrow enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The fewest blocks.
    pub min: u32,
    /// Half the length of the widest interval, as a share of the ratio: 0.02 for ± 2 %.
    pub until: f64,
    /// The arm that others are held against.
    pub baseline: String,
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

/// Makes the plan of a scenario: which cells there are and in which order they run. The seed decides; whoever
/// has none of their own takes the scenario's, or draws one.
///
/// # Errors
/// What is wrong with a cell; nothing, if the scenario is as [`crate::scenario::load`] gave it.
pub fn plan(loaded: &Loaded, seed: u64) -> Result<Plan, ScenarioError> {
    let scenario = &loaded.scenario;
    let cells = loaded.cells()?;
    let trials = order::order(&cells, scenario.trials, seed);
    Ok(Plan {
        scenario: scenario.name.clone(),
        seed,
        quick: loaded.quick,
        overrides: loaded.overrides.clone(),
        cells,
        noise: scenario.noise,
        trials_per_cell: scenario.trials,
        stopping: scenario.precision.map(|Precision { min, until }| Stopping {
            min,
            until,
            baseline: scenario.baseline_arm().to_owned(),
        }),
        stopped_after: None,
        trials,
    })
}

impl Plan {
    /// A planned trial as it is sent to a host. An audit is cut to [`AUDIT_WARMUP`] and [`AUDIT_RUNTIME`].
    ///
    /// # Panics
    /// If the trial is of another plan, with more cells.
    #[must_use]
    pub fn trial(&self, planned: &PlannedTrial) -> Trial {
        let mut trial = self.cells[planned.cell].template.clone();
        trial.id.clone_from(&planned.id);
        trial.seed = planned.seed;
        trial.measure = planned.measure;
        if planned.measure == Measure::Audit {
            trial.workload.warmup = trial.workload.warmup.min(AUDIT_WARMUP);
            trial.workload.runtime = trial.workload.runtime.min(AUDIT_RUNTIME);
        }
        trial
    }

    /// How long the run is going to take: every trial's own time with [`OVERHEAD_PER_TRIAL`], and filling
    /// every distinct file or RAM disk once at [`FILL_RATE`].
    #[must_use]
    pub fn expected_duration(&self) -> Duration {
        self.duration_of(self.trials_per_cell)
    }

    /// The same of the shortest run, where precision may stop it early.
    #[must_use]
    pub fn least_duration(&self) -> Option<Duration> {
        self.stopping.as_ref().map(|stopping| self.duration_of(stopping.min))
    }

    /// Blocks of timed trials that there are to be: all, or those until it was stopped by precision.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.stopped_after.unwrap_or(self.trials_per_cell)
    }

    /// What decides how many trials there are.
    #[must_use]
    pub fn length(&self) -> Length {
        self.stopping.as_ref().map_or(Length::Fixed, |stopping| Length::ByPrecision { min: stopping.min })
    }

    /// Trials of each cell in words: `5`, or `5 to 30`.
    #[must_use]
    pub fn trials_in_words(&self) -> String {
        let most = self.trials_per_cell;
        self.stopping
            .as_ref()
            .map_or_else(|| most.to_string(), |stopping| format!("{} to {most}", stopping.min))
    }

    fn duration_of(&self, blocks: u32) -> Duration {
        let trials: Duration = self
            .trials
            .iter()
            .filter(|planned| planned.block <= blocks)
            .map(|planned| {
                let Trial { workload: work, target, .. } = self.trial(planned);
                // What is verified is filled before each trial, and read back after it.
                let moved = if work.verify { 2.0 * fill_seconds(&target) } else { 0.0 };
                work.warmup.as_duration() + work.runtime.as_duration() + OVERHEAD_PER_TRIAL + seconds(moved)
            })
            .sum();
        let targets: HashSet<&Target> = self.cells.iter().map(|cell| &cell.template.target).collect();
        trials + seconds(targets.into_iter().map(fill_seconds).sum())
    }

    /// Comparisons of each metric, all of them judged together: cells of other arms at points that the baseline has.
    #[must_use]
    pub fn comparisons(&self, baseline: &str) -> u32 {
        let (base, others): (Vec<&Cell>, Vec<&Cell>) =
            self.cells.iter().partition(|cell| cell.arm == baseline);
        let compared = |cell: &&&Cell| base.iter().any(|base| base.params == cell.params);
        u32::try_from(others.iter().filter(compared).count()).unwrap_or(u32::MAX)
    }

    /// The points of the sweep, in order.
    #[must_use]
    pub fn points(&self) -> Vec<Params> {
        let mut points: Vec<Params> = Vec::new();
        // Cells of a point stand together, so looking at the last one is enough.
        for cell in &self.cells {
            if points.last() != Some(&cell.params) {
                points.push(cell.params.clone());
            }
        }
        points
    }
}

/// How long filling a target takes, in seconds; nothing for one that exists already.
fn fill_seconds(target: &Target) -> f64 {
    match target {
        Target::File(FileTarget { size, .. }) => size.0 as f64 / FILL_RATE as f64,
        Target::Ramdisk(disk) if disk.memory_backed => disk.size.0 as f64 / FILL_RATE as f64,
        Target::Path(_) | Target::Device(_) | Target::Ramdisk(_) => 0.0,
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 2)
}

#[cfg(test)]
mod tests;
