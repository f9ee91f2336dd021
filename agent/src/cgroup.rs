//! The control groups of this process: where their files are, and the limits that they set. A limit of an ancestor
//! applies as well.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proto::noise::CpuQuota;

/// A group that limits this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its directory.
    pub dir: PathBuf,
    /// Whether it is of the unified hierarchy (version 2).
    pub unified: bool,
}

impl Group {
    /// A file of the group, trimmed; `None` if it does not exist, as in the root group and where the hierarchy does not
    /// have the controller.
    #[must_use]
    pub fn read(&self, file: &str) -> Option<String> {
        Some(fs::read_to_string(self.dir.join(file)).ok()?.trim().to_owned())
    }

    /// The value of a key in one of the group's flat files, such as `cpu.stat`.
    #[must_use]
    pub fn keyed(&self, file: &str, key: &str) -> Option<u64> {
        keyed(&self.read(file)?, key)
    }

    /// The group's own CPU quota; `None` without one.
    #[must_use]
    pub fn cpu_quota(&self) -> Option<CpuQuota> {
        let (quota, period) = if self.unified {
            let text = self.read("cpu.max")?;
            let (quota, period) = text.split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        } else {
            (self.read("cpu.cfs_quota_us")?, self.read("cpu.cfs_period_us")?)
        };
        // No limit is `max` in version 2 and -1 in version 1. Neither is an unsigned number.
        let (quota_us, period_us) = (quota.parse().ok()?, period.parse().ok().filter(|period| *period > 0)?);
        Some(CpuQuota { quota_us, period_us })
    }
}

/// The value of a key in lines of the form `key value`.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?.parse().ok()
}

/// The groups of this process with a controller, such as `cpu`: its own group and the visible ancestors, innermost
/// first. Groups of the unified hierarchy are included even if the controller is in another one; they lack its files.
#[must_use]
pub fn groups(controller: &str) -> Vec<Group> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    find(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"), controller)
}

/// Finds the groups by the texts of `/proc/PID/cgroup` and `/proc/PID/mountinfo`.
pub(crate) fn find(memberships: &str, mounts: &str, controller: &str) -> Vec<Group> {
    let has = |names: &str| names.split(',').any(|name| name == controller);
    let mut found = Vec::new();
    for line in memberships.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let unified = controllers.is_empty();
        if !unified && !has(controllers) {
            continue;
        }
        let mount = mounts.lines().filter_map(mount_of).find(|mount| match unified {
            true => mount.kind == "cgroup2",
            false => mount.kind == "cgroup" && has(mount.options),
        });
        let Some(Mount { root, point, .. }) = mount else { continue };
        // In a container, the path may be one of the host's, of which only the mounted part is visible.
        let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        let visible = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let below = if visible { below } else { Path::new("") };
        found.extend(below.ancestors().map(|below| Group { dir: Path::new(point).join(below), unified }));
    }
    found
}

struct Mount<'a> {
    /// The directory of the hierarchy that is mounted.
    root: &'a str,
    /// Where it is mounted.
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

/// Parses a line of mountinfo: `32 31 0:29 /root /point rw,relatime - cgroup cgroup rw,cpu`.
fn mount_of(line: &str) -> Option<Mount<'_>> {
    let (mount, system) = line.split_once(" - ")?;
    let mut words = mount.split(' ').skip(3);
    let (root, point) = (words.next()?, words.next()?);
    let mut words = system.split(' ');
    Some(Mount { root, point, kind: words.next()?, options: words.nth(1)? })
}

/// The tightest CPU quota of any group.
#[must_use]
pub fn cpu_quota(groups: &[Group]) -> Option<CpuQuota> {
    let quotas = groups.iter().filter_map(Group::cpu_quota);
    quotas.min_by(|a, b| a.cpus().total_cmp(&b.cpus()))
}

/// How often and how long groups were stopped because of their quotas, since they were created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttled {
    /// Periods in which a group's quota ran out.
    pub periods: u64,
    /// Time for which CPUs were taken from a group, in nanoseconds, summed over CPUs.
    pub time_ns: u64,
}

/// Throttling of all groups that have a quota; `None` if none has.
#[must_use]
pub fn throttled(groups: &[Group]) -> Option<Throttled> {
    let of = |group: &Group| {
        group.cpu_quota()?;
        let stat = group.read("cpu.stat")?;
        let time_ns = keyed(&stat, "throttled_time")
            .or_else(|| keyed(&stat, "throttled_usec").map(|us| us.saturating_mul(1000)))?;
        Some(Throttled { periods: keyed(&stat, "nr_throttled")?, time_ns })
    };
    groups.iter().filter_map(of).reduce(|a, b| Throttled {
        periods: a.periods.saturating_add(b.periods),
        time_ns: a.time_ns.saturating_add(b.time_ns),
    })
}

/// The smallest number in a file of the groups that sets a limit; `None` without one. `files` names it in version 2 and
/// in version 1.
#[must_use]
pub fn least(groups: &[Group], files: [&str; 2]) -> Option<u64> {
    // Version 1 writes the largest multiple of a page for no limit.
    const UNLIMITED: u64 = 1 << 62;
    let limit = |group: &Group| group.read(files[usize::from(!group.unified)])?.parse::<u64>().ok();
    groups.iter().filter_map(limit).min().filter(|limit| *limit < UNLIMITED)
}

