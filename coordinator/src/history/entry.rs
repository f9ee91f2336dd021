//! Reads the entry of a run from its directory.

use std::{collections::BTreeSet, fs, path::Path, time::SystemTime};

use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description,
};

use crate::{
    analysis::{self, fingerprint},
    exit::Exit,
    input,
    params::Params,
    plan::Plan,
    report::words,
    scenario::Cell,
    store::{HOSTS, HostEntry, PLAN, RunDir, SCENARIO, SUMMARY, TRIALS},
    summary::{ComparisonSet, RunEntry},
};

/// A cell of a run, for trends.
#[derive(Clone, Debug, PartialEq)]
pub struct CellEntry {
    /// The arm.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// Its complete configuration.
    pub template: String,
    /// Operations per second, mean over the trials.
    pub iops: f64,
    /// Confidence interval of the mean.
    pub ci95: Option<[f64; 2]>,
}

/// The indexed data of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) entry: RunEntry,
    pub(super) cells: Vec<CellEntry>,
    /// See [`fingerprint::machine`].
    pub(super) machine: String,
}

/// A stamp that changes when a run's files change.
pub(super) fn stamp(run: &Path) -> String {
    let of = |name: &str| {
        let file = fs::metadata(run.join(name)).ok()?;
        let time = file.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("{}.{}", time.as_nanos(), file.len()))
    };
    let stamps = [PLAN, HOSTS, TRIALS, SUMMARY].map(|name| of(name).unwrap_or_default());
    stamps.join(" ")
}

/// When a run began: the time in its name, or else the time of its scenario file. The plan's time does not serve,
/// because the plan is rewritten when precision ends a run.
pub(super) fn started_at(run: &Path) -> String {
    let real = fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let named = name.split_once('-').and_then(|(stamp, _)| PrimitiveDateTime::parse(stamp, format).ok());
    let written = || fs::metadata(run.join(SCENARIO)).and_then(|scenario| scenario.modified()).ok();
    let at = named.map(PrimitiveDateTime::assume_utc).or_else(|| written().map(OffsetDateTime::from));
    // To the second, so that texts of equal length sort by time.
    let whole = at.unwrap_or(OffsetDateTime::UNIX_EPOCH).replace_nanosecond(0);
    whole.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The configuration of a cell as text: equal if two cells measure the same.
pub(super) fn template(cell: &Cell) -> String {
    serde_json::to_string(&(&cell.template, &cell.hosts)).unwrap_or_default()
}

/// Reads a run directory. A damaged one gives an entry with the error.
pub(super) fn read(path: &Path) -> Read {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut entry = RunEntry { name, started_at: started_at(path), ..RunEntry::default() };
    let plan = RunDir::open(path).and_then(|run| Ok((run.plan()?, run.hosts()?, run)));
    let (plan, hosts, run) = match plan {
        Ok(read) => read,
        Err(error) => {
            entry.problem = Some(error.to_string());
            return Read { entry, ..Read::default() };
        }
    };
    of_plan(&mut entry, &plan, &hosts);
    let summary = input::bytes(&path.join(SUMMARY), input::MAX_JSON).ok();
    let set = summary.and_then(|bytes| serde_json::from_slice::<ComparisonSet>(&bytes).ok());
    let Some(mut set) = set else { return Read { entry, ..Read::default() } };
    // Sentences are not read back from the file; the answer follows again from the numbers.
    analysis::conclude(&mut set, &plan, &[]);
    let refused = run.read_trials().is_ok_and(|trials| {
        trials.records.iter().any(|trial| trial.hosts.iter().any(|host| host.refusal.is_some()))
    });
    of_summary(&mut entry, &set, refused);
    let cells = plan.cells.iter().filter_map(|cell| {
        let iops = set.cell(&cell.arm, &cell.params)?.throughput.iops.as_ref()?;
        Some(CellEntry {
            arm: cell.arm.clone(),
            params: cell.params.clone(),
            template: template(cell),
            iops: iops.mean,
            ci95: iops.ci95,
        })
    });
    Read { cells: cells.collect(), machine: fingerprint::machine(&set.hosts), entry }
}

fn of_plan(entry: &mut RunEntry, plan: &Plan, hosts: &[HostEntry]) {
    entry.scenario.clone_from(&plan.scenario);
    entry.quick = plan.quick;
    for cell in &plan.cells {
        if !entry.arms.contains(&cell.arm) {
            entry.arms.push(cell.arm.clone());
        }
    }
    entry.trials_planned = plan.blocks() * plan.cells.len() as u32;
    entry.hosts = hosts.iter().map(|host| (host.name.clone(), host.labels.clone())).collect();
    let kernels: BTreeSet<&String> =
        hosts.iter().filter_map(|host| host.description.facts.get("kernel.release")).collect();
    entry.kernels = kernels.into_iter().cloned().collect();
}

fn of_summary(entry: &mut RunEntry, set: &ComparisonSet, refused: bool) {
    let merged = || set.cells.iter().filter(|cell| cell.host.is_none());
    entry.trials_planned = merged().map(|cell| cell.trials.planned).sum();
    entry.trials_complete = merged().map(|cell| cell.trials.complete).sum();
    entry.answer = Some(words::answer::summary(&set.answer));
    let mut exit = Exit::of(set);
    for expectation in &set.expectations {
        match expectation.outcome() {
            Some(true) => entry.expectations_held += 1,
            Some(false) => entry.expectations_failed += 1,
            None => entry.expectations_unknown += 1,
        }
    }
    if refused {
        exit = exit.strongest(Exit::Host);
    }
    entry.exit = Some(exit.code());
}
