//! The warnings of a run: those of its agents, and those of the analysis. Also the reasons why trials do not count.
//!
//! Each file declares the warnings on one subject, with code, facts, message and remedy. `docs/warnings.md` lists all
//! of them.

mod calibration;
mod cell;
mod counts;
#[cfg(test)]
mod doc;
mod host;
mod kept_out;
mod mark;
mod noise;
mod ranges;
mod run;
mod set_warning;

use proto::warning::{
    AuditWarning, CpuWarning, GrantWarning, ResultWarning, TargetWarning, Warning as AgentWarning,
};

pub use self::{
    calibration::{CalibrationWarning, FactNames, OtherHost},
    cell::CellWarning,
    counts::CountWarning,
    host::HostWarning,
    kept_out::KeptOut,
    mark::{Mark, Reason},
    noise::{ClockProblem, NoiseWarning},
    ranges::ranges,
    run::RunWarning,
    set_warning::{InTrials, SetWarning},
};

proto::notice_groups! {
    /// Something that affects how the figures of a run can be read, and its remedy.
    pub enum Warning {
        /// The run.
        Run(RunWarning),
        /// Cells.
        Cell(CellWarning),
        /// Hosts.
        Host(HostWarning),
        /// Counts that are missing or disagree.
        Count(CountWarning),
        /// Noise: other activity on a host during a trial.
        Noise(NoiseWarning),
        /// The calibration that a run uses.
        Calibration(CalibrationWarning),
        /// CPUs of workers and of kernel threads.
        Cpu(CpuWarning),
        /// The target.
        Target(TargetWarning),
        /// Options that were not granted.
        Grant(GrantWarning),
        /// Instruments of an audit.
        Audit(AuditWarning),
        /// Results of a trial.
        Result(ResultWarning),
    }
}

impl From<AgentWarning> for Warning {
    fn from(warning: AgentWarning) -> Self {
        match warning {
            AgentWarning::Cpu(warning) => Self::Cpu(warning),
            AgentWarning::Target(warning) => Self::Target(warning),
            AgentWarning::Grant(warning) => Self::Grant(warning),
            AgentWarning::Audit(warning) => Self::Audit(warning),
            AgentWarning::Result(warning) => Self::Result(warning),
            AgentWarning::Recorded(warning) => Self::Recorded(warning),
        }
    }
}

#[cfg(test)]
mod tests;
