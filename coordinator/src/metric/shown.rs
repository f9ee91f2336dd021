//! The places where a metric is shown: tables, CSV, OpenMetrics.

/// The tables of a run in which a metric is a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// None.
    None,
    /// Every table.
    Always,
    /// Every table that is not limited to the width of a terminal.
    Wide,
    /// Tables in which some cell has a value. In a terminal, the last such columns are left out if there is no room.
    WhereMeasured,
}

/// The contents of a column in `summary.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvValue {
    /// The value.
    Value,
    /// The lower end of the confidence interval.
    Low,
    /// The upper end of the confidence interval.
    High,
    /// The values of the trials, separated by `;`.
    Samples,
}

/// A sample in OpenMetrics text.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The family of the sample.
    pub family: Family,
    /// The label that distinguishes it from the other samples of its family.
    pub label: Option<(&'static str, &'static str)>,
}

/// A family of gauges in OpenMetrics text.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, which ends in the unit.
    pub name: &'static str,
    /// The base unit; empty if there is none.
    pub unit: &'static str,
    /// The help text, a sentence.
    pub help: &'static str,
}
