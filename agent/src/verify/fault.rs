//! What was found where something else was written.

pub use proto::warning::{Fault, Found};
use proto::{
    counters::Counters as _,
    outcome::Verified,
    warning::{ResultWarning, Warning},
};

/// Faults that are told one by one; more are counted.
const TOLD: usize = 4;

/// What came of checking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sectors that were checked, and those that failed.
    pub counts: Verified,
    /// The first failures.
    pub first: Vec<Fault>,
}

impl Outcome {
    /// Nothing checked yet, with room for what is told.
    pub(super) fn new() -> Self {
        Self { first: Vec::with_capacity(TOLD), ..Self::default() }
    }

    #[cold]
    pub(super) fn fail(&mut self, fault: Fault) {
        self.counts.failures += 1;
        if self.first.len() < TOLD {
            self.first.push(fault);
        }
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        let room = TOLD - self.first.len().min(TOLD);
        self.first.extend(other.first.iter().take(room));
    }

    /// What the reader must know of it, if something was found.
    #[must_use]
    pub fn warning(&self, trial: &str) -> Option<Warning> {
        (self.counts.failures > 0).then(|| {
            let (Verified { sectors, failures }, first) = (self.counts, self.first.clone());
            ResultWarning::VerifyFailed { trial: trial.to_owned(), sectors, failures, first }.into()
        })
    }
}
