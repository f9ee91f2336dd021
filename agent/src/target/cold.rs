//! Keeps a file out of the page cache while it is read through it.
//!
//! Each read brings its page in, so a file that was dropped once would be warm soon. A thread beside the workers, on
//! the CPU of the agent's runtime, drops the whole file again every few milliseconds; what that costs is in no
//! worker's account. How much it found each time is what can be said of how cold the file was.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use proto::{
    facts::{CachedShare, FileSystem},
    refusal::{Refusal, TargetRefusal, TargetStep, ThreadName, WarmTarget, WorkerRefusal},
    warning::{TargetWarning, Warning},
};
use rustix::fs::{Advice, fadvise};

use super::cache;
use crate::topology;

/// How long what was read stays: 500 reads at 100,000 a second, 3 % of a file of 64 MiB.
const PERIOD: Duration = Duration::from_millis(5);
/// The largest share of a file in the page cache that counts as none of it.
const COLD_ENOUGH: f64 = 0.05;
/// `cachestat(2)`, since Linux 6.5; the same number on all architectures.
const CACHESTAT: libc::c_long = 451;

/// Drops a file's pages until it is finished or dropped.
pub struct Keeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<f64>>>,
}

impl Keeper {
    /// Begins, on a thread of its own on the given CPU.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub(super) fn start(file: Arc<OwnedFd>, size: u64, cpu: u32) -> Result<Self, Refusal> {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let keep = move || {
            if let Err(error) = topology::pin_current_thread(cpu) {
                tracing::warn!("the thread that keeps the target cold is not on CPU {cpu}: {error}");
            }
            hurry();
            keep(file.as_fd(), size, &stopped)
        };
        let thread = Builder::new().name("keep-cold".to_owned()).spawn(keep).map_err(|error| {
            WorkerRefusal::NoThreads { thread: ThreadName::CacheDropper, error: error.into() }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends. Returns the highest share of the file that was in the cache, from 0 to 1; none where the kernel does
    /// not tell.
    pub fn finish(mut self) -> Option<f64> {
        self.join()
    }

    fn join(&mut self) -> Option<f64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take()?.join().ok()?
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.join();
    }
}

