//! The events that the threads of a trial send to the trial.

use proto::outcome::{Knob, Refusal, Warning};

use super::{
    recorder::{Slices, Tally},
    window::Closed,
};
use crate::verify::Outcome;

/// An event of a worker.
pub enum WorkerEvent {
    /// The worker waits at the start line.
    Ready(Built),
    /// The worker is done, or has failed. This is its last event.
    Done(Result<Report, Refusal>),
}

/// The state of a worker before the start.
pub struct Built {
    /// Requested and granted options.
    pub knobs: Vec<Knob>,
    /// Warnings for the reader of the results.
    pub warnings: Vec<Warning>,
    /// The source of its latencies.
    pub slices: Slices,
}

/// The results of a worker.
#[derive(Clone, Debug)]
pub struct Report {
    /// The counts of its window; absent if it never started to measure.
    pub window: Option<Box<Closed>>,
    /// Its counts in addition to the histograms.
    pub tally: Tally,
    /// The number of failed requests by errno.
    pub errors: Vec<(i32, u64)>,
    /// The outcome of verification; absent without verification.
    pub verified: Option<Outcome>,
}

impl Report {
    /// The report of a thread that never started to measure.
    pub(super) fn nothing() -> Self {
        Self { window: None, tally: Tally::default(), errors: Vec::new(), verified: None }
    }
}
