//! Available memory, in the host and in the control groups of this process. If a group runs out of memory, the agent is
//! killed, even if the host has plenty.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Memory that this process can allocate without swapping, in bytes. `None` if unknown.
pub(crate) fn memory_available() -> Option<u64> {
    let host = super::meminfo(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(in_groups(&groups, Path::new("/sys/fs/cgroup")).map_or(host, |groups| host.min(groups)))
}

/// Names of a group's files for limit and usage, and of the reclaimable entries of its `memory.stat`.
struct Names {
    limit: &'static str,
    used: &'static str,
    files: [&'static str; 2],
}

const V1: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    files: ["total_inactive_file", "total_active_file"],
};
const V2: Names =
    Names { limit: "memory.max", used: "memory.current", files: ["inactive_file", "active_file"] };

/// Least memory available in the groups of a `/proc/PID/cgroup` and in their visible parents, in bytes. `root`: mount
/// point of the groups. `None` if there is no limit.
fn in_groups(groups: &str, root: &Path) -> Option<u64> {
    let left = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (names, root) = match controllers {
            "" => (V2, root.to_owned()),
            _ if controllers.split(',').any(|name| name == "memory") => (V1, root.join("memory")),
            _ => return None,
        };
        let mut group: PathBuf = root.join(path.trim_start_matches('/'));
        // In a container, the path may be one of the host's, of which only the root is visible.
        std::iter::from_fn(|| {
            let seen = group.starts_with(&root).then(|| left_in(&group, &names))?;
            group.pop();
            Some(seen)
        })
        .flatten()
        .min()
    });
    left.min()
}

fn left_in(group: &Path, names: &Names) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    // `max` means no limit; it does not parse as a number.
    let (limit, used) = (number(names.limit)?, number(names.used)?);
    let stat = read("memory.stat").unwrap_or_default();
    let of = |name: &str| {
        let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0)
    };
    let files: u64 = names.files.into_iter().map(of).sum();
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(path: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(path).unwrap();
        files.iter().for_each(|(name, text)| fs::write(path.join(name), text).unwrap());
    }

    #[test]
    fn the_tightest_group_limits_and_its_cache_is_reclaimable() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let left = |groups: &str| in_groups(groups, root.path());
        group(&at("a/b"), &[("memory.max", "max\n"), ("memory.current", "700\n")]);
        assert_eq!(left("0::/a/b\n"), None, "no group has a limit");
        let stat = "anon 600\ninactive_file 250\nactive_file 50\ninactive_file_more 9\n";
        group(&at("a"), &[("memory.max", "1000\n"), ("memory.current", "900\n"), ("memory.stat", stat)]);
        assert_eq!(left("1:cpu:/x\n0::/a/b\n"), Some(400));
        assert_eq!(left("0::/elsewhere/b\n"), None, "only the root is visible");
        let v1 = [("memory.limit_in_bytes", "50\n"), ("memory.usage_in_bytes", "80\n")];
        group(&at("memory/c"), &v1);
        assert_eq!(left("4:cpu,memory:/c\n0::/a\n"), Some(0), "used up");
        assert_eq!(left("broken\n0:\n"), None);
    }

    #[test]
    fn available_memory_is_at_most_that_of_the_host() {
        let host = super::super::meminfo(&fs::read_to_string("/proc/meminfo").unwrap(), "MemTotal").unwrap();
        assert!((1..=host).contains(&memory_available().unwrap()));
    }
}
