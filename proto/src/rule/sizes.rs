//! Problems of block sizes as a set.

use std::fmt;

use crate::{limits::MAX_SIZES, units::ByteSize};

/// Why sizes are not a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizesProblem {
    /// There are none, or too many.
    Count(usize),
    /// A size has no share.
    NoShare(ByteSize),
    /// A size is written twice.
    Twice(ByteSize),
    /// The shares add up to this percentage instead of 100.
    Sum(u64),
}

impl fmt::Display for SizesProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "has {count} sizes; from 1 to {MAX_SIZES} are allowed"),
            Self::NoShare(size) => {
                write!(f, "gives {size} no share; remove it, or give it 1 percent or more")
            }
            Self::Twice(size) => write!(f, "has {size} twice; write it once, with the sum of the shares"),
            Self::Sum(sum) => write!(f, "adds up to {sum} percent; shares must add up to 100"),
        }
    }
}
