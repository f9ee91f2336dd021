//! Why commands cannot be sent to a drive.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{notice::OsError, units::ByteSize};

/// Why the engine `nvme` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassthroughFailure {
    /// The target is not a block device.
    NotABlockDevice,
    /// The kernel does not report the kind of the target.
    UnknownDevice(OsError),
    /// The target is a partition.
    Partition {
        /// Its disk.
        disk: String,
    },
    /// The disk is not a namespace.
    NotANamespace {
        /// The disk.
        disk: String,
    },
    /// The namespace has no generic character device.
    NoGenericDevice {
        /// The namespace.
        disk: String,
    },
    /// The generic character device's node is not the device that sysfs names.
    OtherNode {
        /// The node's path.
        path: String,
    },
    /// A device does not identify its namespace.
    NotIdentified {
        /// The device; none for the claimed one.
        device: Option<String>,
        /// The error.
        error: OsError,
    },
    /// The generic character device belongs to another namespace.
    OtherNamespace {
        /// The device.
        device: String,
        /// Its namespace's number.
        id: u32,
        /// Its namespace's blocks.
        blocks: u64,
        /// Their size in bytes.
        lba: u64,
    },
    /// The namespace's blocks have metadata.
    Metadata {
        /// Bytes of each block.
        bytes: u16,
        /// Whether they protect the data.
        protected: bool,
    },
    /// The namespace is zoned.
    Zoned,
    /// The trial's blocks are not whole blocks of the namespace.
    NotAligned {
        /// The namespace's block.
        lba: ByteSize,
        /// The trial's block, in bytes.
        block_size: u64,
    },
    /// The trial's blocks are longer than a command may be.
    TooLong {
        /// The longest command.
        most: ByteSize,
        /// The trial's block.
        block_size: ByteSize,
    },
    /// The target that was opened takes no commands.
    NotAnNvmeNamespace(OsError),
    /// The kernel's io_uring has no such request.
    NoUringCmd,
    /// The first command is not supported.
    NotSupported {
        /// Bytes that it reads.
        block: u32,
        /// The error.
        error: OsError,
    },
    /// The first command is invalid.
    Invalid {
        /// Bytes that it reads.
        block: u32,
        /// The error.
        error: OsError,
    },
    /// The first command is not permitted.
    NotPermitted {
        /// Bytes that it reads.
        block: u32,
        /// The error.
        error: OsError,
    },
    /// The first command failed otherwise.
    Failed {
        /// Bytes that it reads.
        block: u32,
        /// The error.
        error: OsError,
    },
    /// The drive refuses the first command.
    Status {
        /// Bytes that it reads.
        block: u32,
        /// The NVMe status.
        status: i32,
    },
}

impl PassthroughFailure {
    /// Whether there is no device for commands.
    pub(super) fn no_namespace(&self) -> bool {
        matches!(
            self,
            Self::NotABlockDevice
                | Self::UnknownDevice(_)
                | Self::Partition { .. }
                | Self::NotANamespace { .. }
                | Self::NoGenericDevice { .. }
                | Self::OtherNode { .. }
                | Self::NotIdentified { .. }
                | Self::OtherNamespace { .. }
                | Self::Metadata { .. }
                | Self::Zoned
        )
    }

    pub(super) fn too_old(&self) -> bool {
        matches!(self, Self::NoUringCmd | Self::NotSupported { .. })
    }

    /// The namespace's block and the longest command, if they are the problem.
    pub(super) fn bounds(&self) -> (ByteSize, ByteSize) {
        match self {
            Self::NotAligned { lba, .. } => (*lba, ByteSize(0)),
            Self::TooLong { most, .. } => (ByteSize(0), *most),
            _ => (ByteSize(0), ByteSize(0)),
        }
    }

    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::NotAligned { .. } | Self::TooLong { .. } | Self::Invalid { .. } => "workload.block_size",
            _ => "engine.engine",
        }
    }
}

impl fmt::Display for PassthroughFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.no_namespace() {
            f.write_str("engine nvme cannot be used here: ")?;
        }
        match self {
            Self::NotABlockDevice => f.write_str("the target is not a block device"),
            Self::UnknownDevice(error) => write!(f, "the kernel does not report what the target is: {error}"),
            Self::Partition { disk } => write!(
                f,
                "the target is a partition of {disk}, but commands address the whole namespace: name /dev/{disk}"
            ),
            Self::NotANamespace { disk } => write!(f, "{disk} is not a namespace of an NVMe drive"),
            Self::NoGenericDevice { disk } => {
                write!(f, "{disk} has no generic character device (/sys/class/nvme-generic)")
            }
            Self::OtherNode { path } => write!(f, "{path} is not the device that sysfs has by that name"),
            Self::NotIdentified { device, error } => {
                let device = device.as_deref().unwrap_or("the claimed device");
                write!(f, "{device} does not identify its namespace: {error}")
            }
            Self::OtherNamespace { device, id, blocks, lba } => write!(
                f,
                "{device} is not the claimed namespace: it has {blocks} blocks of {lba} bytes, number {id}"
            ),
            Self::Metadata { bytes, protected } => write!(
                f,
                "each block of the namespace has {bytes} bytes of metadata{}, which commands would have to carry (`nvme \
                 format` selects another format, and destroys all data)",
                if *protected { " and protection information" } else { "" }
            ),
            Self::Zoned => f.write_str("the namespace is zoned, so it cannot be written at any offset"),
            Self::NotAligned { lba, block_size } => write!(
                f,
                "commands address whole blocks of {} bytes, and {block_size} bytes are not a multiple of that",
                lba.0
            ),
            Self::TooLong { most, block_size } => write!(
                f,
                "one command to this drive moves at most {most} (queue/max_hw_sectors_kb), not {block_size}"
            ),
            Self::NotAnNvmeNamespace(error) => {
                write!(f, "the target is not a namespace that takes NVMe commands: {error}")
            }
            Self::NoUringCmd => {
                f.write_str("the kernel's io_uring has no IORING_OP_URING_CMD (according to its probe)")
            }
            Self::NotSupported { block, error }
            | Self::Invalid { block, error }
            | Self::NotPermitted { block, error }
            | Self::Failed { block, error } => {
                write!(f, "a command that reads the first {block} bytes fails: {error}")
            }
            Self::Status { block, status } => write!(
                f,
                "a command that reads the first {block} bytes fails: the drive refuses it (NVMe status {status:#05x})"
            ),
        }
    }
}
