//! The rows and columns of a run's table, before they are laid out as text, Markdown or HTML.

use super::column::Column;
use crate::{
    metric::throughput::IOPS,
    params,
    params::Params,
    stats::confidence::confidence_percent,
    summary::{
        CellSummary, Comparison, ComparisonSet, TrialCounts, TrialsRange, Verdict, host_spread::HostSpread,
        start::Coverage,
    },
    units,
};

/// All rows, grouped by point.
pub(super) struct View {
    /// The names of the axes.
    pub(super) axes: Vec<String>,
    pub(super) groups: Vec<Group>,
    /// Whether any row has fewer trials than planned.
    pub(super) incomplete: bool,
    /// The arms that others are compared with, the baseline first; empty without comparisons.
    pub(super) against: Vec<String>,
    /// The columns after the rate and its verdict.
    pub(super) columns: Vec<Column>,
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
    /// The host, and which one of many it is: `n7 (slowest)`.
    pub(super) host: Option<String>,
    pub(super) trials: TrialCounts,
    pub(super) rate: String,
    pub(super) spread: String,
    pub(super) ratio: String,
    pub(super) interval: String,
    pub(super) verdict: Option<Verdict>,
    /// The verdict, or `baseline`.
    pub(super) word: String,
    /// The verdict with a hint, for tables with enough room: `inconclusive (+4 to 30)` if 4 to 30 more trials would decide.
    pub(super) words: String,
    /// The row against each of the view's `against`.
    pub(super) versus: Vec<Versus>,
    /// The entries of the view's columns.
    pub(super) entries: Vec<String>,
}

/// A row against another arm.
#[derive(Clone, Debug, Default)]
pub(super) struct Versus {
    /// The ratio of their IOPS; `None` if a side was not measured.
    pub(super) ratio: Option<f64>,
    /// The verdict; `None` if the scenario does not compare the two.
    pub(super) verdict: Option<Verdict>,
}

impl Versus {
    /// `7.19▲`: the ratio with the sign of its verdict.
    pub(super) fn marked(&self) -> String {
        let Some(ratio) = self.ratio else { return String::new() };
        format!("{}{}", digits(ratio), self.verdict.map_or(' ', sign))
    }
}

/// The sign of a verdict.
pub(super) fn sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Faster => '▲',
        Verdict::Slower => '▼',
        Verdict::NoDifference => '=',
        Verdict::Inconclusive => '?',
    }
}

impl Row {
    /// Whether every planned trial counts.
    pub(super) fn is_complete(&self) -> bool {
        self.trials.complete == self.trials.planned
    }

    /// `2/3`: trials that count, of the planned ones.
    pub(super) fn trials(&self) -> String {
        format!("{}/{}", self.trials.complete, self.trials.planned)
    }
}

/// The entry of a column without a value.
const NONE: &str = "-";

/// The rows of single hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostRows {
    /// One for each, up to [`FEW_HOSTS`] hosts; of more, those of the slowest, the median and the fastest host of a cell.
    Few,
    /// One for each.
    All,
}

/// The most hosts that all have rows.
const FEW_HOSTS: usize = 8;

impl HostRows {
    /// What the row of a cell is called: its host, if it is of one. `None` if it is not shown. `merged` is the row of all
    /// hosts, which comes before those of its hosts.
    fn label(self, cell: &CellSummary, merged: Option<&CellSummary>) -> Option<Option<String>> {
        let Some(host) = &cell.host else { return Some(None) };
        let merged = merged.filter(|merged| merged.hosts.len() > FEW_HOSTS);
        let Some(merged) = merged.filter(|_| self == Self::Few) else { return Some(Some(host.clone())) };
        let HostSpread { slowest, median, fastest } = merged.host_spread.as_ref()?;
        let places = [(slowest, "slowest"), (median, "median"), (fastest, "fastest")];
        let (_, place) = places.into_iter().find(|(rate, _)| rate.host == *host)?;
        Some(Some(format!("{host} ({place})")))
    }
}

