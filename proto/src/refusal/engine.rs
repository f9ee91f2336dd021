//! Engines that could not be built as requested.

use serde::{Deserialize, Serialize};

use super::PassthroughFailure;
use crate::{limits::MAX_VERIFIED, notice::OsError, rule::Rule, units::ByteSize};

/// Why a ring could not be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RingFailure {
    /// The kernel has no io_uring.
    NotSupported(OsError),
    /// It is disabled for all processes.
    Disabled(OsError),
    /// It is disabled for processes without privileges.
    Unprivileged(OsError),
    /// A seccomp filter forbids it.
    Forbidden(OsError),
    /// Another security policy forbids it.
    Policy(OsError),
    /// The limit of locked memory is too low.
    LockedMemory(OsError),
    /// The kernel has no rings with large entries.
    LargeEntries(OsError),
    /// Another error at this depth.
    Other {
        /// The depth.
        depth: u32,
        /// The error.
        error: OsError,
    },
    /// The first worker, whose polling thread the others share, built no ring.
    NoFirstRing,
    /// The ring that all workers share was not built.
    NoSharedRing,
}

impl RingFailure {
    /// The cause, if the errno does not show it.
    fn cause(&self) -> &'static str {
        match self {
            Self::NotSupported(_) => ": this kernel has no io_uring",
            Self::Disabled(_) => ": kernel.io_uring_disabled is 2 (disabled for all users)",
            Self::Unprivileged(_) => ": kernel.io_uring_disabled is 1 (disabled for unprivileged users)",
            Self::Forbidden(_) => ": a seccomp filter is active (container runtime or service manager)",
            Self::Policy(_) => ": a security policy forbids it",
            _ => "",
        }
    }

    fn error(&self) -> String {
        match self {
            Self::NotSupported(error)
            | Self::Disabled(error)
            | Self::Unprivileged(error)
            | Self::Forbidden(error)
            | Self::Policy(error)
            | Self::LockedMemory(error)
            | Self::LargeEntries(error)
            | Self::Other { error, .. } => error.to_string(),
            Self::NoFirstRing | Self::NoSharedRing => String::new(),
        }
    }
}

/// Why an option is not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnobFailure {
    /// The kernel refuses a flag of the ring.
    Flag {
        /// The error.
        error: OsError,
        /// The first kernel that has it, such as `6.1`; `None` if only a patched one has it.
        since: Option<String>,
        /// The requested CPU of the polling thread.
        poller: Option<u32>,
    },
    /// The kernel refuses a registration.
    Registration {
        /// The error.
        error: OsError,
        /// The first kernel that has it, if a kernel without it gives this error.
        since: Option<String>,
    },
    /// A registration needs more locked memory.
    LockedMemory(OsError),
    /// A registration needs more open files.
    OpenFiles(OsError),
    /// Requests with an I/O priority fail.
    IoPriority(OsError),
    /// This kernel ignores RWF_HIPRI.
    HipriIgnored {
        /// The kernel's release.
        release: String,
    },
    /// The device has no poll queues.
    NoPollQueues {
        /// The device, if there is one.
        device: Option<String>,
        /// Its `queue/io_poll`, if it has one.
        io_poll: Option<bool>,
    },
    /// Completions of commands cannot be polled.
    PassthroughPolling {
        /// Bytes that the first command reads.
        block: u32,
        /// The error.
        error: OsError,
    },
}

/// Why a context for asynchronous I/O could not be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AioFailure {
    /// The host's limit is reached.
    Exhausted,
    /// The kernel has no libaio.
    NotSupported,
    /// A seccomp filter forbids it.
    Forbidden,
    /// Anything else.
    Other,
}

/// Why a target cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyFailure {
    /// Its blocks cannot be counted.
    TooManyBlocks {
        /// Their number.
        blocks: u64,
        /// Their size.
        unit: ByteSize,
        /// Their maximum number.
        most: u64,
    },
    /// It is too small for a part for each worker.
    TooSmall {
        /// The workers.
        workers: u32,
        /// The required size.
        needed: ByteSize,
    },
    /// Another rule is broken.
    Other {
        /// The rule.
        rule: String,
    },
}

impl From<Rule> for VerifyFailure {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::TooManyBlocks { blocks, unit } => Self::TooManyBlocks { blocks, unit, most: MAX_VERIFIED },
            Rule::TooSmallToVerify { workers, needed } => Self::TooSmall { workers, needed },
            other => Self::Other { rule: other.to_string() },
        }
    }
}

