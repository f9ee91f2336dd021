//! The limits of a trial, which both ends check.

use crate::units::{ByteSize, Nanos};

/// The largest depth: the size limit of an io_uring submission queue (`IORING_MAX_ENTRIES`).
pub const MAX_DEPTH: u32 = 32_768;
/// The maximum number of worker threads on one host.
pub const MAX_WORKERS: u32 = 1024;
/// The maximum memory for the buffers of one trial.
pub const MAX_BUFFERS: ByteSize = ByteSize(8 << 30);
/// The largest block: the size limit of one buffer that is registered with a ring.
pub const MAX_BLOCK: ByteSize = ByteSize(1 << 30);
/// The maximum number of sizes in one distribution, limited by the agent's tables.
pub const MAX_SIZES: usize = 16;
/// The longest interval: its counters are 32 bits wide, which the fastest engine fills in about a minute.
pub const MAX_INTERVAL: Nanos = Nanos(60_000_000_000);
/// The longest name of a run or a trial, in bytes.
pub const MAX_NAME: usize = 1024;
/// The highest rate of arrival in open loop, in requests per second.
pub const MAX_RATE: u64 = 100_000_000;
/// The maximum number of blocks of a verified target: each has a 4-byte count of its writes in memory.
pub const MAX_VERIFIED: u64 = 64 << 20;
/// The longest busy wait before an operation; a full queue of them must not delay the end of a worker for long.
pub const MAX_BUSY_WAIT: Nanos = Nanos(1_000_000);
/// Blocks are whole sectors of this size.
pub const SECTOR: ByteSize = ByteSize(512);
/// The longest path (`PATH_MAX`), in bytes.
pub const MAX_PATH: usize = 4096;

/// Whether a size is a whole number of sectors, and at least one.
pub(crate) fn is_sectors(size: ByteSize) -> bool {
    size.0 >= SECTOR.0 && size.0.is_multiple_of(SECTOR.0)
}
