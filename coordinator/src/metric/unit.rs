//! Units of metrics, and whether higher or lower values are better.

use crate::units;

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Events per second.
    PerSecond,
    /// Bytes per second.
    BytesPerSecond,
    /// Nanoseconds.
    Nanoseconds,
    /// Events per operation.
    PerIo,
    /// A share from 0 to 1.
    Share,
    /// A number without a unit.
    Count,
}

impl Unit {
    /// The unit's name in documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "per second",
            Self::BytesPerSecond => "bytes per second",
            Self::Nanoseconds => "nanoseconds",
            Self::PerIo => "per I/O",
            Self::Share => "share, 0 to 1",
            Self::Count => "number",
        }
    }

    /// A value as tables and charts show it: `73.5k`, `12.1 µs`, `301 MB/s`.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        self.format()(value)
    }

    /// The format of values in tables and charts.
    #[must_use]
    pub fn format(self) -> fn(f64) -> String {
        match self {
            Self::PerSecond | Self::Count => units::count,
            Self::BytesPerSecond => units::bytes_per_s,
            Self::Nanoseconds => units::nanos,
            Self::PerIo => units::per_io,
            Self::Share => |share| format!("{:.1}%", share * 100.0),
        }
    }

    /// A value in OpenMetrics' base units: seconds instead of nanoseconds.
    #[must_use]
    pub fn in_base_units(self, value: f64) -> f64 {
        if self == Self::Nanoseconds { value / 1e9 } else { value }
    }
}

/// The direction of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Higher values are better, as for operations per second.
    Higher,
    /// Lower values are better, as for latency.
    Lower,
}
