//! Warnings about the target of a trial.

use crate::{facts::CachedShare, notice::rough, units::ByteSize};

crate::notices! {
    /// Warnings about a target.
    #[derive(Eq)]
    pub enum TargetWarning {
        /// The target is in memory.
        "ram-backed" RamBacked {
            /// Its file system or device, such as `tmpfs` or `zram0`.
            memory: String,
        }
        message: format!("the target is on {memory}, which is RAM and not a disk"),
        remedy: else => "to measure a disk, use --data-dir or `target.path` on its file system",

        /// The RAM disk has no storage (`memory_backed: false`).
        "contents-not-kept" ContentsNotKept {}
        message: "this RAM disk does not store data: reads transfer nothing from any medium".into(),
        remedy: else => "use `memory_backed: true` for a RAM disk that stores its data",

        /// The file system does not report how much of the target is in the page cache.
        "not-cached" NotCached {
            /// The file system.
            file_system: String,
        }
        message: format!("{file_system} does not report how much of the target is cached"),
        remedy: else => "use another file system, or treat these results with caution",

        /// Whether direct I/O bypasses every cache is unknown.
        "direct-unproven" DirectUnproven {
            /// The file system.
            file_system: String,
        }
        message: format!("{file_system} does not report whether direct I/O bypasses its cache"),
        remedy: else =>
            "use another file system, or a target much larger than the host's memory; for a `path`, run the agent as \
             the file's owner",

        /// A file named by `target.path` has a hole, or is compressed.
        "holes" Holes {
            /// The file.
            path: String,
            /// Its size.
            size: ByteSize,
            /// How much of it is allocated.
            allocated: ByteSize,
            /// Offset of the first hole in bytes, if the file system reports holes.
            first_hole: Option<u64>,
        }
        let what = match first_hole {
            Some(hole) => format!("has a hole at byte {hole}"),
            None => "is sparse or compressed".to_owned(),
        };
        message: format!(
            "{path} {what} ({} of {} are allocated): reading a hole does no I/O",
            rough(*allocated),
            rough(*size)
        ),
        remedy: else => "fill the file with data, or let the agent create one: `target: {{file: {{size: ..}}}}`",

        /// A target that must be cold was partly in the page cache during the trial, or this is unknown.
        "cache-not-cold" CacheNotCold {
            /// The largest cached share at any time.
            cached: CachedShare,
        }
        message: match cached {
            CachedShare::Known(_) => format!("up to {cached} of the target was in the page cache, so it was not cold"),
            CachedShare::Unknown => "how much of the target was in the page cache is unknown".into(),
        },
        remedy: else => "use a larger `target.file.size`, or fewer reads per second",
        weight: match cached {
            CachedShare::Known(tenths) => f64::from(*tenths),
            CachedShare::Unknown => f64::INFINITY,
        },

        /// Most sampled blocks of a device contain only zeros.
        "blank-device" BlankDevice {
            /// The device.
            path: String,
            /// Sampled blocks that contain only zeros.
            zeros: u64,
            /// Sampled blocks.
            samples: u64,
        }
        message: format!(
            "{zeros} of {samples} sampled blocks of {path} contain only zeros: a drive answers reads of blocks that were \
             never written, or were trimmed, without reading its medium"
        ),
        remedy: else => "write data to the whole device once before reading it",
        weight: *zeros as f64,
    }
}
