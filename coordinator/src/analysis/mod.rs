//! From the run directory to one [`ComparisonSet`]: merge, statistics, verdicts, warnings.
//!
//! Each trial is a sample: per trial, hosts are merged over their common window ([`window`], [`merge`]); over
//! trials, there are means with intervals, and ratios with verdicts ([`stats`](crate::stats)). A marked trial is counted
//! and shown, but enters no figure except the counts of errors.

use std::collections::BTreeMap;

use proto::trial::{EngineKind, Measure};

use crate::{
    plan::Plan,
    scenario::{Cell, Versus, host_loss::HostLossPolicy},
    store::{HostEntry, RunDir, StoreError, record::TrialRecord},
    summary::{
        CellSummary, ComparisonSet, HostSummary, SCHEMA, TrialCounts,
        answer::{Answer, Untrusted},
        start::Coverage,
    },
};

mod answer;
pub mod audit;
pub mod calibration;
mod cell_data;
mod cells;
mod compare;
mod course;
mod coverage;
mod emulated;
pub mod expectations;
mod explain;
pub mod export_rows;
pub mod fingerprint;
#[cfg(test)]
pub(crate) mod fixture;
mod latency;
mod load_curve;
pub mod measured;
pub mod merge;
pub mod noise;
mod one_machine;
pub mod packed;
pub mod placement;
pub mod run_diff;
mod start;
#[cfg(test)]
mod tests;
pub mod timeline;
pub(crate) mod trials;
mod unjudged;
pub mod unpaired;
pub mod urgent;
mod warnings;
pub mod window;

use self::{cell_data::CellData, cells::Row};
use answer::Loads;
use compare::Against;
use timeline::Timeline;
use warnings::Warnings;

/// The inputs of the analysis besides the records.
#[derive(Clone, Copy, Debug)]
pub struct AnalysisInput<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The scenario's question.
    pub question: Option<&'a str>,
    /// The arm that the others are compared with.
    pub baseline: Option<&'a str>,
    /// Further comparisons; none includes the baseline.
    pub further: &'a [Versus],
    /// Arms are equal if the interval of their ratio lies within 1 ± this.
    pub margin: f64,
    /// Arms in order, each with one more change than the one before; empty without a ladder.
    pub ladder: &'a [String],
    /// The hosts that took part.
    pub hosts: &'a [HostEntry],
    /// The run's name.
    pub run_id: &'a str,
}

/// Analyses the trials recorded so far. Expectations are left empty.
///
/// # Errors
/// The records or their histograms cannot be read.
pub fn analyse(input: &AnalysisInput<'_>, run: &RunDir) -> Result<ComparisonSet, StoreError> {
    let plan = input.plan;
    let mut trials = run.read_trials()?;
    trials.records = without_superseded(trials.records);
    let mut warnings = Warnings::default();
    coverage::leave_out(plan, &mut trials.records, input.hosts, &mut warnings);
    let records = latest(&trials.records);
    let journal = run.journal()?.unwrap_or_default();
    warnings.of_plan(plan);
    if let Some(torn) = &trials.torn {
        warnings.add(None, torn.clone());
    }
    course::warn(&mut warnings, &journal);
    for record in &records {
        warnings.of_record(record);
    }
    emulated::warn(&mut warnings, input.hosts, &records);
    one_machine::warn(&mut warnings, input.hosts, &records);
    noise::warn(&mut warnings, plan.noise, &trials.records, input.hosts);
    let mut rows: Vec<Vec<Row>> = Vec::with_capacity(plan.cells.len());
    for (index, cell) in plan.cells.iter().enumerate() {
        // Histograms are large, so one cell is loaded at a time.
        let of_cell = records.iter().filter(|record| record.cell == index).copied().collect();
        let data = gather(plan, cell, of_cell, input.hosts, run, &mut warnings)?;
        warnings.of_cell(&data);
        let of_cell = data.rows();
        of_cell.iter().take(1).for_each(|merged| warnings.of_cut_off(&merged.summary));
        if cell.template.engine.urgent.is_some() {
            of_cell.iter().take(1).for_each(|merged| urgent::warn(&mut warnings, &merged.summary));
        }
        for row in &of_cell {
            warnings.of_open_loop(&row.summary);
            warnings.of_polling(&row.summary);
            warnings.of_verification(&row.summary);
        }
        rows.push(of_cell);
    }
    let start = start::measured(&records, &mut warnings);
    let merged: Vec<&Row> = rows.iter().filter_map(|rows| rows.first()).collect();
    let mut comparisons = input.baseline.map_or_else(Vec::new, |baseline| {
        let AnalysisInput { further, margin, .. } = *input;
        compare::compare(
            &merged,
            &Against { baseline, further, length: plan.length(), margin, looks: journal.looks },
        )
    });
    let calibration = run.calibrated_by()?.map(|calibration| {
        calibration.warn(plan, input.hosts, &mut warnings);
        calibration.apply(&mut comparisons, plan.length())
    });
    let hosts: Vec<HostSummary> = input.hosts.iter().map(host_summary).collect();
    let complete =
        merged.iter().all(|row| row.summary.trials.complete + row.summary.trials.marked >= plan.blocks());
    let allowed = complete && plan.on_host_loss == HostLossPolicy::Continue;
    let mut set = ComparisonSet {
        schema: SCHEMA,
        run_id: input.run_id.into(),
        scenario: plan.scenario.clone(),
        question: input.question.map(Into::into),
        answer: Answer::default(),
        baseline: input.baseline.map(Into::into),
        quick: plan.quick,
        margin: Some(input.margin),
        least_trials: plan.stopping.as_ref().map(|stopping| stopping.min),
        seed: plan.seed,
        trustworthy: false,
        untrusted: Vec::new(),
        cells: rows.into_iter().flatten().map(|row| row.summary).collect(),
        comparisons,
        expectations: Vec::new(),
        warnings: warnings.into_list(),
        hosts: hosts.clone(),
        explanations: Vec::new(),
        ladders: Vec::new(),
        crossovers: Vec::new(),
        loads: Vec::new(),
        host_differences: fingerprint::differences(&hosts),
        trend: Vec::new(),
        calibration,
        start,
        pauses: journal.pauses.clone(),
        looks: journal.looks,
        failed_hosts: course::failed_hosts(&journal, &records, allowed),
        run_path: Some(run.path().to_owned()),
    };
    conclude(&mut set, plan, input.ladder);
    Ok(set)
}

