//! The number of trials that verdicts need.

use crate::summary::{Comparison, answer::TrialsNeeded};

/// Further trials needed for a verdict; `None` if unknown.
pub(super) fn trials_needed(found: &[&Comparison]) -> Option<TrialsNeeded> {
    let known: Vec<u32> = found.iter().filter_map(|comparison| comparison.trials_more).collect();
    Some(TrialsNeeded {
        least: *known.iter().min()?,
        most: *known.iter().max()?,
        everywhere: known.len() == found.len(),
    })
}
