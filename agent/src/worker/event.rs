//! What the threads of a trial report to the trial that they work for.

use proto::outcome::{Knob, Refusal, Warning};

use super::{
    recorder::{Slices, Tally},
    window::Closed,
};
use crate::verify::Outcome;

/// What a worker reports.
pub enum WorkerEvent {
    /// It stands at the start line.
    Ready(Built),
    /// It is done, or could not go on. Its last event.
    Done(Result<Report, Refusal>),
}

/// What a worker has built before the start.
pub struct Built {
    /// What was asked and what was granted.
    pub knobs: Vec<Knob>,
    /// What the reader must know.
    pub warnings: Vec<Warning>,
    /// Where its latencies will come from.
    pub slices: Slices,
}

/// What a worker did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The accounts of its window; absent where it never came to measuring.
    pub window: Option<Box<Closed>>,
    /// Counts beside the histogram.
    pub tally: Tally,
    /// Failed requests by errno.
    pub errors: Vec<(i32, u64)>,
    /// What came of verification; absent where there was none.
    pub verified: Option<Outcome>,
}

impl Report {
    /// Of a thread that never came to measuring.
    pub(super) fn nothing() -> Self {
        Self { window: None, tally: Tally::default(), errors: Vec::new(), verified: None }
    }
}
