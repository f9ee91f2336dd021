//! RAM disks: created, filled and removed, also after a crash ([`state`]).
//!
//! | kind | how it serves a request | notes |
//! |---|---|---|
//! | `null_blk` | asynchronous, multi-queue; supports polling and a fixed completion time | keeps contents if `memory_backed` |
//! | `loop` | asynchronous: a kernel thread reads a file on a tmpfs | most of the time is the hand-over to that thread |
//! | `zram` | synchronous: within the submitting call | compresses; filled with data that does not compress |
//! | `brd` | synchronous | its disks belong to the host: used only on request, and only if blank |
//! | `tmpfs` | synchronous, without block layer | the only kind that works without root |
//!
//! `auto` uses the first available of null_blk, loop, zram and tmpfs. Asynchronous kinds come first, because on a
//! synchronous one a queue has no effect; then block devices come before files.

mod brd;
pub(super) mod loops;
mod null_blk;
pub(super) mod state;
#[cfg(test)]
mod tests;
mod tmpfs;
mod zram;

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use proto::{
    facts::TargetFacts,
    refusal::{
        KindFailure, KindProblem, MemoryShortage, RamdiskRefusal, RamdiskStep, Refusal, TargetRefusal,
    },
    trial::{RamdiskKind, RamdiskTarget},
    units::ByteSize,
};
use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
};

use self::state::{Record, State};
use super::{Progress, check_cancelled, file, memory_available, os_error};

/// The kinds that `auto` tries, in this order.
const ORDER: [RamdiskKind; 4] =
    [RamdiskKind::NullBlk, RamdiskKind::Loop, RamdiskKind::Zram, RamdiskKind::Tmpfs];
/// Time between attempts while a disk is busy. It may be busy after its last user has closed it: rings are torn down in
/// the background, and udev examines changed devices.
const RETRY_DELAY: Duration = Duration::from_millis(50);
const RETRIES: u32 = 60;

/// A newly created disk.
struct Made {
    /// Opened for reading and writing; a block device with O_EXCL, so that no other process claims it.
    file: OwnedFd,
    facts: Vec<(&'static str, String)>,
    asynchronous: bool,
    /// Record for removing it; `None` if it disappears with its last descriptor.
    record: Option<Record>,
}

/// A RAM disk; removed when dropped.
#[derive(Debug)]
pub(super) struct Disk {
    file: Option<Arc<OwnedFd>>,
    wanted: RamdiskTarget,
    /// Its kind, and facts specific to the kind.
    pub facts: TargetFacts,
    record: Option<Record>,
    state: State,
}

impl Disk {
    /// Whether it can be used for a trial that requests `wanted`.
    pub fn serves(&self, wanted: &RamdiskTarget) -> bool {
        RamdiskTarget { direct: wanted.direct, ..self.wanted.clone() } == *wanted
    }

