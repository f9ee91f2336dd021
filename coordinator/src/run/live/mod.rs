//! The state of a run while it runs: what the events of its trials add up to. All views show it: the progress on
//! standard error, the terminal view, and the metrics.
//!
//! * `schedule`: trials done of all, and the time left.
//! * `arm`, `host`: the latest numbers of each.
//! * `latencies`: those of the current trial.
//! * `findings`: warnings, marks and losses by code.

mod arm;
mod findings;
mod host;
mod latencies;
mod schedule;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use hdrhistogram::Histogram;
use proto::{
    outcome::{Interval, Refusal},
    trial::Measure,
};

pub use self::{
    arm::Arm,
    findings::{Finding, Findings, MAX_CODES},
    host::{Host, HostState},
    latencies::Latencies,
    schedule::Schedule,
};
use crate::{
    params,
    plan::{Plan, PlannedTrial},
    store::record::TrialRecord,
};

/// A state that a run writes and views read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Live>>);

impl Shared {
    /// Shares a state.
    #[must_use]
    pub fn new(live: Live) -> Self {
        Self(Arc::new(Mutex::new(live)))
    }

    /// Reads or changes the state. The run waits meanwhile.
    pub fn with<T>(&self, what: impl FnOnce(&mut Live) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How many trials ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// They count in verdicts, or are audits.
    pub sound: usize,
    /// They are excluded from verdicts.
    pub marked: usize,
    /// They were not run because their cell was refused or their host was lost.
    pub skipped: usize,
}

/// The trial that runs, or the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct Current {
    /// Index into [`Live::arms`].
    pub arm: usize,
    /// Its cell, such as `uring depth=8`.
    pub cell: String,
    /// `audit`, or `trial 2 of 3`.
    pub which: String,
    /// What a host still prepares, such as `n1: filling 40%`.
    pub preparing: Option<String>,
    /// IOPS of all hosts in their last intervals.
    pub iops: f64,
    /// Latencies of all hosts.
    pub latencies: Latencies,
}

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Live {
    /// The scenario's name.
    pub scenario: String,
    /// Trials and time.
    pub schedule: Schedule,
    /// How trials ended.
    pub outcomes: Outcomes,
    /// The arms, in the scenario's order.
    pub arms: Vec<Arm>,
    /// The hosts by name.
    pub hosts: BTreeMap<String, Host>,
    /// Warnings, marks and losses.
    pub findings: Findings,
    /// The trial that runs, or the last one.
    pub current: Option<Current>,
    /// Trials that each cell still needs.
    missing: Vec<usize>,
    /// Grows with every change.
    pub changes: u64,
}

impl Live {
    /// The state before the first trial of a plan, on these hosts.
    #[must_use]
    pub fn new(plan: &Plan, hosts: impl IntoIterator<Item = String>) -> Self {
        let mut arms: Vec<Arm> = Vec::new();
        let mut missing = vec![0; plan.cells.len()];
        for planned in &plan.trials {
            missing[planned.cell] += 1;
            let name = &plan.cells[planned.cell].arm;
            if !arms.iter().any(|arm| arm.name == *name) {
                arms.push(Arm::new(name));
            }
        }
        // The order of the plan is random, that of its cells is the scenario's.
        arms.sort_by_key(|arm| plan.cells.iter().position(|cell| cell.arm == arm.name));
        for planned in &plan.trials {
            if let Some(arm) = arms.iter_mut().find(|arm| arm.name == plan.cells[planned.cell].arm) {
                arm.planned += 1;
            }
        }
        Self {
            scenario: plan.scenario.clone(),
            schedule: Schedule::of(plan),
            outcomes: Outcomes::default(),
            arms,
            hosts: hosts.into_iter().map(|name| (name, Host::default())).collect(),
            findings: Findings::default(),
            current: None,
            missing,
            changes: 0,
        }
    }

    /// Cells whose trials have all ended, and all cells.
    #[must_use]
    pub fn cells(&self) -> (usize, usize) {
        (self.missing.iter().filter(|missing| **missing == 0).count(), self.missing.len())
    }

    /// Hosts that are lost.
    #[must_use]
    pub fn lost_hosts(&self) -> usize {
        self.hosts.values().filter(|host| host.state == HostState::Lost).count()
    }

    /// A trial begins.
    pub fn begin(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.changes += 1;
        self.schedule.begin(plan, planned);
        let cell = &plan.cells[planned.cell];
        let arm = self.arm(&cell.arm);
        self.arms[arm].begin(&cell.params);
        self.hosts.values_mut().for_each(Host::begin);
        self.current = Some(Current {
            arm,
            cell: label(&cell.arm, &cell.params),
            which: match planned.measure {
                Measure::Audit => "audit".to_owned(),
                Measure::Timed => format!("trial {} of {}", planned.block, plan.trials_in_words()),
            },
            preparing: None,
            iops: 0.0,
            latencies: Latencies::default(),
        });
    }

