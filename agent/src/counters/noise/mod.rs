//! What else goes on in this host while a trial is measured: time that the hypervisor took, what others ran on the
//! trial's CPUs, how fast these ran, which clock the kernel used. Read at the edges of the window from the outside;
//! a reading takes some ten microseconds on a small machine, and is dearest where there are many CPUs and interrupts.

mod stat;
mod ticks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proto::{
    counters::{self, Counters as _},
    noise::{Foreign, Frequency, Noise},
};
use rustix::param::clock_ticks_per_second;

use self::{
    stat::Spent,
    ticks::{Elsewhere, Ran},
};

const CPUS: &str = "/sys/devices/system/cpu";
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Reads the noise on the CPUs of one trial.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Of workers, combiner and polling threads; rising.
    cpus: Vec<u32>,
    /// Each of them has one of its own, and the agent's runtime is elsewhere.
    pub alone: bool,
    elsewhere: Elsewhere,
    tick_ns: u64,
    /// A step of /proc/stat.
    unit_ns: u64,
}

/// One reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    cpus: BTreeMap<u32, Spent>,
    own: Option<Ran>,
    /// Microseconds.
    pressure: Option<u64>,
    khz: BTreeMap<u32, u64>,
    throttled: Option<u64>,
    clocksource: Option<String>,
}

impl Probe {
    /// For a trial whose threads stand at the start line, pinned to these CPUs, one entry a thread; the agent's own
    /// runtime is pinned to `runtime`. `None` where `/proc` does not tell of threads.
    #[must_use]
    pub fn new(threads: &[u32], runtime: u32) -> Option<Self> {
        let cpus: Vec<u32> = threads.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        Some(Self {
            alone: cpus.len() == threads.len() && !cpus.contains(&runtime),
            elsewhere: Elsewhere::than(&cpus).ok()?,
            cpus,
            tick_ns: ticks::tick().as_nanos() as u64,
            unit_ns: 1_000_000_000 / clock_ticks_per_second().max(1),
        })
    }

    /// Reads all that there is. `None` without `/proc/stat`.
    #[must_use]
    pub fn read(&self) -> Option<Reading> {
        // These two next to each other: they are held against one another.
        let own = self.elsewhere.others().ok();
        let cpus = stat::cpus(&fs::read_to_string("/proc/stat").ok()?);
        let sysfs = Path::new(CPUS);
        let khz =
            |cpu: &u32| Some((*cpu, number(&sysfs.join(format!("cpu{cpu}/cpufreq/scaling_cur_freq")))?));
        Some(Reading {
            cpus,
            own,
            pressure: fs::read_to_string("/proc/pressure/cpu").ok().and_then(|text| stat::pressure(&text)),
            khz: self.cpus.iter().filter_map(khz).collect(),
            throttled: throttled(sysfs, &self.cpus),
            clocksource: fs::read_to_string(CLOCKSOURCE).ok().map(|name| name.trim().to_owned()),
        })
    }

    /// What lies between two readings that are so far apart. `None` where none of the trial's CPUs is told of.
    #[must_use]
    pub fn between(&self, first: &Reading, last: &Reading, span_ns: u64) -> Option<Noise> {
        let spent = |cpus: &[u32]| -> Option<Spent> {
            let each = cpus.iter().map(|cpu| Some(last.cpus.get(cpu)?.since(first.cpus.get(cpu)?)));
            Some(counters::sum(&each.collect::<Option<Vec<Spent>>>()?).unwrap_or_default())
        };
        let ours = spent(&self.cpus).filter(|_| span_ns > 0)?;
        // One that came or went meanwhile has nothing to tell.
        let both: Vec<u32> = first.cpus.keys().copied().filter(|cpu| last.cpus.contains_key(cpu)).collect();
        let frequency = |cpu: &u32| {
            Some(Frequency { cpu: *cpu, begin_khz: *first.khz.get(cpu)?, end_khz: *last.khz.get(cpu)? })
        };
        let pressure = first.pressure.zip(last.pressure).map(|(first, last)| last.saturating_sub(first));
        Some(Noise {
            span_ns,
            steal_ns: ours.steal.saturating_mul(self.unit_ns),
            steal_all_ns: spent(&both)?.steal.saturating_mul(self.unit_ns),
            cpus_all: both.len() as u32,
            foreign: first.own.zip(last.own).map(|(first, last)| self.foreign(ours, first, last)),
            waited_share: None,
            pressure_ns: pressure.map(|us| us.saturating_mul(1000)),
            frequencies: self.cpus.iter().filter_map(frequency).collect(),
            throttled: first.throttled.zip(last.throttled).map(|(first, last)| last.saturating_sub(first)),
            clocksource: first.clocksource.clone(),
            clocksource_after: last.clocksource.clone(),
            cpus: self.cpus.clone(),
        })
    }

    /// What the CPUs ran beyond what this process did. Interrupts are left out on both sides as far as /proc/stat tells
    /// them apart: those of the trial's own device are no foreign load.
    fn foreign(&self, cpus: Spent, first: Ran, last: Ran) -> Foreign {
        let beyond = |steps: u64, first: u64, last: u64| {
            let found = steps.saturating_mul(self.unit_ns).saturating_sub(last.saturating_sub(first));
            if found < self.resolution_ns() { 0 } else { found }
        };
        let total_ns = beyond(cpus.user.saturating_add(cpus.system), first.total_ns, last.total_ns);
        Foreign {
            total_ns,
            // What is seen of a part is seen of the whole.
            user_ns: beyond(cpus.user, first.user_ns, last.user_ns).min(total_ns),
            resolution_ns: self.resolution_ns(),
        }
    }

    /// Of each CPU, a step of user and one of system time, which are rounded apart; and a tick that may come between
    /// reading the process and reading the CPU, at both edges.
    fn resolution_ns(&self) -> u64 {
        (2 * self.unit_ns + 2 * self.tick_ns) * self.cpus.len() as u64
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// How often the hardware has throttled these CPUs, by core and by package; `None` where it does not tell of one.
fn throttled(sysfs: &Path, cpus: &[u32]) -> Option<u64> {
    let count = |cpu: &u32| {
        let place = sysfs.join(format!("cpu{cpu}/thermal_throttle"));
        let counts = ["core_throttle_count", "package_throttle_count"].map(|name| number(&place.join(name)));
        counts.into_iter().flatten().reduce(u64::saturating_add)
    };
    cpus.iter().map(count).try_fold(0, |sum: u64, count| Some(sum.saturating_add(count?)))
}

#[cfg(test)]
mod tests;
