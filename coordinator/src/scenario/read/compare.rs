//! `compare`: comparisons of two arms besides those with the baseline.

use serde_json::Value;

use super::{Fixed, Reader};
use crate::scenario::{
    Versus,
    document::Spot,
    keys::{self, Block},
    spans::KeyPath,
};

impl Reader<'_> {
    /// The comparisons, without those that the baseline is part of, which are made anyway.
    pub(super) fn compare(
        &mut self,
        value: Option<Value>,
        arms: &Fixed,
        baseline: Option<&str>,
    ) -> Vec<Versus> {
        let at = KeyPath::of(["compare"]);
        let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
        let Some(entries) = self.typed::<Vec<Value>>(value, &at, Some(Block::Scenario)) else {
            return Vec::new();
        };
        let mut found: Vec<Versus> = Vec::new();
        for (index, mut entry) in entries.into_iter().enumerate() {
            let at = at.index(index);
            if let Value::Object(mapping) = &mut entry {
                self.known(Block::Compare, mapping, &at);
            }
            let Some(versus) = self.typed::<Versus>(entry, &at, Some(Block::Compare)) else { continue };
            let named = [("arm", &versus.arm), ("against", &versus.against)];
            let known = named.map(|(key, name)| self.is_arm(name, &at.key(key), arms));
            if known.contains(&false) {
                continue;
            }
            let refused = if versus.arm == versus.against {
                Some((
                    format!("`{}` is compared with itself", versus.arm),
                    "the same arm",
                    "name another arm",
                ))
            } else if found.iter().any(|other| other.is_of(&versus)) {
                let message = format!("`{}` and `{}` are compared twice", versus.arm, versus.against);
                Some((message, "repeated here", "keep one of them"))
            } else {
                None
            };
            match refused {
                Some((message, label, help)) => self.report(&at.key("against"), message, label, help),
                None => found.push(versus),
            }
        }
        let baseline = baseline.or_else(|| arms.keys().next().map(String::as_str));
        found
            .retain(|versus| [&versus.arm, &versus.against].iter().all(|arm| baseline != Some(arm.as_str())));
        found
    }

    /// Whether there is such an arm; reports it otherwise.
    fn is_arm(&mut self, name: &str, at: &KeyPath, arms: &Fixed) -> bool {
        if arms.is_empty() || arms.contains_key(name) {
            return true;
        }
        let names: Vec<&str> = arms.keys().map(String::as_str).collect();
        let help = keys::one_of("the arms are", name, &names);
        let message = format!("`compare` names `{name}`, which is not an arm");
        self.problems.push(self.document.problem(at, Spot::Value, message, "no such arm").help(help));
        false
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::scenario::{ScenarioError, Versus, load_text};

    fn compare(entries: &str) -> Result<Vec<Versus>, ScenarioError> {
        let text = format!(
            "name: x\ntarget: {{file: {{size: 1MiB}}}}\narms:\n  pread: {{engine: psync}}\n  threads: {{engine: \
             psync}}\n  ring: {{engine: io_uring}}\ncompare: {entries}\n"
        );
        load_text(text, Path::new("x.yaml"), &[], false).map(|loaded| loaded.scenario.compare)
    }

    fn refused(entries: &str) -> String {
        compare(entries).unwrap_err().rendered()
    }

    #[test]
    fn keeps_comparisons_without_the_baseline() {
        let versus = Versus { arm: "ring".into(), against: "threads".into() };
        assert_eq!(compare("[{arm: ring, against: threads}]").unwrap(), [versus]);
        // `pread` is the baseline.
        assert_eq!(compare("[{arm: ring, against: pread}, {arm: pread, against: threads}]").unwrap(), []);
        assert_eq!(compare("~").unwrap(), []);
    }

    #[test]
    fn problems_point_at_the_entry() {
        insta::assert_snapshot!(
            [
                refused("[{arm: rings, against: threads}]"),
                refused("[{arm: ring, against: ring}]"),
                refused("[{arm: ring, against: threads}, {arm: threads, against: ring}]"),
                refused("[{arm: ring}]"),
                refused("[{arm: ring, with: threads}]"),
                refused("ring"),
            ]
            .join("\n")
        );
    }
}
