//! Checks whether a device is in use: the device itself, its disk, its partitions, or anything built on top of them.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use proto::refusal::{DeviceRefusal, HeldBy};

use super::{allow::device_number, identity::Node};

/// A device whose use implies that the checked device is in use.
#[derive(Debug)]
struct Member {
    name: String,
    number: (u32, u32),
    /// Built on top of the device, such as RAID or LVM.
    holder: bool,
}

/// Refuses a device that is mounted, used as swap, or part of another device.
pub(super) fn check(sys: &Path, proc: &Path, node: &Node) -> Result<(), DeviceRefusal> {
    let members = family(node);
    let node_of = |name: &str| format!("/dev/{name}");
    let path = node_of(&name_of(&node.dir));
    if let Some((member, mount)) = mounted(sys, proc, &members) {
        return Err(DeviceRefusal::Mounted { path, member: node_of(&member.name), mount });
    }
    if let Some(member) = swap(proc, &members) {
        return Err(DeviceRefusal::Swap { path, member: node_of(&member.name) });
    }
    let holder = members.iter().find(|member| member.holder).map(|holder| holder.name.clone());
    match holder.or_else(|| loop_over(sys, &members)) {
        Some(name) => Err(DeviceRefusal::Held { path, by: HeldBy::Device(name) }),
        None => Ok(()),
    }
}

/// The device, its partitions, its whole disk, and the holders of all of these.
fn family(node: &Node) -> Vec<Member> {
    let (mut members, mut seen) = (Vec::new(), HashSet::new());
    collect(&node.dir, false, &mut members, &mut seen);
    if node.disk != node.dir {
        // For a partition, the whole disk matters, but not its other partitions.
        add(&node.disk, false, &mut members, &mut seen);
        holders(&node.disk, &mut members, &mut seen);
    }
    members
}

fn collect(dir: &Path, holder: bool, members: &mut Vec<Member>, seen: &mut HashSet<PathBuf>) {
    if !add(dir, holder, members, seen) {
        return;
    }
    holders(dir, members, seen);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().join("partition").exists() {
            collect(&entry.path(), holder, members, seen);
        }
    }
}

fn holders(dir: &Path, members: &mut Vec<Member>, seen: &mut HashSet<PathBuf>) {
    for entry in fs::read_dir(dir.join("holders")).into_iter().flatten().flatten() {
        if let Ok(holder) = fs::canonicalize(entry.path()) {
            collect(&holder, true, members, seen);
        }
    }
}

fn add(dir: &Path, holder: bool, members: &mut Vec<Member>, seen: &mut HashSet<PathBuf>) -> bool {
    let number = fs::read_to_string(dir.join("dev")).ok().and_then(|text| number(text.trim()));
    if let Some(number) = number
        && seen.insert(dir.to_owned())
    {
        members.push(Member { name: name_of(dir), number, holder });
        return true;
    }
    false
}

fn name_of(dir: &Path) -> String {
    // sysfs replaces the slash of a name such as cciss/c0d0 with an exclamation mark.
    dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().replace('!', "/"))
}

fn number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A member that is mounted in this or another visible mount namespace, and its mount point.
fn mounted<'a>(sys: &Path, proc: &Path, members: &'a [Member]) -> Option<(&'a Member, String)> {
    let own = [proc.join("self")].into_iter();
    let all = fs::read_dir(proc).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut seen = HashSet::new();
    for process in own.chain(all.filter(|path| name_of(path).bytes().all(|byte| byte.is_ascii_digit()))) {
        // Many processes share a namespace; each namespace is read once.
        if fs::read_link(process.join("ns/mnt")).is_ok_and(|namespace| !seen.insert(namespace)) {
            continue;
        }
        let table = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
        if let Some(found) = table.lines().find_map(|line| mount_of(line, members)) {
            return Some(found);
        }
    }
    // For a btrfs over several devices, the mount table names only one.
    for volume in fs::read_dir(sys.join("fs/btrfs")).into_iter().flatten().flatten() {
        for device in fs::read_dir(volume.path().join("devices")).into_iter().flatten().flatten() {
            if let Some(member) = members.iter().find(|member| member.name == name_of(&device.path())) {
                return Some((
                    member,
                    format!("a mount point of btrfs {}", volume.file_name().to_string_lossy()),
                ));
            }
        }
    }
    None
}

/// Parses a line of mountinfo: the third word is the device's number, the fifth the mount point, and the second after
/// the separator ` - ` the source, which identifies the device if the number is virtual.
fn mount_of<'a>(line: &str, members: &'a [Member]) -> Option<(&'a Member, String)> {
    let mut words = line.split(' ').skip(2);
    let device = number(words.next()?)?;
    let place = words.nth(1)?.to_owned();
    let source = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(1)).unwrap_or_default();
    let from = source.starts_with('/').then(|| device_number(Path::new(source))).flatten();
    let member = members.iter().find(|member| member.number == device || Some(member.number) == from)?;
    Some((member, place))
}

