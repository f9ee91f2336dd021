//! Targets of a trial's I/O: created, filled, verified and removed.
//!
//! * `file`: a file without a name in the agent's data directory. It overwrites nothing, and disappears with the
//!   process.
//! * `path`: an existing file, which is only read.
//! * `ramdisk`: created by a kernel driver or on tmpfs, and removed after the lease.
//! * `device`: a block device, claimed by its identity if the host's allow list contains it.
//!
//! Before each trial, the properties of a target (cached or not, on a disk or in memory) are verified; they are part of
//! the trial's result.

mod allowed_paths;
mod cache;
pub mod cold;
mod descriptor;
pub mod device;
mod direct;
pub mod facts;
mod file;
#[cfg(test)]
mod lab;
mod marked;
mod memory;
mod path;
mod proof;
mod ramdisk;
#[cfg(test)]
mod tests;

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use proto::{
    facts::{CachedShare, FileSystem, MadeBy, TargetFacts},
    notice::OsError,
    refusal::{
        CacheShortage, CancelledWhen, OpenFor, Refusal, SessionRefusal, TargetRefusal, TargetStep,
        WorkerRefusal,
    },
    trial::{BlockSizes, Cache, Target, Trial},
    units::ByteSize,
    warning::{TargetWarning, Warning},
};
use rustix::{fs::OFlags, io::Errno};

pub(crate) use file::probe_direct_io;
pub(crate) use memory::memory_available;

pub use self::allowed_paths::AllowedPaths;
use self::{device::allow::AllowList, ramdisk::state::State};

/// Callback with the stage (`filling`, `warming`), the bytes done and the bytes in total.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// Approximate number of bytes between progress reports.
const PROGRESS_STEP: u64 = 64 << 20;
/// The smallest cached share of a file that counts as fully cached.
const CACHED_ENOUGH: f64 = 0.999;

/// The targets of one lease. Dropping it removes everything that it created, once all descriptors are closed.
#[derive(Debug)]
pub struct Targets {
    data_dir: PathBuf,
    devices: Arc<AllowList>,
    paths: Arc<AllowedPaths>,
    state: State,
    made: Option<file::Made>,
    disk: Option<Arc<ramdisk::Disk>>,
    claim: Option<device::Claim>,
}

/// Sizes of operations that matter for a target, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Largest operation, which the target must hold.
    pub largest: u64,
    /// Common divisor of all offsets and lengths.
    pub unit: u64,
}

impl From<&Trial> for Sizes {
    fn from(trial: &Trial) -> Self {
        let sizes = Self::from(&trial.workload.block_size);
        Self { unit: trial.block_unit().0, ..sizes }
    }
}

impl From<&BlockSizes> for Sizes {
    fn from(sizes: &BlockSizes) -> Self {
        Self { largest: sizes.largest().0, unit: sizes.unit().0 }
    }
}

impl From<u64> for Sizes {
    fn from(size: u64) -> Self {
        Self { largest: size, unit: size }
    }
}

/// A target that is open and filled, but not yet verified.
struct Open {
    file: Arc<OwnedFd>,
    disk: Option<Arc<ramdisk::Disk>>,
    size: u64,
    direct: bool,
    cold: bool,
    /// The trial's field that requests direct I/O.
    field: &'static str,
    facts: TargetFacts,
}

/// Removes RAM disks left behind by crashed agents of this user.
pub(crate) fn sweep() {
    ramdisk::sweep(&State::of_this_user());
}

/// A target that is ready for a trial, with its verified properties.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Addressable size in bytes.
    pub size: u64,
    /// Facts about it and its storage ([`facts::describe`]).
    pub facts: TargetFacts,
    /// Warnings for the trial's result.
    pub warnings: Vec<Warning>,
    // The file is dropped before the disk: a RAM disk can be removed only when its last descriptor is closed.
    file: Arc<OwnedFd>,
    _disk: Option<Arc<ramdisk::Disk>>,
    direct: bool,
    cold: bool,
    writes: bool,
    /// The generic character device that workers use instead.
    generic: Option<Arc<OwnedFd>>,
}

