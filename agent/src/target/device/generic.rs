//! The generic character device of an NVMe namespace (/dev/ng0n1), which accepts NVMe commands. It is found from a
//! block device that has already been claimed, and checked to be the same namespace.
//!
//! Names are not sufficient: with multipath, the block device is numbered after the subsystem, and the character device
//! may be numbered after the controller. The match is decided by the common parent in sysfs, the namespace's number
//! below it, and the namespace's answer to Identify.

use std::{
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use proto::{
    refusal::{EngineRefusal, PassthroughFailure, Refusal, TargetStep},
    units::ByteSize,
};
use rustix::fs::{FileType, Mode, OFlags, fstat, major, minor, open};

use super::{SYS, failed, identity::Node, open_failed};
use crate::{engine::Namespace, target::descriptor};

/// Maximum number of blocks in one command: the field has 16 bits and is zero-based.
const MOST_BLOCKS: u64 = 1 << 16;

/// The open character device of a namespace.
#[derive(Debug)]
pub(in crate::target) struct Generic {
    pub file: OwnedFd,
    /// Facts about it, by name.
    pub facts: Vec<(&'static str, String)>,
}

/// Opens the character device of the namespace whose block device is `block`, of `size` bytes, for commands of
/// `smallest` to `largest` bytes.
pub(in crate::target) fn open_beside(
    block: BorrowedFd<'_>,
    size: u64,
    writes: bool,
    (smallest, largest): (u64, u64),
) -> Result<Generic, Refusal> {
    let stat = fstat(block).map_err(|errno| failed(TargetStep::Stat, errno))?;
    if !FileType::from_raw_mode(stat.st_mode).is_block_device() {
        return Err(refused(PassthroughFailure::NotABlockDevice));
    }
    let sys = Path::new(SYS);
    let node = Node::find(sys, (major(stat.st_rdev), minor(stat.st_rdev)))
        .map_err(|error| refused(PassthroughFailure::UnknownDevice(error.into())))?;
    let found = find(sys, &node)?;
    let file = open_node(&found, writes)?;
    let name = &found.name;
    let asked = |fd: BorrowedFd<'_>, device: Option<&String>| {
        Namespace::of(fd).map_err(|error| {
            let (device, error) = (device.cloned(), error.into());
            refused(PassthroughFailure::NotIdentified { device, error })
        })
    };
    let namespace = asked(file.as_fd(), Some(name))?;
    let limits = Limits::of(&node.disk);
    let same = asked(block, None)? == namespace
        && namespace.blocks.checked_mul(namespace.lba()) == Some(size)
        && limits.logical_block.is_none_or(|logical| logical == namespace.lba());
    if !same {
        return Err(refused(PassthroughFailure::OtherNamespace {
            device: name.clone(),
            id: namespace.id,
            blocks: namespace.blocks,
            lba: namespace.lba(),
        }));
    }
    fits(&namespace, &limits, (smallest, largest))?;
    let facts = vec![
        ("generic_device", name.clone()),
        ("namespace", namespace.id.to_string()),
        ("lba", ByteSize(namespace.lba()).to_string()),
    ];
    Ok(Generic { file, facts })
}

/// A character device in sysfs.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    name: String,
    number: (u32, u32),
}

/// Finds the character device with the same parent and namespace number as a block device.
fn find(sys: &Path, node: &Node) -> Result<Found, Refusal> {
    let own = node.disk.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if node.dir != node.disk {
        return Err(refused(PassthroughFailure::Partition { disk: own }));
    }
    let index = own.starts_with("nvme").then(|| namespace_index(&own)).flatten();
    let (Some(index), Ok(parent)) = (index, fs::canonicalize(node.disk.join("device"))) else {
        return Err(refused(PassthroughFailure::NotANamespace { disk: own }));
    };
    let entries = fs::read_dir(sys.join("class/nvme-generic")).into_iter().flatten().flatten();
    let beside = |dir: &PathBuf| {
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned())?;
        let same = namespace_index(&name) == Some(index)
            && fs::canonicalize(dir.join("device")).is_ok_and(|other| other == parent);
        let number = fs::read_to_string(dir.join("dev")).ok()?;
        let (major, minor) = number.trim().split_once(':')?;
        same.then_some(Found { name, number: (major.parse().ok()?, minor.parse().ok()?) })
    };
    entries
        .map(|entry| entry.path())
        .find_map(|dir| beside(&dir))
        .ok_or_else(|| refused(PassthroughFailure::NoGenericDevice { disk: own }))
}

