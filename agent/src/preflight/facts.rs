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
    fn only_relevant_words_are_recorded() {
        let line = "root=/dev/vda password=hunter2 mitigations=off nohz_full=1-3 -- mitigations=auto";
        assert_eq!(relevant_words(line), "mitigations=off nohz_full=1-3");
    }
}
