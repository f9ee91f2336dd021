//! Targets that could not be made, opened or used.

mod causes;

pub use self::causes::{CacheShortage, DirectFailure, FileKind, NoSpaceCause, TargetStep, WarmTarget};
use crate::{
    notice::{OsError, rough},
    units::ByteSize,
};

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

        /// `target.path` is not below a directory that the agent was started with.
        "path-not-allowed" PathNotAllowed {
            /// The path.
            path: String,
            /// The directories.
            allowed: Vec<String>,
        }
        let allowed = allowed.join(", ");
        message: format!("{path} is not below a directory in which this agent reads existing files ({allowed})"),
        remedy: else =>
            "move the file there (symbolic links must not lead out of it), or start the agent with --allow-path DIR; \
             the embedded agent reads every file that you may read",
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
            DirectFailure::Cached { writes } => {
                let requests = if *writes { "writes" } else { "reads" };
                refused(&format!("with O_DIRECT, {requests} go through the page cache all the same"))
            }
            DirectFailure::Alignment { align, block_size } => format!(
                "direct I/O on this {file_system} needs offsets and lengths that are multiples of {align} bytes, which \
                 blocks of {block_size} bytes are not"
            ),
        },
        remedy:
            if matches!(failure, DirectFailure::Alignment { .. }) =>
                "use a block_size that is a multiple of {align}B, or `direct: false`",
            if matches!(failure, DirectFailure::Cached { writes: true }) && file_system == "btrfs" =>
                "disable copy on write for new files of the data directory (`chattr +C DIR`), or use --data-dir on \
                 another file system, or `direct: false`",
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
