//! The columns of a run's table after the rate and its verdict, from the registry of metrics.

use super::text::Align;
use crate::{
    metric::{
        self, Metric,
        cost::{CPU_PER_IO, SYSCALLS_PER_IO},
        lanes,
        latency::{P50, P99},
        throughput::IOPS,
    },
    summary::{CellSummary, audit::Completed},
};

/// A column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// A metric.
    Metric(&'static Metric),
    /// How most requests of a ring completed.
    Path,
}

impl Column {
    /// All columns in their order, those of every table first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let of = |optional: bool| {
            let shown = move |metric: &&Metric| match metric.column {
                metric::Column::None => false,
                // The rate is shown first, with its verdict.
                metric::Column::Always | metric::Column::Wide => !optional && **metric != IOPS,
                metric::Column::WhereMeasured => optional,
            };
            metric::all().filter(shown).map(Self::Metric)
        };
        of(false).chain(of(true)).chain([Self::Path])
    }

    /// Whether the column is shown only if some row has a value.
    pub(super) fn is_optional(self) -> bool {
        match self {
            Self::Metric(metric) => metric.column == metric::Column::WhereMeasured,
            Self::Path => true,
        }
    }

    /// Whether the column is left out in a terminal.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::Metric(metric) if metric.column == metric::Column::Wide)
    }

    /// The columns that a narrow terminal has no room for, the first to leave out first.
    pub(super) fn dispensable() -> [Self; 4] {
        [&P50, &SYSCALLS_PER_IO, &P99, &CPU_PER_IO].map(Self::Metric)
    }

    /// Whether the column is about urgent or bulk operations.
    pub(super) fn is_of_lanes(self) -> bool {
        let of_lanes = |metric| lanes::urgent::ALL.contains(&metric) || lanes::bulk::ALL.contains(&metric);
        matches!(self, Self::Metric(metric) if of_lanes(metric))
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Metric(metric) => metric.title,
            Self::Path => "path",
        }
    }

    pub(super) fn align(self) -> Align {
        match self {
            Self::Metric(_) => Align::Right,
            Self::Path => Align::Left,
        }
    }

    /// The line of the legend that explains the column; `None` if it needs no explanation.
    pub(super) fn legend(self) -> Option<&'static str> {
        match self {
            Self::Metric(metric) => metric.legend,
            Self::Path => Some(
                "path: how most requests completed: inline (within the submitting call), task (by task work, after an \
                 interrupt), polled, or punted (by a kernel thread).",
            ),
        }
    }

    /// The text of a cell; `None` if nothing was measured.
    pub(super) fn text(self, cell: &CellSummary) -> Option<String> {
        match self {
            Self::Metric(metric) => metric.of(cell).map(|value| metric.unit.text(value)),
            Self::Path => cell.ring.completed.as_ref().map(path),
        }
    }
}

/// `inline`, or `73% punted` if other paths matter.
fn path(completed: &Completed) -> String {
    let most = completed.shares().into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
    match most.unwrap_or_default() {
        (word, share) if share >= 0.995 => word.to_owned(),
        (word, share) => format!("{:.0}% {word}", share * 100.0),
    }
}
