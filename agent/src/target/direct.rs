//! Checks that O_DIRECT works on a file, with statx and then by reading one block.

use std::os::fd::{AsFd, BorrowedFd};

use proto::{
    facts::FileSystem,
    refusal::{DirectFailure, Refusal, TargetRefusal, TargetStep},
};
use rustix::{
    fs::{AtFlags, OFlags, StatxFlags, statx},
    io::{Errno, pread},
};

use super::{
    descriptor::{Aligned, reopen},
    failed,
    proof::{self, Direct},
};

/// Reopens a file of `size` bytes with O_DIRECT, reads its first block, and proves that direct I/O does not use the page
/// cache. Returns whether this could be proven.
///
/// `block_size` divides offsets and lengths of the trial, which may write. `field` is the trial's field that requests direct I/O; `file_system` is for the message.
///
/// # Errors
/// `direct-refused` if the kernel requires other alignment, refuses O_DIRECT, or uses the page cache nevertheless.
pub(super) fn check(
    fd: BorrowedFd<'_>,
    (size, block_size): (u64, u64),
    writes: bool,
    file_system: &FileSystem,
    field: &str,
) -> Result<bool, Refusal> {
    let refused = |failure| -> Refusal {
        let (file_system, direct_field) = (file_system.to_string(), field.to_owned());
        TargetRefusal::DirectRefused { file_system, direct_field, failure }.into()
    };
    if let Some(align) = offset_align(fd) {
        if align == 0 {
            return Err(refused(DirectFailure::NotSupported));
        }
        if !block_size.is_multiple_of(align) {
            return Err(refused(DirectFailure::Alignment { align, block_size }));
        }
    }
    let direct = match reopen(fd, OFlags::RDONLY | OFlags::DIRECT) {
        Ok(direct) => direct,
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Err(refused(DirectFailure::NotOpened)),
        Err(errno) => return Err(failed(TargetStep::OpenDirect, errno)),
    };
    match read_block(direct.as_fd(), block_size as usize) {
        Ok(n) if n as u64 == block_size => {}
        Ok(n) => return Err(refused(DirectFailure::ShortRead { block_size, read: n as u64 })),
        Err(Errno::INVAL) => return Err(refused(DirectFailure::NotRead { block_size })),
        Err(errno) => return Err(failed(TargetStep::ReadDirect, errno)),
    }
    // A file in memory consists of pages in the cache. ZFS has its own cache, which the kernel does not report.
    if file_system.is_memory() {
        return Ok(true);
    }
    let found = match file_system {
        FileSystem::Zfs => Direct::Unknown,
        _ => proof::examine(fd, size, block_size, writes)?,
    };
    match found.failure() {
        Some(failure) => Err(refused(failure)),
        None => Ok(found == Direct::Proven),
    }
}

/// Required alignment of offsets, in bytes; 0: no direct I/O. `None` if the kernel (before 6.1) or the file system does
/// not report it.
fn offset_align(fd: BorrowedFd<'_>) -> Option<u64> {
    let stat = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
    let reported = stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
    reported.then_some(u64::from(stat.stx_dio_offset_align))
}

/// Reads the first block into aligned memory. Returns the number of bytes read.
pub(super) fn read_block(fd: BorrowedFd<'_>, block_size: usize) -> Result<usize, Errno> {
    let mut memory = Aligned::new(block_size);
    loop {
        match pread(fd, memory.bytes(), 0) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