fn swap<'a>(proc: &Path, members: &'a [Member]) -> Option<&'a Member> {
    let table = fs::read_to_string(proc.join("swaps")).unwrap_or_default();
    table.lines().skip(1).find_map(|line| {
        let path = line.split_ascii_whitespace().next()?;
        let number = device_number(Path::new(path));
        // A path from another mount namespace may not exist here, but its name is still the kernel's.
        let named = |member: &&Member| path.strip_prefix("/dev/") == Some(member.name.as_str());
        members.iter().find(|member| number == Some(member.number) || named(member))
    })
}

/// A loop device over a member; loop devices are not listed as holders.
fn loop_over(sys: &Path, members: &[Member]) -> Option<String> {
    fs::read_dir(sys.join("block")).into_iter().flatten().flatten().find_map(|entry| {
        let backing = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
        let name = backing.trim().strip_prefix("/dev/")?;
        members.iter().any(|member| member.name == name).then(|| name_of(&entry.path()))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proto::refusal::Refusal;

    use super::*;

    /// A disk sda (8:0) with partitions, of which sda2 is part of md0 (9:0), itself part of dm-0 (253:9).
    fn tree() -> tempfile::TempDir {
        let root = tempfile::TempDir::new().unwrap();
        let make = |path: &str, number: &str| {
            let dir = root.path().join("sys/devices").join(path);
            fs::create_dir_all(dir.join("holders")).unwrap();
            fs::write(dir.join("dev"), format!("{number}\n")).unwrap();
            let link = root.path().join("sys/dev/block");
            fs::create_dir_all(&link).unwrap();
            symlink(&dir, link.join(number)).unwrap();
            dir
        };
        make("sda", "8:0");
        for (part, number) in [("sda1", "8:1"), ("sda2", "8:2")] {
            let dir = make(&format!("sda/{part}"), number);
            fs::write(dir.join("partition"), "1\n").unwrap();
        }
        let (md, dm) = (make("md0", "9:0"), make("dm-0", "253:9"));
        symlink(&md, root.path().join("sys/devices/sda/sda2/holders/md0")).unwrap();
        symlink(&dm, md.join("holders/dm-0")).unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        root
    }

    fn look(root: &Path, number: (u32, u32)) -> Result<(), Refusal> {
        let sys = root.join("sys");
        Ok(check(&sys, &root.join("proc"), &Node::find(&sys, number).unwrap())?)
    }

    fn code(root: &Path, number: (u32, u32)) -> String {
        look(root, number).map_or_else(|refusal| refusal.code().to_owned(), |()| "free".to_owned())
    }

    #[test]
    fn checks_indirect_holders_but_not_siblings() {
        let root = tree();
        let (root, disk, first, second) = (root.path(), (8, 0), (8, 1), (8, 2));
        assert_eq!(code(root, disk), "device-held");
        assert_eq!(code(root, first), "free", "only its sibling is held");
        assert!(look(root, second).unwrap_err().message().contains("part of md0"));
        let mounts = root.join("proc/self/mountinfo");
        fs::write(&mounts, "29 1 253:9 / /data rw - ext4 none rw\n").unwrap();
        let refusal = look(root, disk).unwrap_err();
        assert_eq!(refusal.code(), "device-mounted", "through two layers");
        assert!(refusal.message().contains("dm-0 is mounted at /data"), "{refusal:?}");
        assert_eq!(code(root, first), "free");
        fs::write(&mounts, "29 1 8:0 / /old rw - ext4 none rw\n").unwrap();
        assert_eq!(code(root, first), "device-mounted", "the whole disk is mounted");
    }

    #[test]
    fn checks_other_namespaces_swap_btrfs_and_loops() {
        let root = tree();
        let root = root.path();
        let other = root.join("proc/77");
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("mountinfo"), "29 1 8:1 / /in/container rw - ext4 none rw\n").unwrap();
        assert!(look(root, (8, 1)).unwrap_err().message().contains("/in/container"));
        fs::remove_file(other.join("mountinfo")).unwrap();
        assert_eq!(code(root, (8, 1)), "free");
        fs::write(root.join("proc/swaps"), "Filename Type\n/dev/sda1 partition 1 0 -2\n").unwrap();
        assert_eq!(code(root, (8, 1)), "device-swap");
        fs::write(root.join("proc/swaps"), "Filename Type\n").unwrap();
        let btrfs = root.join("sys/fs/btrfs/some-uuid/devices");
        fs::create_dir_all(btrfs.join("sda1")).unwrap();
        assert_eq!(code(root, (8, 1)), "device-mounted");
        fs::remove_dir(btrfs.join("sda1")).unwrap();
        let over = root.join("sys/block/loop7/loop");
        fs::create_dir_all(&over).unwrap();
        fs::write(over.join("backing_file"), "/dev/sda1\n").unwrap();
        assert!(look(root, (8, 1)).unwrap_err().message().contains("part of loop7"));
    }
}
