//! Available memory, in the host and in the control groups of this process. If a group runs out of memory, the agent is
//! killed, even if the host has plenty.

use std::fs;

use crate::cgroup::{self, Group, keyed};

/// Memory that this process can allocate without swapping, in bytes. `None` if unknown.
pub(crate) fn memory_available() -> Option<u64> {
    let host = super::meminfo(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")?;
    let groups = cgroup::groups("memory");
    Some(groups.iter().filter_map(left_in).fold(host, u64::min))
}

/// Memory of this host in bytes. `None` if unknown.
pub(crate) fn total() -> Option<u64> {
    super::meminfo(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")
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

/// Memory that is left in a group, in bytes. `None` if it has no limit.
fn left_in(group: &Group) -> Option<u64> {
    let names = if group.unified { V2 } else { V1 };
    // `max` means no limit; it does not parse as a number.
    let number = |name: &str| group.read(name)?.parse::<u64>().ok();
    let (limit, used) = (number(names.limit)?, number(names.used)?);
    let stat = group.read("memory.stat").unwrap_or_default();
    let files: u64 = names.files.into_iter().filter_map(|name| keyed(&stat, name)).sum();
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_of_a_group_is_reclaimable() {
        let root = tempfile::tempdir().unwrap();
        let left = |name: &str, unified, files: &[(&str, &str)]| {
            left_in(&Group::made_up(&root.path().join(name), unified, files))
        };
        let none = [("memory.max", "max\n"), ("memory.current", "700\n")];
        assert_eq!(left("none", true, &none), None, "the group has no limit");
        let stat = "anon 600\ninactive_file 250\nactive_file 50\ninactive_file_more 9\n";
        let v2 = [("memory.max", "1000\n"), ("memory.current", "900\n"), ("memory.stat", stat)];
        assert_eq!(left("v2", true, &v2), Some(400));
        let v1 = [("memory.limit_in_bytes", "50\n"), ("memory.usage_in_bytes", "80\n")];
        assert_eq!(left("v1", false, &v1), Some(0), "used up");
        assert_eq!(left("empty", true, &[]), None);
    }

    #[test]
    fn available_memory_is_at_most_that_of_the_host() {
        let host = super::super::meminfo(&fs::read_to_string("/proc/meminfo").unwrap(), "MemTotal").unwrap();
        assert!((1..=host).contains(&memory_available().unwrap()));
    }
}
