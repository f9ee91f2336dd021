//! The CPUs that this process may use, and their assignment to workers and helper threads.
//!
//! Two workers on one physical core are slower than on two cores, and the agent's runtime disturbs a worker on the same
//! CPU. So CPUs are assigned here, by fixed rules, and reported with the trial.

use std::{collections::BTreeMap, fs, io, path::Path};

use proto::{
    notice::CpuList,
    outcome::Cpu,
    refusal::{CpuFailure, Refusal, WorkerRefusal},
    trial::{Cpus, Sqpoll},
    warning::{CpuWarning, PollerPlacement, Warning},
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs of this process in ascending order, and the CPU of the agent's runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// CPUs that are online and allowed by the affinity (and so by cpusets). A core is named by its lowest CPU, which,
    /// unlike the kernel's `core_id`, is unique in the machine and known on every architecture.
    pub cpus: Vec<Cpu>,
    /// The first of them, which usually handles interrupts anyway.
    pub runtime_cpu: u32,
}

impl Topology {
    /// Inspects this host. Must be called before any thread is pinned: a pinned caller sees only its own CPU.
    ///
    /// # Errors
    /// When the affinity cannot be read, or contains no CPU that is online.
    pub fn discover() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let sysfs = Path::new("/sys/devices/system/cpu");
        let online = fs::read_to_string(sysfs.join("online")).ok().and_then(|text| parse_list(&text));
        let cpus = (0..CpuSet::MAX_CPU as u32)
            .filter(|&id| allowed.is_set(id as usize))
            .filter(|id| online.as_ref().is_none_or(|online| online.contains(id)))
            .map(|id| locate(sysfs, id))
            .collect();
        Self::of(cpus).ok_or_else(|| io::Error::other("none of the CPUs that this process may use is online"))
    }

    /// The topology of these CPUs; `None` if there are none.
    #[must_use]
    pub fn of(mut cpus: Vec<Cpu>) -> Option<Self> {
        cpus.sort_unstable_by_key(|cpu| cpu.id);
        cpus.dedup_by_key(|cpu| cpu.id);
        let runtime_cpu = cpus.first()?.id;
        Some(Self { cpus, runtime_cpu })
    }

    /// The CPU of each of `workers` workers, in worker order.
    ///
    /// # Errors
    /// `cpu-not-available` when the trial names a CPU that this process may not use.
    pub fn assign(&self, wanted: &Cpus, workers: u32) -> Result<(Vec<u32>, Vec<Warning>), Refusal> {
        let choice = match wanted {
            Cpus::Auto => self.preferred(),
            Cpus::List(list) => self.checked(list, false)?,
        };
        let used: Vec<u32> = choice.iter().copied().cycle().take(workers as usize).collect();
        let warnings = self.concerns(&used, matches!(wanted, Cpus::Auto));
        Ok((used, warnings))
    }

    /// All CPUs for workers, best first: one thread of each core except the runtime's, then the other threads of the
    /// runtime's core (it is mostly idle), then the siblings of cores that are already in use.
    fn preferred(&self) -> Vec<u32> {
        let mut cores: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        for cpu in &self.cpus {
            cores.entry((cpu.package, cpu.core)).or_default().push(cpu.id);
        }
        let runtime_core = self.core_of(self.runtime_cpu);
        let mut ranked = Vec::new();
        for (core, threads) in cores {
            for (nth, id) in threads.into_iter().enumerate().filter(|(_, id)| *id != self.runtime_cpu) {
                let class = match (nth, Some(core) == runtime_core) {
                    (0, _) => 0,
                    (_, true) => 1,
                    (_, false) => 2,
                };
                ranked.push(((class, nth), core.0, id));
            }
        }
        ranked.sort_unstable();
        if ranked.is_empty() {
            return vec![self.runtime_cpu];
        }
        ranked.into_iter().map(|(_, _, id)| id).collect()
    }

    fn checked(&self, list: &[u32], poller: bool) -> Result<Vec<u32>, Refusal> {
        let missing: Vec<u32> = list.iter().copied().filter(|id| self.core_of(*id).is_none()).collect();
        if missing.is_empty() && !list.is_empty() {
            return Ok(list.to_vec());
        }
        let allowed = self.cpus.iter().map(|cpu| cpu.id).collect();
        let failure = match list {
            [] => CpuFailure::NoneListed { allowed },
            _ => CpuFailure::NotAllowed { cpus: CpuList(missing), allowed, poller },
        };
        Err(WorkerRefusal::CpuNotAvailable { failure }.into())
    }

    /// Warnings about workers on these CPUs.
    fn concerns(&self, used: &[u32], auto: bool) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut distinct = used.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < used.len() {
            let cpus = CpuList(distinct.clone());
            warnings.push(CpuWarning::TooFewCpus { workers: used.len() as u32, cpus, listed: !auto }.into());
        }
        if distinct.contains(&self.runtime_cpu) {
            let (cpu, only_cpu) = (self.runtime_cpu, self.cpus.len() == 1);
            warnings.push(CpuWarning::SharesRuntimeCpu { cpu, only_cpu }.into());
        }
        let mut on_core: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        for id in distinct {
            if let Some(core) = self.core_of(id) {
                on_core.entry(core).or_default().push(id);
            }
        }
        let cores: Vec<CpuList> =
            on_core.into_values().filter(|threads| threads.len() > 1).map(CpuList).collect();
        if !cores.is_empty() {
            warnings.push(CpuWarning::SharesCore { cores }.into());
        }
        warnings
    }

    /// The CPU of each worker's polling thread in the kernel. Without a choice such a thread inherits the CPU that its
    /// worker is pinned to, and the two would take turns.
    ///
    /// # Errors
    /// When the requested CPU may not be used.
    pub fn pollers(&self, sqpoll: Sqpoll, workers: &[u32]) -> Result<(Vec<u32>, Vec<Warning>), Refusal> {
        let threads = if sqpoll.shared { 1 } else { workers.len() };
        let cpus = match sqpoll.cpu {
            Some(cpu) => self.checked(&[cpu], true)?,
            None => self.beside(workers, threads),
        };
        let placed: Vec<u32> = (0..workers.len()).map(|worker| cpus[worker % cpus.len()]).collect();
        let used = &placed[..threads.min(placed.len())];
        let placement = if let Some(&cpu) = used.iter().find(|cpu| workers.contains(cpu)) {
            Some(PollerPlacement::WithWorker { cpu })
        } else if used.len() > cpus.len() {
            Some(PollerPlacement::Crowded { threads: used.len() as u32, cpus: cpus.len() as u32 })
        } else if let Some((cpu, worker_cpu)) = self.neighbours(used, workers) {
            Some(PollerPlacement::OnWorkersCore { cpu, worker_cpu })
        } else {
            let cpu = self.runtime_cpu;
            used.contains(&cpu).then_some(PollerPlacement::WithRuntime { cpu })
        };
        let warnings = placement.map(|placement| CpuWarning::SqpollSharesCpu { placement }.into());
        Ok((placed, warnings.into_iter().collect()))
    }

    /// The first pair of CPUs, one from each list, that are threads of one physical core.
    fn neighbours(&self, ours: &[u32], theirs: &[u32]) -> Option<(u32, u32)> {
        ours.iter().find_map(|ours| {
            let core = self.core_of(*ours)?;
            theirs.iter().find(|theirs| self.core_of(**theirs) == Some(core)).map(|theirs| (*ours, *theirs))
        })
    }

    /// CPUs for `threads` helper threads: those without a worker if there are any.
    fn beside(&self, workers: &[u32], threads: usize) -> Vec<u32> {
        let mut cpus = self.preferred();
        // The runtime's CPU comes before a worker's, because the runtime has little to do during a trial.
        cpus.retain(|cpu| !workers.contains(cpu));
        if cpus.len() < threads && !workers.contains(&self.runtime_cpu) {
            cpus.push(self.runtime_cpu);
        }
        if cpus.is_empty() {
            cpus = workers.to_vec();
        }
        cpus
    }

    /// The CPU of the combiner's thread, whether no worker uses it too, and warnings.
    #[must_use]
    pub fn combiner(&self, workers: &[u32]) -> (u32, bool, Vec<Warning>) {
        let cpu = self.beside(workers, 1).first().copied().unwrap_or(self.runtime_cpu);
        let alone = !workers.contains(&cpu);
        let shared = !alone || cpu == self.runtime_cpu;
        let warning = shared.then(|| CpuWarning::CombinerSharesCpu { cpu, with_worker: !alone }.into());
        (cpu, alone, warning.into_iter().collect())
    }

    fn core_of(&self, id: u32) -> Option<(u32, u32)> {
        let at = self.cpus.binary_search_by_key(&id, |cpu| cpu.id).ok()?;
        Some((self.cpus[at].package, self.cpus[at].core))
    }
}

