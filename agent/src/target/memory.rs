//! How much memory there is for new uses: in the host, and in the control groups that this process is in. A group
//! that runs out ends the agent, however much the host has left.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What the kernel would give to this process without swapping, in bytes. None where it does not tell.
pub(crate) fn memory_available() -> Option<u64> {
    let host = super::meminfo(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(in_groups(&groups, Path::new("/sys/fs/cgroup")).map_or(host, |groups| host.min(groups)))
}

/// The names of a group's files: its limit, its use, and what of its `memory.stat` is given back on demand.
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

/// The least that is left in the groups of a `/proc/PID/cgroup`, and in those around them, as far as they can be
/// seen; `root`: where they are mounted. None where none has a limit.
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
        // From within a container, the path may be one of the host's, of which only the root is to be seen.
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
    // `max` is no limit, and no number.
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
    fn the_tightest_group_counts_and_its_cache_can_be_had_back() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let left = |groups: &str| in_groups(groups, root.path());
        group(&at("a/b"), &[("memory.max", "max\n"), ("memory.current", "700\n")]);
        assert_eq!(left("0::/a/b\n"), None, "nobody has a limit");
        let stat = "anon 600\ninactive_file 250\nactive_file 50\ninactive_file_more 9\n";
        group(&at("a"), &[("memory.max", "1000\n"), ("memory.current", "900\n"), ("memory.stat", stat)]);
        assert_eq!(left("1:cpu:/x\n0::/a/b\n"), Some(400));
        assert_eq!(left("0::/elsewhere/b\n"), None, "of another's tree only the root is seen");
        let v1 = [("memory.limit_in_bytes", "50\n"), ("memory.usage_in_bytes", "80\n")];
        group(&at("memory/c"), &v1);
        assert_eq!(left("4:cpu,memory:/c\n0::/a\n"), Some(0), "used up");
        assert_eq!(left("broken\n0:\n"), None);
    }

    #[test]
    fn this_process_is_told_no_more_than_the_host_has() {
        let host = super::super::meminfo(&fs::read_to_string("/proc/meminfo").unwrap(), "MemTotal").unwrap();
        assert!((1..=host).contains(&memory_available().unwrap()));
    }
}
