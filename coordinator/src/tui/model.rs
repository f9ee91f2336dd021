//! What fits on the screen, as values.

use std::{collections::VecDeque, time::Duration};

use crate::run::live::{Arm, Current, Finding, Host, HostState, Live, Outcomes};

/// What the view shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) scenario: String,
    pub(super) elapsed: Duration,
    pub(super) left: Duration,
    /// The share of the planned measuring time that is over, from 0 to 1.
    pub(super) share: f64,
    /// Trials and cells: done, and all.
    pub(super) trials: (usize, usize),
    pub(super) cells: (usize, usize),
    pub(super) outcomes: Outcomes,
    pub(super) now: Option<Now>,
    pub(super) arms: Vec<Arm>,
    /// As many hosts as can fit.
    pub(super) hosts: Vec<Row>,
    /// All hosts, and the lost ones.
    pub(super) all_hosts: usize,
    pub(super) lost_hosts: usize,
    /// The latest first.
    pub(super) findings: Vec<Finding>,
    /// The last lines for standard error, oldest first.
    pub(super) held: Vec<String>,
    /// Whether the run was told to stop.
    pub(super) stopping: bool,
}

/// The current trial.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Now {
    /// Index of its arm.
    pub(super) arm: usize,
    pub(super) cell: String,
    pub(super) which: String,
    pub(super) preparing: Option<String>,
}

/// One host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: HostState,
    pub(super) iops: f64,
    pub(super) trend: VecDeque<u64>,
}

impl Model {
    /// The part of a state that may fit into this many lines.
    pub(super) fn of(live: &Live, lines: usize) -> Self {
        let schedule = &live.schedule;
        let (over, planned) = schedule.measured_time();
        let mut arms: Vec<Arm> = live.arms.iter().take(lines).cloned().collect();
        // While a trial runs, its arm shows what has arrived of it.
        if let Some(Current { arm, latencies, .. }) = &live.current
            && let Some(arm) = arms.get_mut(*arm)
            && latencies.whole().is_some()
        {
            arm.p99_ns.get_or_insert_with(|| latencies.of_slice().value_at_quantile(0.99));
        }
        Self {
            scenario: live.scenario.clone(),
            left: schedule.left(),
            share: (over.as_secs_f64() / planned.as_secs_f64().max(1e-9)).clamp(0.0, 1.0),
            trials: (schedule.done(), schedule.total),
            cells: live.cells(),
            outcomes: live.outcomes,
            now: live.current.as_ref().map(|current| Now {
                arm: current.arm,
                cell: current.cell.clone(),
                which: current.which.clone(),
                preparing: current.preparing.clone(),
            }),
            arms,
            hosts: hosts(live, lines),
            all_hosts: live.hosts.len(),
            lost_hosts: live.lost_hosts(),
            findings: live.findings.iter().rev().take(lines).cloned().collect(),
            ..Self::default()
        }
    }
}

/// All hosts by name if they can fit, otherwise the worst first: lost, preparing, then the slowest.
fn hosts(live: &Live, lines: usize) -> Vec<Row> {
    let mut hosts: Vec<(&String, &Host)> = live.hosts.iter().collect();
    if hosts.len() > lines {
        hosts.sort_by(|(_, a), (_, b)| a.state.cmp(&b.state).then(a.iops.total_cmp(&b.iops)));
    }
    let row = |(name, host): (&String, &Host)| Row {
        name: name.clone(),
        state: host.state,
        iops: host.iops,
        trend: host.trend.clone(),
    };
    hosts.into_iter().take(lines).map(row).collect()
}
