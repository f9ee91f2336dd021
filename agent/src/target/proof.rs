//! Proof of direct I/O by its effect: pages of the file that appear in the page cache while a range of it is read or
//! written with O_DIRECT. Some file systems accept O_DIRECT and use the page cache nevertheless: btrfs, for instance,
//! for writes of files with checksums.

use std::{
    fs::File,
    ops::Range,
    os::{fd::BorrowedFd, unix::fs::FileExt as _},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use proto::refusal::{DirectFailure, Refusal, TargetStep};
use rustix::{fs::OFlags, io::Errno};

use super::{cache, descriptor, failed};

/// Length of the range that is used, in bytes. A buffered write of this size takes long enough to be seen.
const RANGE: u64 = 256 << 10;
/// Attempts that must show pages in the cache before I/O counts as buffered: other programs may read the file once.
const SIGHTINGS: u32 = 2;
/// Attempts without such pages that prove direct I/O.
const MISSES: u32 = 2;
/// An attempt to write without such pages counts only if the cache was examined this often during it. A buffered write
/// drops its pages soon, and on a busy machine the thread that watches may not run in that time.
const LOOKS: u64 = 20;
/// For how long attempts are made. If too few of them count, the result is unknown.
const PATIENCE: Duration = Duration::from_secs(5);
/// Times that the range is written in one attempt.
const WRITES: u32 = 2;

/// Whether direct I/O reaches the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direct {
    /// No pages appear in the cache.
    Proven,
    /// The kernel does not report pages of this file.
    Unknown,
    /// Pages appear when it is read.
    ReadsCached,
    /// Pages appear when it is written.
    WritesCached,
}

impl Direct {
    /// The reason for a refusal.
    pub(super) fn failure(self) -> Option<DirectFailure> {
        match self {
            Self::Proven | Self::Unknown => None,
            Self::ReadsCached => Some(DirectFailure::Cached { writes: false }),
            Self::WritesCached => Some(DirectFailure::Cached { writes: true }),
        }
    }
}

/// Reads a range in the middle of the file, of `size` bytes, with O_DIRECT and, if the trial `writes`, writes the same
/// data back. `fd` is open without O_DIRECT; `unit` divides the offsets and lengths of the trial.
///
/// # Errors
/// Those of the system calls.
pub(super) fn examine(fd: BorrowedFd<'_>, size: u64, unit: u64, writes: bool) -> Result<Direct, Refusal> {
    let range = middle(size, unit);
    let flags = if writes { OFlags::RDWR } else { OFlags::RDONLY };
    let file = descriptor::reopen(fd, flags | OFlags::DIRECT)
        .map_err(|errno| failed(TargetStep::OpenDirect, errno))?;
    let subject = Subject { fd, file: File::from(file), size, range };
    let mut data = descriptor::Aligned::new((subject.range.end - subject.range.start) as usize);
    let read = |data: &mut [u8]| subject.read(data).map_err(|errno| failed(TargetStep::ReadDirect, errno));
    match subject.is_cached(true, || read(data.bytes()))? {
        None => return Ok(Direct::Unknown),
        Some(true) => return Ok(Direct::ReadsCached),
        Some(false) if !writes => return Ok(Direct::Proven),
        Some(false) => {}
    }
    let write = || subject.write(data.bytes()).map_err(|errno| failed(TargetStep::WriteDirect, errno));
    Ok(match subject.is_cached(false, write)? {
        None => Direct::Unknown,
        Some(true) => Direct::WritesCached,
        Some(false) => Direct::Proven,
    })
}

/// A range in the middle: the edges of a block device are read by other programs that identify it.
fn middle(size: u64, unit: u64) -> Range<u64> {
    let unit = unit.max(1);
    let len = (RANGE.next_multiple_of(unit)).min(size / unit * unit);
    // The page cache is asked about whole pages.
    let step = if unit.is_multiple_of(4096) { unit } else { unit * 8 };
    let begin = size.saturating_sub(len) / 2 / step * step;
    begin..begin + len
}

struct Subject<'a> {
    fd: BorrowedFd<'a>,
    /// Opened with O_DIRECT.
    file: File,
    /// Size of the whole file in bytes.
    size: u64,
    range: Range<u64>,
}