/// The namespace number: 2 for nvme0n2 and ng0n2. It is unique below one parent.
fn namespace_index(name: &str) -> Option<u32> {
    name.rsplit_once('n').and_then(|(_, index)| index.parse().ok())
}

/// Opens the node of a character device, after checking it without opening the device.
fn open_node(found: &Found, writes: bool) -> Result<OwnedFd, Refusal> {
    let path = Path::new("/dev").join(&found.name);
    let shown = path.display().to_string();
    let place = open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| open_failed(&shown, errno))?;
    let stat = fstat(&place).map_err(|errno| open_failed(&shown, errno))?;
    let number = (major(stat.st_rdev), minor(stat.st_rdev));
    if !FileType::from_raw_mode(stat.st_mode).is_char_device() || number != found.number {
        return Err(refused(PassthroughFailure::OtherNode { path: shown }));
    }
    let access = if writes { OFlags::RDWR } else { OFlags::RDONLY };
    descriptor::reopen(place.as_fd(), access).map_err(|errno| open_failed(&shown, errno))
}

/// Limits of a disk's queue, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    logical_block: Option<u64>,
    most: Option<u64>,
    zoned: bool,
}

impl Limits {
    fn of(disk: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(disk.join("queue").join(name));
        let number = |name: &str| read(name).ok()?.trim().parse::<u64>().ok();
        Self {
            logical_block: number("logical_block_size"),
            most: number("max_hw_sectors_kb").map(|kib| kib << 10),
            zoned: read("zoned").is_ok_and(|model| model.trim() != "none"),
        }
    }
}

/// Checks that a namespace with this format accepts commands of these sizes.
fn fits(namespace: &Namespace, limits: &Limits, (smallest, largest): (u64, u64)) -> Result<(), Refusal> {
    if namespace.metadata > 0 || namespace.protected {
        let (bytes, protected) = (namespace.metadata, namespace.protected);
        return Err(refused(PassthroughFailure::Metadata { bytes, protected }));
    }
    if limits.zoned {
        return Err(refused(PassthroughFailure::Zoned));
    }
    let lba = namespace.lba();
    if !smallest.is_multiple_of(lba) || !largest.is_multiple_of(lba) {
        let (lba, block_size) = (ByteSize(lba), smallest);
        return Err(refused(PassthroughFailure::NotAligned { lba, block_size }));
    }
    let most = limits.most.unwrap_or(u64::MAX).min(MOST_BLOCKS * lba);
    if largest > most {
        let (most, block_size) = (ByteSize(most), ByteSize(largest));
        return Err(refused(PassthroughFailure::TooLong { most, block_size }));
    }
    Ok(())
}

