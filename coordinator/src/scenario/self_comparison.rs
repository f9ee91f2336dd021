//! Derives the scenario that calibration runs: one arm of a scenario compared with itself. The result is an ordinary
//! scenario, so its run directory can be read, reported and repeated like any other.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Loaded, MAX_NAME, Problem, ScenarioError, document::Document, keys, load_text, yaml};

/// The suffix of the second arm's name.
const AGAIN: &str = "-again";
/// The prefix of the scenario's name.
const CALIBRATE: &str = "calibrate-";
/// Keys that refer to arms which the derived scenario does not have.
const OF_ARMS: [&str; 3] = ["compare", "expect", "ladder"];

/// A scenario that compares an arm with itself.
#[derive(Clone, Debug)]
pub struct SelfComparison {
    /// The scenario to run. Its baseline is the arm, its only other arm is a copy of it.
    pub loaded: Loaded,
    /// The name of the arm.
    pub arm: String,
    /// The name of the copy.
    pub again: String,
}

/// Compares an arm of a scenario with itself: the named arm, or the scenario's baseline. Each cell runs `trials` times.
/// `--set` and `--quick` apply as they did to the scenario.
///
/// # Errors
/// If there is no such arm, or the scenario has too many points for this number of trials.
pub fn compare_with_itself(
    of: &Loaded,
    arm: Option<&str>,
    trials: u32,
) -> Result<SelfComparison, ScenarioError> {
    let name = of.path.display().to_string();
    let refuse = |problem: Problem| ScenarioError::new(name.clone(), vec![problem]);
    let arm = arm.unwrap_or_else(|| of.scenario.baseline_arm());
    if !of.scenario.arms.contains_key(arm) {
        let names: Vec<&str> = of.scenario.arms.keys().map(String::as_str).collect();
        let help = keys::one_of("the arms are", arm, &names);
        return Err(refuse(Problem::new(format!("{name} has no arm `{arm}`")).help(help)));
    }
    // Work on the tree as written, not on the typed model: keys that are not written must stay free for the sweep.
    let (mut document, mut tree) =
        Document::read(&name, &of.text).map_err(|problems| ScenarioError::new(name.clone(), problems))?;
    for set in &of.overrides {
        document.set(&mut tree, set).map_err(refuse)?;
    }
    let again = cut(arm, MAX_NAME - AGAIN.len()) + AGAIN;
    if let Value::Object(top) = &mut tree {
        let definition = top["arms"][arm].clone();
        let arms = [(arm.to_owned(), definition.clone()), (again.clone(), definition)];
        let question = format!(
            "What is the smallest detectable difference here? `{arm}` of the scenario {} against itself",
            of.scenario.name
        );
        for key in OF_ARMS {
            top.shift_remove(key);
        }
        // A name that YAML reads as a number becomes text here.
        let own = &of.scenario.name;
        let called = CALIBRATE.to_owned() + &cut(own, MAX_NAME - CALIBRATE.len());
        top.insert("name".into(), called.into());
        top.insert("question".into(), question.into());
        top.insert("arms".into(), Map::from_iter(arms).into());
        top.insert("baseline".into(), arm.into());
        top.insert("trials".into(), trials.into());
    }
    let text = yaml::print(&tree).map_err(|message| refuse(Problem::new(message)))?;
    // `--quick` limits the trials; `--set` overrides it.
    let overrides = if of.quick { vec![format!("trials={trials}")] } else { Vec::new() };
    let path = Path::new("the calibration scenario");
    let loaded = load_text(text, path, &overrides, of.quick)?;
    Ok(SelfComparison { loaded, arm: arm.to_owned(), again })
}

/// The first characters of a name. Names are ASCII.
fn cut(name: &str, most: usize) -> String {
    name.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    const TEXT: &str = "\
name: 2024
target: {file: {size: 1MiB}}
workload: {runtime: 1s}
arms: {sync: {engine: psync}, 'off': {engine: null, submit_batch: 4}}
sweep: {depth: [1, 8], block_size: [4KiB, 512B]}
trials: 3
baseline: sync
expect: [\"off.iops >= 1 * sync.iops\"]
";

    fn load(overrides: &[&str], quick: bool) -> Loaded {
        let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
        load_text(TEXT.to_owned(), Path::new("x.yaml"), &overrides, quick).unwrap()
    }

    #[test]
    fn compares_the_baseline_with_itself() {
        let of = load(&["workload.runtime=2s", "arms.sync.concurrency=threads"], false);
        let compared = compare_with_itself(&of, None, 16).unwrap();
        let scenario = &compared.loaded.scenario;
        assert_eq!((compared.arm.as_str(), compared.again.as_str()), ("sync", "sync-again"));
        assert_eq!((scenario.name.as_str(), scenario.baseline_arm()), ("calibrate-2024", "sync"));
        assert_eq!(scenario.arms["sync"], scenario.arms["sync-again"]);
        assert_eq!(scenario.arms["sync"], of.scenario.arms["sync"]);
        assert_eq!((scenario.arms.len(), scenario.trials, scenario.expect.len()), (2, 16, 0));
        assert_eq!((&scenario.workload, &scenario.sweep), (&of.scenario.workload, &of.scenario.sweep));
        // Two arms at four points: an audit and sixteen trials of each.
        assert_eq!(plan::plan(&compared.loaded, 1).unwrap().trials.len(), 8 * 17);
    }

    #[test]
    fn accepts_an_arm_and_keeps_quick() {
        let of = load(&[], true);
        let compared = compare_with_itself(&of, Some("off"), 5).unwrap();
        assert_eq!(compared.loaded.scenario.arms["off-again"], of.scenario.arms["off"]);
        assert_eq!(compared.loaded.scenario.trials, 5);
        assert_eq!(compared.loaded.scenario.workload, of.scenario.workload);
        let error = compare_with_itself(&of, Some("of"), 5).unwrap_err().to_string();
        assert!(error.contains("no arm `of`"), "{error}");
    }

    #[test]
    fn shortens_long_names() {
        let long = "a".repeat(MAX_NAME);
        let text = TEXT.replace("'off'", &long).replace("off.", &format!("{long}."));
        let of = load_text(text, Path::new("x.yaml"), &[], false).unwrap();
        let compared = compare_with_itself(&of, Some(&long), 2).unwrap();
        assert_eq!(compared.again.len(), MAX_NAME);
    }
}
