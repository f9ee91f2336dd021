//! Targets that could not be made, opened or used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    facts::CachedShare,
    notice::{OsError, rough},
    units::ByteSize,
};

/// Why there is no space for a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoSpaceCause {
    /// The file system has too little free space.
    Free {
        /// Free space.
        free: ByteSize,
        /// The part of it that stays free.
        reserved: ByteSize,
    },
    /// It is in memory, and there is too little.
    Memory {
        /// Memory available.
        available: ByteSize,
    },
    /// Writing failed.
    Write {
        /// Bytes written before the failure.
        written: ByteSize,
        /// The error.
        error: OsError,
    },
    /// Not even an empty file could be created.
    Create {
        /// The error.
        error: OsError,
    },
}

impl fmt::Display for NoSpaceCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free { free, reserved } => {
                write!(f, "{} are free, {} of which stay free", rough(*free), rough(*reserved))
            }
            Self::Memory { available } => {
                write!(f, "it is memory, of which {} are available (a tenth stays free)", rough(*available))
            }
            Self::Write { written, error } => {
                write!(f, "{error} after {}; the file is removed", rough(*written))
            }
            Self::Create { error } => write!(f, "{error} (even for an empty file)"),
        }
    }
}

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// Something else that is not a regular file.
    Other,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockDevice => "a block device",
            Self::CharacterDevice => "a character device",
            Self::Directory => "a directory",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Other => "not a regular file",
        })
    }
}

/// Why direct I/O is not possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectFailure {
    /// The kernel reports that the file does not support it.
    NotSupported,
    /// Opening with O_DIRECT fails.
    NotOpened,
    /// A read was short.
    ShortRead {
        /// Bytes requested.
        block_size: u64,
        /// Bytes read.
        read: u64,
    },
    /// A read of aligned memory fails.
    NotRead {
        /// Bytes requested.
        block_size: u64,
    },
    /// The trial's blocks are not aligned.
    Alignment {
        /// The required alignment of offsets and lengths, in bytes.
        align: u64,
        /// Their alignment, in bytes.
        block_size: u64,
    },
}

/// Why a target could not be cached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheShortage {
    /// Only a part of it stayed cached after it was read.
    NotKept {
        /// The cached part.
        cached: CachedShare,
    },
    /// There is too little memory.
    Memory {
        /// The size to be cached.
        needed: ByteSize,
        /// Memory available.
        available: ByteSize,
    },
}

/// Why a target is not cold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmTarget {
    /// A part of it stays in the page cache.
    Cached {
        /// The cached part.
        cached: CachedShare,
    },
    /// The file system does not report it.
    Unknown {
        /// The file system.
        file_system: String,
    },
}

/// A step of preparing a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetStep {
    /// Creating a file in a directory.
    Create(String),
    /// Removing the name of a new file.
    Unlink(String),
    /// Filling the target at this place.
    Fill(String),
    /// Filling it with verifiable contents.
    FillMarked,
    /// Opening a path.
    Open(String),
    /// Reading its size.
    Size(String),
    /// Reading it.
    Read(String),
    /// Inspecting the open target.
    Stat,
    /// Opening with O_DIRECT.
    OpenDirect,
    /// Reading with O_DIRECT.
    ReadDirect,
    /// Reading how much is cached.
    AskCached,
    /// Reading it to warm the page cache.
    Warm,
    /// Disabling readahead.
    DisableReadahead,
    /// Opening it for a worker.
    OpenForWorker,
    /// Using the RAM disk.
    UseRamdisk,
    /// All of it: the agent's task panicked.
    Prepare,
}

