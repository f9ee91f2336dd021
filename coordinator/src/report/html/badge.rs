//! A verdict as a sign.

use serde::Serialize;

use crate::summary::Verdict;

/// A verdict as a colour, a sign and a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
