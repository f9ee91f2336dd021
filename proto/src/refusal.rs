//! Why a host refused or lost a trial, or could not be used at all.

mod device;
mod engine;
mod host;
mod identity;
mod passthrough;
mod ramdisk;
mod session;
mod target;
mod worker;

pub use self::{
    device::{DeviceRefusal, HeldBy, IdentityFailure},
    engine::{AioFailure, EngineRefusal, KnobFailure, RingFailure, VerifyFailure},
    host::{EmbeddedFailure, HostRefusal, LossCause, Question, SilentWhile, VersionMismatch},
    identity::{IdentityRefusal, Moment},
    passthrough::PassthroughFailure,
    ramdisk::{BrdDisk, KindFailure, KindProblem, MemoryShortage, RamdiskRefusal, RamdiskStep},
    session::{AgentLimit, CancelledWhen, InvalidField, ProtocolError, SessionRefusal},
    target::{CacheShortage, DirectFailure, FileKind, NoSpaceCause, TargetRefusal, TargetStep, WarmTarget},
    worker::{CpuFailure, MemoryFailure, OpenFor, ThreadName, WorkerRefusal},
};

crate::notice_groups! {
    /// Why a host refused or lost a trial, or could not be used at all.
    #[derive(Eq)]
    pub enum Refusal {
        /// Hosts that could not be reached, were lost, or are busy.
        Host(HostRefusal),
        /// Connections that fail because one end does not accept who the other one is.
        Identity(IdentityRefusal),
        /// Trials that were called off, and messages that one end does not accept.
        Session(SessionRefusal),
        /// Targets that could not be made, opened or used.
        Target(TargetRefusal),
        /// Block devices that may not be used.
        Device(DeviceRefusal),
        /// RAM disks that could not be made.
        Ramdisk(RamdiskRefusal),
        /// Engines that could not be built as requested.
        Engine(EngineRefusal),
        /// Threads that could not do their work.
        Worker(WorkerRefusal),
    }
}

impl std::error::Error for Refusal {}
