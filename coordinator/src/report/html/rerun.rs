//! The command line and the inventory that run the scenario again.

use serde::Serialize;

use crate::{plan::Plan, summary::ComparisonSet};

/// The parts of a re-run other than the scenario's text.
#[derive(Debug, Serialize)]
pub(super) struct Rerun {
    pub(super) command: String,
    /// The inventory; empty if the run used the embedded agent.
    pub(super) inventory: String,
}

impl Rerun {
    /// The re-run of a set, with the plan's overrides if there is a plan.
    pub(super) fn of(set: &ComparisonSet, plan: Option<&Plan>) -> Self {
        let mut command =
            format!("coordinator run {} --seed {}", quoted(&format!("{}.yaml", set.scenario)), set.seed);
        if set.quick {
            command.push_str(" --quick");
        }
        for set in plan.map_or(&[][..], |plan| &plan.overrides) {
            command.push_str(&format!(" --set {}", quoted(set)));
        }
        if let Some(calibration) = &set.calibration {
            command.push_str(&format!(" --calibration {}", quoted(&calibration.run_id)));
        }
        let mut inventory = String::new();
        if set.hosts.iter().any(|host| host.address.contains(':')) {
            command.push_str(" --inventory cluster.yaml");
            inventory.push_str("hosts:\n");
            for host in &set.hosts {
                // Every JSON string is valid YAML.
                let json = |text: &str| serde_json::Value::from(text).to_string();
                let labels: Vec<String> = host
                    .labels
                    .iter()
                    .map(|(key, value)| format!("{}: {}", json(key), json(value)))
                    .collect();
                inventory.push_str(&format!(
                    "  - {{name: {}, address: {}, labels: {{{}}}}}\n",
                    json(&host.name),
                    json(&host.address),
                    labels.join(", ")
                ));
            }
        }
        Self { command, inventory }
    }
}

/// Quotes a text for a shell if necessary.
fn quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+%@".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::calibration::CalibrationUse;

    #[test]
    fn the_command_names_the_calibration() {
        let calibration = CalibrationUse { run_id: "my calibration".into(), floors: Vec::new() };
        let set = ComparisonSet { scenario: "qd".into(), seed: 7, ..ComparisonSet::default() };
        assert_eq!(Rerun::of(&set, None).command, "coordinator run qd.yaml --seed 7");
        let set = ComparisonSet { calibration: Some(calibration), ..set };
        let command = Rerun::of(&set, None).command;
        assert_eq!(command, "coordinator run qd.yaml --seed 7 --calibration 'my calibration'");
    }

    #[test]
    fn a_shell_reads_quoted_texts_unchanged() {
        for text in ["trials=3", "sweep.depth=[1, 32]", "a'b", "$HOME `x`", ""] {
            let command = format!("printf %s {}", quoted(text));
            let out = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), text);
        }
    }
}
