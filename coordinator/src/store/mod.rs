//! The run directory: the truth about a run, append-only.

pub mod record;