crate::notices! {
    /// Refusals about an engine.
    #[derive(Eq)]
    pub enum EngineRefusal {
        /// The host refuses to create any ring.
        "ring-refused" Ring {
            /// The reason.
            failure: RingFailure,
        }
        let depth = match failure {
            RingFailure::Other { depth, .. } => *depth,
            _ => 0,
        };
        message: match failure {
            RingFailure::NoFirstRing => "the ring whose polling thread is to be shared was not built".into(),
            RingFailure::NoSharedRing => "the ring that all workers were to share was not built".into(),
            _ => format!("io_uring_setup: {}{}", failure.error(), failure.cause()),
        },
        remedy:
            if matches!(failure, RingFailure::NotSupported(_)) =>
                "use Linux 5.1 or newer, built with CONFIG_IO_URING=y",
            if matches!(failure, RingFailure::Disabled(_)) =>
                "enable io_uring: `sysctl kernel.io_uring_disabled=0`",
            if matches!(failure, RingFailure::Unprivileged(_)) =>
                "io_uring is only for privileged processes here: run the agent as root, put it into the group of \
                 kernel.io_uring_group, or `sysctl kernel.io_uring_disabled=0`",
            if matches!(failure, RingFailure::Forbidden(_)) =>
                "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile (docker: \
                 --security-opt seccomp=PROFILE; systemd: SystemCallFilter=), or run the agent outside it",
            if matches!(failure, RingFailure::Policy(_)) =>
                "allow io_uring in the security module's policy (SELinux, AppArmor), or run the agent outside it",
            if matches!(failure, RingFailure::LockedMemory(_)) =>
                "raise the limit of locked memory (`ulimit -l`, LimitMEMLOCK=), or lower the depth",
            if matches!(failure, RingFailure::LargeEntries(_)) =>
                "use Linux 5.19 or newer: this kernel has no rings with large entries (IORING_SETUP_SQE128, \
                 IORING_SETUP_CQE32)",
            if *failure == RingFailure::NoFirstRing => "see why the first worker was refused",
            if *failure == RingFailure::NoSharedRing => "this is a bug in the agent; its log shows where",
            else => "try a lower depth than {depth}; `agent probe` shows what this host grants",
        field: match failure {
            RingFailure::NoFirstRing => "engine.sqpoll",
            RingFailure::NoSharedRing => "engine.ring",
            _ => "engine.engine",
        },

        /// The host does not grant an option, and the scenario requires it (`fallback: refuse`).
        "knob-refused" Knob {
            /// The option.
            knob: String,
            /// The reason.
            failure: KnobFailure,
        }
        let (since, poller) = match failure {
            KnobFailure::Flag { since, poller, .. } => (since.as_deref(), *poller),
            KnobFailure::Registration { since, .. } => (since.as_deref(), None),
            _ => (None, None),
        };
        let (version, cpu) = (since.unwrap_or_default(), poller.unwrap_or_default());
        message: match failure {
            KnobFailure::Flag { error, .. } if knob == "urgent" => {
                format!("this host does not grant urgent by: iosqe_urgent ({error})")
            }
            KnobFailure::Flag { error, .. } => format!("this host does not grant {knob} ({error})"),
            KnobFailure::Registration { error, .. }
            | KnobFailure::LockedMemory(error)
            | KnobFailure::OpenFiles(error) => format!("{knob} was not granted: {error}"),
            KnobFailure::IoPriority(error) => format!("requests with an I/O priority fail: {error}"),
            KnobFailure::HipriIgnored { release } => format!(
                "Linux {release} ignores the flag RWF_HIPRI of synchronous requests, as all kernels do since 6.0"
            ),
            KnobFailure::NoPollQueues { device, io_poll } => {
                let device = device.as_deref().unwrap_or("no block device");
                let found = match io_poll {
                    None => "has no queue/io_poll".to_owned(),
                    Some(polls) => format!("has queue/io_poll = {}", u8::from(*polls)),
                };
                format!("{knob} was requested, but the device behind the target ({device}) {found}")
            }
            KnobFailure::PassthroughPolling { block, error } => {
                format!("a command that reads the first {block} bytes fails: {error}")
            }
        },
        remedy:
            if matches!(failure, KnobFailure::LockedMemory(_)) =>
                "raise the limit of locked memory (`ulimit -l unlimited`, LimitMEMLOCK=infinity), give the agent \
                 CAP_IPC_LOCK, or lower depth or block size",
            if matches!(failure, KnobFailure::OpenFiles(_)) =>
                "raise the limit of open files (`ulimit -n`, LimitNOFILE=)",
            if matches!(failure, KnobFailure::HipriIgnored { .. }) =>
                "poll with `engine: io_uring, iopoll: true`, or run with interrupts: `fallback: allow`",
            if matches!(failure, KnobFailure::NoPollQueues { .. }) =>
                "use a device with poll queues: load nvme with poll_queues=1 (or null_blk or virtio-blk with theirs); or \
                 run with interrupts: `fallback: allow`",
            if matches!(failure, KnobFailure::PassthroughPolling { .. }) =>
                "use Linux 6.1 and a drive with poll queues, or remove the option",
            if matches!(failure, KnobFailure::Flag { since: None, .. }) =>
                concat!(
                    crate::patched_kernel!(),
                    "; or remove the option, or allow running without it: `fallback: allow`"
                ),
            if poller.is_some() =>
                "check that CPU {cpu} exists and is allowed for the agent; otherwise use Linux {version}, remove the \
                 option, or allow running without it: `fallback: allow`",
            if since.is_some() =>
                "use Linux {version} or newer, remove the option, or allow running without it: `fallback: allow`",
            else => "remove the option, or allow running without it: `fallback: allow`",
        field: format!("engine.{knob}"),

        /// The host refuses to create a context for libaio.
        "aio-refused" Aio {
            /// The depth.
            depth: u32,
            /// The reason.
            failure: AioFailure,
            /// The error.
            error: OsError,
        }
        message: format!("io_setup for {depth} requests: {error}"),
        remedy:
            if *failure == AioFailure::Exhausted =>
                "all asynchronous requests of this host are in use: raise fs.aio-max-nr with sysctl, or lower the depth",
            if *failure == AioFailure::NotSupported =>
                "use a kernel with CONFIG_AIO, or compare with io_uring instead",
            if *failure == AioFailure::Forbidden =>
                "a seccomp filter forbids it: run the agent outside the container",
            else => "try a lower depth",
        field: "engine.engine",

        /// Commands cannot be sent to the drive (`engine: nvme`).
        "passthrough-refused" Passthrough {
            /// The reason.
            failure: PassthroughFailure,
        }
        let (unit, most) = failure.bounds();
        message: failure.to_string(),
        remedy:
            if failure.no_namespace() =>
                "use `target: {{device: ..}}` with a whole namespace of an NVMe drive (/dev/nvme0n1) on Linux 5.19 or \
                 newer, whose nvme driver creates the generic character device (/dev/ng0n1); or `engine: io_uring`",
            if failure.too_old() =>
                "use Linux 5.19 or newer, with the nvme driver's generic character devices",
            if matches!(failure, PassthroughFailure::NotAligned { .. }) =>
                "use a block_size that is a multiple of {unit}",
            if matches!(failure, PassthroughFailure::TooLong { .. }) =>
                "use a block_size of at most {most}; the block layer would split a request, but a command is not split",
            if matches!(failure, PassthroughFailure::Invalid { .. }) =>
                "use a smaller block_size: a command takes at most queue/max_hw_sectors_kb, in at most \
                 queue/max_segments pieces of memory",
            if matches!(failure, PassthroughFailure::NotPermitted { .. }) =>
                "run the agent as root, or with CAP_SYS_ADMIN",
            if matches!(failure, PassthroughFailure::NotAnNvmeNamespace { .. }) =>
                "use `target: {{device: ..}}` with an NVMe drive",
            else => "check the host's kernel log (`dmesg`)",
        field: failure.field(),

        /// The target cannot be verified.
        "verify-refused" Verify {
            /// The reason.
            failure: VerifyFailure,
        }
        message: match failure {
            VerifyFailure::TooManyBlocks { blocks, unit, most } => {
                format!("a target of {blocks} blocks of {unit} is too large to verify; at most {most} blocks")
            }
            VerifyFailure::TooSmall { workers, needed } => {
                format!("each of {workers} workers verifies its own part of the target, which takes {needed}")
            }
            VerifyFailure::Other { rule } => rule.clone(),
        },
        remedy:
            if matches!(failure, VerifyFailure::TooManyBlocks { .. }) =>
                "use a smaller target or larger blocks, or `verify: false`",
            if matches!(failure, VerifyFailure::TooSmall { .. }) =>
                "use a larger target or fewer workers, or `verify: false`",
            else => "use `verify: false`",
        field: "workload.verify",
    }
}
