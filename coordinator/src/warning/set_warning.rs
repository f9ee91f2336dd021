//! A warning as `summary.json` holds it.

use proto::notice::{self, Notice as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Warning, ranges};

/// A warning of a run, with the hosts that it concerns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", into = "Written")]
pub struct SetWarning {
    /// The host; `None` if it concerns the run or several hosts.
    pub host: Option<String>,
    /// The hosts if there are several, as names and ranges such as `n1..n32`.
    pub hosts: Vec<String>,
    /// Of several hosts with different figures, the one of these figures.
    pub worst: Option<String>,
    /// The warning; of several that were merged, the one of the most weight.
    pub warning: Warning,
    /// The trials of the host that it concerns, where they were counted.
    pub trials: Option<InTrials>,
    /// Further warnings with the same code, host and remedy; of several hosts, the most on one.
    pub more: u32,
}

/// The trials that a warning concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InTrials {
    /// Trials that it concerns.
    pub count: u32,
    /// Trials in which the host took part.
    pub of: u32,
    /// The trial that it concerns most.
    pub worst: String,
}

/// Something that affects how the figures of a run can be read.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SetWarning")]
struct Written {
    /// A stable word for programs.
    code: String,
    /// The host; null if it concerns the run or several hosts.
    host: Option<String>,
    /// The hosts if there are several, as names and ranges such as `n1..n32`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    /// Of several hosts with different figures, the one of these figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worst: Option<String>,
    /// One sentence for people.
    message: String,
    /// What to do about it.
    remedy: String,
    /// Whether a verdict may be wrong, or is missing, because of it. Absent in runs of earlier versions.
    #[serde(default)]
    affects_verdicts: bool,
    /// The figures and names in the message; their keys depend on the code. Absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts: Option<Value>,
    /// The trials that it concerns, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trials: Option<InTrials>,
    /// Further warnings with the same code, host and remedy; of several hosts, the most on one.
    #[serde(default, skip_serializing_if = "is_zero")]
    more: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl SetWarning {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        self.warning.code()
    }

    /// One sentence for people.
    #[must_use]
    pub fn message(&self) -> String {
        let on = self.worst.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
        let mut message = match &self.trials {
            None if on.is_empty() => String::new(),
            None => format!("most{on}: "),
            Some(InTrials { count: 1, of, worst }) => format!("in 1 of {of} trials{on} ({worst}): "),
            Some(InTrials { count, of, worst }) => {
                format!("in {count} of {of} trials{on}, most in {worst}: ")
            }
        };
        message += &self.warning.message();
        match self.more {
            0 => {}
            1 => message += " (and one more like it)",
            more => message += &format!(" (and {more} more like it)"),
        }
        message
    }

    /// The hosts that it concerns, for people; `None` if it concerns the run.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        self.host.clone().or_else(|| (!self.hosts.is_empty()).then(|| self.hosts.join(", ")))
    }

    /// Joins warnings of several hosts with the same code and remedy, with the figures of the most weight.
    #[must_use]
    pub fn joined(warnings: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut groups: Vec<Vec<Self>> = Vec::new();
        for warning in warnings {
            let is_like = |other: &Self| {
                warning.host.is_some()
                    && other.host.is_some()
                    && (warning.code(), warning.remedy()) == (other.code(), other.remedy())
            };
            match groups.iter_mut().find(|group| is_like(&group[0])) {
                Some(group) => group.push(warning),
                None => groups.push(vec![warning]),
            }
        }
        groups.into_iter().filter_map(Self::of_hosts).collect()
    }

    /// One warning for those of several hosts; `None` without any.
    fn of_hosts(group: Vec<Self>) -> Option<Self> {
        let hosts = ranges(group.iter().filter_map(|warning| warning.host.as_deref()));
        let several = group.iter().any(|warning| warning.host != group[0].host);
        let differ = group
            .iter()
            .any(|warning| (&warning.warning, &warning.trials) != (&group[0].warning, &group[0].trials));
        let more = group.iter().map(|warning| warning.more).max()?;
        // The first of equals.
        let heavier = |a: Self, b: Self| if b.warning.weight() > a.warning.weight() { b } else { a };
        let worst = group.into_iter().reduce(heavier)?;
        if !several {
            return Some(worst);
        }
        Some(Self { hosts, worst: worst.host.filter(|_| differ), host: None, more, ..worst })
    }

    /// Whether a verdict may be wrong, or is missing, because of it.
    #[must_use]
    pub fn affects_verdicts(&self) -> bool {
        self.warning.affects_verdicts()
    }

    /// What to do about it; empty if there is nothing to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.warning.remedy()
    }
}

impl From<SetWarning> for Written {
    fn from(of: SetWarning) -> Self {
        Self {
            code: of.code().to_owned(),
            message: of.message(),
            remedy: of.remedy(),
            affects_verdicts: of.affects_verdicts(),
            facts: of.warning.facts(),
            host: of.host,
            hosts: of.hosts,
            worst: of.worst,
            trials: of.trials,
            more: of.more,
        }
    }
}

impl From<Written> for SetWarning {
    fn from(read: Written) -> Self {
        let Written { code, host, hosts, worst, message, remedy, affects_verdicts: _, facts, trials, more } =
            read;
        let written = notice::Written { code, message, remedy, field: String::new(), facts };
        match Warning::from(written) {
            // Its text already mentions the trials and the others.
            warning @ Warning::Recorded(_) => {
                Self { host, hosts, worst: None, warning, trials: None, more: 0 }
            }
            warning => Self { host, hosts, worst, warning, trials, more },
        }
    }
}