fn refused(failure: PassthroughFailure) -> Refusal {
    EngineRefusal::Passthrough { failure }.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Two controllers whose block and character devices are numbered differently, as with multipath.
    fn tree() -> tempfile::TempDir {
        let root = tempfile::TempDir::new().unwrap();
        let at = |path: &str| root.path().join(path);
        for (parent, block, generic, minor) in [
            ("nvme0", "nvme1n1", "ng0n1", 0),
            ("nvme0", "nvme1n2", "ng0n2", 1),
            ("nvme1", "nvme0n1", "ng1n1", 2),
        ] {
            for name in [block, generic] {
                let dir = at(&format!("devices/{parent}/{name}"));
                fs::create_dir_all(&dir).unwrap();
                symlink(at(&format!("devices/{parent}")), dir.join("device")).unwrap();
            }
            let dir = at(&format!("devices/{parent}/{generic}"));
            fs::write(dir.join("dev"), format!("238:{minor}\n")).unwrap();
            fs::create_dir_all(at("class/nvme-generic")).unwrap();
            symlink(dir, at(&format!("class/nvme-generic/{generic}"))).unwrap();
        }
        root
    }

    fn node(dir: PathBuf) -> Node {
        Node { disk: dir.clone(), dir }
    }

    #[test]
    fn finds_the_device_by_parent_not_by_name() {
        let root = tree();
        let found = |path: &str| find(root.path(), &node(root.path().join(path))).unwrap();
        let expected = |name: &str, minor| Found { name: name.into(), number: (238, minor) };
        assert_eq!(found("devices/nvme0/nvme1n1"), expected("ng0n1", 0));
        assert_eq!(found("devices/nvme0/nvme1n2"), expected("ng0n2", 1));
        assert_eq!(found("devices/nvme1/nvme0n1"), expected("ng1n1", 2));
    }

    #[test]
    fn a_missing_device_is_refused_with_a_remedy() {
        let root = tree();
        let disk = root.path().join("devices/nvme0/nvme1n1");
        let part = Node { dir: disk.join("nvme1n1p1"), disk: disk.clone() };
        let refusal = find(root.path(), &part).unwrap_err();
        assert!(refusal.message().contains("a partition of nvme1n1"), "{refusal:?}");
        fs::remove_file(root.path().join("class/nvme-generic/ng0n1")).unwrap();
        let refusal = find(root.path(), &node(disk)).unwrap_err();
        assert_eq!((refusal.code(), refusal.field().as_str()), ("passthrough-refused", "engine.engine"));
        assert!(refusal.message().contains("nvme1n1 has no generic character device"), "{refusal:?}");
        assert!(
            refusal.remedy().contains("Linux 5.19") && refusal.remedy().contains("/dev/ng0n1"),
            "{refusal:?}"
        );
        let refusal = find(root.path(), &node(root.path().join("devices/loop0"))).unwrap_err();
        assert!(refusal.message().contains("loop0 is not a namespace"), "{refusal:?}");
    }

    #[test]
    fn sizes_and_formats_are_checked() {
        let plain = Namespace { id: 1, blocks: 1 << 20, lba_shift: 12, metadata: 0, protected: false };
        let limits = Limits { most: Some(512 << 10), ..Limits::default() };
        fits(&plain, &limits, (4096, 512 << 10)).unwrap();
        let refused = |namespace, limits, sizes| {
            let refusal = fits(&namespace, &limits, sizes).unwrap_err();
            assert_eq!(refusal.code(), "passthrough-refused");
            (refusal.field(), format!("{} {}", refusal.message(), refusal.remedy()))
        };
        let (field, text) = refused(plain, limits, (512, 512));
        assert_eq!(field, "workload.block_size");
        assert!(text.contains("blocks of 4096 bytes") && text.contains("multiple of 4KiB"), "{text}");
        let (field, text) = refused(plain, limits, (4096, 1 << 20));
        assert_eq!(field, "workload.block_size");
        assert!(text.contains("at most 512KiB") && text.contains("not 1MiB"), "{text}");
        let unlimited = Limits::default();
        let small = Namespace { lba_shift: 9, ..plain };
        assert!(
            refused(small, unlimited, (64 << 20, 64 << 20)).1.contains("at most 32MiB"),
            "at most 2^16 blocks"
        );
        let with_metadata = Namespace { metadata: 8, ..plain };
        assert!(refused(with_metadata, limits, (4096, 4096)).1.contains("8 bytes of metadata"));
        let protected = Namespace { protected: true, ..with_metadata };
        let (field, text) = refused(protected, limits, (4096, 4096));
        assert!(field == "engine.engine" && text.contains("protection information"), "{text}");
        assert!(refused(plain, Limits { zoned: true, ..limits }, (4096, 4096)).1.contains("zoned"));
    }
}
