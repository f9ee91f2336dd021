//! Selects the hosts of each cell.

use std::collections::BTreeMap;

use crate::plan::Plan;

/// No host has the labels that an arm requires.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("no host matches arm `{arm}`, which requires hosts with {selector}")]
#[diagnostic(help("{known}"))]
pub struct NoHost {
    /// The arm.
    pub arm: String,
    /// The labels it requires.
    pub selector: String,
    /// The known labels, and the remedy.
    pub known: String,
}

/// For each cell of the plan, the indices of the hosts that run it. `hosts` are names and labels.
///
/// # Errors
/// No host has the labels that an arm requires.
pub fn resolve(plan: &Plan, hosts: &[(&str, &BTreeMap<String, String>)]) -> Result<Vec<Vec<usize>>, NoHost> {
    plan.cells
        .iter()
        .map(|cell| {
            let fits = |labels: &BTreeMap<String, String>| {
                cell.hosts.iter().all(|(key, value)| labels.get(key) == Some(value))
            };
            let chosen: Vec<usize> = hosts
                .iter()
                .enumerate()
                .filter_map(|(index, (_, labels))| fits(labels).then_some(index))
                .collect();
            if chosen.is_empty() { Err(no_host(&cell.arm, &cell.hosts, hosts)) } else { Ok(chosen) }
        })
        .collect()
}

fn no_host(
    arm: &str,
    selector: &BTreeMap<String, String>,
    hosts: &[(&str, &BTreeMap<String, String>)],
) -> NoHost {
    let known: Vec<String> =
        hosts.iter().map(|(name, labels)| format!("{name} {{{}}}", pairs(labels))).collect();
    let known = if hosts.iter().all(|(_, labels)| labels.is_empty()) {
        "no host has labels: list the hosts in an inventory file and pass it with --inventory; an entry \
         looks like this: {name: n1, address: \"10.0.0.1:7420\", labels: {kernel: patched}}"
            .to_owned()
    } else {
        format!("the hosts and their labels: {}", known.join(", "))
    };
    NoHost { arm: arm.to_owned(), selector: format!("{{{}}}", pairs(selector)), known }
}

fn pairs(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proto::{
        trial::{Engine, EngineKind, FileTarget, Measure, Target, Trial, Workload},
        units::ByteSize,
    };

    use super::*;
    use crate::{
        params::Params,
        scenario::{Cell, host_loss::HostLossPolicy, noise::NoisePolicy},
    };

    fn plan(selectors: &[&[(&str, &str)]]) -> Plan {
        let cells = selectors
            .iter()
            .enumerate()
            .map(|(i, selector)| Cell {
                arm: format!("arm{i}"),
                params: Params::new(),
                hosts: selector.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect(),
                template: Trial {
                    id: String::new(),
                    seed: 0,
                    target: Target::File(FileTarget::new(ByteSize(4096), true)),
                    workload: Workload::default(),
                    engine: Engine::new(EngineKind::Null),
                    measure: Measure::Timed,
                },
            })
            .collect();
        Plan {
            scenario: "s".into(),
            seed: 0,
            quick: false,
            overrides: Vec::new(),
            cells,
            noise: NoisePolicy::Mark,
            on_host_loss: HostLossPolicy::Fail,
            trials_per_cell: 1,
            stopping: None,
            stopped_after: None,
            trials: Vec::new(),
        }
    }

    #[test]
    fn selects_hosts_by_labels() {
        let stock = BTreeMap::from([("kernel".to_owned(), "stock".to_owned())]);
        let patched = BTreeMap::from([("kernel".to_owned(), "patched".to_owned())]);
        let hosts = [("n1", &stock), ("n2", &patched), ("n3", &patched)];
        let plan = plan(&[&[], &[("kernel", "patched")], &[("kernel", "stock")]]);
        assert_eq!(resolve(&plan, &hosts).unwrap(), [vec![0, 1, 2], vec![1, 2], vec![0]]);
    }

    #[test]
    fn refuses_an_unmatched_selector_and_lists_the_labels() {
        let stock = BTreeMap::from([("kernel".to_owned(), "stock".to_owned())]);
        let plan = plan(&[&[("kernel", "patched")]]);
        let error = resolve(&plan, &[("n1", &stock)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no host matches arm `arm0`, which requires hosts with {kernel: patched}"
        );
        assert!(error.known.contains("n1 {kernel: stock}"));
        assert!(resolve(&plan, &[("n1", &BTreeMap::new())]).unwrap_err().known.contains("--inventory"));
    }
}