impl Targets {
    /// Creates an empty set of targets.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        let state = State::of_this_user();
        let (devices, paths) = (Arc::default(), Arc::default());
        Self { data_dir, devices, paths, state, made: None, disk: None, claim: None }
    }

    /// Sets where existing files may be read; nowhere by default.
    #[must_use]
    pub fn allowing_paths(self, paths: Arc<AllowedPaths>) -> Self {
        Self { paths, ..self }
    }

    /// Sets the block devices that may be used; none by default.
    #[must_use]
    pub fn allowing(self, devices: Arc<AllowList>) -> Self {
        Self { devices, ..self }
    }

    /// Prepares a target for one trial. A file of an earlier trial is reused if it has the requested size, and replaced
    /// otherwise.
    ///
    /// `cancelled` ends the work early.
    ///
    /// # Errors
    /// A [`Refusal`] with its remedy; nothing is left behind.
    pub fn prepare(
        &mut self,
        target: &Target,
        sizes: impl Into<Sizes>,
        reads: bool,
        writes: bool,
        progress: Progress<'_>,
        cancelled: &AtomicBool,
    ) -> Result<Prepared, Refusal> {
        let sizes = sizes.into();
        let mut warnings = Vec::new();
        let Open { file, disk, size, direct, cold, field, facts: own } =
            self.open(target, sizes.largest, (reads, writes), &mut warnings, progress, cancelled)?;
        let storage = facts::describe(&file);
        let mut facts = storage.facts;
        let memory = disk.as_ref().map(|disk| format!("a RAM disk ({})", disk.kind())).or(storage.memory);
        if let Some(memory) = memory {
            warnings.push(TargetWarning::RamBacked { memory }.into());
        }
        if direct {
            cache::drop_cached(file.as_fd(), size);
            if !direct::check(file.as_fd(), (size, sizes.unit), writes, &storage.file_system, field)? {
                let file_system = storage.file_system.to_string();
                warnings.push(TargetWarning::DirectUnproven { file_system }.into());
            }
        } else if cold {
            let share = cold::cooled(file.as_fd(), size, &storage.file_system, cancelled)?;
            facts.cached_share = Some(share);
            facts.cache = Some(Cache::Cold);
        } else if reads {
            let share =
                warmed(file.as_fd(), size, &storage.file_system, field, progress, cancelled, &mut warnings)?;
            facts.cached_share = Some(share);
        }
        // A trial that only writes does not need a warm cache.
        facts.direct = Some(direct);
        facts.size = Some(ByteSize(size));
        facts.extend(own);
        Ok(Prepared { size, facts, warnings, file, _disk: disk, direct, cold, writes, generic: None })
    }

    /// Creates, opens or claims the target.
    fn open(
        &mut self,
        target: &Target,
        block_size: u64,
        (reads, writes): (bool, bool),
        warnings: &mut Vec<Warning>,
        progress: Progress<'_>,
        cancelled: &AtomicBool,
    ) -> Result<Open, Refusal> {
        match target {
            Target::File(wanted) => {
                let size = wanted.size.0;
                let made = match self.made.take() {
                    Some(made) if made.size == size => made,
                    other => {
                        // Remove the old file first: there may not be space for both.
                        drop(other);
                        let cached = reads && !wanted.direct && !target.cold();
                        file::make(&self.data_dir, size, cached, progress, cancelled)?
                    }
                };
                let made = self.made.insert(made);
                let mut facts = TargetFacts { made_by: Some(MadeBy::Agent), ..TargetFacts::default() };
                facts.other.insert("anonymous".to_owned(), yes_no(made.anonymous));
                let (file, field) = (Arc::clone(&made.file), "target.file.direct");
                Ok(Open { file, disk: None, size, direct: wanted.direct, cold: target.cold(), field, facts })
            }
            Target::Path(wanted) => {
                if writes {
                    return Err(TargetRefusal::TargetReadOnly { path: wanted.path.clone() }.into());
                }
                let (file, size) = path::open(&self.paths, &wanted.path, block_size, warnings)?;
                let facts = TargetFacts { made_by: Some(MadeBy::Exists), ..TargetFacts::default() };
                Ok(Open {
                    file: Arc::new(file),
                    disk: None,
                    size,
                    direct: wanted.direct,
                    cold: false,
                    field: "target.direct",
                    facts,
                })
            }
            Target::Ramdisk(wanted) => {
                let disk = match self.disk.take() {
                    Some(disk) if disk.serves(wanted) => disk,
                    other => {
                        drop(other);
                        Arc::new(ramdisk::make(wanted, &self.state, progress, cancelled)?)
                    }
                };
                let disk = self.disk.insert(disk);
                let Some(file) = disk.file() else { return Err(failed(TargetStep::UseRamdisk, Errno::BADF)) };
                if !wanted.memory_backed {
                    warnings.push(TargetWarning::ContentsNotKept {}.into());
                }
                let mut facts = disk.facts.clone();
                facts.made_by = Some(MadeBy::Agent);
                let (size, field) = (wanted.size.0, "target.ramdisk.direct");
                Ok(Open {
                    file,
                    disk: Some(Arc::clone(disk)),
                    size,
                    direct: wanted.direct,
                    cold: false,
                    field,
                    facts,
                })
            }
            Target::Device(wanted) => {
                device::check_consent(wanted, writes)?;
                let claim = match self.claim.take() {
                    Some(claim) if claim.serves(wanted, writes) => claim,
                    other => {
                        // The old claim would block the new one.
                        drop(other);
                        device::claim(wanted, writes, block_size, &self.devices)?
                    }
                };
                let claim = self.claim.insert(claim);
                warnings.extend(claim.warnings.iter().cloned());
                let mut facts = claim.facts.clone();
                facts.made_by = Some(MadeBy::Exists);
                facts.other.insert("claimed".to_owned(), "O_EXCL".to_owned());
                let (file, size, field) = (Arc::clone(&claim.file), claim.size, "target.device.direct");
                Ok(Open { file, disk: None, size, direct: wanted.direct, cold: false, field, facts })
            }
        }
    }
}

