//! The page cache: reads a file into it, drops a file from it, and measures the cached share of a file. A trial's claim
//! that its target is cached, or not, is verified before every trial.

use std::{
    io::IoSliceMut,
    num::NonZeroU64,
    os::fd::{AsFd, BorrowedFd},
    ptr,
    sync::atomic::AtomicBool,
};

use proto::refusal::{Refusal, TargetStep};
use rustix::{
    fs::{Access, Advice, fadvise, fdatasync, fstat},
    io::{Errno, ReadWriteFlags, preadv2},
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

use super::{Progress, check_cancelled, failed};

/// Size of one read, in bytes.
const CHUNK: usize = 1 << 20;
/// Size of one mapping for counting cached pages, in bytes; mincore returns 256 KiB for it.
const WINDOW: u64 = 1 << 30;

/// Drops a file's pages from the cache as far as possible. Dirty pages cannot be dropped, so they are written first; if
/// that fails (some file systems refuse it on a read-only descriptor), the clean pages are dropped.
pub(super) fn drop_cached(fd: BorrowedFd<'_>, size: u64) {
    let _ = fdatasync(fd);
    let _ = fadvise(fd, 0, NonZeroU64::new(size), Advice::DontNeed);
}

/// The share of a file's pages that are in the cache, from 0 to 1; `None` if the kernel does not report it.
pub(super) fn cached_share(
    fd: BorrowedFd<'_>,
    size: u64,
    cancelled: &AtomicBool,
) -> Result<Option<f64>, Refusal> {
    if may_ask(fd)
        && let Ok(share) = share_by_mincore(fd, size)
    {
        return Ok(Some(share));
    }
    share_by_reading(fd, size, cancelled)
}

/// Since Linux 5.2, mincore reports all pages as cached to callers that neither own the file nor may write it.
fn may_ask(fd: BorrowedFd<'_>) -> bool {
    let owner = fstat(fd).is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw());
    owner || rustix::fs::access(super::proc_path(fd), Access::WRITE_OK).is_ok()
}

pub(super) fn share_by_mincore(fd: BorrowedFd<'_>, size: u64) -> Result<f64, Errno> {
    let page = page_size() as u64;
    let mut seen = vec![0u8; (WINDOW.min(size).div_ceil(page)) as usize];
    let (mut resident, mut offset) = (0u64, 0u64);
    while offset < size {
        let len = WINDOW.min(size - offset) as usize;
        // SAFETY: a fresh shared mapping at an address the kernel chooses, never dereferenced.
        let map = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, fd, offset)? };
        // SAFETY: the mapping is `len` bytes long and `seen` has a byte for each of its pages; the mapping is not used
        // elsewhere, and not after this.
        let answered = unsafe {
            let answered = libc::mincore(map, len, seen.as_mut_ptr());
            munmap(map, len)?;
            answered
        };
        if answered != 0 {
            return Err(Errno::NOMEM);
        }
        let pages = (len as u64).div_ceil(page) as usize;
        resident += seen[..pages].iter().filter(|&&flags| flags & 1 != 0).count() as u64;
        offset += len as u64;
    }
    Ok(resident as f64 / size.div_ceil(page).max(1) as f64)
}

/// Measures the share with non-blocking reads, which succeed for cached pages only. Slower, but permitted to every
/// reader.
pub(super) fn share_by_reading(
    fd: BorrowedFd<'_>,
    size: u64,
    cancelled: &AtomicBool,
) -> Result<Option<f64>, Refusal> {
    let mut chunk = vec![0u8; CHUNK];
    let (mut cached, mut offset) = (0u64, 0u64);
    while offset < size {
        check_cancelled(cancelled)?;
        let len = (CHUNK as u64).min(size - offset) as usize;
        match preadv2(fd, &mut [IoSliceMut::new(&mut chunk[..len])], offset, ReadWriteFlags::NOWAIT) {
            Ok(0) => break,
            Ok(n) => {
                cached += n as u64;
                offset += n as u64;
            }
            // The page is not cached; skip it.
            Err(Errno::AGAIN) => offset += page_size() as u64,
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(failed(TargetStep::AskCached, errno)),
        }
    }
    Ok(Some(cached as f64 / size.max(1) as f64))
}

/// Reads a whole file, so that its pages are in the cache if they fit.
pub(super) fn warm(
    file: impl AsFd,
    size: u64,
    progress: Progress<'_>,
    cancelled: &AtomicBool,
) -> Result<(), Refusal> {
    let fd = file.as_fd();
    let mut chunk = vec![0u8; CHUNK];
    let mut offset = 0u64;
    while offset < size {
        check_cancelled(cancelled)?;
        match rustix::io::pread(fd, &mut chunk[..], offset) {
            Ok(0) => break,
            Ok(n) => offset += n as u64,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(failed(TargetStep::Warm, errno)),
        }
        if offset % super::PROGRESS_STEP < CHUNK as u64 || offset >= size {
            progress("warming", offset.min(size), size);
        }
    }
    Ok(())
}
