//! `ladder`: names of arms, in an order.

use serde_json::Value;

use super::{Fixed, Reader};
use crate::scenario::{
    document::Spot,
    keys::{self, Block},
    spans::KeyPath,
};

impl Reader<'_> {
    pub(super) fn ladder(&mut self, value: Option<Value>, arms: &Fixed) -> Vec<String> {
        let at = KeyPath::of(["ladder"]);
        let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
        let Some(steps) = self.typed::<Vec<String>>(value, &at, Some(Block::Scenario)) else {
            return Vec::new();
        };
        let names: Vec<&str> = arms.keys().map(String::as_str).collect();
        if steps.len() < 2 {
            let help = "name two arms or more, in order; each is held against the one before it";
            self.report(&at, "a `ladder` of less than two arms has no step", "too short", help);
        }
        for (index, name) in steps.iter().enumerate() {
            let place = at.index(index);
            let twice = steps[..index].contains(name);
            let (message, label, help) = if twice {
                let help = "keep one of them: a step from an arm to itself changes nothing";
                (format!("the arm `{name}` is in the ladder twice"), "again here", help.to_owned())
            } else if !arms.is_empty() && !arms.contains_key(name) {
                let help = keys::one_of("the arms are", name, &names);
                (format!("the ladder names `{name}`, which is no arm"), "no such arm", help)
            } else {
                continue;
            };
            self.problems.push(self.document.problem(&place, Spot::Value, message, label).help(help));
        }
        steps
    }
}
