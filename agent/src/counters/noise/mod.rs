//! Noise: activity on this host, other than the trial, during the window. It comprises steal time, foreign load on the
//! trial's CPUs, their frequencies and throttling, CPU quotas, and the kernel's clock source. It is read at the edges of the
//! window, outside the workers. A reading takes about ten microseconds on a small machine, and longer with many CPUs
//! and interrupts.

mod stat;
mod ticks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proto::{
    counters::{self, Counters as _},
    noise::{CpuQuota, Foreign, Frequency, Noise, Quota},
};
use rustix::param::clock_ticks_per_second;

use self::{
    stat::Spent,
    ticks::{Elsewhere, Ran},
};
use crate::cgroup::{self, Group, Throttled};

const CPUS: &str = "/sys/devices/system/cpu";
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Reads the noise on the CPUs of one trial.
#[derive(Clone, Debug)]
pub struct Probe {
    /// CPUs of workers, combiner and polling threads, in ascending order.
    cpus: Vec<u32>,
    /// Every thread has its own CPU, and the agent's runtime uses none of them.
    pub alone: bool,
    elsewhere: Elsewhere,
    /// Groups of the CPU controller that this process is in.
    groups: Vec<Group>,
    tick_ns: u64,
    /// Resolution of /proc/stat in nanoseconds.
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
    quota: Option<(CpuQuota, Throttled)>,
    clocksource: Option<String>,
}

impl Probe {
    /// Creates a probe for a trial whose threads wait at the start line, pinned to these CPUs, one entry per thread.
    /// The agent's runtime is pinned to `runtime`. `None` if `/proc` does not list threads.
    #[must_use]
    pub fn new(threads: &[u32], runtime: u32) -> Option<Self> {
        let cpus: Vec<u32> = threads.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        Some(Self {
            alone: cpus.len() == threads.len() && !cpus.contains(&runtime),
            elsewhere: Elsewhere::than(&cpus).ok()?,
            groups: cgroup::groups("cpu"),
            cpus,
            tick_ns: ticks::tick().as_nanos() as u64,
            unit_ns: 1_000_000_000 / clock_ticks_per_second().max(1),
        })
    }

    /// Takes a reading. `None` without `/proc/stat`.
    #[must_use]
    pub fn read(&self) -> Option<Reading> {
        // These two are compared, so they are read one right after the other.
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
            quota: cgroup::cpu_quota(&self.groups).zip(cgroup::throttled(&self.groups)),
            clocksource: fs::read_to_string(CLOCKSOURCE).ok().map(|name| name.trim().to_owned()),
        })
    }

    /// The noise between two readings `span_ns` apart. `None` if a CPU of the trial is missing from them.
    #[must_use]
    pub fn between(&self, first: &Reading, last: &Reading, span_ns: u64) -> Option<Noise> {
        let spent = |cpus: &[u32]| -> Option<Spent> {
            let each = cpus.iter().map(|cpu| Some(last.cpus.get(cpu)?.since(first.cpus.get(cpu)?)));
            Some(counters::sum(&each.collect::<Option<Vec<Spent>>>()?).unwrap_or_default())
        };
        let ours = spent(&self.cpus).filter(|_| span_ns > 0)?;
        // CPUs that were online at both readings.
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
            quota: last.quota.map(|(limit, last)| quota(limit, first.quota, last)),
            clocksource: first.clocksource.clone(),
            clocksource_after: last.clocksource.clone(),
            cpus: self.cpus.clone(),
        })
    }

    /// Load on the CPUs that is not from this process. Interrupts are left out on both sides as far as /proc/stat
    /// reports them separately, because those of the trial's device are not foreign load.
    fn foreign(&self, cpus: Spent, first: Ran, last: Ran) -> Foreign {
        let beyond = |steps: u64, first: u64, last: u64| {
            let found = steps.saturating_mul(self.unit_ns).saturating_sub(last.saturating_sub(first));
            if found < self.resolution_ns() { 0 } else { found }
        };
        let total_ns = beyond(cpus.user.saturating_add(cpus.system), first.total_ns, last.total_ns);
        Foreign {
            total_ns,
            // A part cannot exceed the total.
            user_ns: beyond(cpus.user, first.user_ns, last.user_ns).min(total_ns),
            resolution_ns: self.resolution_ns(),
        }
    }

    /// For each CPU: one unit each of user and system time, which are rounded separately, and at both edges one tick
    /// that may come between reading the process and reading the CPU.
    fn resolution_ns(&self) -> u64 {
        (2 * self.unit_ns + 2 * self.tick_ns) * self.cpus.len() as u64
    }
}

/// The effect of a quota since the first reading. A quota that was set in between counts from zero.
fn quota(limit: CpuQuota, first: Option<(CpuQuota, Throttled)>, last: Throttled) -> Quota {
    let first = first.map(|(_, throttled)| throttled).unwrap_or_default();
    Quota {
        limit,
        throttled_periods: last.periods.saturating_sub(first.periods),
        throttled_ns: last.time_ns.saturating_sub(first.time_ns),
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Number of times that the hardware has throttled these CPUs, by core and by package; `None` if it is unknown for any
/// of them.
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
