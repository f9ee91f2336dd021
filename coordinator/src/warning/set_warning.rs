//! A warning as `summary.json` holds it.

use proto::notice::{self, Notice as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Warning;

/// A warning of a run, with the host that it concerns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", into = "Written")]
pub struct SetWarning {
    /// The host; `None` if it concerns the run.
    pub host: Option<String>,
    /// The warning; of several that were merged, the one of the most weight.
    pub warning: Warning,
    /// The trials of the host that it concerns, where they were counted.
    pub trials: Option<InTrials>,
    /// Further warnings with the same code, host and remedy.
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
    /// The host; null if it concerns the run.
    host: Option<String>,
    /// One sentence for people.
    message: String,
    /// What to do about it.
    remedy: String,
    /// The figures and names in the message; their keys depend on the code. Absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts: Option<Value>,
    /// The trials that it concerns, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trials: Option<InTrials>,
    /// Further warnings with the same code, host and remedy.
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
        let mut message = match &self.trials {
            None => String::new(),
            Some(InTrials { count: 1, of, worst }) => format!("in 1 of {of} trials ({worst}): "),
            Some(InTrials { count, of, worst }) => format!("in {count} of {of} trials, most in {worst}: "),
        };
        message += &self.warning.message();
        match self.more {
            0 => {}
            1 => message += " (and one more like it)",
            more => message += &format!(" (and {more} more like it)"),
        }
        message
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
            facts: of.warning.facts(),
            host: of.host,
            trials: of.trials,
            more: of.more,
        }
    }
}

impl From<Written> for SetWarning {
    fn from(Written { code, host, message, remedy, facts, trials, more }: Written) -> Self {
        let written = notice::Written { code, message, remedy, field: String::new(), facts };
        match Warning::from(written) {
            // Its text already mentions the trials and the others.
            warning @ Warning::Recorded(_) => Self { host, warning, trials: None, more: 0 },
            warning => Self { host, warning, trials, more },
        }
    }
}