impl View {
    pub(super) fn of(set: &ComparisonSet, hosts: HostRows) -> Self {
        let columns: Vec<Column> = Column::all()
            .filter(|column| {
                !column.is_optional() || set.cells.iter().any(|cell| column.text(cell).is_some())
            })
            .collect();
        let against = against(set);
        let mut axes: Vec<String> = Vec::new();
        let mut points: Vec<(&Params, Vec<Row>)> = Vec::new();
        let mut merged = None;
        for cell in &set.cells {
            merged = if cell.host.is_none() { Some(cell) } else { merged };
            let Some(label) = hosts.label(cell, merged) else { continue };
            axes.extend(cell.params.keys().filter(|axis| !axes.contains(axis)).cloned().collect::<Vec<_>>());
            let row = Row { host: label, ..row(set, cell, &columns, &against) };
            match points.iter_mut().find(|(params, _)| **params == cell.params) {
                Some((_, rows)) => rows.push(row),
                None => points.push((&cell.params, vec![row])),
            }
        }
        let values = |params: &Params| -> Vec<String> {
            axes.iter().map(|axis| params.get(axis).map_or_else(String::new, params::value)).collect()
        };
        let group = |(params, rows)| Group { values: values(params), point: params::point(params), rows };
        let groups: Vec<Group> = points.into_iter().map(group).collect();
        let incomplete = groups.iter().flat_map(|group| &group.rows).any(|row| !row.is_complete());
        Self { axes, groups, incomplete, against, columns }
    }

    /// The view without the columns of urgent operations, for reports that have a separate table of them.
    pub(super) fn beside_urgent(set: &ComparisonSet, hosts: HostRows) -> Self {
        let mut view = Self::of(set, hosts);
        view.leave_out(Column::is_of_lanes);
        view
    }

    /// Removes columns.
    pub(super) fn leave_out(&mut self, which: impl Fn(Column) -> bool) {
        let kept: Vec<bool> = self.columns.iter().map(|column| !which(*column)).collect();
        let mut keep = kept.iter();
        self.columns.retain(|_| keep.next() == Some(&true));
        for row in self.groups.iter_mut().flat_map(|group| &mut group.rows) {
            let mut keep = kept.iter();
            row.entries.retain(|_| keep.next() == Some(&true));
        }
    }

    /// The legend of a table that shows [`Row::words`].
    pub(super) fn legend_of_words(&self) -> Vec<&'static str> {
        let hinted = |row: &Row| row.words != row.word;
        let hints = self.groups.iter().flat_map(|group| &group.rows).any(hinted).then_some(HINT);
        self.legend().into_iter().chain(hints).collect()
    }

    /// The legend of the table.
    pub(super) fn legend(&self) -> Vec<&'static str> {
        let of = |optional: bool| {
            let shown = self.columns.iter().filter(move |column| column.is_optional() == optional);
            shown.filter_map(|column| column.legend())
        };
        [SPREAD].into_iter().chain(of(false)).chain(VERDICTS).chain(of(true)).collect()
    }
}

/// The arms that others are compared with, the baseline first.
fn against(set: &ComparisonSet) -> Vec<String> {
    let baseline = set.baseline.iter().filter(|_| set.with_baseline().next().is_some()).cloned();
    let mut found: Vec<String> = baseline.collect();
    for comparison in set.further() {
        if !found.contains(&comparison.baseline) {
            found.push(comparison.baseline.clone());
        }
    }
    found
}

/// The cell against another arm at the same point. A pair without a comparison has a ratio and no verdict.
fn versus(set: &ComparisonSet, cell: &CellSummary, other: &str) -> Versus {
    if cell.host.is_some() {
        return Versus::default();
    }
    match set.compared_with(&cell.arm, other, &IOPS, &cell.params) {
        Some(found) => Versus { ratio: found.ratio, verdict: Some(found.verdict) },
        None => {
            let other = set.cell(other, &cell.params).and_then(|other| IOPS.of(other));
            let ratio = IOPS.of(cell).zip(other).filter(|(_, other)| *other > 0.0);
            Versus { ratio: ratio.map(|(rate, other)| rate / other), verdict: None }
        }
    }
}

/// The arm, with the coverage if a host is left out: `uring (2 of 3 hosts)`.
fn arm(cell: &CellSummary) -> String {
    match cell.coverage.filter(|coverage| coverage.is_partial()) {
        Some(Coverage { hosts, of }) => format!("{} ({hosts} of {of} hosts)", cell.arm),
        None => cell.arm.clone(),
    }
}

