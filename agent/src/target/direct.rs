//! Checks that O_DIRECT works on a file, with statx and then by reading one block.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use proto::{
    facts::FileSystem,
    refusal::{DirectFailure, Refusal, TargetRefusal, TargetStep},
};
use rustix::{
    fs::{AtFlags, Mode, OFlags, StatxFlags, open, statx},
    io::{Errno, pread},
};

use super::{failed, proc_path};

/// The alignment of the trial's buffers, in bytes: enough for every device in use.
const BUFFER_ALIGN: usize = 4096;

/// Reopens a file with O_DIRECT and reads its first block.
///
/// `field` is the trial's field that requests direct I/O; `file_system` is for the message.
///
/// # Errors
/// `direct-refused` if the kernel requires other alignment or refuses O_DIRECT.
pub(super) fn check(
    fd: BorrowedFd<'_>,
    block_size: u64,
    file_system: &FileSystem,
    field: &str,
) -> Result<(), Refusal> {
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
        Ok(n) if n as u64 == block_size => Ok(()),
        Ok(n) => Err(refused(DirectFailure::ShortRead { block_size, read: n as u64 })),
        Err(Errno::INVAL) => Err(refused(DirectFailure::NotRead { block_size })),
        Err(errno) => Err(failed(TargetStep::ReadDirect, errno)),
    }
}

/// Opens the same file as a new open file description.
pub(super) fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(proc_path(fd), flags | OFlags::CLOEXEC, Mode::empty())
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
    let mut memory = vec![0u8; block_size + BUFFER_ALIGN];
    let skip = memory.as_ptr().align_offset(BUFFER_ALIGN).min(BUFFER_ALIGN);
    loop {
        match pread(fd, &mut memory[skip..skip + block_size], 0) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
