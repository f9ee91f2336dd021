//! Whether a calibration fits a run. One of another target or workload is refused before the run; other differences are
//! warnings in the run's summary.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{fingerprint::TRIVIAL, warnings::Warnings};
use crate::{
    params::Params,
    plan::Plan,
    scenario::Scenario,
    store::HostEntry,
    summary::calibration::Calibration,
    warning::{CalibrationWarning, FactNames, OtherHost},
};

/// The calibration has another target or workload than the scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error(
    "the calibration {run_id} is of another {what}: it has {calibrated}, the scenario {scenario} has {own}"
)]
#[diagnostic(help(
    "calibrate this scenario: `coordinator calibrate` with the same scenario, --set and --quick; or run without \
     --calibration"
))]
pub struct Misfit {
    /// The calibration's run.
    pub run_id: String,
    /// The scenario that it does not fit.
    pub scenario: String,
    /// `workload` or `target`, or a key of it.
    pub what: String,
    /// Its value in the calibration.
    pub calibrated: String,
    /// Its value in the scenario.
    pub own: String,
}

impl Calibration {
    /// Checks that it has the same target and workload as the scenario. Arms may differ, because the spread of one arm
    /// stands for that of all. The number of trials may differ too, because floors are computed for it.
    ///
    /// # Errors
    /// The first difference.
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

    /// Warns of differences between the calibration and a run that make its floors doubtful.
    pub(in crate::analysis) fn warn(&self, plan: &Plan, hosts: &[HostEntry], warnings: &mut Warnings) {
        let run = || self.run_id.clone();
        for host in hosts {
            let difference = match self.hosts.get(&host.name) {
                None => OtherHost::Missing(host.name.clone()),
                Some(facts) => match changed(facts, &host.description.facts) {
                    names if names.is_empty() => continue,
                    names => OtherHost::Changed(FactNames(names)),
                },
            };
            warnings.add(Some(&host.name), CalibrationWarning::OtherHosts { run: run(), difference });
        }
        let version = env!("CARGO_PKG_VERSION");
        if self.version != version {
            let (theirs, ours) = (self.version.clone(), version.to_owned());
            warnings.add(None, CalibrationWarning::OtherVersion { run: run(), theirs, ours });
        }
        if !plan.cells.iter().any(|cell| cell.arm == self.arm) {
            warnings.add(None, CalibrationWarning::OtherArm { run: run(), arm: self.arm.clone() });
        }
        let known = |params: &Params| {
            self.points.iter().any(|point| point.params == *params && !point.metrics.is_empty())
        };
        for params in plan.points().iter().filter(|params| !known(params)) {
            let point = crate::params::point(params);
            warnings.add(None, CalibrationWarning::LacksPoint { run: run(), point });
        }
        if let Some((_, found)) = self.biased().next() {
            let (arm, metric, ratio) = (self.arm.clone(), found.metric.clone(), found.ratio);
            warnings.add(None, CalibrationWarning::Biased { run: run(), arm, metric, ratio });
        }
        if !self.trustworthy || self.quick {
            warnings.add(None, CalibrationWarning::Doubtful { run: run(), quick: self.quick });
        }
    }
}

/// The names of facts whose values differ.
fn changed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differ = |name: &&String| !TRIVIAL.contains(&name.as_str()) && before.get(*name) != now.get(*name);
    names.into_iter().filter(differ).cloned().collect()
}

/// The first key in depth-first order at which two trees differ, with both values.
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
