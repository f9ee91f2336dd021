//! RAM disks: made from what the kernel offers, filled, and taken down again, after a crash too ([`state`]).
//!
//! | kind | how it serves a request | what to know of it |
//! |---|---|---|
//! | `null_blk` | asynchronous, multi-queue; can be polled, can take a set time | keeps contents if `memory_backed` |
//! | `loop` | asynchronous: a thread of the kernel reads a file on a tmpfs | that thread's hand-over is most of the time |
//! | `zram` | synchronous: within the submitting call | compresses; filled with data that does not compress |
//! | `brd` | synchronous | its disks belong to the host: used only if asked for, and only a blank one |
//! | `tmpfs` | synchronous, and no block layer at all | the only one for those who are not root |
//!
//! `auto` takes the first that can be made of null_blk, loop, zram, tmpfs: what is asynchronous comes first,
//! since on a synchronous one a queue cannot help and io_uring has nothing to show; after that a block device
//! comes before a file.

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

/// What `auto` tries, in this order.
const ORDER: [RamdiskKind; 4] =
    [RamdiskKind::NullBlk, RamdiskKind::Loop, RamdiskKind::Zram, RamdiskKind::Tmpfs];
/// How long a disk may stay busy after its last user has closed it: rings are torn down in the background, and
/// udev looks at what has changed.
const PATIENCE: Duration = Duration::from_millis(50);
const PATIENCE_TIMES: u32 = 60;

/// What a kind makes.
struct Made {
    /// Open for reading and writing; a block device with O_EXCL, so that nobody else takes it.
    file: OwnedFd,
    facts: Vec<(&'static str, String)>,
    asynchronous: bool,
    /// How to take it down; nothing for what vanishes with its last descriptor.
    record: Option<Record>,
}

/// A RAM disk; dropped, it is taken down.
#[derive(Debug)]
pub(super) struct Disk {
    file: Option<Arc<OwnedFd>>,
    wanted: RamdiskTarget,
    /// What it is made from, and the particulars of its kind.
    pub facts: TargetFacts,
    record: Option<Record>,
    state: State,
}

impl Disk {
    /// Whether it serves another trial as well.
    pub fn serves(&self, wanted: &RamdiskTarget) -> bool {
        RamdiskTarget { direct: wanted.direct, ..self.wanted.clone() } == *wanted
    }

    /// The disk, opened.
    pub fn file(&self) -> Option<Arc<OwnedFd>> {
        self.file.clone()
    }

    /// The name of what it is made from.
    pub fn kind(&self) -> &'static str {
        self.facts.ramdisk.unwrap_or(self.wanted.kind).name()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The last descriptor first: what is open is busy.
        self.file = None;
        if let Some(record) = &self.record {
            match take_down(record, PATIENCE_TIMES) {
                Ok(()) => self.state.remove(record),
                // The record stays: the agent's next start tries again.
                Err(error) => tracing::warn!(device = record.device, "a RAM disk stays behind: {error}"),
            }
        }
    }
}

/// Makes and fills a RAM disk.
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
    // From here on, whatever fails, dropping it takes it down.
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

/// A step of making a kind that the system refused.
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

/// Running out of memory ends processes, not only trials.
fn check_memory(size: u64) -> Result<(), Refusal> {
    match memory_available() {
        Some(available) if size > available / 10 * 9 => {
            Err(too_large(size, MemoryShortage::Available(ByteSize(available))))
        }
        _ => Ok(()),
    }
}

/// Takes a disk down as its record says. It is an error that it is still in use; that it is gone, or is
/// another's by now, is none.
fn take_down(record: &Record, times: u32) -> io::Result<()> {
    let mut left = times.max(1);
    loop {
        let outcome = match record.kind.as_str() {
            "zram" => zram::take_down(record),
            "loop" => loops::take_down(record),
            "brd" => brd::take_down(record),
            "null_blk" => null_blk::take_down(record),
            // Of a newer release: left to it.
            _ => Ok(()),
        };
        left -= 1;
        match outcome {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && left > 0 => thread::sleep(PATIENCE),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
    }
}

/// Takes down what agents have left behind that ended without doing so. Called once at an agent's start.
pub(super) fn sweep(state: &State) {
    let outcome = state.sweep(|record| {
        if record.identity.is_empty() {
            // A kernel before 5.15 does not tell disks of one name apart: no guess is good enough.
            tracing::warn!(device = record.device, "a RAM disk may be left behind; look, and take it down");
            return false;
        }
        let outcome = take_down(record, 2);
        match &outcome {
            Ok(()) => tracing::info!(device = record.device, "took down a RAM disk that was left behind"),
            Err(error) => tracing::warn!(device = record.device, "a RAM disk is still there: {error}"),
        }
        outcome.is_ok()
    });
    if let Err(error) = outcome {
        tracing::warn!("cannot look for RAM disks left behind: {error}");
    }
}

/// Opens a block device for this agent alone.
fn open_exclusively(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    let mut left = PATIENCE_TIMES;
    loop {
        match open(path, flags, Mode::empty()) {
            Ok(file) => return Ok(file),
            // Somebody looks at what is new, or its node in /dev is not there yet.
            Err(Errno::BUSY | Errno::NOENT) if left > 0 => {
                left -= 1;
                thread::sleep(PATIENCE);
            }
            Err(errno) => return Err(io::Error::other(format!("{}: {}", path.display(), os_error(errno)))),
        }
    }
}

/// The number that the kernel gives a disk once and never again until the next boot.
fn disk_sequence(name: &str) -> Option<String> {
    fs::read_to_string(sys_block(name).join("diskseq")).ok().map(|text| text.trim().to_owned())
}

fn sys_block(name: &str) -> PathBuf {
    Path::new("/sys/block").join(name)
}
