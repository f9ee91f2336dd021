//! An unnamed file on a tmpfs: on a detached private mount, which disappears with its last descriptor, or on /dev/shm
//! if mounting is not permitted.

use std::os::fd::{AsFd, OwnedFd};

use proto::{
    refusal::{KindFailure, RamdiskStep},
    units::ByteSize,
};
use rustix::{
    fs::{FallocateFlags, Mode, OFlags, fallocate, fstatfs, openat},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    },
};

use super::{Made, failed};

const TMPFS_MAGIC: u32 = 0x0102_1994;

pub(super) fn make(size: u64) -> Result<Made, KindFailure> {
    let (file, place) = file(size)?;
    Ok(Made { file, facts: vec![("ramdisk_on", place.to_owned())], asynchronous: false, record: None })
}

/// Creates a file of `size` bytes with allocated memory. Returns it and its location.
pub(super) fn file(size: u64) -> Result<(OwnedFd, &'static str), KindFailure> {
    let (file, place) = match own(size) {
        Ok(file) => (file, "a private tmpfs"),
        Err(_) => (
            shared()
                .map_err(|errno| failed(RamdiskStep::CreateFile("/dev/shm".to_owned()), &errno.into()))?,
            "/dev/shm",
        ),
    };
    let is_tmpfs = fstatfs(&file).is_ok_and(|fs| fs.f_type as u32 == TMPFS_MAGIC);
    if !is_tmpfs {
        return Err(KindFailure::NotTmpfs { place: place.to_owned() });
    }
    fallocate(&file, FallocateFlags::empty(), 0, size).map_err(|errno| {
        let step = RamdiskStep::Reserve { size: ByteSize(size), place: place.to_owned() };
        failed(step, &errno.into())
    })?;
    Ok((file, place))
}

fn own(size: u64) -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // Slightly larger than the file, because the file system uses some space itself.
    fsconfig_set_string(context.as_fd(), "size", (size + (1 << 20)).to_string())?;
    fsconfig_set_string(context.as_fd(), "mode", "0700")?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let root = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    nameless(&root, ".")
}

fn shared() -> Result<OwnedFd, Errno> {
    nameless(rustix::fs::CWD, "/dev/shm")
}

fn nameless(dir: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    openat(dir, path, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
}
