//! Why a run is not resumed.

use std::path::PathBuf;

use crate::{
    store::{SCENARIO, StoreError},
    summary::course::HostChange,
};

/// Why a run is not resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeRefusal {
    /// The run directory cannot be used: it is no run, another process writes it, it is damaged or of another format.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An earlier release made the run, and did not record what a continuation needs.
    #[error("{}: an earlier release made this run, which cannot be resumed", path.display())]
    EarlierRelease {
        /// The run directory.
        path: PathBuf,
    },
    /// The run is a calibration.
    #[error("{}: a calibration cannot be resumed", path.display())]
    Calibration {
        /// The run directory.
        path: PathBuf,
    },
    /// Everything that was planned is recorded.
    #[error("{}: nothing is missing: all {trials} trials of the plan are recorded", path.display())]
    Complete {
        /// The run directory.
        path: PathBuf,
        /// The trials of the plan.
        trials: usize,
    },
    /// The scenario was edited after the run began.
    #[error("{}: it was edited after the run began", path.display())]
    Edited {
        /// The scenario file in the run directory.
        path: PathBuf,
    },
    /// Precision decides the number of trials, so none can be added.
    #[error("{}: precision decides the number of trials of this run", path.display())]
    ByPrecision {
        /// The run directory.
        path: PathBuf,
    },
    /// Facts of hosts changed since the run began.
    #[error("{}", changes.iter().map(changed).collect::<Vec<_>>().join("; "))]
    Changed {
        /// The changes.
        changes: Vec<HostChange>,
    },
}

fn changed(change: &HostChange) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not reported".into());
    let HostChange { host, fact, was, is, .. } = change;
    format!("host {host}: {fact} changed since the run began, from {} to {}", value(was), value(is))
}

impl ResumeRefusal {
    /// The remedy.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Store(error) => error.remedy(),
            Self::EarlierRelease { .. } | Self::Calibration { .. } => "run it again".into(),
            Self::Complete { .. } => "add trials to every cell with `--trials N`".into(),
            Self::Edited { .. } => {
                format!("restore {SCENARIO}, or run the edited scenario with `coordinator run`")
            }
            Self::ByPrecision { .. } => "run the scenario again with a larger `trials.max`".into(),
            Self::Changed { changes } => {
                let mut facts: Vec<&str> = changes.iter().map(|change| change.fact.as_str()).collect();
                facts.dedup();
                let options: Vec<String> =
                    facts.iter().map(|fact| format!("--accept-change {fact}")).collect();
                format!(
                    "restore the host, or run the scenario again; {} resumes anyway and marks the run",
                    options.join(" ")
                )
            }
        }
    }
}
