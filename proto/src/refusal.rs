//! Why a host refused or lost a trial, or could not be used at all.

mod device;
mod engine;
mod host;
mod passthrough;
mod ramdisk;
mod session;
mod target;
mod worker;

pub use self::{
    device::{DeviceRefusal, HeldBy, IdentityFailure},
    engine::{AioFailure, EngineRefusal, KnobFailure, RingFailure, VerifyFailure},
    host::{EmbeddedFailure, HostRefusal, LossCause, Question, SilentWhile, VersionMismatch},
    passthrough::PassthroughFailure,
    ramdisk::{BrdDisk, KindFailure, KindProblem, MemoryShortage, RamdiskRefusal, RamdiskStep},
    session::{CancelledWhen, InvalidField, ProtocolError, SessionRefusal},
    target::{CacheShortage, DirectFailure, FileKind, NoSpaceCause, TargetRefusal, TargetStep, WarmTarget},
    worker::{CpuFailure, MemoryFailure, OpenFor, ThreadName, WorkerRefusal},
};

use crate::notice::Recorded;

crate::notice_groups! {
    /// Why a host refused or lost a trial, or could not be used at all.
    #[derive(Eq)]
    pub enum Refusal {
        /// The host could not be reached, was lost, or is busy.
        Host(HostRefusal),
        /// The trial was called off, or both ends disagree about the protocol.
        Session(SessionRefusal),
        /// The target could not be made, opened or used.
        Target(TargetRefusal),
        /// The block device may not be used.
        Device(DeviceRefusal),
        /// The RAM disk could not be made.
        Ramdisk(RamdiskRefusal),
        /// The engine could not be built as requested.
        Engine(EngineRefusal),
        /// A thread could not do its work.
        Worker(WorkerRefusal),
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// One whose text is known. For places that have no facts yet.
    pub fn new(code: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (code, message, remedy) = (code.into(), message.into(), remedy.into());
        Self::Recorded(Recorded { code, message, remedy, field: String::new() })
    }

    /// The same, for a field of the trial.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        if let Self::Recorded(recorded) = &mut self {
            recorded.field = field.into();
        }
        self
    }
}
