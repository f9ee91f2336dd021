//! A loop device over an unnamed file on a tmpfs. It is cleared automatically when its last descriptor is closed, even
//! after a crash of the agent. The record covers the case that another process has it open at that time.

use std::{
    fs, io,
    mem::size_of,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use proto::refusal::{KindFailure, RamdiskStep};
use rustix::fs::{Mode, OFlags, open};

use super::{
    Made, failed,
    state::{Owner, Record, State},
    sys_block, tmpfs,
};

const CONTROL: &str = "/dev/loop-control";
/// Number of attempts: another process may take the free device first.
const ATTEMPTS: u32 = 32;

// <linux/loop.h>
const LOOP_CLR_FD: u32 = 0x4C01;
const LOOP_GET_STATUS64: u32 = 0x4C05;
const LOOP_CONFIGURE: u32 = 0x4C0A;
const LOOP_CTL_GET_FREE: u32 = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopInfo>() == 232 && size_of::<LoopConfig>() == 304);

impl LoopInfo {
    fn new(flags: u32, name: &str) -> Self {
        let mut file_name = [0; 64];
        // The kernel requires a NUL at the end.
        for (to, from) in file_name.iter_mut().zip(name.bytes()).take(63) {
            *to = from;
        }
        Self {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags,
            file_name,
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        }
    }
}

pub(super) fn make(size: u64, state: &State) -> Result<Made, KindFailure> {
    if !Path::new(CONTROL).exists() {
        return Err(KindFailure::NotOffered { path: CONTROL.to_owned() });
    }
    let (backing, place) = tmpfs::file(size)?;
    let owner = Owner::this().map_err(|error| failed(RamdiskStep::IdentifyProcess, &error))?;
    let (device, record) = attach(
        backing.as_fd(),
        LO_FLAGS_AUTOCLEAR,
        |name, identity| {
            let record = Record {
                kind: "loop".to_owned(),
                device: name.to_owned(),
                identity: identity.to_owned(),
                size,
                owner: owner.clone(),
            };
            state.add(&record).map(|()| record)
        },
        |record| state.remove(record),
    )
    .map_err(|error| failed(RamdiskStep::SetUpLoop, &error))?;
    let dio = fs::read_to_string(sys_block(&record.device).join("loop/dio"));
    let facts = vec![
        ("ramdisk_on", place.to_owned()),
        ("loop_direct", super::super::yes_no(dio.is_ok_and(|text| text.trim() == "1"))),
    ];
    Ok(Made { file: device, facts, asynchronous: true, record: Some(record) })
}

/// Attaches a free loop device to a file. `note` receives the device and its identity beforehand; `undo` reverts `note`
/// if attaching fails.
pub(in crate::target) fn attach<N>(
    backing: BorrowedFd<'_>,
    flags: u32,
    note: impl Fn(&str, &str) -> io::Result<N>,
    undo: impl Fn(&N),
) -> io::Result<(OwnedFd, N)> {
    let control = open(CONTROL, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let mut last = io::Error::from_raw_os_error(libc::EBUSY);
    for attempt in 0..ATTEMPTS {
        // SAFETY: LOOP_CTL_GET_FREE takes no argument; the descriptor is open.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let name = format!("loop{number}");
        let path = Path::new("/dev").join(&name);
        let device = match open(&path, OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()) {
            Ok(device) => device,
            Err(errno) => {
                last = io::Error::other(format!("{}: {}", path.display(), super::os_error(errno)));
                std::thread::sleep(super::RETRY_DELAY / 10);
                continue;
            }
        };
        let identity = format!("ringbench-{}-{number}-{attempt}-{:x}", std::process::id(), random());
        let noted = note(&name, &identity)?;
        let config = LoopConfig {
            fd: backing.as_raw_fd().unsigned_abs(),
            block_size: 0,
            info: LoopInfo::new(flags | LO_FLAGS_DIRECT_IO, &identity),
            reserved: [0; 8],
        };
        // SAFETY: LOOP_CONFIGURE reads one `struct loop_config`, which `config` is laid out as; both
        // descriptors are open for the call, and the kernel takes its own reference to the file.
        if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) } == 0 {
            return Ok((device, noted));
        }
        last = io::Error::last_os_error();
        undo(&noted);
        if last.raw_os_error() != Some(libc::EBUSY) {
            break;
        }
    }
    Err(last)
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

pub(super) fn take_down(record: &Record) -> io::Result<()> {
    let backing: PathBuf = sys_block(&record.device).join("loop/backing_file");
    if !backing.exists() {
        return Ok(());
    }
    let device = open(Path::new("/dev").join(&record.device), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let mut info = LoopInfo::new(0, "");
    // SAFETY: LOOP_GET_STATUS64 writes one `struct loop_info64`, which `info` is laid out as.
    if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64 as _, &raw mut info) } < 0 {
        let error = io::Error::last_os_error();
        // The device is no longer bound to a file.
        return if error.raw_os_error() == Some(libc::ENXIO) { Ok(()) } else { Err(error) };
    }
    if LoopInfo::new(0, &record.identity).file_name != info.file_name {
        return Ok(());
    }
    // SAFETY: LOOP_CLR_FD takes no argument; the descriptor is open. If others have it open too, it is cleared when
    // they close it.
    if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CLR_FD as _) } < 0 {
        return Err(io::Error::last_os_error());
    }
    drop(device);
    if backing.exists() { Err(io::Error::from_raw_os_error(libc::EBUSY)) } else { Ok(()) }
}
