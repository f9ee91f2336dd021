//! Errors in the text of an expectation.

use std::ops::Range;

/// Why a text is not a valid expectation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpectError {
    /// The part of the text concerned, in bytes.
    pub part: Range<usize>,
    /// The problem.
    pub message: String,
    /// The remedy.
    pub help: String,
}

impl ExpectError {
    pub(super) fn new(part: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { part, message: message.into(), help: help.into() }
    }
}
