//! What a trial's I/O goes to: made, filled, verified and taken away again.
//!
//! * `file`: a file without a name in the agent's data directory. It can overwrite nothing, and is gone with
//!   the process however that ends.
//! * `path`: a file that exists. It is only ever read.
//! * `ramdisk`: made from what the kernel offers, and taken down after the lease.
//! * `device`: a block device, claimed by its identity if the host's own list allows it.
//!
//! What a target claims to be (past the page cache, or in it; on a disk, or in memory) is verified before each
//! trial and told with it.

mod cache;
pub mod cold;
pub mod device;
mod direct;
pub mod facts;
mod file;
#[cfg(test)]
mod lab;
mod marked;
mod memory;
mod path;
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

use self::{device::allow::AllowList, ramdisk::state::State};

/// Is told the stage (`filling`, `warming`), the bytes done, and the bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// Progress is told about this often, in bytes.
const PROGRESS_STEP: u64 = 64 << 20;
/// The smallest share of a file in the page cache that counts as all of it.
const CACHED_ENOUGH: f64 = 0.999;

/// The targets of one lease. Dropped, everything it made is gone (once what is still open of it is closed).
#[derive(Debug)]
pub struct Targets {
    data_dir: PathBuf,
    devices: Arc<AllowList>,
    state: State,
    made: Option<file::Made>,
    disk: Option<Arc<ramdisk::Disk>>,
    claim: Option<device::Claim>,
}

/// Sizes of operations, as far as they concern a target, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// What the target must hold.
    pub largest: u64,
    /// What every offset and length is a multiple of.
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

/// A target that is open and filled, before it is looked at.
struct Open {
    file: Arc<OwnedFd>,
    disk: Option<Arc<ramdisk::Disk>>,
    size: u64,
    direct: bool,
    cold: bool,
    /// Where the trial asks for direct I/O.
    field: &'static str,
    facts: TargetFacts,
}

/// Takes down the RAM disks of agents of this user that ended without doing so.
pub(crate) fn sweep() {
    ramdisk::sweep(&State::of_this_user());
}

/// A target that is ready for a trial, and what it really is.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// How much of it there is to address, in bytes.
    pub size: u64,
    /// What it is and the storage that it is on ([`facts::describe`]).
    pub facts: TargetFacts,
    /// What the reader of the numbers must know.
    pub warnings: Vec<Warning>,
    // In this order: a RAM disk is taken down when its last descriptor is closed.
    file: Arc<OwnedFd>,
    _disk: Option<Arc<ramdisk::Disk>>,
    direct: bool,
    cold: bool,
    writes: bool,
    /// Where workers send commands instead.
    generic: Option<Arc<OwnedFd>>,
}

impl Targets {
    /// Nothing is made or looked at yet.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        let state = State::of_this_user();
        Self { data_dir, devices: Arc::default(), state, made: None, disk: None, claim: None }
    }

    /// With the block devices that the host's owner allows; none otherwise.
    #[must_use]
    pub fn allowing(self, devices: Arc<AllowList>) -> Self {
        Self { devices, ..self }
    }

    /// Makes a target ready for one trial. A file that was made for an earlier trial is used again if it has
    /// the size asked for, and replaced otherwise.
    ///
    /// `cancelled` ends the work early.
    ///
    /// # Errors
    /// A [`Refusal`] that says what is missing and what to do about it; nothing is left behind.
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
            direct::check(file.as_fd(), sizes.unit, &storage.file_system, field)?;
        } else if cold {
            let share = cold::cooled(file.as_fd(), size, &storage.file_system, cancelled)?;
            facts.cached_share = Some(share);
            facts.cache = Some(Cache::Cold);
        } else if reads {
            let share =
                warmed(file.as_fd(), size, &storage.file_system, field, progress, cancelled, &mut warnings)?;
            facts.cached_share = Some(share);
        }
        // A trial that only writes needs nothing in the cache: it puts it there.
        facts.direct = Some(direct);
        facts.size = Some(ByteSize(size));
        facts.extend(own);
        Ok(Prepared { size, facts, warnings, file, _disk: disk, direct, cold, writes, generic: None })
    }

    /// Makes, opens or claims what the target names.
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
                        // The old one first: there may not be space for both.
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
                let (file, size) = path::open(&wanted.path, block_size, warnings)?;
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
                        // The old claim would keep the new one out.
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
    /// Begins to keep the target cold, on this CPU, if that was asked for.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn keep_cold(&self, cpu: u32) -> Result<Option<cold::Keeper>, Refusal> {
        self.cold.then(|| cold::Keeper::start(Arc::clone(&self.file), self.size, cpu)).transpose()
    }

    /// Has workers open the generic character device of the same namespace, for commands of `smallest` to `largest`
    /// bytes. The block device stays claimed.
    ///
    /// # Errors
    /// Where the target is no namespace that takes commands of these sizes; says what would be one.
    pub fn pass_through(&mut self, smallest: u64, largest: u64) -> Result<(), Refusal> {
        let sizes = (smallest, largest);
        let generic = device::generic::open_beside(self.file.as_fd(), self.size, self.writes, sizes)?;
        self.facts.other.extend(generic.facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self.generic = Some(Arc::new(generic.file));
        Ok(())
    }

    /// Opens the target for one worker: a file description of its own, close-on-exec, past the page cache if
    /// the trial asked for that, and writable only if the trial writes.
    ///
    /// # Errors
    /// When the process may open no more files, or the kernel refuses for a reason that is named.
    pub fn open(&self) -> Result<OwnedFd, Refusal> {
        let mut flags = if self.writes { OFlags::RDWR } else { OFlags::RDONLY };
        // A character device has no page cache to pass by, and no such flag.
        if self.direct && self.generic.is_none() {
            flags |= OFlags::DIRECT;
        }
        let file = self.generic.as_ref().unwrap_or(&self.file);
        direct::reopen(file.as_fd(), flags).map_err(|errno| match errno {
            Errno::MFILE | Errno::NFILE => {
                WorkerRefusal::OpenFiles { by: OpenFor::Target, error: os_error(errno) }.into()
            }
            _ => failed(TargetStep::OpenForWorker, errno),
        })
    }
}

/// Brings the whole file into the page cache. Returns the share of it that is there.
fn warmed(
    fd: BorrowedFd<'_>,
    size: u64,
    file_system: &FileSystem,
    field: &str,
    progress: Progress<'_>,
    cancelled: &AtomicBool,
    warnings: &mut Vec<Warning>,
) -> Result<CachedShare, Refusal> {
    // ZFS caches elsewhere, where the kernel's answers do not reach.
    let ask = || match file_system {
        FileSystem::Zfs => Ok(None),
        _ => cache::cached_share(fd, size, cancelled),
    };
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

/// Refuses early what cannot be cached anyway.
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

/// A system call that failed for no reason foreseen.
fn failed(step: TargetStep, errno: Errno) -> Refusal {
    TargetRefusal::TargetFailed { step, error: os_error(errno), target_field: String::new() }.into()
}

/// An errno as a fact.
fn os_error(errno: Errno) -> OsError {
    OsError::from_errno(errno.raw_os_error())
}

/// The name under which an open file can be opened once more.
fn proc_path(fd: BorrowedFd<'_>) -> PathBuf {
    Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string())
}

/// A line of /proc/meminfo, in bytes.
pub(crate) fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
