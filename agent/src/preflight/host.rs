//! Capabilities of the host other than io_uring: direct I/O, limits, CPUs, the data directory.

use std::path::Path;

use proto::{notice::rough, outcome::Capability, units::ByteSize};
use rustix::{
    fs::{Access, access, statvfs},
    process::{Resource, getrlimit},
};

use super::{capability, limits::memlock_limit};
use crate::{
    cgroup::{self, Group},
    target::probe_direct_io,
    topology::Topology,
};

/// Limit of open files below which trials with many threads fail.
const OPEN_FILES: u64 = 4096;
/// Limit of locked memory, in bytes, below which `fixed_buffers` works only for small trials: 128 requests of 64 KiB.
const LOCKED: u64 = 8 << 20;

pub(super) fn capabilities(topology: &Topology, data_dir: &Path) -> Vec<Capability> {
    let direct = probe_direct_io(data_dir).map_err(|refusal| (refusal.message(), refusal.remedy()));
    vec![
        capability("data_dir", writable(data_dir)),
        capability("direct_io", direct),
        capability("memlock", memlock()),
        capability("open_files", open_files()),
        capability("cpus", cpus(topology)),
        capability("cpu_quota", cpu_quota(&cgroup::groups("cpu"), topology.cpus.len())),
    ]
}

fn writable(data_dir: &Path) -> Result<String, (String, String)> {
    let shown = data_dir.display();
    let remedy = || "start the agent with --data-dir and a writable directory".to_owned();
    if !data_dir.is_dir() {
        return Err((format!("{shown} is not a directory"), remedy()));
    }
    access(data_dir, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|errno| (format!("{shown} cannot be written: {}", std::io::Error::from(errno)), remedy()))?;
    let free = statvfs(data_dir).map_or_else(
        |_| "free space unknown".to_owned(),
        |fs| format!("{} free", rough(ByteSize(fs.f_bavail.saturating_mul(fs.f_frsize)))),
    );
    Ok(format!("{shown}: writable, {free}"))
}

fn memlock() -> Result<String, (String, String)> {
    let words = memlock_limit();
    match getrlimit(Resource::Memlock).current {
        Some(limit) if limit < LOCKED && !words.contains("CAP_IPC_LOCK") => {
            let remedy = "ulimit -l unlimited, LimitMEMLOCK=infinity, or CAP_IPC_LOCK";
            Err((format!("{words}: too low for fixed_buffers at a large depth"), remedy.to_owned()))
        }
        _ => Ok(words),
    }
}

fn open_files() -> Result<String, (String, String)> {
    let limit = getrlimit(Resource::Nofile).current;
    let words = limit.map_or_else(|| "unlimited".to_owned(), |limit| format!("limit {limit}"));
    match limit {
        Some(limit) if limit < OPEN_FILES => Err((
            format!("{words}: too low for 1,000 workers"),
            format!("ulimit -n {OPEN_FILES}, or LimitNOFILE={OPEN_FILES}"),
        )),
        _ => Ok(words),
    }
}

/// A quota below the number of usable CPUs stops workers that are busy.
fn cpu_quota(groups: &[Group], usable: usize) -> Result<String, (String, String)> {
    match cgroup::cpu_quota(groups) {
        Some(quota) if quota.cpus() < usable as f64 => {
            let detail = format!("the control group may use {quota}: the kernel stops busy workers");
            let remedy = "remove the CPU quota of the container or service (cpu.max, docker --cpus, CPUQuota=), or pin \
                          it to CPUs instead (cpuset)";
            Err((detail, remedy.to_owned()))
        }
        Some(quota) => Ok(format!("{quota}: enough for the {usable} usable CPUs")),
        None => Ok("no CPU quota".to_owned()),
    }
}

fn cpus(topology: &Topology) -> Result<String, (String, String)> {
    let usable = topology.cpus.len();
    if usable < 2 {
        let remedy = "give the agent a second CPU (affinity, cpuset or virtual machine)";
        return Err(("1 usable; workers share it with the agent's runtime".to_owned(), remedy.to_owned()));
    }
    let cores: std::collections::BTreeSet<_> =
        topology.cpus.iter().map(|cpu| (cpu.package, cpu.core)).collect();
    Ok(format!(
        "{usable} usable on {} physical cores; CPU {} is reserved for the agent's runtime, leaving {} for workers",
        cores.len(),
        topology.runtime_cpu,
        usable - 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_below_the_usable_cpus_is_reported() {
        let root = tempfile::tempdir().unwrap();
        let quota = |max: &str| {
            std::fs::write(root.path().join("cpu.max"), max).unwrap();
            cpu_quota(&[Group { dir: root.path().to_owned(), unified: true }], 2)
        };
        let (detail, remedy) = quota("40000 100000\n").unwrap_err();
        assert!(
            detail.contains("0.40 CPUs (40 ms in each 100 ms)") && remedy.contains("cpu.max"),
            "{detail}"
        );
        assert!(quota("200000 100000\n").unwrap().contains("2.00 CPUs"));
        assert_eq!(quota("max 100000\n").unwrap(), "no CPU quota");
    }
}