fn row(set: &ComparisonSet, cell: &CellSummary, columns: &[Column], against: &[String]) -> Row {
    // Comparisons refer to merged numbers, so the row of a single host has none.
    let compared = set.compared(&cell.arm, &IOPS, &cell.params).filter(|_| cell.host.is_none());
    let is_baseline = cell.host.is_none() && set.baseline.as_deref() == Some(&cell.arm);
    let word = match compared {
        // One side was not measured, so there is no verdict.
        Some(Comparison { ratio: None, .. }) => NONE.into(),
        Some(found) => found.verdict.as_str().to_owned(),
        None if is_baseline => "baseline".into(),
        None => String::new(),
    };
    let more = compared.and_then(|found| found.trials_more_range);
    let shown = |value: Option<String>| value.unwrap_or_else(|| NONE.into());
    let rate = IOPS.of(cell);
    Row {
        arm: arm(cell),
        host: cell.host.clone(),
        trials: cell.trials,
        rate: shown(rate.map(|rate| IOPS.unit.text(rate))),
        spread: rate.and_then(|rate| units::spread(rate, IOPS.samples(cell))).unwrap_or_default(),
        ratio: compared.and_then(|found| found.ratio).map(ratio).unwrap_or_default(),
        interval: compared
            .and_then(|found| found.ci95)
            .map(|[low, high]| format!("{} to {}", ratio(low), ratio(high)))
            .unwrap_or_default(),
        verdict: compared.filter(|found| found.ratio.is_some()).map(|found| found.verdict),
        words: more.map_or_else(|| word.clone(), |more| format!("{word} ({})", hint(more))),
        word,
        versus: against.iter().map(|other| versus(set, cell, other)).collect(),
        entries: columns.iter().map(|column| shown(column.text(cell))).collect(),
    }
}

/// `x4.90`.
pub(super) fn ratio(ratio: f64) -> String {
    format!("x{}", digits(ratio))
}

/// `4.90`; small ratios keep their digits.
fn digits(ratio: f64) -> String {
    match ratio {
        r if r >= 99.95 => format!("{r:.0}"),
        r if r >= 9.995 => format!("{r:.1}"),
        r if r < 0.1 => format!("{r:.3}"),
        r => format!("{r:.2}"),
    }
}

/// `vs threads`: the heading of a column against an arm. An arm named after the baseline, such as `sync-threads`, is
/// named by the rest.
pub(super) fn versus_heading(baseline: Option<&str>, other: &str) -> String {
    let rest = baseline.and_then(|baseline| other.strip_prefix(baseline)?.strip_prefix('-'));
    format!("vs {}", rest.filter(|rest| !rest.is_empty()).unwrap_or(other))
}

/// The outcome of an expectation.
pub(super) fn outcome(passed: Option<bool>) -> &'static str {
    match passed {
        Some(true) => "held",
        Some(false) => "FAILED",
        None => "could not be evaluated",
    }
}

/// The legend of a number after a verdict.
const HINT: &str = "(+4 to 30): 4 to 30 more trials of each arm would decide.";

/// `+4 to 30`, or `+4 or more`.
fn hint(TrialsRange { least, most }: TrialsRange) -> String {
    match most {
        Some(most) if most == least => format!("+{least}"),
        Some(most) => format!("+{least} to {most}"),
        None => format!("+{least} or more"),
    }
}

const SPREAD: &str =
    "±: half the range of the trials, fastest to slowest. p50, p99: latency seen by the application.";
/// The legend of verdicts.
const VERDICTS: [&str; 3] = [
    concat!(
        "faster, slower: statistically significant (",
        confidence_percent!(),
        " %) after correction for all comparisons in the table."
    ),
    concat!(
        "The ",
        confidence_percent!(),
        " % intervals are not corrected: one that excludes 1 may still be inconclusive."
    ),
    "inconclusive: the trials vary too much for a verdict.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_a_range() {
        let of = |least, most| hint(TrialsRange { least, most });
        assert_eq!([of(4, Some(30)), of(2, Some(2)), of(9, None)], ["+4 to 30", "+2", "+9 or more"]);
    }
}