impl Subject<'_> {
    fn read(&self, data: &mut [u8]) -> Result<(), Errno> {
        self.file.read_exact_at(data, self.range.start).map_err(errno_of)
    }

    fn write(&self, data: &[u8]) -> Result<(), Errno> {
        (0..WRITES).try_for_each(|_| self.file.write_all_at(data, self.range.start).map_err(errno_of))
    }

    /// Whether most of the range is cached during or after an attempt at the I/O, in [`SIGHTINGS`] attempts before it is
    /// not in [`MISSES`]; `None` if this is unknown. Pages that buffered I/O leaves in the cache are seen `afterwards` too.
    fn is_cached(
        &self,
        afterwards: bool,
        mut io: impl FnMut() -> Result<(), Refusal>,
    ) -> Result<Option<bool>, Refusal> {
        let len = self.range.end - self.range.start;
        let (mut seen, mut missed) = (0, 0);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            // All pages, because a folio that extends beyond the range would stay.
            cache::drop_cached(self.fd, self.size);
            let Some(before) = self.cached()? else { return Ok(None) };
            let watched = self.watched(&mut io)?;
            let Some(after) = self.cached()? else { return Ok(None) };
            // Pages that cannot be dropped prove nothing.
            if watched.highest.max(after).saturating_sub(before) * 2 >= len {
                seen += 1;
            } else if afterwards || watched.looks.is_none_or(|looks| looks >= LOOKS) {
                missed += 1;
            }
            if seen == SIGHTINGS || missed == MISSES {
                return Ok(Some(seen == SIGHTINGS));
            }
        }
        Ok(None)
    }

    /// Cached bytes of the range.
    fn cached(&self) -> Result<Option<u64>, Refusal> {
        cache::cached_bytes(self.fd, self.range.clone(), &AtomicBool::new(false))
    }

    /// Examines the cache while `io` runs: a buffered write drops its pages when they are written.
    fn watched(&self, io: impl FnOnce() -> Result<(), Refusal>) -> Result<Watched, Refusal> {
        let (over, highest, looks) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let mut during = None;
        thread::scope(|scope| {
            let watching = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Some(now) = cache::bytes_by_cachestat(self.fd, self.range.clone()) else { break };
                    highest.fetch_max(now, Ordering::Relaxed);
                    looks.fetch_add(1, Ordering::Release);
                }
            });
            while looks.load(Ordering::Acquire) == 0 && !watching.is_finished() {
                thread::yield_now();
            }
            let before = looks.load(Ordering::Relaxed);
            let done = io();
            during = (before > 0).then(|| looks.load(Ordering::Relaxed) - before);
            over.store(true, Ordering::Relaxed);
            done
        })?;
        Ok(Watched { highest: highest.into_inner(), looks: during })
    }
}

/// What was seen of the cache during an attempt.
struct Watched {
    /// The most cached bytes of the range.
    highest: u64,
    /// How often they were counted; `None` if the kernel (before 6.5) cannot count them meanwhile.
    looks: Option<u64>,
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::target::lab::{self, Loop, Mounted};

    const SIZE: u64 = 4 << 20;

    fn file_in(dir: &std::path::Path) -> File {
        let file = tempfile::tempfile_in(dir).unwrap();
        file.write_all_at(&vec![7; SIZE as usize], 0).unwrap();
        file.sync_all().unwrap();
        file
    }

    #[test]
    fn the_range_is_whole_units_in_the_middle() {
        assert_eq!(middle(1 << 20, 4096), 384 << 10..640 << 10);
        assert_eq!(middle(4096, 4096), 0..4096);
        assert_eq!(middle(100_000, 4096), 0..98_304);
        let range = middle(10 << 20, 24 << 10);
        assert!(range.start.is_multiple_of(24 << 10) && (range.end - range.start).is_multiple_of(24 << 10));
        assert!(range.start > 4 << 20 && range.end < 6 << 20);
    }

    #[test]
    fn direct_io_of_ext4_is_proven() {
        let Some(_devices) = lab::devices() else { return };
        let Some(device) = Loop::ext4() else { return };
        let mounted = Mounted::new(&device.path);
        let file = file_in(mounted.dir.path());
        assert_eq!(examine(file.as_fd(), SIZE, 4096, true).unwrap(), Direct::Proven);
        // Pages that were cached before prove nothing, and are dropped.
        File::read_exact_at(&file, &mut vec![0; SIZE as usize], 0).unwrap();
        assert_eq!(examine(file.as_fd(), SIZE, 4096, false).unwrap(), Direct::Proven);
    }

    #[test]
    fn buffered_writes_of_btrfs_are_seen() {
        let Some(_devices) = lab::devices() else { return };
        let Some(device) = Loop::btrfs() else { return };
        let Some(mounted) = Mounted::of(&device.path, "btrfs") else { return };
        let file = file_in(mounted.dir.path());
        assert_eq!(examine(file.as_fd(), SIZE, 4096, false).unwrap(), Direct::Proven, "reads");
        assert_eq!(examine(file.as_fd(), SIZE, 4096, true).unwrap(), Direct::WritesCached);
        let mut found = vec![0; SIZE as usize];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found.iter().all(|byte| *byte == 7), "the contents stay");
        // Without checksums and copy on write, as by `chattr +C`.
        let bare = tempfile::tempfile_in(mounted.dir.path()).unwrap();
        let flags = rustix::fs::ioctl_getflags(&bare).unwrap() | rustix::fs::IFlags::NOCOW;
        rustix::fs::ioctl_setflags(&bare, flags).unwrap();
        bare.write_all_at(&vec![7; SIZE as usize], 0).unwrap();
        bare.sync_all().unwrap();
        assert_eq!(examine(bare.as_fd(), SIZE, 4096, true).unwrap(), Direct::Proven, "NOCOW");
    }

    #[test]
    fn reads_through_the_cache_are_seen() {
        let Some(file) = lab::file_on_disk(SIZE) else { return };
        // A descriptor without O_DIRECT stands for a file system that ignores the flag.
        let buffered = File::from(descriptor::reopen(file.as_fd(), OFlags::RDONLY).unwrap());
        let subject = Subject { fd: file.as_fd(), file: buffered, size: SIZE, range: middle(SIZE, 4096) };
        let mut data = vec![0; RANGE as usize];
        let read = || subject.read(&mut data).map_err(|errno| failed(TargetStep::ReadDirect, errno));
        assert_eq!(subject.is_cached(true, read).unwrap(), Some(true));
    }
}
