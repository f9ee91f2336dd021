//! The fingerprint: facts of a host that could explain why it is faster or slower than another. Unavailable facts are
//! left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proto::{notice::rough, units::ByteSize};
use rustix::process::Resource;

use super::{hypervisor, limits::limit};
use crate::{
    cgroup::{self, Group},
    target::{facts as storage, meminfo},
    topology::Topology,
};

const CPUS: &str = "/sys/devices/system/cpu";

/// Prefixes of kernel parameters that affect the cost of I/O. Other parameters are not recorded: a command line may
/// contain secrets, and fingerprints are sent to the coordinator.
const CMDLINE: [&str; 28] = [
    "mitigations=",
    "spectre",
    "spec_",
    "l1tf=",
    "mds=",
    "tsx",
    "srbds=",
    "retbleed=",
    "nospectre",
    "nopti",
    "pti=",
    "nosmt",
    "isolcpus=",
    "nohz",
    "rcu_nocb",
    "irqaffinity=",
    "idle=",
    "intel_idle.",
    "processor.max_cstate=",
    "cpuidle",
    "intel_pstate=",
    "amd_pstate=",
    "intel_iommu=",
    "amd_iommu=",
    "iommu",
    "nvme",
    "preempt=",
    "transparent_hugepage=",
];

/// Gathers all facts, by dotted name.
pub(super) fn gather(topology: &Topology, data_dir: &Path) -> BTreeMap<String, String> {
    let mut facts = Facts(BTreeMap::new());
    kernel(&mut facts);
    cpu(&mut facts, topology);
    machine(&mut facts);
    facts.put("limit.memlock", Some(limit(Resource::Memlock, true)));
    facts.put("limit.open_files", Some(limit(Resource::Nofile, false)));
    groups(&mut facts);
    facts.put("agent.build", Some(if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()));
    facts.put("data_dir", Some(data_dir.display().to_string()));
    if let Ok(dir) = fs::File::open(data_dir) {
        for (name, value) in BTreeMap::<String, String>::from(storage::describe(&dir).facts) {
            facts.put(&format!("data_dir.{name}"), Some(value));
        }
    }
    facts.0
}

struct Facts(BTreeMap<String, String>);

impl Facts {
    fn put(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.insert(name.to_owned(), value);
        }
    }
}

/// A file's text, trimmed; `None` if it cannot be read.
fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn kernel(facts: &mut Facts) {
    let name = rustix::system::uname();
    facts.put("kernel.release", Some(name.release().to_string_lossy().into_owned()));
    facts.put("kernel.version", Some(name.version().to_string_lossy().into_owned()));
    facts.put("arch", Some(name.machine().to_string_lossy().into_owned()));
    facts.put("kernel.cmdline", read("/proc/cmdline").map(|line| relevant_words(&line)));
    for sysctl in ["io_uring_disabled", "perf_event_paranoid", "numa_balancing", "nmi_watchdog"] {
        facts.put(&format!("kernel.{sysctl}"), read(format!("/proc/sys/kernel/{sysctl}")));
    }
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    facts.put("clocksource", read(source));
    let chosen = |path: &str| read(path).map(|line| storage::selected(&line).to_owned());
    facts.put("thp", chosen("/sys/kernel/mm/transparent_hugepage/enabled"));
    facts.put("thp.defrag", chosen("/sys/kernel/mm/transparent_hugepage/defrag"));
    facts.put("preempt", chosen("/sys/kernel/debug/sched/preempt"));
}

/// The words of a command line that affect the cost of I/O, up to the arguments of init.
fn relevant_words(line: &str) -> String {
    let words = line.split_whitespace().take_while(|word| *word != "--");
    let relevant = words.filter(|word| CMDLINE.iter().any(|start| word.starts_with(start)));
    relevant.collect::<Vec<_>>().join(" ")
}

fn cpu(facts: &mut Facts, topology: &Topology) {
    let info = read("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    facts.put("cpu.model", field("model name").or_else(|| field("CPU part")));
    facts.put("cpu.microcode", field("microcode"));
    facts.put("cpu.count", Some(topology.cpus.len().to_string()));
    let cores: BTreeSet<_> = topology.cpus.iter().map(|cpu| (cpu.package, cpu.core)).collect();
    facts.put("cpu.cores", Some(cores.len().to_string()));
    facts.put("cpu.smt", read(format!("{CPUS}/smt/control")));
    facts.put("cpu.online", read(format!("{CPUS}/online")));
    facts.put("cpu.isolated", read(format!("{CPUS}/isolated")));
    let boost = read(format!("{CPUS}/cpufreq/boost")).or_else(|| {
        let off = read(format!("{CPUS}/intel_pstate/no_turbo"))?;
        Some(if off == "1" { "0" } else { "1" }.to_owned())
    });
    facts.put("cpu.boost", boost);
    facts.put("cpu.idle_driver", read(format!("{CPUS}/cpuidle/current_driver")));
    facts.put("cpu.idle_governor", read(format!("{CPUS}/cpuidle/current_governor_ro")));
    // The distinct values of all CPUs.
    let of_cpus = |name: &str| {
        let values =
            topology.cpus.iter().filter_map(|cpu| read(format!("{CPUS}/cpu{}/cpufreq/{name}", cpu.id)));
        Some(values.collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(" "))
    };
    facts.put("cpu.governor", of_cpus("scaling_governor"));
    facts.put("cpu.frequency_driver", of_cpus("scaling_driver"));
    facts.put("cpu.frequency_max_khz", of_cpus("scaling_max_freq"));
    facts.put("cpu.energy_preference", of_cpus("energy_performance_preference"));
    facts.put("numa.nodes", read("/sys/devices/system/node/online"));
    facts.put("nvme.poll_queues", read("/sys/module/nvme/parameters/poll_queues"));
    if let Ok(entries) = fs::read_dir(format!("{CPUS}/vulnerabilities")) {
        for entry in entries.flatten() {
            let name = format!("mitigations.{}", entry.file_name().to_string_lossy());
            facts.put(&name, read(entry.path()));
        }
    }
}

fn machine(facts: &mut Facts) {
    let memory = read("/proc/meminfo").unwrap_or_default();
    let size = |bytes| rough(ByteSize(bytes));
    facts.put("memory.total", meminfo(&memory, "MemTotal").map(size));
    facts.put("memory.swap", meminfo(&memory, "SwapTotal").map(size));
    for name in ["sys_vendor", "product_name"] {
        facts.put(&format!("machine.{name}"), read(format!("/sys/class/dmi/id/{name}")));
    }
    let flagged = read("/proc/cpuinfo").is_some_and(|info| {
        let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        flags.split_whitespace().any(|flag| flag == "hypervisor")
    });
    let guest = hypervisor::guest(flagged);
    let emulated_by = guest.as_ref().and_then(|guest| guest.emulated_by);
    facts.put("cpu.emulated_by", emulated_by.map(str::to_owned));
    facts.put("virtualisation", Some(guest.map_or_else(|| "none seen".to_owned(), |guest| guest.of)));
    facts.put("container", container());
    facts.put("boot_id", read("/proc/sys/kernel/random/boot_id"));
    facts.put("machine.id", read("/etc/machine-id").map(|id| format!("{:016x}", fnv1a(id.as_bytes()))));
}

/// The 64-bit FNV-1a hash. A machine id is confidential (machine-id(5)), so only its hash is reported.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3))
}

