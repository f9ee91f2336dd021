//! The explanations of each arm.

use serde::Serialize;

use super::super::words;
use crate::{params, summary::ComparisonSet};

/// The explanations of an arm; equal ones are merged, with all their points.
#[derive(Debug, Serialize)]
pub(super) struct Arm {
    arm: String,
    why: Vec<Why>,
}

#[derive(Debug, Serialize)]
struct Why {
    point: String,
    cause: String,
    text: String,
    evidence: Vec<String>,
}

/// The arms that have explanations, in the order of the comparisons.
pub(super) fn of(set: &ComparisonSet) -> Vec<Arm> {
    let mut arms: Vec<Arm> = Vec::new();
    for reason in &set.explanations {
        let point = params::point(&reason.params);
        let cause = reason.finding.cause().as_str().replace('_', " ");
        let text = words::explanation::sentence(&reason.finding);
        let index = arms.iter().position(|known| known.arm == reason.arm).unwrap_or_else(|| {
            arms.push(Arm { arm: reason.arm.clone(), why: vec![] });
            arms.len() - 1
        });
        let found = &mut arms[index].why;
        match found.iter_mut().find(|known| known.cause == cause && known.text == text) {
            Some(known) if !point.is_empty() => known.point.push_str(&format!("; {point}")),
            Some(_) => {}
            None => {
                let evidence = reason.evidence.iter().map(words::evidence::line).collect();
                found.push(Why { point, cause, text, evidence });
            }
        }
    }
    arms
}
