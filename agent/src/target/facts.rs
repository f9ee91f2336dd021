//! The storage under a file: its file system, the device, and the settings of the device's queue. These facts describe
//! both a target and, in the fingerprint, the agent's data directory.

use std::{fs, os::fd::AsFd, path::Path};

use proto::facts::{Device, FileSystem, Scheduler, Setting, TargetFacts};
use rustix::fs::{AtFlags, StatxFlags, fstat, fstatfs, major, minor, statx};

/// The storage that a file is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// See [`describe`].
    pub facts: TargetFacts,
    /// The file system.
    pub file_system: FileSystem,
    /// The kind of memory that it is in, such as `tmpfs` or `zram0`; `None` if it is not in memory.
    pub memory: Option<String>,
}

/// Describes the storage that an open file or directory is on. Facts that cannot be determined are left out.
///
/// Facts: `file_system`, `device` (numbers and name), `disk` (the whole disk), and of the disk `model`, `scheduler`,
/// `nr_requests`, `rotational`, `io_poll`, `write_cache`, `read_ahead_kb`, `nomerges`, `rq_affinity`, `wbt_lat_usec`,
/// `logical_block_size`, `physical_block_size`, `max_sectors_kb`, `iostats`, `add_random`, `io_poll_delay`,
/// `queue_depth`, `hw_queues` (their number), `firmware`, and `disk_over` (the disks under a stacked device). For a
/// file also `mount_options`.
#[must_use]
pub fn describe(file: impl AsFd) -> Storage {
    let fd = file.as_fd();
    let mut facts = TargetFacts::default();
    let mut file_system = match fstatfs(fd) {
        Ok(fs) => FileSystem::named(&name_of(fs.f_type as u64)),
        Err(_) => FileSystem::named("unknown"),
    };
    let mut disk = None;
    if let Ok(stat) = fstat(fd) {
        // For a block device, the file system that contains its node is irrelevant.
        let is_block = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_block_device();
        if is_block {
            file_system = FileSystem::BlockDevice;
        }
        if !is_block && let Some(options) = mount_options(fd) {
            facts.other.insert("mount_options".to_owned(), options);
        }
        let number = if is_block { stat.st_rdev } else { stat.st_dev };
        let (mut major, mut minor) = (major(number), minor(number));
        // btrfs and similar file systems report a virtual device number; the mount's source is the real device.
        if major == 0
            && let Some(real) = mount_source_device(fd)
        {
            (major, minor) = real;
        }
        let sysfs = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok();
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let label = sysfs.as_deref().map(|device| name(device).unwrap_or_default());
        facts.device = Some(Device { major, minor, name: label });
        if let Some(device) = sysfs {
            let whole = if device.join("partition").exists() { device.parent() } else { None };
            let whole = whole.unwrap_or(&device);
            disk = name(whole);
            queue_facts(whole, &mut facts);
        }
    }
    if let Some(disk) = &disk {
        facts.other.insert("disk".to_owned(), disk.clone());
    }

    facts.file_system = Some(file_system.clone());
    let memory = if file_system.is_memory() {
        Some(file_system.to_string())
    } else {
        disk.filter(|disk| {
            ["zram", "ram"].iter().any(|kind| {
                disk.strip_prefix(kind).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
            })
        })
    };
    Storage { facts, file_system, memory }
}

/// The settings of a disk that affect the cost of I/O.
fn queue_facts(disk: &Path, facts: &mut TargetFacts) {
    let read = |name: &str| fs::read_to_string(disk.join(name)).ok().map(|text| text.trim().to_owned());
    for name in [
        "nr_requests",
        "rotational",
        "write_cache",
        "read_ahead_kb",
        "nomerges",
        "rq_affinity",
        "wbt_lat_usec",
        "logical_block_size",
        "physical_block_size",
        "max_sectors_kb",
        "iostats",
        "add_random",
        "io_poll_delay",
    ] {
        if let Some(value) = read(&format!("queue/{name}")) {
            facts.other.insert(name.to_owned(), value);
        }
    }
    facts.io_poll = read("queue/io_poll").map(|value| Setting(value == "1"));
    if let Some(line) = read("queue/scheduler") {
        facts.scheduler = Some(Scheduler::named(selected(&line)));
    }
    for (name, file) in [
        ("model", "device/model"),
        ("firmware", "device/firmware_rev"),
        ("queue_depth", "device/queue_depth"),
    ] {
        if let Some(value) = read(file) {
            facts.other.insert(name.to_owned(), value);
        }
    }
    if let Ok(queues) = fs::read_dir(disk.join("mq")) {
        facts.other.insert("hw_queues".to_owned(), queues.flatten().count().to_string());
    }
    if let Ok(entries) = fs::read_dir(disk.join("slaves")) {
        let mut below: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        below.sort();
        if !below.is_empty() {
            facts.other.insert("disk_over".to_owned(), below.join(" "));
        }
    }
}

