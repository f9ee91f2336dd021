//! The exit codes. They are part of the interface and defined only here.

use std::process::ExitCode;

use crate::summary::ComparisonSet;

/// The outcome of a command. If several apply, [`Exit::strongest`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; every expectation held.
    Done = 0,
    /// Done, but an expectation did not hold.
    ExpectationFailed = 1,
    /// Bad usage, or a scenario or inventory that cannot be used.
    Usage = 2,
    /// A host was unreachable, was lost, or refused.
    Host = 3,
    /// Incomplete or untrustworthy; the reason is printed.
    Incomplete = 4,
    /// Interrupted; finished trials are kept.
    Interrupted = 130,
}

/// The table of exit codes, for `--help`.
pub const HELP: &str = "\
Exit codes:
  0    done, and every expectation held
  1    an expectation failed
  2    bad usage, or a bad scenario
  3    a host was unreachable, lost, or refused
  4    incomplete or untrustworthy (the reason is printed)
  130  interrupted (finished trials are kept)";

impl Exit {
    /// The exit code for the data of a run.
    #[must_use]
    pub fn of(set: &ComparisonSet) -> Self {
        let start = match (set.failed_hosts.is_empty(), set.trustworthy) {
            (false, _) => Self::Host,
            (true, false) => Self::Incomplete,
            (true, true) => Self::Done,
        };
        let judged = set.expectations.iter().map(|expectation| match expectation.outcome() {
            Some(true) => Self::Done,
            Some(false) => Self::ExpectationFailed,
            None => Self::Incomplete,
        });
        judged.fold(start, Self::strongest)
    }

    /// The number returned to the shell.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The outcome that is returned if two apply: the one that explains the other. An interruption explains an
    /// incomplete run, a lost host explains a failed expectation, and so on.
    #[must_use]
    pub fn strongest(self, other: Self) -> Self {
        if self.rank() >= other.rank() { self } else { other }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::ExpectationFailed => 1,
            Self::Incomplete => 2,
            Self::Host => 3,
            Self::Usage => 4,
            Self::Interrupted => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_outcome_does_not_depend_on_the_order() {
        let order = [
            Exit::Done,
            Exit::ExpectationFailed,
            Exit::Incomplete,
            Exit::Host,
            Exit::Usage,
            Exit::Interrupted,
        ];
        for (i, weak) in order.iter().enumerate() {
            for strong in &order[i..] {
                assert_eq!(weak.strongest(*strong), *strong);
                assert_eq!(strong.strongest(*weak), *strong);
            }
        }
    }

    #[test]
    fn the_help_lists_the_codes() {
        let codes = [Exit::Done, Exit::ExpectationFailed, Exit::Usage, Exit::Host, Exit::Incomplete];
        for exit in codes.into_iter().chain([Exit::Interrupted]) {
            assert!(HELP.contains(&format!("\n  {:<5}", exit.code())), "{exit:?} is not in the help");
        }
    }
}
