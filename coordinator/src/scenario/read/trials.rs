//! `trials` and `margin`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    super::{
        DEFAULT_TRIALS, KeyPath, MAX_TRIALS, Precision,
        keys::Block,
        precision::{DEFAULT_MAX, DEFAULT_MIN, LARGEST_PERCENT, LEAST_MIN, percent},
    },
    Reader,
};
use crate::stats::verdict::DEFAULT_MARGIN;

#[derive(Deserialize)]
struct Written {
    min: Option<u32>,
    max: Option<u32>,
    until: Option<Value>,
}

impl Reader<'_> {
    /// The number of trials per cell, at most, and when to stop earlier.
    pub(super) fn trials(&mut self, top: &mut Map<String, Value>) -> (u32, Option<Precision>) {
        if let Some(Value::Object(block)) = top.get_mut("trials") {
            let block = std::mem::take(block);
            top.remove("trials");
            return self.open_trials(block);
        }
        let trials = self.optional::<u32>(top, "trials").unwrap_or(DEFAULT_TRIALS);
        self.in_range("trials", &KeyPath::of(["trials"]), trials, 1);
        (trials, None)
    }

    fn open_trials(&mut self, mut block: Map<String, Value>) -> (u32, Option<Precision>) {
        let at = KeyPath::of(["trials"]);
        self.known(Block::Trials, &mut block, &at);
        let without = (DEFAULT_TRIALS, None);
        let Some(read) = self.typed::<Written>(Value::Object(block), &at, Some(Block::Trials)) else {
            return without;
        };
        let (min, max) = (read.min.unwrap_or(DEFAULT_MIN), read.max.unwrap_or(DEFAULT_MAX));
        let before = self.problems.len();
        self.in_range("trials.min", &at.key("min"), min, LEAST_MIN);
        self.in_range("trials.max", &at.key("max"), max, LEAST_MIN);
        if min > max && self.problems.len() == before {
            let message = format!("`trials`: `min` ({min}) is greater than `max` ({max})");
            let place = if read.max.is_some() { at.key("max") } else { at.key("min") };
            self.report(&place, message, "below `min`", "raise `max`, or lower `min`");
        }
        let Some(until) = read.until.filter(|until| !until.is_null()) else {
            let message = "`trials` needs `until`, the width of intervals at which to stop";
            self.report(&at, message, "has no `until`", "add `until: 2%`, or write a number of trials");
            return without;
        };
        match self.percent("trials.until", &at.key("until"), &until) {
            Some(until) if self.problems.len() == before => (max, Some(Precision { min, until })),
            _ => without,
        }
    }

    /// The margin as a share: 0.02 for 2 %.
    pub(super) fn margin(&mut self, top: &mut Map<String, Value>) -> f64 {
        let value = top.remove("margin").filter(|value| !value.is_null());
        value
            .and_then(|value| self.percent("margin", &KeyPath::of(["margin"]), &value))
            .unwrap_or(DEFAULT_MARGIN)
    }

    fn in_range(&mut self, name: &str, at: &KeyPath, number: u32, least: u32) {
        if !(least..=MAX_TRIALS).contains(&number) {
            let message =
                format!("`{name}`: {number} is out of range; it must be from {least} to {MAX_TRIALS}");
            let usual =
                if least > 1 { "`{min: 5, max: 30, until: 2%}` is usual" } else { "3 to 10 is usual" };
            self.report(at, message, "out of range", usual);
        }
    }

    fn percent(&mut self, name: &str, at: &KeyPath, value: &Value) -> Option<f64> {
        let found = value.as_str().and_then(percent);
        if found.is_none() {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let message =
                format!("`{name}`: {shown} is not a percentage above 0% and at most {LARGEST_PERCENT}%");
            let key = at.last_key().unwrap_or(name);
            self.report(at, message, "must be a percentage", format!("write `{key}: 2%`"));
        }
        found
    }
}