impl Prepared {
    /// Starts to keep the target cold, on this CPU, if the trial requests it.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub fn keep_cold(&self, cpu: u32) -> Result<Option<cold::Keeper>, Refusal> {
        self.cold.then(|| cold::Keeper::start(Arc::clone(&self.file), self.size, cpu)).transpose()
    }

    /// Makes workers open the generic character device of the same namespace, for commands of `smallest` to `largest`
    /// bytes. The block device stays claimed.
    ///
    /// # Errors
    /// `passthrough-refused` if the target is not a namespace that accepts commands of these sizes.
    pub fn pass_through(&mut self, smallest: u64, largest: u64) -> Result<(), Refusal> {
        let sizes = (smallest, largest);
        let generic = device::generic::open_beside(self.file.as_fd(), self.size, self.writes, sizes)?;
        self.facts.other.extend(generic.facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self.generic = Some(Arc::new(generic.file));
        Ok(())
    }

    /// Opens the target for one worker: a separate file description, close-on-exec, with O_DIRECT if the trial requests
    /// it, and writable only if the trial writes.
    ///
    /// # Errors
    /// If the limit of open files is reached, or the kernel refuses to open it.
    pub fn open(&self) -> Result<OwnedFd, Refusal> {
        let mut flags = if self.writes { OFlags::RDWR } else { OFlags::RDONLY };
        // A character device has no page cache and does not support O_DIRECT.
        if self.direct && self.generic.is_none() {
            flags |= OFlags::DIRECT;
        }
        let file = self.generic.as_ref().unwrap_or(&self.file);
        descriptor::reopen(file.as_fd(), flags).map_err(|errno| match errno {
            Errno::MFILE | Errno::NFILE => {
                WorkerRefusal::OpenFiles { by: OpenFor::Target, error: os_error(errno) }.into()
            }
            _ => failed(TargetStep::OpenForWorker, errno),
        })
    }
}

/// Reads the whole file into the page cache. Returns the cached share.
fn warmed(
    fd: BorrowedFd<'_>,
    size: u64,
    file_system: &FileSystem,
    field: &str,
    progress: Progress<'_>,
    cancelled: &AtomicBool,
    warnings: &mut Vec<Warning>,
) -> Result<CachedShare, Refusal> {
    // ZFS has its own cache, which the kernel's interfaces do not cover.
    let ask = || match file_system {
        FileSystem::Zfs => Ok(None),
        _ => cache::cached_share(fd, size, cancelled),
    };
    // A sparse file can be larger than any memory. Its cached pages are not even counted, which would take for ever.
    if let Some(total) = memory::total().filter(|&total| size > total) {
        let (needed, available) = (ByteSize(size), ByteSize(total));
        return Err(not_cached(CacheShortage::Memory { needed, available }, field));
    }
    let mut share = ask()?;
    if share.is_none_or(|share| share < CACHED_ENOUGH) {
        let missing = (size as f64 * (1.0 - share.unwrap_or(0.0))) as u64;
        room_in_cache(missing, field)?;
        cache::warm(fd, size, progress, cancelled)?;
        share = ask()?;
    }
    match share {
        Some(share) if share < CACHED_ENOUGH => {
            Err(not_cached(CacheShortage::NotKept { cached: CachedShare::of(share) }, field))
        }
        Some(share) => Ok(CachedShare::of(share)),
        None => {
            let file_system = file_system.to_string();
            warnings.push(TargetWarning::NotCached { file_system }.into());
            Ok(CachedShare::Unknown)
        }
    }
}

/// Refuses early if there is not enough memory for the page cache.
fn room_in_cache(bytes: u64, field: &str) -> Result<(), Refusal> {
    match memory_available() {
        Some(available) if bytes > available => {
            let (needed, available) = (ByteSize(bytes), ByteSize(available));
            Err(not_cached(CacheShortage::Memory { needed, available }, field))
        }
        _ => Ok(()),
    }
}

fn not_cached(shortage: CacheShortage, field: &str) -> Refusal {
    TargetRefusal::NotCached { direct_field: field.to_owned(), shortage }.into()
}

fn cancelled_refusal() -> Refusal {
    SessionRefusal::Cancelled { when: CancelledWhen::Preparing }.into()
}

fn check_cancelled(cancelled: &AtomicBool) -> Result<(), Refusal> {
    if cancelled.load(Ordering::Relaxed) { Err(cancelled_refusal()) } else { Ok(()) }
}

/// The refusal for an unexpected error of a system call.
fn failed(step: TargetStep, errno: Errno) -> Refusal {
    TargetRefusal::TargetFailed { step, error: os_error(errno), target_field: String::new() }.into()
}

/// An errno as a fact.
fn os_error(errno: Errno) -> OsError {
    OsError::from_errno(errno.raw_os_error())
}

/// The path under which an open file can be reopened.
fn proc_path(fd: BorrowedFd<'_>) -> PathBuf {
    Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string())
}

/// A value of /proc/meminfo, in bytes.
pub(crate) fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
