//! A block device as a target: claimed by its identity, never by its name alone. Names such as /dev/sdb move
//! between boots; a scenario that came over the network must not decide on its own what is written.
//!
//! What must agree before a device is opened: the host's own list ([`allow`]), the scenario's serial, and what
//! the kernel says that the device is (`identity`). What must not be: mounted, swap, part of something else
//! (`in_use`), or, for writes, bear a file system or a partition table (`signature`).
//!
//! The device is then opened with O_EXCL, which is the kernel's own claim: file systems, swap, RAID, LVM and
//! every other opener with O_EXCL are kept away, on the whole disk and its partitions, for as long as the
//! descriptor is open. It is held for the lease. The claim belongs to that one open file: opening the device
//! once more *without* O_EXCL, as each worker does, goes well beside it, and with O_EXCL fails with EBUSY even
//! in the process that holds the claim.

pub mod allow;
pub(super) mod generic;
mod identity;
mod in_use;
mod signature;
#[cfg(test)]
mod tests;

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use proto::{
    facts::TargetFacts,
    refusal::{DeviceRefusal, HeldBy, IdentityFailure, Refusal, TargetRefusal, TargetStep},
    trial::DeviceTarget,
    warning::{TargetWarning, Warning},
};
use rustix::{
    fs::{FileType, Mode, OFlags, SeekFrom, fstat, major, minor, open, seek},
    io::{Errno, pread},
};

use self::{allow::AllowList, identity::Node};
use super::{direct, failed, os_error, proc_path};

/// Where the kernel tells of devices.
pub(super) const SYS: &str = "/sys";
const PROC: &str = "/proc";
/// Blocks that are looked at to tell whether a device was ever written.
const SAMPLES: u64 = 64;
const SAMPLE_LEN: usize = 4096;
/// How long a claim that stands in the way may take to go. A lone worker has a table of descriptors of its own, with a
/// copy of the claim that it ran under; the kernel closes that a moment after the worker was joined.
const PATIENCE: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(5);

/// A device that is this lease's alone.
#[derive(Debug)]
pub(super) struct Claim {
    /// Opened with O_EXCL; writable if it was claimed for writes.
    pub file: Arc<OwnedFd>,
    /// In bytes.
    pub size: u64,
    pub facts: TargetFacts,
    pub warnings: Vec<Warning>,
    path: String,
    serial: String,
    writes: bool,
}

impl Claim {
    /// Whether this claim serves a trial that asks for that device.
    pub fn serves(&self, wanted: &DeviceTarget, writes: bool) -> bool {
        self.path == wanted.path && self.serial == wanted.serial && self.writes == writes
    }
}

/// Consent to destroy: each trial that writes is asked for it, even where the claim stands already.
pub(super) fn check_consent(wanted: &DeviceTarget, writes: bool) -> Result<(), Refusal> {
    if writes && wanted.destroy.as_deref() != Some(wanted.serial.as_str()) {
        let DeviceTarget { path, serial, destroy: consent, .. } = wanted.clone();
        return Err(DeviceRefusal::Destroy { path, serial, consent }.into());
    }
    Ok(())
}