/// Limits of the control groups of this process.
fn groups(facts: &mut Facts) {
    let least = |controller, files| cgroup::least(&cgroup::groups(controller), files);
    let cpu = cgroup::groups("cpu");
    facts.put("limit.cpu_quota", cgroup::cpu_quota(&cpu).map(|quota| quota.to_string()));
    let cpuset = cgroup::groups("cpuset");
    let cpus = |group: &Group| {
        group.read(if group.unified { "cpuset.cpus.effective" } else { "cpuset.effective_cpus" })
    };
    let cpus =
        cpuset.iter().find_map(cpus).filter(|cpus| Some(cpus) != read(format!("{CPUS}/online")).as_ref());
    facts.put("limit.cpuset", cpus);
    let memory = least("memory", ["memory.max", "memory.limit_in_bytes"]);
    facts.put("limit.memory", memory.map(|bytes| rough(ByteSize(bytes))));
    facts.put("limit.pids", least("pids", ["pids.max", "pids.max"]).map(|pids| pids.to_string()));
    facts.put("limit.io", io_limits(&[cgroup::groups("io"), cgroup::groups("blkio")].concat()));
}

/// Limits of the throughput of devices, such as `8:0 rbps=1048576`; several are separated by `, `.
fn io_limits(groups: &[Group]) -> Option<String> {
    const V1: [(&str, &str); 4] = [
        ("rbps", "blkio.throttle.read_bps_device"),
        ("wbps", "blkio.throttle.write_bps_device"),
        ("riops", "blkio.throttle.read_iops_device"),
        ("wiops", "blkio.throttle.write_iops_device"),
    ];
    let mut limits = BTreeSet::new();
    for group in groups {
        if group.unified {
            // `8:0 rbps=1048576 wbps=max riops=max wiops=max`
            for line in group.read("io.max").unwrap_or_default().lines() {
                let words: Vec<&str> = line.split(' ').filter(|word| !word.ends_with("=max")).collect();
                limits.insert(words.join(" "));
            }
            continue;
        }
        for (name, file) in V1 {
            for line in group.read(file).unwrap_or_default().lines() {
                // `8:0 1048576`
                limits.extend(line.split_once(' ').map(|(device, value)| format!("{device} {name}={value}")));
            }
        }
    }
    (!limits.is_empty()).then(|| limits.into_iter().collect::<Vec<_>>().join(", "))
}

/// Signs of a container around the agent. `None` does not rule one out.
fn container() -> Option<String> {
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".to_owned());
    }
    let groups = read("/proc/self/cgroup")?;
    ["kubepods", "docker", "lxc", "libpod"]
        .into_iter()
        .find(|kind| groups.contains(kind))
        .map(|kind| format!("{kind} (by cgroup)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_limits_of_both_versions_are_listed() {
        let root = tempfile::tempdir().unwrap();
        let group = |name: &str, unified, file: &str, text: &str| {
            let dir = root.path().join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(file), text).unwrap();
            Group { dir, unified }
        };
        let v2 = group("a", true, "io.max", "8:16 rbps=max wbps=1048576 riops=max wiops=120\n");
        let v1 = group("b", false, "blkio.throttle.read_iops_device", "8:0 30\n");
        let none = group("c", false, "blkio.throttle.read_bps_device", "");
        assert_eq!(io_limits(&[v2, v1]).as_deref(), Some("8:0 riops=30, 8:16 wbps=1048576 wiops=120"));
        assert_eq!(io_limits(&[none]), None);
    }

    #[test]
    fn a_machine_is_identified() {
        let facts = gather(&Topology::discover().unwrap(), Path::new("/"));
        assert_eq!(facts["boot_id"].len(), 36);
        assert_eq!(fnv1a(b"a"), 0xAF63_DC4C_8601_EC8C);
    }

    #[test]
    fn only_relevant_words_are_recorded() {
        let line = "root=/dev/vda password=hunter2 mitigations=off nohz_full=1-3 -- mitigations=auto";
        assert_eq!(relevant_words(line), "mitigations=off nohz_full=1-3");
    }
}
