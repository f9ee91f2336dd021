//! Values with units, and the limits that they must keep.

use std::fmt;

use crate::{
    share::Share,
    units::{ByteSize, Nanos},
};

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A number of things.
    Count(u64),
    /// A real number.
    Number(f64),
    /// A percentage.
    Percent(u32),
    /// A number per second.
    PerSecond(u64),
    /// A size.
    Size(ByteSize),
    /// A duration.
    Time(Nanos),
    /// A share of the operations.
    Share(Share),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Percent(percent) => write!(f, "{percent} percent"),
            Self::PerSecond(rate) => write!(f, "{rate} per second"),
            Self::Size(size) => size.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

/// The values that are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limits {
    /// At least this.
    AtLeast(Quantity),
    /// At most this.
    AtMost(Quantity),
    /// From the first to the second, inclusive.
    Between(Quantity, Quantity),
    /// Above the first, and at most the second.
    Above(Quantity, Quantity),
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::Between(least, most) => write!(f, "from {least} to {most}"),
            Self::Above(least, most) => write!(f, "above {least}, at most {most}"),
        }
    }
}
