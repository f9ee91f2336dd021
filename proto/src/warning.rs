//! The warnings of an agent. Those of the analysis are the coordinator's.

mod audit;
mod cpus;
mod grants;
mod results;
mod target;

pub use self::{
    audit::{AuditWarning, HardwareFailure, PathsPhase, PerfFailure},
    cpus::{CpuWarning, PollerPlacement},
    grants::GrantWarning,
    results::{Fault, Found, ResultWarning},
    target::TargetWarning,
};

crate::notice_groups! {
    /// Something that affects how figures can be read, and its remedy.
    #[derive(Eq)]
    pub enum Warning {
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