/// The selected item of a list such as `none [mq-deadline] kyber`.
pub(crate) fn selected(line: &str) -> &str {
    line.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(line, |(chosen, _)| chosen)
}

/// The id of the mount that a file is on, and the table of all mounts.
fn mount_of(fd: impl AsFd) -> Option<(u64, String)> {
    let mount = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?.stx_mnt_id;
    Some((mount, fs::read_to_string("/proc/self/mountinfo").ok()?))
}

/// Options of the file's mount and of its file system, without paths and credentials.
fn mount_options(fd: impl AsFd) -> Option<String> {
    let (mount, table) = mount_of(fd)?;
    options_in(&table, mount)
}

/// The block device that is the source of the file's mount.
fn mount_source_device(fd: impl AsFd) -> Option<(u32, u32)> {
    let (mount, table) = mount_of(fd)?;
    let stat = rustix::fs::stat(source_in(&table, mount)?).ok()?;
    let is_block = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_block_device();
    is_block.then(|| (major(stat.st_rdev), minor(stat.st_rdev)))
}

/// The line of a mount in mountinfo.
fn line_of(table: &str, mount: u64) -> Option<&str> {
    table.lines().find(|line| {
        line.split(' ').next().and_then(|id| id.parse::<u64>().ok()).is_some_and(|id| id == mount)
    })
}

/// The source of a mount: in its line of mountinfo, the second word after the separator ` - `.
fn source_in(table: &str, mount: u64) -> Option<&str> {
    line_of(table, mount)?.split_once(" - ")?.1.split(' ').nth(1)
}

/// The options of a mount: the sixth word of its line, and the third after the separator ` - `. Options with `=/`
/// contain paths, which do not explain differences.
fn options_in(table: &str, mount: u64) -> Option<String> {
    let (of_mount, of_system) = line_of(table, mount)?.split_once(" - ")?;
    let words = [of_mount.split(' ').nth(5), of_system.split(' ').nth(2)];
    let all = words.into_iter().flatten().flat_map(|words| words.split(','));
    let mut kept: Vec<&str> = Vec::new();
    for option in all.filter(|option| !option.contains("=/") && !option.contains("pass")) {
        if !kept.contains(&option) {
            kept.push(option);
        }
    }
    Some(kept.join(","))
}

/// The name of a file system by its magic number in statfs.
fn name_of(magic: u64) -> String {
    // f_type is signed on some architectures; only its lower 32 bits are significant.
    let name = match magic as u32 {
        0xEF53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x0102_1994 => "tmpfs",
        0x8584_58F6 => "ramfs",
        0x9584_58F6 => "hugetlbfs",
        0x794C_7630 => "overlayfs",
        0x2FC1_2FC1 => "zfs",
        0x6969 => "nfs",
        0xFF53_4D42 | 0xFE53_4D42 => "cifs",
        0xF2F5_2010 => "f2fs",
        0xCA45_1A4E => "bcachefs",
        0x6573_5546 => "fuse",
        0x0102_1997 => "9p",
        0x4D44 => "vfat",
        0x2011_BAB0 => "exfat",
        0x7366_746E => "ntfs3",
        0x00C3_6400 => "ceph",
        0x9FA0 => "proc",
        0x6265_6572 => "sysfs",
        0x7371_7368 => "squashfs",
        0xE0F5_E1E2 => "erofs",
        0x0116_1970 => "gfs2",
        other => return format!("{other:#x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_systems_by_magic_number() {
        assert_eq!(name_of(0xEF53), "ext4");
        assert_eq!(name_of(0xFFFF_FFFF_9123_683E), "btrfs", "sign-extended");
        assert_eq!(name_of(0x1234), "0x1234");
    }

    #[test]
    fn finds_the_selected_scheduler() {
        assert_eq!(selected("none [mq-deadline] kyber"), "mq-deadline");
        assert_eq!(selected("none"), "none");
    }

    #[test]
    fn finds_source_and_options_of_a_mount() {
        let table = "22 27 0:21 / /proc rw - proc proc rw\n\
                     29 1 0:25 /@ / rw,noatime shared:1 - btrfs /dev/nvme0n1p2 rw,ssd\n";
        assert_eq!(source_in(table, 29), Some("/dev/nvme0n1p2"));
        assert_eq!(source_in(table, 2), None);
        assert_eq!(options_in(table, 29).as_deref(), Some("rw,noatime,ssd"));
        let overlay = "7 1 0:9 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,password=x,index=off\n";
        assert_eq!(options_in(overlay, 7).as_deref(), Some("rw,relatime,index=off"));
    }

    #[test]
    fn tmpfs_is_reported_as_memory() {
        let Ok(dir) = fs::File::open("/dev/shm") else {
            crate::skip::skip("no /dev/shm on this host");
            return;
        };
        let storage = describe(&dir);
        if storage.file_system == FileSystem::Tmpfs {
            assert_eq!(storage.memory.as_deref(), Some("tmpfs"));
        } else {
            crate::skip::skip(&format!("/dev/shm is {}, not tmpfs", storage.file_system));
        }
    }
}