/// Claims a device, or says which rule forbids it.
pub(super) fn claim(
    wanted: &DeviceTarget,
    writes: bool,
    block_size: u64,
    list: &AllowList,
) -> Result<Claim, Refusal> {
    check_consent(wanted, writes)?;
    let path = wanted.path.as_str();
    if list.is_empty() {
        // Whoever may use no device need not learn which ones there are.
        return Err(not_allowed(path, &wanted.serial));
    }
    // O_PATH opens nothing of the device: looking at a tape or a tray by mistake does nothing to it.
    let place = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| open_failed(path, errno))?;
    let stat = fstat(&place).map_err(|errno| open_failed(path, errno))?;
    if !FileType::from_raw_mode(stat.st_mode).is_block_device() {
        return Err(DeviceRefusal::NotADevice { path: path.to_owned() }.into());
    }
    let number = (major(stat.st_rdev), minor(stat.st_rdev));
    let sys = Path::new(SYS);
    let node = Node::find(sys, number).map_err(|error| failed_to_look(path, &error))?;
    let allowed = list.find(path, number).ok_or_else(|| not_allowed(path, &wanted.serial))?;
    let found = identity::check(&node, path, &wanted.serial, &allowed)?;
    let look = || in_use::check(sys, Path::new(PROC), &node).map_err(Refusal::from);
    look()?;

    let access = if writes { OFlags::RDWR } else { OFlags::RDONLY };
    let flags = access | OFlags::EXCL | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = patiently(|| open(proc_path(place.as_fd()), flags, Mode::empty()))
        .map_err(|errno| open_failed(path, errno))?;
    // Between looking and claiming somebody may have been faster; from now on nobody can.
    look()?;
    identity::check(&node, path, &wanted.serial, &allowed)?;

    let size =
        seek(&file, SeekFrom::End(0)).map_err(|errno| failed(TargetStep::Size(path.to_owned()), errno))?;
    if size < block_size {
        let path = path.to_owned();
        return Err(TargetRefusal::TargetTooSmall { path, device: true, size, block_size }.into());
    }
    let mut facts = TargetFacts::default();
    let mut warnings = Vec::new();
    facts.other.insert("identity".to_owned(), found);
    match signature::find(file.as_fd(), size)
        .map_err(|errno| failed(TargetStep::Read(path.to_owned()), errno))?
    {
        Some(what) if writes => return Err(signed(path, what)),
        Some(what) => _ = facts.other.insert("signature".to_owned(), what.to_owned()),
        None => _ = facts.other.insert("signature".to_owned(), "none".to_owned()),
    }
    if let Some(zeros) = blank(&file, size) {
        let path = path.to_owned();
        warnings.push(TargetWarning::BlankDevice { path, zeros, samples: SAMPLES }.into());
    }
    let (path, serial) = (wanted.path.clone(), wanted.serial.clone());
    Ok(Claim { file: Arc::new(file), size, facts, warnings, path, serial, writes })
}

/// Tries again for a while where a device is claimed.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(Errno::BUSY) if begun.elapsed() < PATIENCE => thread::sleep(STEP),
            done => return done,
        }
    }
}

fn not_allowed(path: &str, serial: &str) -> Refusal {
    DeviceRefusal::NotAllowed { path: path.to_owned(), serial: serial.to_owned() }.into()
}

fn signed(path: &str, signature: &str) -> Refusal {
    DeviceRefusal::Signature { path: path.to_owned(), signature: signature.to_owned() }.into()
}

fn failed_to_look(path: &str, error: &std::io::Error) -> Refusal {
    let failure = IdentityFailure::Unknown { error: error.into() };
    DeviceRefusal::Serial { path: path.to_owned(), failure }.into()
}

fn open_failed(path: &str, errno: Errno) -> Refusal {
    let (path, device, error) = (path.to_owned(), true, os_error(errno));
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::NODEV => {
            TargetRefusal::TargetMissing { path, device }.into()
        }
        Errno::BUSY => DeviceRefusal::Held { path, by: HeldBy::Claim }.into(),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            TargetRefusal::TargetPermission { path, device, error }.into()
        }
        _ => {
            let target_field = "target.device.path".to_owned();
            TargetRefusal::TargetFailed { step: TargetStep::Open(path), error, target_field }.into()
        }
    }
}

/// How many of the blocks looked at are nothing but zeros, where that is most of them.
fn blank(file: &OwnedFd, size: u64) -> Option<u64> {
    // A description of its own: the claim stays where it is.
    let reader = direct::reopen(file.as_fd(), OFlags::RDONLY).ok()?;
    let step = (size / SAMPLES / SAMPLE_LEN as u64).max(1) * SAMPLE_LEN as u64;
    let mut block = [0u8; SAMPLE_LEN];
    let zeros = (0..SAMPLES).filter(|index| {
        let read = pread(&reader, &mut block, (index * step) % size.max(1)).unwrap_or(0);
        read > 0 && block[..read].iter().all(|&byte| byte == 0)
    });
    let zeros = zeros.count() as u64;
    (zeros > SAMPLES / 2).then_some(zeros)
}
