//! The page cache: reads a file into it, drops a file from it, and measures the cached share of a file. A trial's claim
//! that its target is cached, or not, is verified before every trial.

use std::{
    io::IoSliceMut,
    num::NonZeroU64,
    ops::Range,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
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
/// `cachestat(2)`, since Linux 6.5; the same number on all architectures.
const CACHESTAT: libc::c_long = 451;

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
    Ok(cached_bytes(fd, 0..size, cancelled)?.map(|cached| share(cached, size)))
}

/// The bytes of a range that are in the cache; `None` if the kernel does not report it. The range begins at a page.
pub(super) fn cached_bytes(
    fd: BorrowedFd<'_>,
    range: Range<u64>,
    cancelled: &AtomicBool,
) -> Result<Option<u64>, Refusal> {
    if may_ask(fd)
        && let Ok(cached) = bytes_by_mincore(fd, range.clone(), cancelled)
    {
        check_cancelled(cancelled)?;
        return Ok(Some(cached));
    }
    bytes_by_reading(fd, range, cancelled)
}

fn share(cached: u64, size: u64) -> f64 {
    (cached as f64 / size.max(1) as f64).min(1.0)
}

/// Since Linux 5.2, mincore reports all pages as cached to callers that neither own the file nor may write it.
fn may_ask(fd: BorrowedFd<'_>) -> bool {
    let owner = fstat(fd).is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw());
    owner || rustix::fs::access(super::proc_path(fd), Access::WRITE_OK).is_ok()
}

/// The share of a file's pages in the cache, by [`cached_bytes`]'s first way.
pub(super) fn share_by_mincore(fd: BorrowedFd<'_>, size: u64, cancelled: &AtomicBool) -> Result<f64, Errno> {
    Ok(share(bytes_by_mincore(fd, 0..size, cancelled)?, size))
}

/// Stops early, with what was counted so far, if it is cancelled.
fn bytes_by_mincore(fd: BorrowedFd<'_>, range: Range<u64>, cancelled: &AtomicBool) -> Result<u64, Errno> {
    let page = page_size() as u64;
    let mut seen = vec![0u8; (WINDOW.min(range.end - range.start).div_ceil(page)) as usize];
    let (mut resident, mut offset) = (0u64, range.start);
    while offset < range.end && !cancelled.load(Ordering::Relaxed) {
        let len = WINDOW.min(range.end - offset) as usize;
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
    Ok(resident.saturating_mul(page))
}

/// The bytes of the pages of a range that are in the cache. Fast if there are few: the kernel visits only cached pages.
/// `None` before Linux 6.5, or if the caller may not know.
pub(super) fn bytes_by_cachestat(fd: BorrowedFd<'_>, range: Range<u64>) -> Option<u64> {
    #[repr(C)]
    struct Bounds {
        offset: u64,
        len: u64,
    }
    #[repr(C)]
    #[derive(Default)]
    struct Counts {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }
    let mut bounds = Bounds { offset: range.start, len: range.end - range.start };
    let mut counts = Counts::default();
    // SAFETY: the call reads one `cachestat_range` and fills one `cachestat`, which these are laid out as.
    let done = unsafe { libc::syscall(CACHESTAT, fd.as_raw_fd(), &raw mut bounds, &raw mut counts, 0u32) };
    (done == 0).then(|| counts.cached.saturating_mul(page_size() as u64))
}

/// The share of a file's pages in the cache, by cachestat.
pub(super) fn share_by_cachestat(fd: BorrowedFd<'_>, size: u64) -> Option<f64> {
    Some(share(bytes_by_cachestat(fd, 0..size)?, size))
}

/// Counts the bytes with non-blocking reads, which succeed for cached pages only. Slower, but permitted to every
/// reader.
pub(super) fn bytes_by_reading(
    fd: BorrowedFd<'_>,
    range: Range<u64>,
    cancelled: &AtomicBool,
) -> Result<Option<u64>, Refusal> {
    let mut chunk = vec![0u8; CHUNK];
    let (mut cached, mut offset) = (0u64, range.start);
    while offset < range.end {
        check_cancelled(cancelled)?;
        let len = (CHUNK as u64).min(range.end - offset) as usize;
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
    Ok(Some(cached))
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
