//! The warnings of an agent: what the reader of a number must know, and what to do about it.

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

use crate::notice::Recorded;

crate::notice_groups! {
    /// Something the reader of a number must know, and what to do about it.
    #[derive(Eq)]
    pub enum Warning {
        /// About the CPUs of workers and of kernel threads.
        Cpu(CpuWarning),
        /// About the target.
        Target(TargetWarning),
        /// About options that were not granted.
        Grant(GrantWarning),
        /// About the instruments of an audit.
        Audit(AuditWarning),
        /// About what a trial did.
        Result(ResultWarning),
    }
}

impl Warning {
    /// One whose text is known. For places that have no facts yet.
    pub fn new(code: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (code, message, remedy) = (code.into(), message.into(), remedy.into());
        Self::Recorded(Recorded { code, message, remedy, field: String::new() })
    }
}