    /// The open disk.
    pub fn file(&self) -> Option<Arc<OwnedFd>> {
        self.file.clone()
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        self.facts.ramdisk.unwrap_or(self.wanted.kind).name()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Close the last descriptor first: an open disk is busy.
        self.file = None;
        if let Some(record) = &self.record {
            match take_down(record, RETRIES) {
                Ok(()) => self.state.remove(record),
                // The record stays, and the agent's next start tries again.
                Err(error) => tracing::warn!(device = record.device, "cannot remove a RAM disk: {error}"),
            }
        }
    }
}

/// Creates and fills a RAM disk.
pub(super) fn make(
    wanted: &RamdiskTarget,
    state: &State,
    progress: Progress<'_>,
    cancelled: &AtomicBool,
) -> Result<Disk, Refusal> {
    check_cancelled(cancelled)?;
    let size = wanted.size.0;
    if wanted.memory_backed {
        check_memory(size)?;
    }
    let (kind, made) = match wanted.kind {
        RamdiskKind::Auto => first_of(wanted, state)?,
        kind => {
            let made = make_kind(kind, wanted, state);
            (kind, made.map_err(|failure| not_offered(kind, vec![KindProblem { kind, failure }]))?)
        }
    };
    let mut facts = TargetFacts {
        ramdisk: Some(kind),
        asynchronous: Some(made.asynchronous),
        other: made.facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..TargetFacts::default()
    };
    facts.other.insert("ram".to_owned(), "yes".to_owned());
    let contents = if wanted.memory_backed { "random data" } else { "not kept" };
    facts.other.insert("contents".to_owned(), contents.to_owned());
    // From here on, dropping it removes it if a step fails.
    let mut disk = Disk {
        file: Some(Arc::new(made.file)),
        wanted: wanted.clone(),
        facts,
        record: made.record,
        state: state.clone(),
    };
    if wanted.memory_backed
        && let Some(opened) = &disk.file
    {
        let place = format!("a RAM disk ({})", kind.name());
        file::fill(opened.as_fd(), Path::new(&place), size, progress, cancelled).map_err(|refusal| {
            match refusal {
                Refusal::Target(TargetRefusal::NoSpace { cause, .. }) => {
                    too_large(size, MemoryShortage::Filling(cause))
                }
                other => other,
            }
        })?;
    }
    if let Some(name) =
        disk.record.as_ref().filter(|_| kind == RamdiskKind::Zram).map(|record| &record.device)
        && let Some(share) = zram::stored(name)
    {
        disk.facts.other.insert("stored".to_owned(), share);
    }
    Ok(disk)
}

/// The failure of a step that the system refused.
fn failed(step: RamdiskStep, error: &io::Error) -> KindFailure {
    let not_permitted = error.kind() == io::ErrorKind::PermissionDenied;
    KindFailure::Step { step, error: error.into(), not_permitted }
}

fn make_kind(kind: RamdiskKind, wanted: &RamdiskTarget, state: &State) -> Result<Made, KindFailure> {
    match kind {
        RamdiskKind::NullBlk => null_blk::make(wanted, state),
        RamdiskKind::Loop => loops::make(wanted.size.0, state),
        RamdiskKind::Zram => zram::make(wanted.size.0, state),
        RamdiskKind::Brd => brd::make(wanted.size.0, state),
        RamdiskKind::Tmpfs | RamdiskKind::Auto => tmpfs::make(wanted.size.0),
    }
}

fn first_of(wanted: &RamdiskTarget, state: &State) -> Result<(RamdiskKind, Made), Refusal> {
    let mut problems = Vec::new();
    for kind in ORDER {
        match make_kind(kind, wanted, state) {
            Ok(made) => return Ok((kind, made)),
            Err(failure) => {
                let problem = KindProblem { kind, failure };
                tracing::debug!("no RAM disk of kind {}: {problem}", kind.name());
                problems.push(problem);
            }
        }
    }
    Err(not_offered(RamdiskKind::Auto, problems))
}

fn not_offered(kind: RamdiskKind, problems: Vec<KindProblem>) -> Refusal {
    RamdiskRefusal::Kind { kind, problems }.into()
}

fn too_large(size: u64, shortage: MemoryShortage) -> Refusal {
    RamdiskRefusal::Memory { needed: ByteSize(size), shortage }.into()
}

/// Checks the available memory: running out of it would kill processes.
fn check_memory(size: u64) -> Result<(), Refusal> {
    match memory_available() {
        Some(available) if size > available / 10 * 9 => {
            Err(too_large(size, MemoryShortage::Available(ByteSize(available))))
        }
        _ => Ok(()),
    }
}

/// Removes the disk of a record. It is an error if the disk is still in use, but not if it is gone or has been
/// replaced.
fn take_down(record: &Record, times: u32) -> io::Result<()> {
    let mut left = times.max(1);
    loop {
        let outcome = match record.kind.as_str() {
            "zram" => zram::take_down(record),
            "loop" => loops::take_down(record),
            "brd" => brd::take_down(record),
            "null_blk" => null_blk::take_down(record),
            // A record of a newer release.
            _ => Ok(()),
        };
        left -= 1;
        match outcome {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && left > 0 => thread::sleep(RETRY_DELAY),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
    }
}

/// Removes RAM disks left behind by crashed agents. Called once at an agent's start.
pub(super) fn sweep(state: &State) {
    let outcome = state.sweep(|record| {
        if record.identity.is_empty() {
            // Before Linux 5.15, disks of the same name cannot be distinguished.
            tracing::warn!(
                device = record.device,
                "a RAM disk may be left over from a crashed agent; check and remove it"
            );
            return false;
        }
        let outcome = take_down(record, 2);
        match &outcome {
            Ok(()) => {
                tracing::info!(device = record.device, "removed a RAM disk left over from a crashed agent")
            }
            Err(error) => {
                tracing::warn!(device = record.device, "cannot remove a leftover RAM disk: {error}")
            }
        }
        outcome.is_ok()
    });
    if let Err(error) = outcome {
        tracing::warn!("cannot check for leftover RAM disks: {error}");
    }
}

/// Opens a block device exclusively.
fn open_exclusively(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    let mut left = RETRIES;
    loop {
        match open(path, flags, Mode::empty()) {
            Ok(file) => return Ok(file),
            // Another process such as udev is examining it, or its node in /dev does not exist yet.
            Err(Errno::BUSY | Errno::NOENT) if left > 0 => {
                left -= 1;
                thread::sleep(RETRY_DELAY);
            }
            Err(errno) => return Err(io::Error::other(format!("{}: {}", path.display(), os_error(errno)))),
        }
    }
}

/// The sequence number of a disk, which is unique until the next boot.
fn disk_sequence(name: &str) -> Option<String> {
    fs::read_to_string(sys_block(name).join("diskseq")).ok().map(|text| text.trim().to_owned())
}

fn sys_block(name: &str) -> PathBuf {
    Path::new("/sys/block").join(name)
}
