//! Whether O_DIRECT works on a file: asked of the kernel, then tried with one block.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use proto::{facts::FileSystem, outcome::Refusal};
use rustix::{
    fs::{AtFlags, Mode, OFlags, StatxFlags, open, statx},
    io::{Errno, pread},
};

use super::{failed, proc_path};

/// The alignment of the trial's buffers, in bytes: enough for every device in use.
const BUFFER_ALIGN: usize = 4096;

/// Opens a file again, past the page cache, and reads its first block.
///
/// `field` is where the trial asks for direct I/O; `file_system` is for the message.
///
/// # Errors
/// `direct-refused` when the kernel wants other offsets or refuses O_DIRECT altogether.
pub(super) fn check(
    fd: BorrowedFd<'_>,
    block_size: u64,
    file_system: &FileSystem,
    field: &str,
) -> Result<(), Refusal> {
    let refused = |why: &str| {
        Refusal::new(
            "direct-refused",
            format!("{file_system} does not do direct I/O on this file: {why}"),
            "`direct: false` to go through the page cache, or --data-dir on another file system",
        )
        .at(field)
    };
    if let Some(align) = offset_align(fd) {
        if align == 0 {
            return Err(refused("the kernel says so (STATX_DIOALIGN)"));
        }
        if !block_size.is_multiple_of(align) {
            let message = format!(
                "direct I/O on this {file_system} wants offsets and lengths in multiples of {align} bytes, and \
                 blocks of {block_size} are none"
            );
            let remedy = format!("a block_size that is a multiple of {align}B, or `direct: false`");
            return Err(Refusal::new("direct-refused", message, remedy).at("workload.block_size"));
        }
    }
    let direct = match reopen(fd, OFlags::RDONLY | OFlags::DIRECT) {
        Ok(direct) => direct,
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Err(refused("open with O_DIRECT fails")),
        Err(errno) => return Err(failed("open the target past the page cache", errno)),
    };
    match read_block(direct.as_fd(), block_size as usize) {
        Ok(n) if n as u64 == block_size => Ok(()),
        Ok(n) => Err(refused(&format!("a read of {block_size} bytes returned {n}"))),
        Err(Errno::INVAL) => Err(refused(&format!("a read of {block_size} aligned bytes fails with EINVAL"))),
        Err(errno) => Err(failed("read the target past the page cache", errno)),
    }
}

/// The same file as a new open file description.
pub(super) fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(proc_path(fd), flags | OFlags::CLOEXEC, Mode::empty())
}

/// What offsets must be a multiple of, in bytes; 0: no direct I/O. Nothing where the kernel (before 6.1, or
/// this file system) does not tell.
fn offset_align(fd: BorrowedFd<'_>) -> Option<u64> {
    let stat = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
    let told = stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
    told.then_some(u64::from(stat.stx_dio_offset_align))
}

/// Reads the first block into aligned memory; how many bytes came.
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
