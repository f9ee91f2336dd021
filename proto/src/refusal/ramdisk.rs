//! RAM disks that could not be made.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::NoSpaceCause;
use crate::{
    notice::{OsError, rough},
    target::RamdiskKind,
    units::ByteSize,
};

/// A step of making a RAM disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RamdiskStep {
    /// Identifying the agent's process.
    IdentifyProcess,
    /// Recording the device, so that it can be removed.
    Record,
    /// Creating a file in this place.
    CreateFile(String),
    /// Reserving memory in this place.
    Reserve {
        /// The size.
        size: ByteSize,
        /// The place.
        place: String,
    },
    /// Creating a null_blk device.
    CreateNullBlk,
    /// Configuring it.
    Configure {
        /// The attribute.
        attribute: String,
        /// Its value.
        value: String,
    },
    /// Opening it.
    OpenNullBlk,
    /// Setting up a loop device.
    SetUpLoop,
    /// Adding a zram device.
    AddZram,
    /// Setting a device up.
    SetUp(String),
}

impl fmt::Display for RamdiskStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdentifyProcess => f.write_str("identify this process"),
            Self::Record => f.write_str("record what is used"),
            Self::CreateFile(place) => write!(f, "create a file on {place}"),
            Self::Reserve { size, place } => write!(f, "reserve {} on {place}", rough(*size)),
            Self::CreateNullBlk => f.write_str("create a null_blk device"),
            Self::Configure { attribute, value } => {
                write!(f, "set {attribute} of a null_blk device to {value}")
            }
            Self::OpenNullBlk => f.write_str("open a null_blk device"),
            Self::SetUpLoop => f.write_str("set up a loop device"),
            Self::AddZram => f.write_str("add a zram device"),
            Self::SetUp(device) => write!(f, "set up {device}"),
        }
    }
}

/// The last disk of brd that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrdDisk {
    /// There is none.
    None,
    /// It is too small.
    TooSmall {
        /// Its name.
        name: String,
        /// Its size.
        size: ByteSize,
    },
    /// It cannot be claimed.
    Claimed {
        /// Its name.
        name: String,
        /// The error.
        error: OsError,
    },
    /// It holds data.
    NotBlank {
        /// Its name.
        name: String,
    },
}

/// Why a kind of RAM disk cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindFailure {
    /// The kernel does not offer it: this path is missing.
    NotOffered {
        /// The path.
        path: String,
    },
    /// The kernel's null_blk lacks a feature.
    NoFeature {
        /// The feature.
        feature: String,
    },
    /// A null_blk device has no node in /dev.
    NoNode,
    /// This place is not a tmpfs.
    NotTmpfs {
        /// The place.
        place: String,
    },
    /// No disk of brd is blank and large enough.
    NoBrdDisk {
        /// The size needed.
        needed: ByteSize,
        /// The last disk that was checked.
        last: BrdDisk,
    },
    /// A system call failed.
    Step {
        /// The step.
        step: RamdiskStep,
        /// The error.
        error: OsError,
        /// Whether the agent lacks the rights.
        not_permitted: bool,
    },
}

/// A kind of RAM disk, and why it cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindProblem {
    /// The kind.
    pub kind: RamdiskKind,
    /// The reason.
    pub failure: KindFailure,
}

impl fmt::Display for KindProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            KindFailure::NotOffered { path } => {
                let name = match self.kind {
                    RamdiskKind::Loop => "loop devices",
                    kind => kind.name(),
                };
                write!(f, "the kernel does not offer {name} (no {path})")
            }
            KindFailure::NoFeature { feature } => write!(f, "the kernel's null_blk has no {feature}"),
            KindFailure::NoNode => f.write_str("a null_blk device was created, but has no node in /dev"),
            KindFailure::NotTmpfs { place } => write!(f, "{place} is not a tmpfs"),
            KindFailure::NoBrdDisk { last, .. } => match last {
                BrdDisk::None => f.write_str("there is no /dev/ram0 (the module brd is not loaded)"),
                BrdDisk::TooSmall { name, size } => write!(f, "{name} has {}", rough(*size)),
                BrdDisk::Claimed { name, error } => write!(f, "{name} cannot be claimed: {error}"),
                BrdDisk::NotBlank { name } => write!(f, "{name} holds data"),
            },
            KindFailure::Step { step, error, .. } => write!(f, "cannot {step}: {error}"),
        }
    }
}

/// Why there is too little memory for a RAM disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryShortage {
    /// The host has too little memory.
    Available(ByteSize),
    /// Filling the disk failed.
    Filling(NoSpaceCause),
}

crate::notices! {
    /// Refusals about a RAM disk.
    #[derive(Eq)]
    pub enum RamdiskRefusal {
        /// The host cannot make a RAM disk of the kind requested.
        "ramdisk-kind" Kind {
            /// The kind requested.
            kind: RamdiskKind,
            /// The reason; for `auto`, the reason for each kind that was tried.
            problems: Vec<KindProblem>,
        }
        let (auto, of_one) = (*kind == RamdiskKind::Auto, problems.first());
        let failure = of_one.map(|problem| &problem.failure).filter(|_| !auto);
        let needed_kib = match failure {
            Some(KindFailure::NoBrdDisk { needed, .. }) => needed.0 >> 10,
            _ => 0,
        };
        let module = kind.name();
        let all = problems
            .iter()
            .map(|problem| if auto { format!("{}: {problem}", problem.kind.name()) } else { problem.to_string() })
            .collect::<Vec<_>>();
        message: format!("no RAM disk of kind {module} can be made on this host: {}", all.join("; ")),
        remedy:
            if auto => "run the agent as root, or use `target: {{file: {{size: ..}}}}`",
            if matches!(failure, Some(KindFailure::NotOffered { .. })) && *kind == RamdiskKind::NullBlk =>
                "modprobe null_blk nr_devices=0, with configfs mounted at /sys/kernel/config",
            if matches!(failure, Some(KindFailure::NotOffered { .. })) => "modprobe {module}",
            if matches!(failure, Some(KindFailure::NoFeature { .. })) => "use a newer kernel, or another kind",
            if matches!(failure, Some(KindFailure::NoNode)) => "check that devtmpfs is mounted at /dev",
            if matches!(failure, Some(KindFailure::NotTmpfs { .. })) =>
                "mount one: mount -t tmpfs tmpfs /dev/shm",
            if matches!(failure, Some(KindFailure::NoBrdDisk { .. })) =>
                "modprobe brd rd_nr=1 max_part=0 rd_size={needed_kib}",
            if matches!(failure, Some(KindFailure::Step { not_permitted: true, .. })) =>
                "run the agent as root, or use `kind: tmpfs`",
            else => "check the kernel's log (dmesg), or use another kind",
        field: "target.ramdisk.kind",

        /// There is too little memory for the RAM disk.
        "ramdisk-memory" Memory {
            /// The size requested.
            needed: ByteSize,
            /// The cause.
            shortage: MemoryShortage,
        }
        message: match shortage {
            MemoryShortage::Available(available) => format!(
                "the RAM disk needs {}, but {} of memory are available (a tenth stays free)",
                rough(*needed),
                rough(*available)
            ),
            MemoryShortage::Filling(cause) => format!("the RAM disk needs {}: {cause}", rough(*needed)),
        },
        remedy: else => "use a smaller target.ramdisk.size, or a host with more memory",
        field: "target.ramdisk.size",
    }
}
