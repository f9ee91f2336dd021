//! A block device as a target: claimed by its identity, never by its name alone. Names such as /dev/sdb can change
//! between boots, and a scenario from the network alone must not decide which device is written.
//!
//! Before a device is opened, the host's allow list ([`allow`]), the scenario's serial number and the identity reported
//! by the kernel (`identity`) must agree. The device must not be mounted, swap or part of another device (`in_use`)
//! and, for writes, must not contain a file system or a partition table (`signature`).
//!
//! The device is then opened with O_EXCL, which claims it in the kernel: file systems, swap, RAID, LVM and every other
//! opener with O_EXCL are excluded from the whole disk and its partitions while the descriptor is open. The claim is
//! held during the lease. It belongs to that one open file: opening the device again *without* O_EXCL, as each worker
//! does, works, and with O_EXCL fails with EBUSY even in the process that holds the claim.

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
use super::{descriptor, failed, os_error, proc_path};

/// Mount point of sysfs.
pub(super) const SYS: &str = "/sys";
const PROC: &str = "/proc";
/// Number of blocks that are sampled to detect a device that was never written.
const SAMPLES: u64 = 64;
const SAMPLE_LEN: usize = 4096;
/// Time to wait for an earlier claim to end. A worker with its own descriptor table has a copy of the claim, which the
/// kernel closes shortly after the worker has been joined.
const CLAIM_TIMEOUT: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(5);

/// A device claimed for this lease.
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
    /// Whether this claim can be used for a trial on that device.
    pub fn serves(&self, wanted: &DeviceTarget, writes: bool) -> bool {
        self.path == wanted.path && self.serial == wanted.serial && self.writes == writes
    }
}

/// Checks the consent to overwrite the device. Every trial that writes needs it, even if the device is already claimed.
pub(super) fn check_consent(wanted: &DeviceTarget, writes: bool) -> Result<(), Refusal> {
    if writes && wanted.destroy.as_deref() != Some(wanted.serial.as_str()) {
        let DeviceTarget { path, serial, destroy: consent, .. } = wanted.clone();
        return Err(DeviceRefusal::Destroy { path, serial, consent }.into());
    }
    Ok(())
}

/// Claims a device, or refuses with the rule that forbids it.
pub(super) fn claim(
    wanted: &DeviceTarget,
    writes: bool,
    block_size: u64,
    list: &AllowList,
) -> Result<Claim, Refusal> {
    check_consent(wanted, writes)?;
    let path = wanted.path.as_str();
    if list.is_empty() {
        // Without an allow list, do not reveal which devices exist.
        return Err(not_allowed(path, &wanted.serial));
    }
    // What exists at a path that is not in the list is not revealed either.
    let listed = list.names(path);
    let unless_listed = |refusal| if listed { refusal } else { not_allowed(path, &wanted.serial) };
    // O_PATH does not open the device, so checking the wrong path, such as a tape drive, has no side effects.
    let place = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| unless_listed(open_failed(path, errno)))?;
    let stat = fstat(&place).map_err(|errno| unless_listed(open_failed(path, errno)))?;
    if !FileType::from_raw_mode(stat.st_mode).is_block_device() {
        return Err(unless_listed(DeviceRefusal::NotADevice { path: path.to_owned() }.into()));
    }
    let number = (major(stat.st_rdev), minor(stat.st_rdev));
    let sys = Path::new(SYS);
    let allowed = list.find(path, number).ok_or_else(|| not_allowed(path, &wanted.serial))?;
    let node = Node::find(sys, number).map_err(|error| failed_to_look(path, &error))?;
    let found = identity::check(&node, path, &wanted.serial, &allowed)?;
    let look = || in_use::check(sys, Path::new(PROC), &node).map_err(Refusal::from);
    look()?;

    let access = if writes { OFlags::RDWR } else { OFlags::RDONLY };
    let flags = access | OFlags::EXCL | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = patiently(|| open(proc_path(place.as_fd()), flags, Mode::empty()))
        .map_err(|errno| open_failed(path, errno))?;
    // The device's use may have changed between the check and the claim; from now on it cannot.
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

/// Retries for up to [`CLAIM_TIMEOUT`] while the device is claimed.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(Errno::BUSY) if begun.elapsed() < CLAIM_TIMEOUT => thread::sleep(STEP),
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

/// The number of sampled blocks that contain only zeros, if they are the majority.
fn blank(file: &OwnedFd, size: u64) -> Option<u64> {
    // A separate file description, so the claim is not affected.
    let reader = descriptor::reopen(file.as_fd(), OFlags::RDONLY).ok()?;
    let step = (size / SAMPLES / SAMPLE_LEN as u64).max(1) * SAMPLE_LEN as u64;
    let mut block = [0u8; SAMPLE_LEN];
    let zeros = (0..SAMPLES).filter(|index| {
        let read = pread(&reader, &mut block, (index * step) % size.max(1)).unwrap_or(0);
        read > 0 && block[..read].iter().all(|&byte| byte == 0)
    });
    let zeros = zeros.count() as u64;
    (zeros > SAMPLES / 2).then_some(zeros)
}