/// Adds the conclusions from its figures to a set: whether it is trustworthy, explanations, ladders, crossovers and the
/// answer.
pub fn conclude(set: &mut ComparisonSet, plan: &Plan, ladder: &[String]) {
    set.untrusted = untrusted(set);
    set.trustworthy = set.untrusted.is_empty();
    let does_io = |arm: &str| plan.cells.iter().any(|cell| cell.arm == arm && transfers(cell));
    let idle: Vec<&str> =
        plan.cells.iter().map(|cell| cell.arm.as_str()).filter(|arm| !does_io(arm)).collect();
    explain::explain(set, ladder, &idle);
    set.loads = load_curve::curves(set);
    set.answer = answer::answer(set, &idle, &Loads::of(plan));
}

/// The reasons why a run is untrustworthy: missing trials, and failed verification, even in an audit.
fn untrusted(set: &ComparisonSet) -> Vec<Untrusted> {
    let of_cell = |cell: &CellSummary| {
        let (arm, params) = (cell.arm.clone(), cell.params.clone());
        let TrialCounts { planned, complete, .. } = cell.trials;
        let missing = Untrusted::MissingTrials { arm, params, complete, planned };
        let sectors = cell.integrity.verified.map_or(0, |verified| verified.failures);
        let corrupt = Untrusted::CorruptData { arm: cell.arm.clone(), sectors };
        let found = [(complete < planned).then_some(missing), (sectors > 0).then_some(corrupt)];
        found.into_iter().flatten()
    };
    set.cells.iter().filter(|cell| cell.host.is_none()).flat_map(of_cell).collect()
}

/// Whether the cell moves data at all.
fn transfers(cell: &Cell) -> bool {
    !matches!(cell.template.engine.kind, EngineKind::Null | EngineKind::Nop)
}

/// The trials without those that were not run to their end, and were run again after a pause.
fn without_superseded(records: Vec<TrialRecord>) -> Vec<TrialRecord> {
    let again = |index: usize| records[index + 1..].iter().any(|later| later.id == records[index].id);
    let kept: Vec<bool> = (0..records.len()).map(|at| records[at].is_complete() || !again(at)).collect();
    records.into_iter().zip(kept).filter_map(|(record, kept)| kept.then_some(record)).collect()
}

/// The trials that are analysed. Of a repeated trial, the last attempt counts.
fn latest(records: &[TrialRecord]) -> Vec<&TrialRecord> {
    let last: BTreeMap<&str, usize> =
        records.iter().enumerate().map(|(index, record)| (record.id.as_str(), index)).collect();
    let is_last = |(index, record): &(usize, &TrialRecord)| last.get(record.id.as_str()) == Some(index);
    records.iter().enumerate().filter(is_last).map(|(_, record)| record).collect()
}

fn gather<'a>(
    plan: &Plan,
    cell: &'a Cell,
    records: Vec<&'a TrialRecord>,
    hosts: &[HostEntry],
    run: &RunDir,
    warnings: &mut Warnings,
) -> Result<CellData<'a>, StoreError> {
    let mut counts = TrialCounts { planned: plan.blocks(), ..TrialCounts::default() };
    let (mut samples, mut audits) = (Vec::new(), Vec::new());
    let mut timeline = Timeline::default();
    for record in &records {
        let counts_in = trials::kept_out(record).is_empty();
        match (record.measure, counts_in) {
            (Measure::Audit, true) => audits.push(*record),
            (Measure::Audit, false) => {}
            (Measure::Timed, false) => counts.marked += 1,
            (Measure::Timed, true) => match trials::sample_and_lay(run, record, &mut timeline)? {
                Ok(sample) => {
                    counts.complete += 1;
                    samples.push(sample);
                }
                Err(why) => {
                    counts.marked += 1;
                    warnings.trial_kept_out(record, vec![why]);
                }
            },
        }
    }
    let (ran, of) = (hosts_of(cell, &records, hosts), coverage::selected(cell, hosts).count());
    let coverage = Coverage { hosts: ran.len() as u32, of: of.max(ran.len()) as u32 };
    Ok(CellData { cell, counts, hosts: ran, coverage, samples, timeline, audits, records })
}

/// The hosts that ran a cell; before its first trial, those that its labels select.
fn hosts_of(cell: &Cell, records: &[&TrialRecord], hosts: &[HostEntry]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for host in records.iter().flat_map(|record| &record.hosts) {
        if !names.contains(&host.host) {
            names.push(host.host.clone());
        }
    }
    if names.is_empty() {
        names = coverage::selected(cell, hosts).map(str::to_owned).collect();
    }
    names
}

fn host_summary(host: &HostEntry) -> HostSummary {
    HostSummary {
        name: host.name.clone(),
        address: host.address.clone(),
        labels: host.labels.clone(),
        facts: host.description.facts.clone(),
    }
}
