//! Turns the other activity that an agent reports into findings and marks.

use proto::{
    noise::{Frequency, Noise, Quota},
    notice::{CpuList, Notice as _},
    outcome::Finished,
    trial::Measure,
};

use crate::{
    stats::verdict::DEFAULT_MARGIN,
    store::record::{HostTrial, TrialRecord},
    warning::{ClockProblem, Mark, NoiseWarning, Reason},
};

/// Share of the CPUs' time given to others by the hypervisor above which a trial is marked. A busy worker loses all of
/// it, so the share counts like the margin. It must exceed this by one step of the kernel's account (10 ms per CPU).
pub const STEAL_MARK: f64 = DEFAULT_MARGIN;
/// Share of the time waited for CPUs above which foreign load marks a trial.
pub const WAITED_MARK: f64 = DEFAULT_MARGIN;
/// Share of the CPUs' time used by other programs above which a trial is marked even if it did not wait: while it waits
/// for its device, other programs take caches and clock speed from it.
pub const FOREIGN_MARK: f64 = 0.10;
/// Share of the time waited for CPUs above which waiting without foreign load causes a warning.
pub const WAITED_WARN: f64 = 0.01;
/// Relative change of a CPU's frequency within a trial above which it causes a warning. It never marks, because with a
/// governor that follows the load, a single reading shows little.
pub const FREQUENCY_WARN: f64 = 0.05;
/// A step of the kernel's account of steal, in nanoseconds.
const STEAL_STEP_NS: u64 = 10_000_000;

/// Activity on a host during a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The activity.
    pub warning: NoiseWarning,
    /// Whether it could have changed the result by more than the margin.
    pub marks: bool,
}

impl Finding {
    fn warns(warning: NoiseWarning) -> Self {
        Self { warning, marks: false }
    }
}

/// The noise on a host while it measured.
#[must_use]
pub fn findings(finished: &Finished) -> Vec<Finding> {
    let Some(noise) = &finished.noise else { return Vec::new() };
    if noise.span_ns == 0 || noise.cpus.is_empty() {
        return Vec::new();
    }
    let all = [
        steal(noise),
        quota(noise),
        foreign(noise),
        waited(noise, finished),
        frequency(noise),
        throttled(noise),
        clocksource(noise),
    ];
    all.into_iter().flatten().collect()
}

/// Whether a quota stopped the trial. Its threads then wait for their CPUs without any foreign load.
fn is_throttled(noise: &Noise) -> bool {
    noise.quota.is_some_and(|quota| quota.throttled_periods > 0 || quota.throttled_ns > 0)
}

/// Throttling by a quota. It always marks: a stopped worker misses at least one period's remainder, which is many
/// operations long.
fn quota(noise: &Noise) -> Option<Finding> {
    let Quota { limit, throttled_periods: periods, throttled_ns } = noise.quota?;
    let share = throttled_ns as f64 / noise.span_ns as f64;
    let warning = NoiseWarning::CpuQuota { limit, periods, share };
    is_throttled(noise).then_some(Finding { warning, marks: true })
}

/// The share of the time that the trial's threads waited for CPUs that ran something else; `None` if it is unknown.
fn waited_for_others(noise: &Noise) -> Option<f64> {
    noise.waited_share.filter(|_| !is_throttled(noise))
}

/// A time as a share of the time of the trial's CPUs.
fn share(noise: &Noise, ns: u64) -> f64 {
    ns as f64 / (noise.span_ns as f64 * noise.cpus.len() as f64)
}

fn cpus(noise: &Noise) -> CpuList {
    CpuList(noise.cpus.clone())
}

fn steal(noise: &Noise) -> Option<Finding> {
    let certain = noise.steal_ns.saturating_sub(STEAL_STEP_NS * noise.cpus.len() as u64);
    (certain > 0).then(|| Finding {
        warning: NoiseWarning::Steal { share: share(noise, noise.steal_ns), cpus: cpus(noise) },
        marks: share(noise, certain) > STEAL_MARK,
    })
}

fn foreign(noise: &Noise) -> Option<Finding> {
    let foreign = noise.foreign.filter(|foreign| foreign.total_ns > 0)?;
    let has_user = foreign.user_ns > 0;
    let certain = share(noise, foreign.user_ns.saturating_sub(foreign.resolution_ns));
    let warning = NoiseWarning::ForeignLoad {
        share: share(noise, foreign.total_ns),
        user: has_user.then(|| share(noise, foreign.user_ns)),
        cpus: cpus(noise),
        waited: waited_for_others(noise),
    };
    let much = certain > FOREIGN_MARK || waited_for_others(noise).unwrap_or(certain) > WAITED_MARK;
    Some(Finding { warning, marks: has_user && much })
}

/// Waiting for a CPU without foreign load. Where there is such load, its warning includes the waiting.
fn waited(noise: &Noise, finished: &Finished) -> Option<Finding> {
    let waited = waited_for_others(noise).filter(|waited| *waited > WAITED_WARN)?;
    // The trial may have waited for the ring's threads, which may run on any CPU.
    let own = share(noise, finished.cpu.kernel_threads_ns.unwrap_or(0));
    if noise.foreign.is_some_and(|foreign| foreign.total_ns > 0) || own >= waited {
        return None;
    }
    let switches = finished.cpu.involuntary_switches;
    Some(Finding::warns(NoiseWarning::InvoluntarySwitches { waited, switches }))
}

fn frequency(noise: &Noise) -> Option<Finding> {
    let changes = noise.frequencies.iter().map(|&Frequency { cpu, begin_khz, end_khz }| {
        NoiseWarning::FrequencyChanged { cpu, begin_khz, end_khz }
    });
    let largest = changes.max_by(|a, b| a.weight().total_cmp(&b.weight()))?;
    (largest.weight() > FREQUENCY_WARN).then(|| Finding::warns(largest))
}

fn throttled(noise: &Noise) -> Option<Finding> {
    let times = noise.throttled.filter(|times| *times > 0)?;
    Some(Finding { warning: NoiseWarning::ThermalThrottled { times, cpus: cpus(noise) }, marks: true })
}

fn clocksource(noise: &Noise) -> Option<Finding> {
    let (before, after) = (noise.clocksource.clone()?, noise.clocksource_after.clone()?);
    (before != after).then_some(Finding {
        warning: NoiseWarning::Clocksource { problem: ClockProblem::Changed { before, after } },
        marks: true,
    })
}

/// The marks of a timed trial. Each names its hosts if the trial has several.
#[must_use]
pub fn marks(record: &TrialRecord) -> Vec<Mark> {
    let alone = record.hosts.len() == 1;
    let of_host = |host: &HostTrial| -> Vec<Mark> {
        let name: Vec<String> = (!alone).then(|| host.host.clone()).into_iter().collect();
        let marking = found(record, host).into_iter().filter(|finding| finding.marks);
        marking.map(|found| Mark { hosts: name.clone(), reason: Reason::Noisy(found.warning) }).collect()
    };
    Mark::joined(record.hosts.iter().flat_map(of_host))
}

/// The findings of a timed trial. Audits have none, because noise does not change counts of system calls.
pub(super) fn found(record: &TrialRecord, host: &HostTrial) -> Vec<Finding> {
    let timed = record.measure == Measure::Timed;
    host.finished.as_ref().filter(|_| timed).map(findings).unwrap_or_default()
}
