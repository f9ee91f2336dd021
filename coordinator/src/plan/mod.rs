//! Plans a run: turns axes, arms and trials into an ordered, seeded, interleaved list of trials.

mod order;

use std::{collections::HashSet, time::Duration};

use proto::{
    trial::{FileTarget, Measure, Target, Trial},
    units::Nanos,
};
use serde::{Deserialize, Serialize};

use crate::{
    params::Params,
    scenario::{
        Cell, Loaded, Precision, Scenario, ScenarioError, host_loss::HostLossPolicy, noise::NoisePolicy,
    },
    stats::difference::Length,
};

/// The longest warm-up of an audit. An audit only counts system calls, so it can be short.
pub const AUDIT_WARMUP: Nanos = Nanos(100_000_000);
/// The longest measured time of an audit.
pub const AUDIT_RUNTIME: Nanos = Nanos(300_000_000);
/// The estimated overhead of a trial: rings, threads, the barrier, the last messages.
pub const OVERHEAD_PER_TRIAL: Duration = Duration::from_millis(150);
/// The estimated speed of filling a file or RAM disk, in bytes per second. Each distinct one is filled once per
/// run.
pub const FILL_RATE: u64 = 500_000_000;

/// The plan of a run. Written to `plan.json` before the first trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// Determines the order of the trials and the seed of each.
    pub seed: u64,
    /// Whether `--quick` shortened it.
    pub quick: bool,
    /// `--set` as given, in order.
    pub overrides: Vec<String>,
    /// Arms at points, arm by arm within each point, in the scenario's order.
    pub cells: Vec<Cell>,
    /// How noisy trials are treated.
    #[serde(default)]
    pub noise: NoisePolicy,
    /// What happens when a host is lost.
    #[serde(default)]
    pub on_host_loss: HostLossPolicy,
    /// Timed trials planned for each cell; the maximum if `stopping` is set.
    pub trials_per_cell: u32,
    /// The condition under which fewer trials suffice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
    /// The block after which fewer trials sufficed. Blocks planned after it are not missing. Written when it is
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<u32>,
    /// The trials in the order in which they run: first the audits, which also show early which cells cannot run,
    /// then the timed trials, block by block. Each block runs every cell once, the arms of a
    /// point one after the other, in a random order that is balanced over the blocks.
    pub trials: Vec<PlannedTrial>,
}

/// Stopping by precision: after each block from `min` on, the run ends if its intervals are narrow enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The fewest blocks.
    pub min: u32,
    /// Half the width of the widest interval as a share of the ratio: 0.02 for ± 2 %.
    pub until: f64,
    /// The baseline arm.
    pub baseline: String,
}

/// One planned execution of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTrial {
    /// Unique in the run, fit for a file name: `0007-uring-tuned`, where 7 is the position in the order.
    pub id: String,
    /// Index into [`Plan::cells`].
    pub cell: usize,
    /// The block it belongs to, from 1; 0 for audits.
    pub block: u32,
    /// Timed, or the audit.
    pub measure: Measure,
    /// Determines the trial's offsets. Equal for all cells of a block that differ only in their arm, so that all arms
    /// use the same offsets.
    pub seed: u64,
}

/// Makes the plan of a scenario: its cells and the order in which they run. The order depends on the seed; callers
/// without a seed use the scenario's or draw one.
///
/// # Errors
/// A cell is invalid. This cannot happen if the scenario is as [`crate::scenario::load`] returned it.
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
        on_host_loss: scenario.on_host_loss,
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
    /// The trial as it is sent to a host. An audit is shortened to [`AUDIT_WARMUP`] and [`AUDIT_RUNTIME`].
    ///
    /// # Panics
    /// If the trial belongs to another plan with more cells.
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

    /// Appends further blocks. They are those that a plan with more trials has after the same ones: their order and
    /// seeds do not depend on when they are appended.
    pub fn extend(&mut self, trials: u32) {
        let planned = self.trials_per_cell;
        self.trials_per_cell = planned.saturating_add(trials);
        let all = order::order(&self.cells, self.trials_per_cell, self.seed);
        self.trials.extend(all.into_iter().filter(|trial| trial.block > planned));
    }

    /// The estimated duration of the run: the time of every trial with [`OVERHEAD_PER_TRIAL`], and filling every
    /// distinct file or RAM disk once at [`FILL_RATE`].
    #[must_use]
    pub fn expected_duration(&self) -> Duration {
        self.duration_of(self.trials_per_cell)
    }

    /// The estimated duration of the shortest run, if precision may stop it early.
    #[must_use]
    pub fn least_duration(&self) -> Option<Duration> {
        self.stopping.as_ref().map(|stopping| self.duration_of(stopping.min))
    }

    /// The number of blocks of timed trials: all, or those before precision stopped the run.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.stopped_after.unwrap_or(self.trials_per_cell)
    }

    /// The rule for the number of trials.
    #[must_use]
    pub fn length(&self) -> Length {
        self.stopping.as_ref().map_or(Length::Fixed, |stopping| Length::ByPrecision { min: stopping.min })
    }

    /// Trials of each cell as text: `5`, or `5 to 30`.
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
                // A verified target is filled before each trial and read back after it.
                let moved = if work.verify { 2.0 * fill_seconds(&target) } else { 0.0 };
                work.warmup.as_duration() + work.runtime.as_duration() + OVERHEAD_PER_TRIAL + seconds(moved)
            })
            .sum();
        let targets: HashSet<&Target> = self.cells.iter().map(|cell| &cell.template.target).collect();
        trials + seconds(targets.into_iter().map(fill_seconds).sum())
    }

    /// The number of comparisons of each metric, judged together: pairs of cells at the same point whose arms the
    /// scenario compares.
    #[must_use]
    pub fn comparisons(&self, scenario: &Scenario) -> u32 {
        let compared = |cell: &Cell| {
            let others = self.cells.iter().filter(|other| other.params == cell.params);
            others.filter(|other| scenario.compares(&cell.arm, &other.arm)).count()
        };
        u32::try_from(self.cells.iter().map(compared).sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// The points of the sweep, in order.
    #[must_use]
    pub fn points(&self) -> Vec<Params> {
        let mut points: Vec<Params> = Vec::new();
        // Cells of a point are adjacent, so comparing with the last one is enough.
        for cell in &self.cells {
            if points.last() != Some(&cell.params) {
                points.push(cell.params.clone());
            }
        }
        points
    }
}

/// The time to fill a target, in seconds; 0 for an existing target.
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