/// Pins the calling thread to one CPU.
///
/// # Errors
/// When the CPU does not exist or may not be used.
pub fn pin_current_thread(cpu: u32) -> io::Result<()> {
    if cpu as usize >= CpuSet::MAX_CPU {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("CPU number {cpu} is too large")));
    }
    let mut set = CpuSet::new();
    set.set(cpu as usize);
    Ok(sched_setaffinity(None, &set)?)
}

/// The core and package of a CPU. If sysfs lacks them (some virtual machines and architectures), the CPU counts as a
/// separate core in package 0.
fn locate(sysfs: &Path, id: u32) -> Cpu {
    let read = |name: &str| fs::read_to_string(sysfs.join(format!("cpu{id}/topology/{name}"))).ok();
    let siblings = read("core_cpus_list").or_else(|| read("thread_siblings_list"));
    let core = siblings.and_then(|text| parse_list(&text)).and_then(|list| list.into_iter().min());
    // -1 when the firmware does not supply it.
    let package = read("physical_package_id").and_then(|text| text.trim().parse().ok());
    Cpu { id, package: package.unwrap_or(0), core: core.unwrap_or(id) }
}

/// Parses a CPU list such as `0-3,8`; `None` if the text is not one.
fn parse_list(text: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last as usize > 1 << 20 {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Numbered as Linux does on x86: the first threads of all cores, socket by socket, then their siblings.
    fn machine(sockets: u32, cores: u32, smt: u32) -> Topology {
        let all = sockets * cores;
        let cpu = |id: u32| Cpu { id, package: id % all / cores, core: id % all };
        Topology::of((0..all * smt).map(cpu).collect()).unwrap()
    }

    fn auto(topology: &Topology, workers: u32) -> (Vec<u32>, Vec<String>) {
        let (cpus, warnings) = topology.assign(&Cpus::Auto, workers).unwrap();
        (cpus, warnings.into_iter().map(|warning| warning.code().to_owned()).collect())
    }

    #[test]
    fn discovers_this_host_and_pins_to_it() {
        let topology = Topology::discover().unwrap();
        assert_eq!(topology.runtime_cpu, topology.cpus[0].id);
        let last = topology.cpus.last().unwrap().id;
        std::thread::spawn(move || {
            pin_current_thread(last).unwrap();
            assert_eq!(rustix::thread::sched_getcpu(), last as usize);
            assert!(pin_current_thread(CpuSet::MAX_CPU as u32).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn assigns_cores_before_siblings() {
        let topology = machine(2, 4, 2);
        let (cpus, warnings) = auto(&topology, 15);
        // The runtime is on CPU 0, so its sibling 8 is the last CPU without a busy neighbour.
        assert_eq!(cpus, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(warnings, ["shares-core"]);
        assert_eq!(auto(&topology, 8).1, [""; 0], "eight workers on eight cores do not share any");
    }

    #[test]
    fn recognises_siblings_with_adjacent_numbers() {
        let cpu = |id: u32| Cpu { id, package: 0, core: id / 2 * 2 };
        let topology = Topology::of((0..8).map(cpu).collect()).unwrap();
        assert_eq!(auto(&topology, 7).0, [2, 4, 6, 1, 3, 5, 7]);
    }

    #[test]
    fn counts_equal_core_numbers_of_two_sockets_as_different_cores() {
        let cpu = |id: u32| Cpu { id, package: id / 2, core: id % 2 };
        let topology = Topology::of((0..4).map(cpu).collect()).unwrap();
        let (cpus, warnings) = auto(&topology, 3);
        assert_eq!(cpus, [1, 2, 3]);
        assert!(warnings.is_empty());
    }

    #[test]
    fn gives_the_combiner_a_free_cpu_if_there_is_one() {
        let code = |(cpu, alone, warnings): (u32, bool, Vec<Warning>)| {
            (cpu, alone, warnings.first().map(|warning| (warning.code().to_owned(), warning.message())))
        };
        assert_eq!(code(machine(1, 4, 1).combiner(&[1, 2])), (3, true, None));
        let (cpu, alone, warning) = code(machine(1, 2, 1).combiner(&[1, 1]));
        assert!((cpu, alone) == (0, true) && warning.unwrap().1.contains("runtime"));
        let (cpu, alone, warning) = code(machine(1, 2, 1).combiner(&[0, 1]));
        let (code, message) = warning.unwrap();
        assert!(!alone && cpu < 2 && code == "combiner-shares-cpu" && message.contains("share CPU"));
    }

    #[test]
    fn warns_of_more_workers_than_cpus() {
        let (cpus, warnings) = assigned(&machine(1, 2, 1), &Cpus::Auto, 3);
        assert_eq!(cpus, [1, 1, 1]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].message().contains("3 workers share 1 CPU:"), "{warnings:?}");
        assert!(warnings[0].remedy().contains("concurrency: threads"));
    }

    fn assigned(topology: &Topology, wanted: &Cpus, workers: u32) -> (Vec<u32>, Vec<Warning>) {
        topology.assign(wanted, workers).unwrap()
    }

    #[test]
    fn shares_the_only_cpu_with_the_runtime() {
        let (cpus, warnings) = auto(&machine(1, 1, 1), 1);
        assert_eq!((cpus, warnings), (vec![0], vec!["shares-runtime-cpu".to_owned()]));
    }

    #[test]
    fn keeps_polling_threads_off_the_cpus_of_workers() {
        let pollers = |topology: &Topology, sqpoll, workers: &[u32]| {
            let (cpus, warnings) = topology.pollers(sqpoll, workers).unwrap();
            (cpus, warnings.into_iter().map(|warning| warning.message()).collect::<Vec<_>>())
        };
        let any = Sqpoll::default();
        assert_eq!(pollers(&machine(1, 4, 1), any, &[1]), (vec![2], vec![]));
        assert_eq!(pollers(&machine(1, 8, 1), any, &[1, 2]), (vec![3, 4], vec![]));
        let (cpus, warnings) = pollers(&machine(1, 2, 1), any, &[1]);
        assert_eq!(cpus, [0]);
        assert!(warnings[0].contains("agent's own runtime"), "{warnings:?}");
        let (cpus, warnings) = pollers(&machine(1, 1, 1), any, &[0]);
        assert_eq!(cpus, [0]);
        assert!(warnings[0].contains("share CPU 0,"), "{warnings:?}");
        let (cpus, warnings) = pollers(&machine(1, 4, 1), any, &[1, 2, 3]);
        assert_eq!(cpus, [0, 0, 0]);
        assert!(warnings[0].contains("3 polling threads share 1 CPU"), "{warnings:?}");
        let shared = Sqpoll { shared: true, ..any };
        assert_eq!(pollers(&machine(1, 8, 1), shared, &[1, 2]).1, Vec::<String>::new());
        // CPU 5 is the other thread of the core of CPU 1.
        let beside = Sqpoll { cpu: Some(5), ..any };
        let (cpus, warnings) = pollers(&machine(1, 4, 2), beside, &[1]);
        assert_eq!(cpus, [5]);
        assert!(warnings[0].contains("CPU 5 and a worker on CPU 1 share a physical core"), "{warnings:?}");
        let own = Sqpoll { cpu: Some(1), ..any };
        assert!(pollers(&machine(1, 4, 1), own, &[1]).1[0].contains("share CPU 1,"));
        let absent = Sqpoll { cpu: Some(9), ..any };
        assert_eq!(machine(1, 4, 1).pollers(absent, &[1]).unwrap_err().field(), "engine.sqpoll");
    }

    #[test]
    fn uses_listed_cpus_in_their_order() {
        let topology = machine(1, 4, 1);
        let (cpus, warnings) = assigned(&topology, &Cpus::List(vec![3, 1]), 2);
        assert_eq!((cpus, warnings), (vec![3, 1], vec![]));
        let (cpus, warnings) = assigned(&topology, &Cpus::List(vec![0, 2]), 3);
        assert_eq!(cpus, [0, 2, 0]);
        let codes: Vec<_> = warnings.iter().map(|warning| warning.code()).collect();
        assert_eq!(codes, ["too-few-cpus", "shares-runtime-cpu"]);
        assert!(warnings[0].message().contains("2 CPUs listed in `cpus` (0,2)"), "{warnings:?}");
    }

    #[test]
    fn refuses_absent_cpus_by_number() {
        let refusal = machine(1, 4, 1).assign(&Cpus::List(vec![1, 4, 9]), 1).unwrap_err();
        assert_eq!((refusal.code(), refusal.field().as_str()), ("cpu-not-available", "workload.cpus"));
        assert_eq!(refusal.message(), "the agent may not use CPU 4,9, only 0-3");
    }

    proptest! {
        #[test]
        fn uses_every_cpu_once_before_any_twice(
            sockets in 1u32..4, cores in 1u32..8, smt in 1u32..4, workers in 1u32..100,
        ) {
            let topology = machine(sockets, cores, smt);
            let (cpus, warnings) = auto(&topology, workers);
            prop_assert_eq!(cpus.len(), workers as usize);
            let usable = (topology.cpus.len() - 1).max(1);
            let first: BTreeSet<_> = cpus.iter().take(usable).collect();
            prop_assert_eq!(first.len(), usable.min(workers as usize));
            prop_assert_eq!(warnings.contains(&"too-few-cpus".to_owned()), workers as usize > usable);
            prop_assert_eq!(cpus.contains(&0), topology.cpus.len() == 1);
            // Siblings of a worker come last.
            let core = |id: u32| id % (sockets * cores);
            let others = (sockets * cores - 1) as usize;
            let distinct: BTreeSet<_> = cpus.iter().take(others).map(|&id| core(id)).collect();
            prop_assert_eq!(distinct.len(), (workers.min(sockets * cores - 1)) as usize);
        }

        #[test]
        fn cpu_lists_survive_a_round_trip(ids in prop::collection::btree_set(0u32..300, 0..40)) {
            let ids: Vec<u32> = ids.into_iter().collect();
            prop_assert_eq!(parse_list(&CpuList(ids.clone()).to_string()), Some(ids));
        }
    }

    #[test]
    fn refuses_malformed_cpu_lists() {
        for text in ["a", "1-", "0-4294967295"] {
            assert_eq!(parse_list(text), None, "{text}");
        }
    }
}
