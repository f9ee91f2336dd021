//! Loop devices over named files, for tests. They are removed even if a test fails.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::FileExt,
    },
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use proto::facts::FileSystem;
use rustix::{
    fs::{Mode, OFlags, open},
    mount::{MountFlags, UnmountFlags, mount, unmount},
};
use tempfile::TempDir;

use super::{facts, ramdisk::loops};

/// LO_FLAGS_PARTSCAN and LO_FLAGS_AUTOCLEAR; the latter cleans up after killed tests too.
const FLAGS: u32 = 8 | 4;

static DEVICES: Mutex<()> = Mutex::new(());

/// Serialises tests that use devices of the host. `None`, with a message, without root.
pub(super) fn devices() -> Option<MutexGuard<'static, ()>> {
    if !rustix::process::geteuid().is_root() {
        crate::skip::skip("block devices need root");
        return None;
    }
    Some(DEVICES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// An unnamed file without holes on a disk. `None`, with a message, where the source directory and the directory for
/// temporary files are in memory or not writable, as the first is for another user.
pub(super) fn file_on_disk(size: u64) -> Option<File> {
    let places = [PathBuf::from(env!("CARGO_MANIFEST_DIR")), std::env::temp_dir()];
    let found = places.iter().find_map(|dir| {
        let file = tempfile::tempfile_in(dir).ok()?;
        file.write_all_at(&vec![7; size as usize], 0).unwrap();
        file.sync_all().unwrap();
        let storage = facts::describe(&file);
        // A file system in memory has nothing but its cache, and ZFS has one of its own.
        (storage.memory.is_none() && storage.file_system != FileSystem::Zfs).then_some(file)
    });
    if found.is_none() {
        crate::skip::skip(
            "neither the source directory nor the one for temporary files is a writable one on a disk",
        );
    }
    found
}

/// A loop device of 16 MiB over a file, whose path is the device's identity.
pub(super) struct Loop {
    pub path: PathBuf,
    /// Path of the file, which sysfs reports as identity.
    pub serial: String,
    _keep: OwnedFd,
    _dir: TempDir,
}

pub(super) const SIZE: u64 = 16 << 20;

impl Loop {
    /// Creates a device with the given contents at their offsets; the rest is a pattern without zeros.
    pub fn new(content: &[(u64, &[u8])]) -> Self {
        Self::of(SIZE, content)
    }

    fn of(size: u64, content: &[(u64, &[u8])]) -> Self {
        let dir = TempDir::new_in("/dev/shm").unwrap();
        let name = dir.path().join("disk");
        fs::write(&name, vec![0xA5; size as usize]).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&name).unwrap();
        for (offset, bytes) in content {
            file.write_all_at(bytes, *offset).unwrap();
        }
        Self::over(&file, &name, dir)
    }

    /// Creates a device with a btrfs file system; `None`, with a message, if that fails.
    pub fn btrfs() -> Option<Self> {
        let device = Self::of(160 << 20, &[]);
        make("mkfs.btrfs", "-qf", &device.path).then_some(device)
    }

    fn over(file: &File, name: &Path, dir: TempDir) -> Self {
        let noted = |name: &str, _: &str| Ok::<_, io::Error>(name.to_owned());
        let (claimed, device) = loops::attach(file.as_fd(), FLAGS, noted, |_| ()).unwrap();
        let path = Path::new("/dev").join(device);
        let keep = open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        drop(claimed);
        Self { path, serial: name.to_str().unwrap().to_owned(), _keep: keep, _dir: dir }
    }

    /// Creates a device with an ext4 file system; `None`, with a message, if that fails.
    pub fn ext4() -> Option<Self> {
        let device = Self::new(&[]);
        make_ext4(&device.path).then_some(device)
    }

    /// Creates a device with one partition of 8 MiB at 1 MiB. Returns the device and the partition's path.
    pub fn with_partition() -> (Self, PathBuf) {
        let mut table = [0u8; 512];
        // Type 83, from sector 2048 on, 16384 sectors.
        table[446 + 4] = 0x83;
        table[446 + 8..446 + 12].copy_from_slice(&2048u32.to_le_bytes());
        table[446 + 12..446 + 16].copy_from_slice(&16384u32.to_le_bytes());
        table[510..].copy_from_slice(&[0x55, 0xAA]);
        let device = Self::new(&[(0, &table)]);
        let partition = PathBuf::from(format!("{}p1", device.path.display()));
        if !partition.exists() {
            add_partition(&device.path);
        }
        wait_for(|| partition.exists());
        (device, partition)
    }
}

/// `struct blkpg_partition` and `struct blkpg_ioctl_arg` of <linux/blkpg.h>.
#[repr(C)]
struct Partition {
    start: i64,
    length: i64,
    number: i32,
    names: [u8; 128],
}

#[repr(C)]
struct PartitionArg {
    op: i32,
    flags: i32,
    len: i32,
    data: *mut Partition,
}

/// Adds the partition explicitly: not every kernel can read the partition table.
fn add_partition(device: &Path) {
    const BLKPG: u32 = 0x1269;
    const ADD: i32 = 1;
    let file = File::open(device).unwrap();
    let mut partition = Partition { start: 1 << 20, length: 8 << 20, number: 1, names: [0; 128] };
    let len = i32::try_from(size_of::<Partition>()).unwrap();
    let arg = PartitionArg { op: ADD, flags: 0, len, data: &raw mut partition };
    // SAFETY: BLKPG reads `arg` and, through it, one partition; both outlive the call, and the device belongs to this
    // test.
    if unsafe { libc::ioctl(file.as_raw_fd(), BLKPG as _, &raw const arg) } != 0 {
        eprintln!("cannot add the partition: {}", io::Error::last_os_error());
    }
}

pub(super) fn make_ext4(device: &Path) -> bool {
    make("mkfs.ext4", "-qF", device)
}

fn make(program: &str, options: &str, device: &Path) -> bool {
    let made = std::process::Command::new(program).arg(options).arg(device).status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        crate::skip::skip(&format!("{program} does not work on this host"));
    }
    made
}

/// Waits up to 3 s for a condition.
pub(super) fn wait_for(mut done: impl FnMut() -> bool) -> bool {
    (0..100).any(|_| {
        done() || {
            thread::sleep(Duration::from_millis(30));
            false
        }
    })
}

/// A mounted file system, unmounted when dropped.
pub(super) struct Mounted {
    pub dir: TempDir,
}

impl Mounted {
    pub fn new(device: &Path) -> Self {
        Self::of(device, "ext4").unwrap()
    }

    /// Mounts a file system; `None`, with a message, if the kernel does not have it.
    pub fn of(device: &Path, kind: &str) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        if let Err(errno) = mount(device, dir.path(), kind, MountFlags::empty(), c"") {
            crate::skip::skip(&format!("no {kind}: {errno}"));
            return None;
        }
        Some(Self { dir })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(self.dir.path(), UnmountFlags::DETACH);
    }
}
