//! Causes of refusals about a target.

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
    /// The page cache is used although the file is open with O_DIRECT.
    Cached {
        /// Whether by writes only; otherwise by reads.
        writes: bool,
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
    /// Writing with O_DIRECT.
    WriteDirect,
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
            Self::WriteDirect => f.write_str("write the target with direct I/O"),
            Self::AskCached => f.write_str("determine whether the target is cached"),
            Self::Warm => f.write_str("read the target to warm the page cache"),
            Self::DisableReadahead => f.write_str("disable readahead"),
            Self::OpenForWorker => f.write_str("open the target for a worker"),
            Self::UseRamdisk => f.write_str("use the RAM disk"),
            Self::Prepare => f.write_str("prepare the target"),
        }
    }
}