/// Whoever else wants the CPU must not keep the calling thread from dropping in time. Without the right to ask for
/// that it does without.
fn hurry() {
    const NICE: libc::c_int = -15;
    // SAFETY: the call takes numbers by value; 0 stands for the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

fn keep(fd: BorrowedFd<'_>, size: u64, stop: &AtomicBool) -> Option<f64> {
    let mut highest: Option<f64> = None;
    loop {
        std::thread::sleep(PERIOD);
        let over = stop.load(Ordering::Relaxed);
        // Without cachestat, asking takes time in which more is read: then it is asked once, at the end.
        let share =
            share_by_cachestat(fd, size).or_else(|| over.then(|| cache::share_by_mincore(fd, size).ok())?);
        highest = share.into_iter().chain(highest).reduce(f64::max);
        if over {
            return highest;
        }
        cache::drop_cached(fd, size);
    }
}

/// The share of a file's pages that are in the cache. Quick where few are: the kernel counts those that are there.
fn share_by_cachestat(fd: BorrowedFd<'_>, size: u64) -> Option<f64> {
    #[repr(C)]
    struct Range {
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
    let mut range = Range { offset: 0, len: size };
    let mut counts = Counts::default();
    // SAFETY: the call reads one `cachestat_range` and fills one `cachestat`, which these are laid out as.
    let done = unsafe { libc::syscall(CACHESTAT, fd.as_raw_fd(), &raw mut range, &raw mut counts, 0u32) };
    let pages = size.div_ceil(rustix::param::page_size() as u64).max(1);
    (done == 0).then(|| (counts.cached as f64 / pages as f64).min(1.0))
}

/// Drops a file from the page cache. Returns the share of it that is still there.
pub(super) fn cooled(
    fd: BorrowedFd<'_>,
    size: u64,
    file_system: &FileSystem,
    cancelled: &AtomicBool,
) -> Result<CachedShare, Refusal> {
    cache::drop_cached(fd, size);
    match cache::cached_share(fd, size, cancelled)? {
        Some(share) if share <= COLD_ENOUGH && *file_system != FileSystem::Zfs => Ok(CachedShare::of(share)),
        Some(share) if *file_system != FileSystem::Zfs => {
            Err(not_cold(WarmTarget::Cached { cached: CachedShare::of(share) }))
        }
        _ => Err(not_cold(WarmTarget::Unknown { file_system: file_system.to_string() })),
    }
}

fn not_cold(target: WarmTarget) -> Refusal {
    TargetRefusal::NotCold { target }.into()
}

/// That more of the target was cached than a cold one may have; nothing where it was cold.
#[must_use]
pub fn warning(share: Option<f64>) -> Option<Warning> {
    if share.is_some_and(|share| share <= COLD_ENOUGH) {
        return None;
    }
    let cached = share.map_or(CachedShare::Unknown, CachedShare::of);
    Some(TargetWarning::CacheNotCold { cached }.into())
}

/// Tells the kernel that reads through this file go to random places, so that it reads nothing ahead.
///
/// # Errors
/// What the system call said.
pub fn expect_random(fd: BorrowedFd<'_>) -> Result<(), Refusal> {
    fadvise(fd, 0, None, Advice::Random).map_err(|errno| super::failed(TargetStep::DisableReadahead, errno))
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, path::Path, time::Instant};

    use super::*;
    use crate::target::facts;

    const SIZE: u64 = 16 << 20;

    fn on_disk() -> Option<Arc<OwnedFd>> {
        let mut file = tempfile::tempfile_in(Path::new(env!("CARGO_MANIFEST_DIR"))).ok()?;
        file.write_all(&vec![7; SIZE as usize]).ok()?;
        file.sync_all().ok()?;
        let storage = facts::describe(&file);
        (storage.memory.is_none() && storage.file_system != FileSystem::Zfs).then(|| Arc::new(file.into()))
    }

    fn read_all(fd: BorrowedFd<'_>) {
        let mut block = vec![0; 1 << 20];
        for offset in (0..SIZE).step_by(block.len()) {
            rustix::io::pread(fd, &mut block, offset).unwrap();
        }
    }

    #[test]
    fn what_is_read_is_dropped_again() {
        let Some(file) = on_disk() else { return crate::skip::skip("the sources do not lie on a disk") };
        let nobody = AtomicBool::new(false);
        let share = || cache::cached_share(file.as_fd(), SIZE, &nobody).unwrap().unwrap();
        cooled(file.as_fd(), SIZE, &FileSystem::named("x"), &nobody).unwrap();
        assert!(share() <= COLD_ENOUGH);
        let keeper =
            Keeper::start(Arc::clone(&file), SIZE, topology::Topology::discover().unwrap().runtime_cpu);
        let keeper = keeper.unwrap();
        read_all(file.as_fd());
        let begin = Instant::now();
        while share() > COLD_ENOUGH {
            assert!(begin.elapsed() < Duration::from_secs(10), "{} is still cached", share());
            std::thread::sleep(PERIOD);
        }
        // It saw what was read, all at once: that is not cold.
        let highest = keeper.finish().unwrap();
        assert!(highest > 0.01 && highest <= 1.0, "{highest}");
        read_all(file.as_fd());
        assert!(share() > 0.99, "it has ended");
        if let Some(stat) = share_by_cachestat(file.as_fd(), SIZE) {
            assert!(stat > 0.99, "cachestat and mincore agree: {stat}");
        }
    }

    #[test]
    fn memory_cannot_be_cold() {
        let Ok(mut file) = tempfile::tempfile_in("/dev/shm") else {
            return crate::skip::skip("no /dev/shm here");
        };
        file.write_all(&[7; 1 << 16]).unwrap();
        let refusal = cooled(file.as_fd(), 1 << 16, &FileSystem::Tmpfs, &AtomicBool::new(false)).unwrap_err();
        assert_eq!((refusal.code(), refusal.field().as_str()), ("not-cold", "target.file.cache"));
    }

    #[test]
    fn what_was_not_cold_is_said() {
        assert_eq!(warning(Some(0.02)), None);
        assert!(warning(Some(0.4)).unwrap().message().contains("40.0%"));
        assert_eq!(warning(None).unwrap().code(), "cache-not-cold");
    }
}
