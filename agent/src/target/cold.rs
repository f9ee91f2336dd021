//! Keeps a file out of the page cache during buffered reads.
//!
//! Each read puts its page into the cache, so a file that was dropped only once would soon be warm. A separate thread,
//! on the CPU of the agent's runtime, drops the whole file every few milliseconds; its cost is in no worker's CPU time.
//! The share that it finds each time shows how cold the file was.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
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

/// Time between two drops. At 100,000 reads per second, 500 pages stay cached: 3 % of a file of 64 MiB.
const PERIOD: Duration = Duration::from_millis(5);
/// The largest cached share of a file that counts as cold.
const COLD_ENOUGH: f64 = 0.05;

/// Drops a file's pages repeatedly until finished or dropped.
pub struct Keeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<f64>>>,
}

impl Keeper {
    /// Starts the thread, on the given CPU.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub(super) fn start(file: Arc<OwnedFd>, size: u64, cpu: u32) -> Result<Self, Refusal> {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let keep = move || {
            if let Err(error) = topology::pin_current_thread(cpu) {
                tracing::warn!(
                    "the thread that drops the target from the page cache cannot be pinned to CPU {cpu}: {error}"
                );
            }
            raise_priority();
            keep(file.as_fd(), size, &stopped)
        };
        let thread = Builder::new().name("keep-cold".to_owned()).spawn(keep).map_err(|error| {
            WorkerRefusal::NoThreads { thread: ThreadName::CacheDropper, error: error.into() }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Stops the thread. Returns the highest cached share of the file, from 0 to 1; `None` if the kernel does not
    /// report it.
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

/// Raises the priority of the calling thread, so that it drops pages in time on a busy CPU. Fails silently without
/// permission.
fn raise_priority() {
    const NICE: libc::c_int = -15;
    // SAFETY: the call takes numbers by value; 0 stands for the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

fn keep(fd: BorrowedFd<'_>, size: u64, stop: &AtomicBool) -> Option<f64> {
    let mut highest: Option<f64> = None;
    loop {
        std::thread::sleep(PERIOD);
        let over = stop.load(Ordering::Relaxed);
        // Without cachestat, measuring is slow, and more pages are read meanwhile. Then the share is measured only
        // once, at the end.
        let share = cache::share_by_cachestat(fd, size)
            .or_else(|| over.then(|| cache::share_by_mincore(fd, size, &AtomicBool::new(false)).ok())?);
        highest = share.into_iter().chain(highest).reduce(f64::max);
        if over {
            return highest;
        }
        cache::drop_cached(fd, size);
    }
}

/// Drops a file from the page cache. Returns the share that is still cached, or a refusal if it exceeds
/// [`COLD_ENOUGH`].
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

/// The warning that too much of a cold target was cached; `None` if it was cold.
#[must_use]
pub fn warning(share: Option<f64>) -> Option<Warning> {
    if share.is_some_and(|share| share <= COLD_ENOUGH) {
        return None;
    }
    let cached = share.map_or(CachedShare::Unknown, CachedShare::of);
    Some(TargetWarning::CacheNotCold { cached }.into())
}

/// Advises the kernel that reads are random, which disables readahead for this open file.
///
/// # Errors
/// The error of the system call.
pub fn expect_random(fd: BorrowedFd<'_>) -> Result<(), Refusal> {
    fadvise(fd, 0, None, Advice::Random).map_err(|errno| super::failed(TargetStep::DisableReadahead, errno))
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, time::Instant};

    use super::*;
    use crate::target::lab;

    const SIZE: u64 = 16 << 20;

    fn read_all(fd: BorrowedFd<'_>) {
        let mut block = vec![0; 1 << 20];
        for offset in (0..SIZE).step_by(block.len()) {
            rustix::io::pread(fd, &mut block, offset).unwrap();
        }
    }

    #[test]
    fn pages_that_are_read_are_dropped() {
        let Some(file) = lab::file_on_disk(SIZE) else { return };
        let file: Arc<OwnedFd> = Arc::new(file.into());
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
        // The file was read all at once, so the highest share is not that of a cold file.
        let highest = keeper.finish().unwrap();
        assert!(highest > 0.01 && highest <= 1.0, "{highest}");
        read_all(file.as_fd());
        assert!(share() > 0.99, "the thread has stopped");
        if let Some(stat) = cache::share_by_cachestat(file.as_fd(), SIZE) {
            assert!(stat > 0.99, "cachestat and mincore agree: {stat}");
        }
    }

    #[test]
    fn refuses_a_cold_file_on_tmpfs() {
        let Ok(mut file) = tempfile::tempfile_in("/dev/shm") else {
            return crate::skip::skip("no /dev/shm on this host");
        };
        file.write_all(&[7; 1 << 16]).unwrap();
        let refusal = cooled(file.as_fd(), 1 << 16, &FileSystem::Tmpfs, &AtomicBool::new(false)).unwrap_err();
        assert_eq!((refusal.code(), refusal.field().as_str()), ("not-cold", "target.file.cache"));
    }

    #[test]
    fn warns_if_the_target_was_not_cold() {
        assert_eq!(warning(Some(0.02)), None);
        assert!(warning(Some(0.4)).unwrap().message().contains("40.0%"));
        assert_eq!(warning(None).unwrap().code(), "cache-not-cold");
    }
}
