//! Verification failures.

pub use proto::warning::{Fault, Found};
use proto::{
    counters::Counters as _,
    outcome::Verified,
    warning::{ResultWarning, Warning},
};

/// Number of faults that are reported in detail; more are only counted.
const DETAILED: usize = 4;

/// The outcome of verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Numbers of sectors that were checked, and of those that failed.
    pub counts: Verified,
    /// The first failures.
    pub first: Vec<Fault>,
}

impl Outcome {
    /// An empty outcome, with space allocated for the first faults.
    pub(super) fn new() -> Self {
        Self { first: Vec::with_capacity(DETAILED), ..Self::default() }
    }

    #[cold]
    pub(super) fn fail(&mut self, fault: Fault) {
        self.counts.failures += 1;
        if self.first.len() < DETAILED {
            self.first.push(fault);
        }
    }

    /// Adds the outcome of another worker.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        let room = DETAILED - self.first.len().min(DETAILED);
        self.first.extend(other.first.iter().take(room));
    }

    /// The warning, if there were failures.
    #[must_use]
    pub fn warning(&self, trial: &str) -> Option<Warning> {
        (self.counts.failures > 0).then(|| {
            let (Verified { sectors, failures }, first) = (self.counts, self.first.clone());
            ResultWarning::VerifyFailed { trial: trial.to_owned(), sectors, failures, first }.into()
        })
    }
}
