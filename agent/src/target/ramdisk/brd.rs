//! brd: the disks /dev/ram0 and up, created when the module is loaded. They belong to the host, so one is used only if
//! the scenario has `kind: brd`, the disk is not in use, and it is blank.

use std::{
    fs, io,
    num::NonZeroU64,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::Path,
};

use proto::{
    refusal::{BrdDisk, KindFailure, RamdiskStep},
    units::ByteSize,
};
use rustix::{fs::Advice, io::pread};

use super::{
    Made, disk_sequence, failed,
    state::{Owner, Record, State},
    sys_block,
};

// <linux/fs.h>
const BLKDISCARD: u32 = 0x1277;
const BLKFLSBUF: u32 = 0x1261;

/// Size of one read when checking that a disk is blank, in bytes.
const LOOK: usize = 1 << 20;

pub(super) fn make(size: u64, state: &State) -> Result<Made, KindFailure> {
    let mut last = BrdDisk::None;
    for number in 0.. {
        let name = format!("ram{number}");
        let Ok(sectors) = fs::read_to_string(sys_block(&name).join("size")) else { break };
        let len = sectors.trim().parse::<u64>().unwrap_or(0) << 9;
        if len < size {
            last = BrdDisk::TooSmall { name, size: ByteSize(len) };
            continue;
        }
        let path = Path::new("/dev").join(&name);
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::EXCL | rustix::fs::OFlags::CLOEXEC;
        let file = match rustix::fs::open(&path, flags, rustix::fs::Mode::empty()) {
            Ok(file) => file,
            Err(errno) => {
                last = BrdDisk::Claimed { name, error: super::os_error(errno) };
                continue;
            }
        };
        if !blank(file.as_fd(), len) {
            last = BrdDisk::NotBlank { name };
            continue;
        }
        let record = Record {
            kind: "brd".to_owned(),
            identity: disk_sequence(&name).unwrap_or_default(),
            device: name,
            size,
            owner: Owner::this().map_err(|error| failed(RamdiskStep::IdentifyProcess, &error))?,
        };
        state.add(&record).map_err(|error| failed(RamdiskStep::Record, &error))?;
        return Ok(Made { file, facts: Vec::new(), asynchronous: false, record: Some(record) });
    }
    Err(KindFailure::NoBrdDisk { needed: ByteSize(size), last })
}

/// Whether the disk contains only zeros. All of it is read, because any data would be destroyed; reading memory is
/// fast.
fn blank(fd: BorrowedFd<'_>, len: u64) -> bool {
    let mut bytes = vec![0u8; LOOK];
    let blank = (0..len).step_by(LOOK).all(|offset| {
        let whole = (len - offset).min(LOOK as u64);
        let blank = pread(fd, &mut bytes[..], offset)
            .is_ok_and(|read| read as u64 >= whole && bytes[..read].iter().all(|&byte| byte == 0));
        // Otherwise the page cache would hold a second copy.
        let _ = rustix::fs::fadvise(fd, offset, NonZeroU64::new(whole), Advice::DontNeed);
        blank
    });
    blank && len > 0
}

/// Frees the memory; the disk itself stays.
pub(super) fn take_down(record: &Record) -> io::Result<()> {
    if disk_sequence(&record.device).unwrap_or_default() != record.identity {
        return Ok(());
    }
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::EXCL | rustix::fs::OFlags::CLOEXEC;
    let path = Path::new("/dev").join(&record.device);
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    let range = [0u64, record.size];
    // SAFETY: BLKDISCARD reads two u64, offset and length, which `range` is; the descriptor is open and exclusive, and
    // the range was written by an agent.
    if unsafe { libc::ioctl(file.as_raw_fd(), BLKDISCARD as _, range.as_ptr()) } == 0 {
        return Ok(());
    }
    // A brd without discard frees all of its pages on BLKFLSBUF.
    // SAFETY: BLKFLSBUF takes no argument; the descriptor is open.
    match unsafe { libc::ioctl(file.as_raw_fd(), BLKFLSBUF as _, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn a_single_nonzero_byte_is_not_blank() {
        let disk = tempfile::tempfile().unwrap();
        let len = 5 * LOOK as u64 + 512;
        disk.set_len(len).unwrap();
        assert!(blank(disk.as_fd(), len));
        assert!(!blank(disk.as_fd(), len + 1), "an unreadable disk is not blank");
        for at in [LOOK as u64 + 7, len - 1] {
            disk.write_all_at(&[1], at).unwrap();
            assert!(!blank(disk.as_fd(), len), "{at}");
            disk.write_all_at(&[0], at).unwrap();
        }
        assert!(blank(disk.as_fd(), len) && !blank(disk.as_fd(), 0));
    }
}
