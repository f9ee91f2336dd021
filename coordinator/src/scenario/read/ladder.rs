//! `ladder`: an ordered list of arms.

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
            let help = "name at least two arms in order; each is compared with its predecessor";
            self.report(&at, "a `ladder` needs at least two arms", "too short", help);
        }
        for (index, name) in steps.iter().enumerate() {
            let place = at.index(index);
            let twice = steps[..index].contains(name);
            let (message, label, help) = if twice {
                let help = "keep one of them";
                (format!("the arm `{name}` is in the ladder twice"), "repeated here", help.to_owned())
            } else if !arms.is_empty() && !arms.contains_key(name) {
                let help = keys::one_of("the arms are", name, &names);
                (format!("the ladder names `{name}`, which is not an arm"), "no such arm", help)
            } else {
                continue;
            };
            self.problems.push(self.document.problem(&place, Spot::Value, message, label).help(help));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::scenario::{ScenarioError, load_text};

    fn ladder(steps: &str) -> Result<Vec<String>, ScenarioError> {
        let text = format!(
            "name: x\ntarget: {{file: {{size: 1MiB}}}}\narms:\n  pread: {{engine: psync}}\n  ring: {{engine: \
             io_uring}}\n\
             ladder: {steps}\n"
        );
        load_text(text, Path::new("x.yaml"), &[], false).map(|loaded| loaded.scenario.ladder)
    }

    fn refused(steps: &str) -> String {
        ladder(steps).unwrap_err().rendered()
    }

    #[test]
    fn keeps_the_order_of_arms() {
        assert_eq!(ladder("[ring, pread]").unwrap(), ["ring", "pread"]);
        assert!(ladder("~").unwrap().is_empty());
    }

    #[test]
    fn problems_point_at_the_name() {
        insta::assert_snapshot!(
            [
                refused("[pread, rings]"),
                refused("[pread]"),
                refused("[pread, ring, pread]"),
                refused("pread"),
            ]
            .join("\n")
        );
    }
}