#[cfg(test)]
impl Group {
    /// A group that is a directory with these files.
    pub(crate) fn made_up(dir: &Path, unified: bool, files: &[(&str, &str)]) -> Self {
        fs::create_dir_all(dir).unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.join(name), text).unwrap());
        Self { dir: dir.to_owned(), unified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(memberships: &str, mounts: &str, controller: &str) -> Vec<String> {
        find(memberships, mounts, controller)
            .iter()
            .map(|group| group.dir.to_string_lossy().trim_end_matches('/').to_owned())
            .collect()
    }

    #[test]
    fn groups_of_both_versions_are_found_with_their_ancestors() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:1 - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let member = "2:cpu,cpuacct:/a/b\n1:memory:/m\n0::/u\n";
        let cpu = "/sys/fs/cgroup/cpu,cpuacct";
        assert_eq!(
            dirs(member, mounts, "cpu"),
            [
                &format!("{cpu}/a/b"),
                &format!("{cpu}/a"),
                cpu,
                "/sys/fs/cgroup/unified/u",
                "/sys/fs/cgroup/unified"
            ]
        );
        assert_eq!(dirs("1:memory:/m\n", mounts, "memory"), [""; 0], "not mounted");
        assert_eq!(dirs("broken\n0:\n", "broken - x\n", "cpu"), [""; 0]);
    }

    #[test]
    fn a_container_sees_the_mounted_part() {
        let mounts = "32 31 0:29 /docker/x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            33 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(dirs("2:cpu:/docker/x/y\n", mounts, "cpu").len(), 2);
        assert_eq!(dirs("2:cpu:/docker/x\n", mounts, "cpu"), ["/sys/fs/cgroup/cpu"]);
        assert_eq!(dirs("2:cpu:/other\n", mounts, "cpu"), ["/sys/fs/cgroup/cpu"]);
        assert_eq!(dirs("0::/../../x\n", mounts, "cpu"), ["/sys/fs/cgroup/unified"]);
    }

    #[test]
    fn the_tightest_quota_and_the_throttling_of_all_groups_count() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let stat = "nr_periods 9\nnr_throttled 3\nthrottled_usec 20\n";
        let groups = [
            Group::made_up(&at("a"), true, &[("cpu.max", "40000 100000\n"), ("cpu.stat", stat)]),
            Group::made_up(&at("b"), true, &[("cpu.max", "max 100000\n"), ("cpu.stat", stat)]),
            Group::made_up(
                &at("c"),
                false,
                &[
                    ("cpu.cfs_quota_us", "200000\n"),
                    ("cpu.cfs_period_us", "100000\n"),
                    ("cpu.stat", "nr_throttled 4\nthrottled_time 7000\n"),
                ],
            ),
            Group::made_up(
                &at("d"),
                false,
                &[("cpu.cfs_quota_us", "-1\n"), ("cpu.cfs_period_us", "100000\n")],
            ),
        ];
        assert_eq!(cpu_quota(&groups), Some(CpuQuota { quota_us: 40_000, period_us: 100_000 }));
        assert_eq!(cpu_quota(&groups[2..]).map(|quota| quota.cpus()), Some(2.0));
        assert_eq!(throttled(&groups), Some(Throttled { periods: 7, time_ns: 27_000 }));
        assert_eq!((cpu_quota(&groups[3..]), throttled(&groups[3..])), (None, None));
    }

    #[test]
    fn limits_that_are_not_set_are_absent() {
        let root = tempfile::tempdir().unwrap();
        let files = ["memory.max", "memory.limit_in_bytes"];
        let at = |name: &str| root.path().join(name);
        let none = [
            Group::made_up(&at("a"), true, &[("memory.max", "max\n")]),
            Group::made_up(&at("b"), false, &[("memory.limit_in_bytes", "9223372036854771712\n")]),
        ];
        assert_eq!(least(&none, files), None);
        let set = [none[0].clone(), Group::made_up(&at("c"), true, &[("memory.max", "4096\n")])];
        assert_eq!(least(&set, files), Some(4096));
    }

    /// A real group with a quota that this process never enters.
    #[test]
    fn a_quota_of_the_kernel_is_read() {
        let Some(parent) = groups("cpu").into_iter().find(|group| group.read("cpu.stat").is_some()) else {
            return crate::skip::skip("no cgroup of the CPU controller is mounted");
        };
        let dir = parent.dir.join(format!("ringbench-test-{}", std::process::id()));
        if fs::create_dir(&dir).is_err() {
            return crate::skip::skip("cgroups cannot be created here");
        }
        let own = Group { dir: dir.clone(), unified: parent.unified };
        let set = match own.unified {
            true => fs::write(dir.join("cpu.max"), "40000 100000"),
            false => fs::write(dir.join("cpu.cfs_quota_us"), "40000"),
        };
        let found = (own.cpu_quota(), throttled(&[own]));
        fs::remove_dir(&dir).unwrap();
        if set.is_err() {
            return crate::skip::skip("the CPU controller is not available in new cgroups");
        }
        let quota = CpuQuota { quota_us: 40_000, period_us: 100_000 };
        assert_eq!(found, (Some(quota), Some(Throttled::default())));
    }
}
