//! The runs of a results directory: their list, their results, and the trends of cells over them.
//!
//! The run directories are the only source. An SQLite index beside them avoids reading them all again. It may be
//! deleted at any time. If it is damaged, it is rebuilt; if it is locked or cannot be written, an index in memory
//! is used. No run or report fails because of it.
//!
//! `entry` reads one run directory, `index` caches the entries, [`resolve`] finds a run by its name, and `filter`
//! selects the runs to list.

mod entry;
pub mod filter;
mod index;
pub mod resolve;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use self::entry::CellEntry;
use crate::{
    analysis::fingerprint,
    params::Params,
    plan::Plan,
    store::PLAN,
    summary::{
        ComparisonSet, RunEntry,
        insight::{TrendLine, TrendPoint},
    },
};

/// The default results directory.
pub const RESULTS: &str = "results";
/// The file name of the index.
pub const INDEX: &str = "index.sqlite";
/// The most runs of a trend.
pub const MOST_RUNS: usize = 50;

/// All runs of a results directory, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The runs.
    pub runs: Vec<RunEntry>,
    /// Why there is no index on disk; `None` if there is one.
    pub note: Option<String>,
}

/// Reads the runs of a results directory and updates its index. `rebuild` builds the index from scratch.
///
/// # Errors
/// The directory itself cannot be read. The index never causes an error.
pub fn load(dir: &Path, rebuild: bool) -> io::Result<History> {
    let found = run_directories(dir)?;
    let (runs, note) = index::with(dir, rebuild, |index| {
        index::update(index, &found)?;
        index::runs(index)
    });
    Ok(History { runs, note })
}

/// Updates the index, if the directory has one or should have one.
pub fn refresh(dir: &Path) {
    match load(dir, false) {
        Ok(History { note: Some(note), .. }) => tracing::info!("no index of runs: {note}"),
        Ok(_) => {}
        Err(error) => tracing::info!(dir = %dir.display(), %error, "no index of runs"),
    }
}

/// The results directory of a run. A directory with runs counts as one if it has a link to the latest run or an
/// index, or if it is the default results directory. No index is created in any other directory.
#[must_use]
pub fn results_of(run: &Path) -> Option<PathBuf> {
    let run = fs::canonicalize(run).ok()?;
    let dir = run.parent()?;
    let is_one = dir.join("latest").is_symlink()
        || dir.join(INDEX).is_file()
        || fs::canonicalize(RESULTS).is_ok_and(|usual| usual == dir);
    is_one.then(|| dir.to_owned())
}

/// Directories that contain a plan, by name. Links are other names of runs and are skipped.
fn run_directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.path().join(PLAN).is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The identity of a cell in its scenario: its configuration and its machines.
#[derive(Clone, Debug, PartialEq)]
pub struct CellKey {
    /// The scenario.
    pub scenario: String,
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// Its configuration, as text.
    pub template: String,
    /// The machines; see [`fingerprint::machine`].
    pub machine: String,
}

/// Trends of the cells of a run over earlier runs of its scenario in the same results directory, on the same
/// machines and with the same work. One line for each cell that was measured before, with at most [`MOST_RUNS`]
/// runs, including this one.
#[must_use]
pub fn trend(run: &Path, plan: &Plan, set: &ComparisonSet) -> Vec<TrendLine> {
    let Some(dir) = results_of(run) else { return Vec::new() };
    let Ok(found) = run_directories(&dir) else { return Vec::new() };
    let started_at = entry::started_at(run);
    let machine = fingerprint::machine(&set.hosts);
    let (lines, note) = index::with(&dir, false, |index| {
        index::update(index, &found)?;
        let mut lines = Vec::new();
        for cell in &plan.cells {
            let Some(now) = set.cell(&cell.arm, &cell.params).and_then(|cell| cell.throughput.iops.as_ref())
            else {
                continue;
            };
            let key = CellKey {
                scenario: plan.scenario.clone(),
                arm: cell.arm.clone(),
                params: cell.params.clone(),
                template: entry::template(cell),
                machine: machine.clone(),
            };
            let mut points = index::earlier(index, &key, (&started_at, &set.run_id), MOST_RUNS - 1)?;
            if points.is_empty() {
                continue;
            }
            let run_id = set.run_id.clone();
            points.push(TrendPoint { run_id, at: started_at.clone(), iops: now.mean, ci95: now.ci95 });
            lines.push(TrendLine { arm: cell.arm.clone(), params: cell.params.clone(), points });
        }
        Ok(lines)
    });
    if let Some(note) = note {
        tracing::info!("no index of runs: {note}");
    }
    lines
}

/// Trends of the cells of a scenario over its runs, for the cells of the newest run that has any; `wanted` selects
/// cells.
///
/// # Errors
/// The directory cannot be read.
pub fn trend_of(
    dir: &Path,
    scenario: &str,
    wanted: impl Fn(&str, &Params) -> bool,
) -> io::Result<Vec<TrendLine>> {
    let found = run_directories(dir)?;
    let (lines, _) = index::with(dir, false, |index| {
        index::update(index, &found)?;
        let mut lines = Vec::new();
        for key in index::newest_cells(index, scenario)? {
            if !wanted(&key.arm, &key.params) {
                continue;
            }
            // Later than any time, so that the newest run is included.
            let points = index::earlier(index, &key, ("~", ""), MOST_RUNS)?;
            lines.push(TrendLine { arm: key.arm, params: key.params, points });
        }
        Ok(lines)
    });
    Ok(lines)
}