impl fmt::Display for TargetStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(dir) => write!(f, "create a file in {dir}"),
            Self::Unlink(path) => write!(f, "unlink {path}"),
            Self::Fill(place) => write!(f, "fill the target in {place}"),
            Self::FillMarked => f.write_str("fill the target for verification"),
            Self::Open(path) => write!(f, "open {path}"),
            Self::Size(path) => write!(f, "determine the size of {path}"),
            Self::Read(path) => write!(f, "read {path}"),
            Self::Stat => f.write_str("examine the target"),
            Self::OpenDirect => f.write_str("open the target for direct I/O"),
            Self::ReadDirect => f.write_str("read the target with direct I/O"),
            Self::AskCached => f.write_str("determine whether the target is cached"),
            Self::Warm => f.write_str("read the target to warm the page cache"),
            Self::DisableReadahead => f.write_str("disable readahead"),
            Self::OpenForWorker => f.write_str("open the target for a worker"),
            Self::UseRamdisk => f.write_str("use the RAM disk"),
            Self::Prepare => f.write_str("prepare the target"),
        }
    }
}

crate::notices! {
    /// Refusals about a target.
    #[derive(Eq)]
    pub enum TargetRefusal {
        /// The agent's data directory is not a directory.
        "data-dir-not-a-directory" DataDirNotADirectory {
            /// Its path.
            path: String,
        }
        message: format!("the data directory {path} is not a directory"),
        remedy: else => "start the agent with --data-dir on a directory that it can write to",

        /// The agent's data directory does not exist or cannot be entered.
        "data-dir-missing" DataDirMissing {
            /// Its path.
            path: String,
            /// The error.
            error: OsError,
        }
        message: format!("cannot use the data directory {path}: {error}"),
        remedy: else => "start the agent with --data-dir on a directory that it can write to",

        /// The agent cannot create files in its data directory.
        "data-dir-read-only" DataDirReadOnly {
            /// Its path.
            path: String,
            /// The error.
            error: OsError,
        }
        message: format!("cannot create a file in the data directory {path}: {error}"),
        remedy: else => "start the agent with --data-dir on a directory that it can write to",

        /// The agent's limit on file sizes is too low for the target.
        "file-size-limit" FileSizeLimit {
            /// The target's size.
            needed: ByteSize,
            /// The limit.
            limit: ByteSize,
        }
        message: format!(
            "the target needs {}, but the agent's files are limited to {}",
            rough(*needed),
            rough(*limit)
        ),
        remedy: else => "raise the agent's limit (ulimit -f, LimitFSIZE=), or use a smaller target.file.size",
        field: "target.file.size",

        /// There is no space for the target.
        "no-space" NoSpace {
            /// The data directory.
            place: String,
            /// The target's size.
            needed: ByteSize,
            /// The cause.
            cause: NoSpaceCause,
        }
        message: format!("the target needs {} in {place}: {cause}", rough(*needed)),
        remedy: else => "use a smaller target.file.size, or another --data-dir",
        field: "target.file.size",

        /// The file or device does not exist on the host.
        "target-missing" TargetMissing {
            /// Its path.
            path: String,
            /// Whether the scenario names it as a device.
            device: bool,
        }
        let what = if *device { "device " } else { "" };
        message: format!("there is no {what}{path} on this host"),
        remedy:
            if *device => "name a device of this host (lsblk -o PATH,SERIAL,WWN)",
            else => "name a file that exists on every host of the trial; the agent never creates it",
        field: path_field(*device),

        /// The agent's user may not open the file or device.
        "target-permission" TargetPermission {
            /// Its path.
            path: String,
            /// Whether the scenario names it as a device.
            device: bool,
            /// The error.
            error: OsError,
        }
        let what = if *device { "open" } else { "read" };
        message: format!("the agent may not {what} {path}: {error}"),
        remedy:
            if *device => "run the agent as root, or let its user open the device (which must not be read-only)",
            else => "let the agent's user read it (and enter the directories above it), or name another file",
        field: path_field(*device),

        /// The target is smaller than one block.
        "target-too-small" TargetTooSmall {
            /// Its path.
            path: String,
            /// Whether the scenario names it as a device.
            device: bool,
            /// Its size in bytes.
            size: u64,
            /// The size of a block in bytes.
            block_size: u64,
        }
        message: format!("{path} has {size} bytes, less than one block of {block_size}"),
        remedy:
            if *device => "use another device, or a smaller block_size",
            else => "use a larger file, or a smaller block_size",
        field: path_field(*device),

        /// `target.path` names something other than a regular file.
        "not-a-file" NotAFile {
            /// The path.
            path: String,
            /// Its kind.
            kind: FileKind,
        }
        message: format!("{path} is {kind}"),
        remedy:
            if *kind == FileKind::BlockDevice =>
                "name a file on it, or claim it: `target: {{device: {{path: .., serial: ..}}}}`",
            if *kind == FileKind::Directory => "name a file in it",
            else => "name a regular file",
        field: "target.path",

        /// The scenario writes to a file that exists (`target.path`).
        "target-read-only" TargetReadOnly {
            /// The file.
            path: String,
        }
        message: format!("{path} is a file that exists, which is never written"),
        remedy: else => "use `read_percent: 100`, or `target: {{file: {{size: ..}}}}`",
        field: "workload.read_percent",

        /// The file system does not support direct I/O as requested.
        "direct-refused" DirectRefused {
            /// The file system.
            file_system: String,
            /// The field that requests it.
            direct_field: String,
            /// The reason.
            failure: DirectFailure,
        }
        let align = match failure {
            DirectFailure::Alignment { align, .. } => *align,
            _ => 1,
        };
        let refused = |why: &str| format!("{file_system} does not support direct I/O on this file: {why}");
        message: match failure {
            DirectFailure::NotSupported => refused("the kernel reports no support (STATX_DIOALIGN)"),
            DirectFailure::NotOpened => refused("opening with O_DIRECT fails"),
            DirectFailure::ShortRead { block_size, read } => {
                refused(&format!("a read of {block_size} bytes returned {read}"))
            }
            DirectFailure::NotRead { block_size } => {
                refused(&format!("a read of {block_size} aligned bytes fails with EINVAL"))
            }
            DirectFailure::Alignment { align, block_size } => format!(
                "direct I/O on this {file_system} needs offsets and lengths that are multiples of {align} bytes, which \
                 blocks of {block_size} bytes are not"
            ),
        },
        remedy:
            if matches!(failure, DirectFailure::Alignment { .. }) =>
                "use a block_size that is a multiple of {align}B, or `direct: false`",
            else => "use `direct: false` to go through the page cache, or --data-dir on another file system",
        field: if matches!(failure, DirectFailure::Alignment { .. }) {
            "workload.block_size"
        } else {
            direct_field.as_str()
        },

        /// The page cache cannot hold the target.
        "not-cached" NotCached {
            /// The field that requests caching.
            direct_field: String,
            /// The reason.
            shortage: CacheShortage,
        }
        message: match shortage {
            CacheShortage::NotKept { cached } => {
                format!("after reading the whole target, only {cached} of it is cached")
            }
            CacheShortage::Memory { needed, available } => format!(
                "{} of the target must be cached, but {} of memory are available",
                rough(*needed),
                rough(*available)
            ),
        },
        remedy: else => "use a smaller target, more memory, or `direct: true`",
        field: direct_field.as_str(),

        /// The trial requires a cold target, but it stays in the page cache.
        "not-cold" NotCold {
            /// The cause.
            target: WarmTarget,
        }
        message: match target {
            WarmTarget::Cached { cached } => {
                format!("after dropping it from the cache, {cached} of the target is still cached")
            }
            WarmTarget::Unknown { file_system } => {
                format!("{file_system} does not report how much of the target is cached")
            }
        },
        remedy: else => "use --data-dir on a disk's file system (memory cannot be cold), or `cache: warm`",
        field: "target.file.cache",

        /// A system call on the target failed unexpectedly.
        "target-failed" TargetFailed {
            /// The step.
            step: TargetStep,
            /// The error.
            error: OsError,
            /// The field that names the target, if one is at fault.
            target_field: String,
        }
        message: format!("cannot {step}: {error}"),
        remedy:
            if *step == TargetStep::Prepare => "this is a bug in the agent; its log shows where",
            else => "check the kernel's log (dmesg)",
        field: target_field.as_str(),
    }
}

fn path_field(device: bool) -> &'static str {
    if device { "target.device.path" } else { "target.path" }
}