    /// A host is still preparing the current trial.
    pub fn preparing(&mut self, host: &str, what: &str, done: u64, total: u64) {
        self.changes += 1;
        self.schedule.prepare();
        let percent = if total == 0 { 0.0 } else { done as f64 * 100.0 / total as f64 };
        self.host(host).state = HostState::Preparing;
        if let Some(current) = &mut self.current {
            current.preparing = Some(format!("{host}: {what} {percent:.0}%"));
        }
    }

    /// A host has finished an interval of the current trial.
    pub fn interval(&mut self, name: &str, interval: &Interval) {
        let seconds = interval.end_ns.saturating_sub(interval.begin_ns) as f64 / 1e9;
        if seconds <= 0.0 {
            return;
        }
        self.changes += 1;
        let change = self.host(name).interval(interval, seconds);
        self.schedule.measured(f64::from(interval.index + 1) * seconds);
        let Some(current) = &mut self.current else { return };
        current.preparing = None;
        current.iops = (current.iops + change).max(0.0);
        current.latencies.add(interval);
        self.arms[current.arm].iops = Some(current.iops);
    }

    /// A trial has ended. Returns its IOPS, summed over hosts, and its latencies; `None` if nothing was measured.
    pub fn end(&mut self, record: &TrialRecord) -> Option<(f64, &Histogram<u64>)> {
        self.changes += 1;
        self.step(record.cell);
        if record.counts() {
            self.outcomes.sound += 1;
        } else {
            self.outcomes.marked += 1;
        }
        let arm = self.arm(&record.arm);
        let label = label(&record.arm, &record.params);
        for mark in &record.marks {
            self.findings.add("marked", &format!("{label}: {mark}"));
        }
        for host in &record.hosts {
            let ready = host.ready.iter().flat_map(|ready| &ready.warnings);
            let finished = host.finished.iter().flat_map(|finished| &finished.warnings);
            for warning in ready.chain(finished) {
                self.findings.add(warning.code(), &format!("{}: {}", host.host, warning.message()));
            }
        }
        let iops: f64 = self.hosts.values().filter_map(Host::trial_iops).sum();
        let latency = self.current.as_ref().and_then(|current| current.latencies.whole());
        let timed = latency.filter(|_| record.measure == Measure::Timed);
        self.arms[arm].end(timed.map(|latency| (iops, latency.value_at_quantile(0.99))));
        latency.map(|latency| (iops, latency))
    }

    /// A trial was recorded before the run was resumed. It counts as done, and takes no time.
    pub fn recorded(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.changes += 1;
        self.schedule.recorded(plan, planned);
        self.outcomes.sound += 1;
        self.count(planned.cell);
        let arm = self.arm(&plan.cells[planned.cell].arm);
        self.arms[arm].done += 1;
    }

    /// A trial is skipped.
    pub fn skipped(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.changes += 1;
        self.schedule.skipped(plan, planned);
        self.outcomes.skipped += 1;
        self.count(planned.cell);
    }

    /// A trial will be repeated.
    pub fn repeat(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.changes += 1;
        self.schedule.repeat(plan, planned);
        self.missing[planned.cell] += 1;
        let arm = self.arm(&plan.cells[planned.cell].arm);
        self.arms[arm].planned += 1;
    }

    /// A host refused a cell, which will not be tried again.
    pub fn refused(&mut self, cell: &str, host: &str, refusal: &Refusal) {
        self.changes += 1;
        self.findings.add(refusal.code(), &format!("{host} refused {cell}: {}", refusal.message()));
    }

    /// A host is lost.
    pub fn lost(&mut self, host: &str, refusal: &Refusal) {
        self.changes += 1;
        self.host(host).state = HostState::Lost;
        self.findings.add(refusal.code(), &format!("lost {host}: {}", refusal.message()));
    }

    fn step(&mut self, cell: usize) {
        self.schedule.end();
        self.count(cell);
    }

    fn count(&mut self, cell: usize) {
        if let Some(missing) = self.missing.get_mut(cell) {
            *missing = missing.saturating_sub(1);
        }
    }

    fn arm(&mut self, name: &str) -> usize {
        let known = self.arms.iter().position(|arm| arm.name == name);
        known.unwrap_or_else(|| {
            self.arms.push(Arm::new(name));
            self.arms.len() - 1
        })
    }

    fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.entry(name.to_owned()).or_default()
    }
}

/// A cell as text, such as `uring depth=8`.
#[must_use]
pub fn label(arm: &str, params: &params::Params) -> String {
    let mut text = arm.to_owned();
    for (axis, value) in params {
        text.push_str(&format!(" {axis}={}", params::value(value)));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
