//! Whether a calibration is one of what a run measures. What makes it another experiment is refused before the run;
//! what makes it doubtful is a warning in the run's summary.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{fingerprint::TRIVIAL, warnings::Warnings};
use crate::{
    params::Params, plan::Plan, scenario::Scenario, store::HostEntry, summary::calibration::Calibration,
};

/// Facts named in a warning; a kernel that was changed changes many.
const MOST_NAMED: usize = 6;
const CALIBRATE: &str =
    "calibrate again: `coordinator calibrate` with this scenario, its --set, and these hosts";

/// The calibration is of another experiment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error(
    "the calibration {run_id} is of another {what}: it has {calibrated}, the scenario {scenario} has {own}"
)]
#[diagnostic(help(
    "calibrate this one: `coordinator calibrate` with the same scenario, --set and --quick; or run without \
     --calibration"
))]
pub struct Misfit {
    /// The calibration's run.
    pub run_id: String,
    /// The scenario that it does not fit.
    pub scenario: String,
    /// `workload` or `target`, or a key of it.
    pub what: String,
    /// What it is there.
    pub calibrated: String,
    /// What it is here.
    pub own: String,
}

impl Calibration {
    /// Whether it is of the same target and workload as the scenario. Arms may differ: the spread of one stands for that
    /// of all. So may the number of trials, which is reckoned with.
    ///
    /// # Errors
    /// In what they differ.
    pub fn check(&self, scenario: &Scenario) -> Result<(), Misfit> {
        let tree = |value: Result<serde_json::Value, serde_json::Error>| value.unwrap_or_default();
        let pairs = [
            ("workload", serde_json::to_value(&self.workload), serde_json::to_value(&scenario.workload)),
            ("target", serde_json::to_value(&self.target), serde_json::to_value(&scenario.target)),
        ];
        for (block, theirs, own) in pairs {
            if let Some((key, calibrated, own)) = difference(block, &tree(theirs), &tree(own)) {
                let (run_id, scenario) = (self.run_id.clone(), scenario.name.clone());
                return Err(Misfit { run_id, scenario, what: key, calibrated, own });
            }
        }
        Ok(())
    }

    /// What makes it doubtful for a run.
    pub(in crate::analysis) fn warn(&self, plan: &Plan, hosts: &[HostEntry], warnings: &mut Warnings) {
        let run = &self.run_id;
        for host in hosts {
            let message = match self.hosts.get(&host.name) {
                None => format!("the calibration {run} is of other hosts: it has no {}", host.name),
                Some(facts) => match changed(facts, &host.description.facts) {
                    None => continue,
                    Some(names) => {
                        format!("this host was another when {run} was calibrated: it differs in {names}")
                    }
                },
            };
            warnings.add("calibration-other-host", Some(&host.name), message, CALIBRATE);
        }
        let version = env!("CARGO_PKG_VERSION");
        if self.version != version {
            let message = format!("{run} was calibrated by Ringbench {}, this is {version}", self.version);
            warnings.add("calibration-other-version", None, message, CALIBRATE);
        }
        if !plan.cells.iter().any(|cell| cell.arm == self.arm) {
            let message = format!(
                "{run} calibrated the arm {}, which this run has not: others may spread more",
                self.arm
            );
            let remedy = "calibrate an arm of this scenario: `coordinator calibrate SCENARIO --arm NAME`";
            warnings.add("calibration-other-arm", None, message, remedy);
        }
        let known = |params: &Params| {
            self.points.iter().any(|point| point.params == *params && !point.metrics.is_empty())
        };
        for params in plan.points().iter().filter(|params| !known(params)) {
            let point = crate::params::point(params);
            let message = format!("{run} has no {point}: the largest floor of its points stands for it");
            warnings.add("calibration-lacks-point", None, message, CALIBRATE);
        }
        if let Some((_, metric)) = self.biased().next() {
            let message = format!(
                "in {run} the arm {} differed from itself ({} x{:.3}): order matters on this rig",
                self.arm, metric.metric, metric.ratio
            );
            let remedy =
                "find what changes from trial to trial (heat, cache, other load), and calibrate again";
            warnings.add("calibration-biased", None, message, remedy);
        }
        if !self.trustworthy || self.quick {
            let what = if self.quick { "a quick run" } else { "incomplete" };
            let message = format!("the calibration {run} is {what}: its floors mean little");
            warnings.add("calibration-doubtful", None, message, CALIBRATE);
        }
    }
}

/// The names of facts that are not what they were, the first of them; `None` where all are.
fn changed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Option<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differ = |name: &&&String| !TRIVIAL.contains(&name.as_str()) && before.get(**name) != now.get(**name);
    let names: Vec<&str> = names.iter().filter(differ).map(|name| name.as_str()).collect();
    let named = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        count if count > MOST_NAMED => Some(format!("{named} and {} more", count - MOST_NAMED)),
        _ => Some(named),
    }
}

/// The first key, depth first, at which two trees differ, and both values.
fn difference(
    at: &str,
    theirs: &serde_json::Value,
    own: &serde_json::Value,
) -> Option<(String, String, String)> {
    if theirs == own {
        return None;
    }
    if let (Some(a), Some(b)) = (theirs.as_object(), own.as_object()) {
        let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
        let none = serde_json::Value::Null;
        let mut differences = keys.filter_map(|key| {
            let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
            difference(&format!("{at}.{key}"), a, b)
        });
        return differences.next();
    }
    let word = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "none".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    Some((at.to_owned(), word(theirs), word(own)))
}
