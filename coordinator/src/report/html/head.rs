//! The cards at the top of the page: verdicts, intervals and explanations of each arm.

use serde::Serialize;

use super::super::{view, words};
use crate::{
    metric::throughput::IOPS,
    params,
    summary::{Comparison, ComparisonSet, Verdict},
};

/// The most verdicts on one card; the table of the comparison has all.
const MAX_ROWS: usize = 8;

/// An arm against the baseline.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    arm: String,
    rows: Vec<Judged>,
    more: usize,
    why: Vec<Why>,
}

#[derive(Debug, Serialize)]
struct Judged {
    point: String,
    badge: Badge,
    ratio: String,
    interval: String,
}

/// A verdict as a colour, a sign and a word.
#[derive(Debug, Serialize)]
pub(super) struct Badge {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
}

impl Badge {
    pub(super) fn of(verdict: Verdict) -> Self {
        let (class, sign) = match verdict {
            Verdict::Faster => ("good", "▲"),
            Verdict::Slower => ("bad", "▼"),
            Verdict::NoDifference => ("even", "="),
            Verdict::Inconclusive => ("open", "?"),
        };
        Self { class, sign, word: verdict.as_str() }
    }
}

#[derive(Debug, Serialize)]
struct Why {
    point: String,
    cause: String,
    text: String,
    evidence: Vec<String>,
}

/// A card for each arm but the baseline, with the comparisons of IOPS.
pub(super) fn cards(set: &ComparisonSet) -> Vec<Card> {
    let mut cards: Vec<Card> = Vec::new();
    let rated = |found: &&Comparison| IOPS.is_of(found) && found.ratio.is_some();
    for found in set.with_baseline().filter(rated) {
        let judged = Judged {
            point: params::point(&found.params),
            badge: Badge::of(found.verdict),
            ratio: found.ratio.map(view::ratio).unwrap_or_default(),
            interval: found.ci95.map_or_else(String::new, |[low, high]| {
                format!("{} to {}", view::ratio(low), view::ratio(high))
            }),
        };
        match cards.iter_mut().find(|card| card.arm == found.arm) {
            Some(card) => card.rows.push(judged),
            None => {
                let card =
                    Card { arm: found.arm.clone(), rows: vec![judged], more: 0, why: why(set, &found.arm) };
                cards.push(card);
            }
        }
    }
    for card in &mut cards {
        card.more = card.rows.len().saturating_sub(MAX_ROWS);
        // Arms usually differ most at the last points of a sweep.
        card.rows.drain(..card.more);
    }
    cards
}

/// The explanations of an arm; equal ones are merged, with all their points.
fn why(set: &ComparisonSet, arm: &str) -> Vec<Why> {
    let mut found: Vec<Why> = Vec::new();
    for reason in set.explanations.iter().filter(|reason| reason.arm == arm) {
        let point = params::point(&reason.params);
        let cause = reason.finding.cause().as_str().replace('_', " ");
        let text = words::explanation::sentence(&reason.finding);
        match found.iter_mut().find(|known| known.cause == cause && known.text == text) {
            Some(known) if !point.is_empty() => known.point.push_str(&format!("; {point}")),
            Some(_) => {}
            None => {
                let evidence = reason.evidence.iter().map(words::evidence::line).collect();
                found.push(Why { point, cause, text, evidence });
            }
        }
    }
    found
}
