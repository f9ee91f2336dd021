//! Where and how a metric is shown: tables, CSV, OpenMetrics.

/// Where a metric is a column of the table of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Nowhere.
    None,
    /// In every table.
    Always,
    /// In every table that is not limited to the width of a terminal.
    Wide,
    /// Where some cell has a value. In a terminal, the last such columns are left out if there is no room.
    WhereMeasured,
}

/// What a column of `summary.csv` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvValue {
    /// The value.
    Value,
    /// The lower end of its confidence interval.
    Low,
    /// The upper end.
    High,
    /// The values of the trials, with `;` between them.
    Samples,
}

/// A sample in OpenMetrics text.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The family that it belongs to.
    pub family: &'static Family,
    /// A label that tells it from the other samples of its family.
    pub label: Option<(&'static str, &'static str)>,
}

/// A family of gauges in OpenMetrics text.
#[derive(Debug)]
pub struct Family {
    /// Its name, which ends in the unit.
    pub name: &'static str,
    /// The base unit; empty without one.
    pub unit: &'static str,
    /// A sentence.
    pub help: &'static str,
}
