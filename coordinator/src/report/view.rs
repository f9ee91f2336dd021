//! What every table shows, row by row, before it is dressed as text, Markdown or HTML.

use super::extra::Extra;
use crate::{
    params,
    params::Params,
    summary::{CellSummary, Comparison, ComparisonSet, Verdict},
    units,
};

/// All rows, grouped by point.
pub(super) struct View {
    /// The names of the axes.
    pub(super) axes: Vec<String>,
    pub(super) groups: Vec<Group>,
    /// Whether some row has fewer trials than were planned.
    pub(super) incomplete: bool,
    /// The columns that only some runs have.
    pub(super) extras: Vec<Extra>,
}

/// The rows of one point.
pub(super) struct Group {
    /// Values of the axes.
    pub(super) values: Vec<String>,
    /// The point in words; empty without axes.
    pub(super) point: String,
    pub(super) rows: Vec<Row>,
}

/// A cell, or a cell on one host.
pub(super) struct Row {
    pub(super) arm: String,
    pub(super) host: Option<String>,
    pub(super) trials: String,
    pub(super) iops: String,
    pub(super) spread: String,
    pub(super) ratio: String,
    pub(super) interval: String,
    pub(super) verdict: Option<Verdict>,
    /// The verdict's word, or `baseline`.
    pub(super) word: String,
    /// The same where there is room: `inconclusive (+7)`, if 7 trials more would decide.
    pub(super) words: String,
    pub(super) bandwidth: String,
    pub(super) p50: String,
    pub(super) p99: String,
    pub(super) syscalls: String,
    pub(super) cpu: String,
    /// What stands in the view's extra columns.
    pub(super) extras: Vec<String>,
}

/// What stands where there is no number.
const NONE: &str = "-";

impl View {
    pub(super) fn of(set: &ComparisonSet) -> Self {
        let mut axes: Vec<String> = Vec::new();
        let mut points: Vec<(&Params, Vec<Row>)> = Vec::new();
        for cell in &set.cells {
            axes.extend(cell.params.keys().filter(|axis| !axes.contains(axis)).cloned().collect::<Vec<_>>());
            let row = row(set, cell);
            match points.iter_mut().find(|(params, _)| **params == cell.params) {
                Some((_, rows)) => rows.push(row),
                None => points.push((&cell.params, vec![row])),
            }
        }
        let incomplete = set.cells.iter().any(|cell| cell.trials.complete != cell.trials.planned);
        let values = |params: &Params| -> Vec<String> {
            axes.iter().map(|axis| params.get(axis).map_or_else(String::new, params::value)).collect()
        };
        let group = |(params, rows)| Group { values: values(params), point: params::point(params), rows };
        let groups = points.into_iter().map(group).collect();
        let mut view = Self { axes, groups, incomplete, extras: Extra::ALL.to_vec() };
        for extra in Extra::ALL {
            if !set.cells.iter().any(|cell| extra.text(cell).is_some()) {
                view.leave_out(extra);
            }
        }
        view
    }

    /// Without the columns of urgent operations, for reports that have a table of these.
    pub(super) fn beside_urgent(set: &ComparisonSet) -> Self {
        let mut view = Self::of(set);
        Extra::URGENT.into_iter().for_each(|extra| view.leave_out(extra));
        view
    }

    /// Takes an extra column out.
    pub(super) fn leave_out(&mut self, extra: Extra) {
        let Some(at) = self.extras.iter().position(|has| *has == extra) else { return };
        self.extras.remove(at);
        self.groups.iter_mut().flat_map(|group| &mut group.rows).for_each(|row| _ = row.extras.remove(at));
    }

    /// How to read a table that has room for [`Row::words`].
    pub(super) fn legend_of_words(&self) -> Vec<&'static str> {
        let hinted = |row: &Row| row.words != row.word;
        let hints = self.groups.iter().flat_map(|group| &group.rows).any(hinted).then_some(HINT);
        self.legend().into_iter().chain(hints).collect()
    }

    /// How to read the table.
    pub(super) fn legend(&self) -> Vec<&'static str> {
        LEGEND.into_iter().chain(self.extras.iter().filter_map(|extra| extra.legend())).collect()
    }
}

fn row(set: &ComparisonSet, cell: &CellSummary) -> Row {
    // Comparisons are of merged numbers; a single host's row has none.
    let compared = match cell.host {
        None => set.comparison(&cell.arm, "iops", &cell.params),
        Some(_) => None,
    };
    let is_baseline = cell.host.is_none() && set.baseline.as_deref() == Some(&cell.arm);
    let word = match compared {
        // One side was not measured: that is no verdict on the trials.
        Some(Comparison { ratio: None, .. }) => NONE.into(),
        Some(found) => found.verdict.as_str().to_owned(),
        None if is_baseline => "baseline".into(),
        None => String::new(),
    };
    let more = compared.and_then(|found| found.trials_more);
    let shown = |value: Option<String>| value.unwrap_or_else(|| NONE.into());
    let latency = cell.latency_ns.as_ref();
    Row {
        arm: cell.arm.clone(),
        host: cell.host.clone(),
        trials: format!("{}/{}", cell.trials.complete, cell.trials.planned),
        iops: shown(cell.iops.as_ref().map(|iops| units::count(iops.mean))),
        spread: cell
            .iops
            .as_ref()
            .and_then(|iops| units::spread(iops.mean, &iops.samples))
            .unwrap_or_default(),
        ratio: compared.and_then(|found| found.ratio).map(ratio).unwrap_or_default(),
        interval: compared
            .and_then(|found| found.ci95)
            .map(|[low, high]| format!("{} to {}", ratio(low), ratio(high)))
            .unwrap_or_default(),
        verdict: compared.map(|found| found.verdict),
        words: more.map_or_else(|| word.clone(), |more| format!("{word} (+{more})")),
        word,
        bandwidth: shown(cell.bandwidth_bytes_per_s.as_ref().map(|rate| units::bytes_per_s(rate.mean))),
        p50: shown(latency.map(|latency| units::nanos(latency.p50 as f64))),
        p99: shown(latency.map(|latency| units::nanos(latency.p99 as f64))),
        syscalls: shown(cell.syscalls_per_io.map(units::per_io)),
        cpu: shown(cell.cpu_ns_per_io.map(|cpu| units::nanos(cpu.total()))),
        extras: Extra::ALL.into_iter().map(|extra| shown(extra.text(cell))).collect(),
    }
}

/// `x4.90`; small ratios keep their digits.
pub(super) fn ratio(ratio: f64) -> String {
    match ratio {
        r if r >= 99.95 => format!("x{r:.0}"),
        r if r >= 9.995 => format!("x{r:.1}"),
        r if r < 0.1 => format!("x{r:.3}"),
        r => format!("x{r:.2}"),
    }
}

/// What an expectation came to.
pub(super) fn outcome(passed: Option<bool>) -> &'static str {
    match passed {
        Some(true) => "held",
        Some(false) => "FAILED",
        None => "could not be evaluated",
    }
}

/// What a number behind a verdict means.
const HINT: &str = "(+7): about 7 trials more of each would decide.";

/// What every table needs said.
const LEGEND: [&str; 5] = [
    "±: half the distance from the slowest to the fastest trial. p50, p99: what the application waits.",
    "sys/IO: system calls per I/O. cpu/IO: CPU time per I/O, kernel threads included. -: not measured.",
    "faster, slower: not by chance, all comparisons of the table together (95 % sure).",
    "An interval is of one comparison alone, at 95 %: where it excludes 1 that may not be enough.",
    "inconclusive: the trials differ too much to say.",
];
