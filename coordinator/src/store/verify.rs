//! Checks that the files of a run fit together: checksums, the plan, and the histograms of every trial.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::{
    HISTOGRAMS, HOSTS, JOURNAL, PLAN, RunDir, SCENARIO, StoreError, TRIALS,
    error::At as _,
    jsonl::{self, Damage, JsonLine},
    record::{HostTrial, TrialRecord},
    seal::Seal,
};
use crate::{
    input::{self, MAX_LOG},
    plan::{Plan, PlannedTrial},
};

/// The result of a check.
#[derive(Debug, Default)]
pub struct Verified {
    /// Lines of `trials.jsonl` that were checked.
    pub trials: usize,
    /// Interval logs that were checked.
    pub logs: usize,
    /// Whether the run has checksums. Runs of earlier releases have none.
    pub sealed: bool,
    /// What does not fit.
    pub findings: Vec<Finding>,
    /// What an interrupted run left, which `resume` removes. It does no harm.
    pub leftovers: Vec<Leftover>,
}

/// Something that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A file cannot be read, or is not as it was written.
    #[error(transparent)]
    File(StoreError),
    /// A file has another checksum than `run.json` records.
    #[error("{file}: not the file of this run: its checksum is not the one in {JOURNAL}")]
    Replaced {
        /// The file.
        file: &'static str,
    },
    /// A line of `trials.jsonl` cannot be read, or is not as it was written.
    #[error("{TRIALS}: line {line}: {message}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// The problem.
        message: String,
    },
    /// A trial is not in the plan.
    #[error("{TRIALS}: line {line}: trial {trial} is not in {PLAN}")]
    NotPlanned {
        /// The line, from 1.
        line: usize,
        /// The trial.
        trial: String,
    },
    /// A trial is in the plan, but differs from it.
    #[error("{TRIALS}: line {line}: trial {trial} differs from {PLAN} in its {key}")]
    DiffersFromPlan {
        /// The line, from 1.
        line: usize,
        /// The trial.
        trial: String,
        /// What differs.
        key: &'static str,
    },
    /// The intervals of a trial overlap or are not in order.
    #[error("{TRIALS}: line {line}: the intervals of {host} are not in order")]
    Edges {
        /// The line, from 1.
        line: usize,
        /// The host.
        host: String,
    },
    /// Two lines name one log.
    #[error("{TRIALS}: line {line}: names {log}, as an earlier line does")]
    SharedLog {
        /// The line, from 1.
        line: usize,
        /// The log.
        log: String,
    },
}

/// Something that an interrupted run left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Leftover {
    /// The last line of `trials.jsonl` is incomplete.
    #[error("{TRIALS}: line {line} is incomplete")]
    TornLine {
        /// The line, from 1.
        line: usize,
    },
    /// No trial names a log.
    #[error("{HISTOGRAMS}/{log}: no trial names it")]
    UnnamedLog {
        /// The log.
        log: String,
    },
}

impl RunDir {
    /// Checks all files of the run that are not derived.
    #[must_use]
    pub fn verify(&self) -> Verified {
        let mut verified = Verified::default();
        let plan = self.plan().map_err(|error| verified.findings.push(Finding::File(error))).ok();
        self.verify_journal(&mut verified);
        if let Err(error) = self.hosts() {
            verified.findings.push(Finding::File(error));
        }
        self.verify_trials(plan.as_ref(), &mut verified);
        match self.unnamed_logs() {
            Ok(logs) => {
                verified.leftovers.extend(logs.into_iter().map(|log| Leftover::UnnamedLog { log }));
            }
            // Damaged records are reported line by line.
            Err(error) if error.is_damage() => {}
            Err(error) => verified.findings.push(Finding::File(error)),
        }
        verified
    }

    fn verify_journal(&self, verified: &mut Verified) {
        let journal = match self.journal() {
            Ok(Some(journal)) => journal,
            Ok(None) => return,
            Err(error) => return verified.findings.push(Finding::File(error)),
        };
        verified.sealed = true;
        for (file, known) in [(SCENARIO, &journal.scenario_sha256), (HOSTS, &journal.hosts_sha256)] {
            match self.sha256(file) {
                Ok(found) if found == *known => {}
                Ok(_) => verified.findings.push(Finding::Replaced { file }),
                Err(error) => verified.findings.push(Finding::File(error)),
            }
        }
    }

    fn verify_trials(&self, plan: Option<&Plan>, verified: &mut Verified) {
        let path = self.path().join(TRIALS);
        let bytes = match input::bytes(&path, MAX_LOG) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            read => match read.at(&path, "read it") {
                Ok(bytes) => bytes,
                Err(error) => return verified.findings.push(Finding::File(error)),
            },
        };
        let planned: Option<BTreeMap<&str, &PlannedTrial>> =
            plan.map(|plan| plan.trials.iter().map(|planned| (planned.id.as_str(), planned)).collect());
        let mut named = BTreeSet::new();
        for JsonLine { number: line, record, seal } in jsonl::lines(&bytes) {
            let record = match record {
                Ok(record) => record,
                Err(Damage::Torn) => {
                    verified.leftovers.push(Leftover::TornLine { line });
                    continue;
                }
                Err(Damage::Changed(message)) => {
                    verified.findings.push(Finding::Line { line, message });
                    continue;
                }
            };
            verified.trials += 1;
            if verified.sealed && seal == Seal::Absent {
                verified.findings.push(Finding::Line { line, message: "its checksum is missing".into() });
            }
            if let (Some(plan), Some(planned)) = (plan, &planned) {
                verified.findings.extend(against_plan(line, &record, plan, planned));
            }
            self.verify_logs(line, &record, &mut named, verified);
        }
    }

    fn verify_logs(
        &self,
        line: usize,
        record: &TrialRecord,
        named: &mut BTreeSet<String>,
        verified: &mut Verified,
    ) {
        for (index, host) in record.hosts.iter().enumerate() {
            if !in_order(host) {
                verified.findings.push(Finding::Edges { line, host: host.host.clone() });
            }
            let Some(log) = &host.histograms else { continue };
            if !named.insert(log.clone()) {
                verified.findings.push(Finding::SharedLog { line, log: log.clone() });
            }
            match self.each_interval(record, index, drop) {
                Ok(()) => verified.logs += 1,
                Err(error) => verified.findings.push(Finding::File(error)),
            }
        }
    }
}

/// The difference between a trial and its plan.
fn against_plan(
    line: usize,
    record: &TrialRecord,
    plan: &Plan,
    planned: &BTreeMap<&str, &PlannedTrial>,
) -> Option<Finding> {
    let trial = record.id.clone();
    let Some(known) = planned.get(record.id.as_str()) else {
        return Some(Finding::NotPlanned { line, trial });
    };
    let cell = plan.cells.get(known.cell);
    let differs = [
        ("cell", known.cell != record.cell),
        ("block", known.block != record.block),
        ("measure", known.measure != record.measure),
        ("arm", cell.is_none_or(|cell| cell.arm != record.arm)),
        ("params", cell.is_none_or(|cell| cell.params != record.params)),
    ];
    let (key, _) = differs.into_iter().find(|(_, differs)| *differs)?;
    Some(Finding::DiffersFromPlan { line, trial, key })
}

/// Whether intervals follow one another.
fn in_order(host: &HostTrial) -> bool {
    let edges = &host.intervals;
    edges.iter().all(|edge| edge.begin_ns <= edge.end_ns)
        && edges.windows(2).all(|pair| pair[0].end_ns <= pair[1].begin_ns && pair[0].index < pair[1].index)
}
