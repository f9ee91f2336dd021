//! The number of trials that verdicts need.

use crate::summary::{Comparison, TrialsRange, answer::TrialsNeeded};

/// Further trials needed for a verdict; `None` if unknown.
pub(super) fn trials_needed(found: &[&Comparison]) -> Option<TrialsNeeded> {
    let known: Vec<TrialsRange> = found.iter().filter_map(|found| found.trials_more_range).collect();
    let most = known.iter().map(|range| range.most).collect::<Option<Vec<u32>>>();
    Some(TrialsNeeded {
        least: known.iter().map(|range| range.least).min()?,
        most: most.and_then(|all| all.into_iter().max()),
        everywhere: known.len() == found.len(),
    })
}
