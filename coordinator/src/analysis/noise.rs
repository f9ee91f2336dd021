//! The noise guard: what an agent saw of other doings in its host becomes marks and typed warnings.
//!
//! A **mark** is for noise that could change the trial's result by more than the margin within which arms are called
//! equal; a **warning** is for less, and for what cannot be told from the trial's own work. The thresholds come from
//! measurements that `docs/adr/0020-noise-guard.md` shows.

use proto::{noise::Noise, outcome::Finished, trial::Measure};

use super::warnings::Warnings;
use crate::{
    scenario::noise::NoisePolicy,
    stats::verdict::DEFAULT_MARGIN,
    store::{
        HostEntry,
        record::{HostTrial, TrialRecord},
    },
};

/// Share of the CPUs' time in the hypervisor's hands above which a trial is marked: all of it is lost to a worker that
/// is busy, so it counts like the margin. One step of the kernel's account (10 ms a CPU) more must be seen.
pub const STEAL_MARK: f64 = DEFAULT_MARGIN;
/// Share of time that threads of the trial waited for their CPUs above which foreign load marks it.
pub const WAITED_MARK: f64 = DEFAULT_MARGIN;
/// Share of the CPUs' time that other programs ran above which a trial is marked, however little it waited: what runs
/// while the trial waits for its device takes caches and clock from it.
pub const FOREIGN_MARK: f64 = 0.10;
/// Share of waiting above which that alone is warned of.
pub const WAITED_WARN: f64 = 0.01;
/// Change of a CPU's frequency within a trial, in proportion, above which it is warned of. It never marks: where a
/// governor follows the load, a single reading tells little.
pub const FREQUENCY_WARN: f64 = 0.05;
/// A step of the kernel's account of steal, in nanoseconds.
const STEAL_STEP_NS: u64 = 10_000_000;

/// Something that was going on.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// A stable word for programs.
    pub code: &'static str,
    /// Whether it could have changed the result by more than the margin.
    pub marks: bool,
    /// By which the worst of several is found.
    pub weight: f64,
    /// What it was.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// All that went on while a host measured.
#[must_use]
pub fn findings(finished: &Finished) -> Vec<Finding> {
    let Some(noise) = &finished.noise else { return Vec::new() };
    if noise.span_ns == 0 || noise.cpus.is_empty() {
        return Vec::new();
    }
    let all = [
        steal(noise),
        foreign(noise),
        waited(noise, finished),
        frequency(noise),
        throttled(noise),
        clocksource(noise),
    ];
    all.into_iter().flatten().collect()
}

/// The part of the trial's CPUs' time that so many nanoseconds are.
fn share(noise: &Noise, ns: u64) -> f64 {
    ns as f64 / (noise.span_ns as f64 * noise.cpus.len() as f64)
}

fn steal(noise: &Noise) -> Option<Finding> {
    let certain = noise.steal_ns.saturating_sub(STEAL_STEP_NS * noise.cpus.len() as u64);
    (certain > 0).then(|| Finding {
        code: "steal",
        marks: share(noise, certain) > STEAL_MARK,
        weight: share(noise, noise.steal_ns),
        message: format!(
            "the hypervisor gave {} of the time of {} to others",
            percent(share(noise, noise.steal_ns)),
            cpus(noise)
        ),
        remedy: "measure on a machine, or on CPUs, that nobody shares; or at a quieter hour",
    })
}

fn foreign(noise: &Noise) -> Option<Finding> {
    let foreign = noise.foreign.filter(|foreign| foreign.total_ns > 0)?;
    let (ran, user) = (share(noise, foreign.total_ns), share(noise, foreign.user_ns));
    if foreign.user_ns == 0 {
        return Some(Finding {
            code: "foreign-load",
            marks: false,
            weight: ran,
            message: format!(
                "threads of the kernel, or others, ran {} of the time on {}, which is in no CPU figure{}",
                percent(ran),
                cpus(noise),
                how_waited(noise)
            ),
            remedy: "it may be work for the trial itself (loop and encrypted devices, journals); compare with a run \
                     of nothing else, or give the workers other CPUs",
        });
    }
    let certain = share(noise, foreign.user_ns.saturating_sub(foreign.resolution_ns));
    Some(Finding {
        code: "foreign-load",
        marks: certain > FOREIGN_MARK || noise.waited_share.map_or(certain, |waited| waited) > WAITED_MARK,
        weight: ran,
        message: format!(
            "other programs ran {} of the time on {} ({} in user mode){}",
            percent(ran),
            cpus(noise),
            percent(user),
            how_waited(noise)
        ),
        remedy: "stop what else runs on this host, or keep it off these CPUs (taskset, cpuset, isolcpus=)",
    })
}

fn how_waited(noise: &Noise) -> String {
    noise.waited_share.map_or_else(String::new, |waited| {
        format!("; the trial's threads waited {} of it for their CPU", percent(waited))
    })
}

/// Waiting without foreign load that could be seen: that load says it with its own warning.
fn waited(noise: &Noise, finished: &Finished) -> Option<Finding> {
    let waited = noise.waited_share.filter(|waited| *waited > WAITED_WARN)?;
    // The ring's own threads, which may run anywhere, may be what it waited for.
    let own = share(noise, finished.cpu.kernel_threads_ns.unwrap_or(0));
    if noise.foreign.is_some_and(|foreign| foreign.total_ns > 0) || own >= waited {
        return None;
    }
    Some(Finding {
        code: "involuntary-switches",
        marks: false,
        weight: waited,
        message: format!(
            "the trial's threads waited {} of the time for their CPUs, which had somebody else, and were pushed off \
             them {} times",
            percent(waited),
            finished.cpu.involuntary_switches
        ),
        remedy: "short bursts of others, or of the kernel's threads: stop them, or keep them off the workers' CPUs",
    })
}

fn frequency(noise: &Noise) -> Option<Finding> {
    let change = |begin: u64, end: u64| begin.abs_diff(end) as f64 / begin.max(end).max(1) as f64;
    let changes = noise.frequencies.iter().map(|of| (change(of.begin_khz, of.end_khz), of));
    let (most, of) = changes.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (most > FREQUENCY_WARN).then(|| Finding {
        code: "frequency-changed",
        marks: false,
        weight: most,
        message: format!("CPU {} ran at {} MHz, then at {} MHz", of.cpu, of.begin_khz / 1000, of.end_khz / 1000),
        remedy: "fix the frequency (`cpupower frequency-set -g performance`, boost off), or warm up for longer",
    })
}

fn throttled(noise: &Noise) -> Option<Finding> {
    let times = noise.throttled.filter(|times| *times > 0)?;
    Some(Finding {
        code: "thermal-throttled",
        marks: true,
        weight: times as f64,
        message: format!("the hardware throttled {} {times} times for heat", cpus(noise)),
        remedy: "better cooling, a lower fixed frequency, or pauses between trials",
    })
}

fn clocksource(noise: &Noise) -> Option<Finding> {
    let (before, after) = (noise.clocksource.as_ref()?, noise.clocksource_after.as_ref()?);
    (before != after).then(|| Finding {
        code: "clocksource",
        marks: true,
        weight: f64::INFINITY,
        message: format!("the kernel changed its clock from {before} to {after} within a trial"),
        remedy: "the kernel's log says why (`dmesg`); a machine whose TSC is not stable measures no microseconds",
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn cpus(noise: &Noise) -> String {
    match &noise.cpus[..] {
        [one] => format!("CPU {one}"),
        many => format!("its {} CPUs", many.len()),
    }
}

/// The marks of a timed trial, host by host; each names its host where there are several.
#[must_use]
pub fn marks(record: &TrialRecord) -> Vec<String> {
    let alone = record.hosts.len() == 1;
    let of_host = |host: &HostTrial| -> Vec<String> {
        let name = if alone { String::new() } else { format!("{}: ", host.host) };
        let marking = found(record, host).into_iter().filter(|finding| finding.marks);
        marking.map(|finding| format!("{name}noisy ({}): {}", finding.code, finding.message)).collect()
    };
    record.hosts.iter().flat_map(of_host).collect()
}

/// An audit counts calls, which noise does not change.
fn found(record: &TrialRecord, host: &HostTrial) -> Vec<Finding> {
    let timed = record.measure == Measure::Timed;
    host.finished.as_ref().filter(|_| timed).map(findings).unwrap_or_default()
}

/// Warns of noise in all trials that were run, also of those that were run again since.
pub(super) fn warn(
    warnings: &mut Warnings,
    policy: NoisePolicy,
    records: &[TrialRecord],
    hosts: &[HostEntry],
) {
    if policy == NoisePolicy::Ignore {
        return;
    }
    for host in hosts {
        slow_clock(warnings, host, records);
        let mut kinds: Vec<Kind> = Vec::new();
        let mut timed = 0;
        for record in records.iter().filter(|record| record.measure == Measure::Timed) {
            let Some(part) = record.hosts.iter().find(|part| part.host == host.name) else { continue };
            timed += 1;
            for finding in found(record, part) {
                match kinds.iter_mut().find(|kind| kind.is_of(&finding)) {
                    Some(kind) => kind.take(finding, record),
                    None => kinds.push(Kind { count: 1, worst: finding, record }),
                }
            }
        }
        for Kind { count, worst, record } in kinds {
            let many = if count == 1 { "one trial".to_owned() } else { format!("{count} trials") };
            let most = if count == 1 { "" } else { "most of all " };
            let message = format!("in {many} of {timed}, {most}in {}: {}", record.id, worst.message);
            warnings.add(worst.code, Some(&host.name), message, worst.remedy);
        }
    }
    if policy == NoisePolicy::Mark {
        repeated(warnings, records);
    }
}

/// Findings of one kind in one host.
struct Kind<'a> {
    count: u32,
    worst: Finding,
    record: &'a TrialRecord,
}

impl<'a> Kind<'a> {
    fn is_of(&self, finding: &Finding) -> bool {
        (self.worst.code, self.worst.remedy) == (finding.code, finding.remedy)
    }

    fn take(&mut self, finding: Finding, record: &'a TrialRecord) {
        self.count += 1;
        if finding.weight > self.worst.weight {
            (self.worst, self.record) = (finding, record);
        }
    }
}

/// That the kernel does not trust the CPU's counter, where there is one.
fn slow_clock(warnings: &mut Warnings, host: &HostEntry, records: &[TrialRecord]) {
    let fact = |name: &str| host.description.facts.get(name).map(String::as_str);
    let Some(clock) = fact("clocksource").filter(|clock| *clock != "tsc") else { return };
    let took_part = records.iter().flat_map(|record| &record.hosts).any(|part| part.host == host.name);
    if took_part && fact("arch") == Some("x86_64") {
        warnings.add(
            "clocksource",
            Some(&host.name),
            format!("the kernel's clock is {clock}, not tsc: reading it costs more, and on some machines a system call"),
            "`dmesg | grep -i tsc` says why; of a TSC known to be good, boot with tsc=reliable; in a virtual machine, \
             ask for an invariant TSC",
        );
    }
}

/// Warns that noisy trials were run again, since the tables contain only their last run.
fn repeated(warnings: &mut Warnings, records: &[TrialRecord]) {
    let noisy = |record: &TrialRecord| {
        let findings = record.hosts.iter().flat_map(|host| found(record, host));
        findings.into_iter().any(|finding| finding.marks)
    };
    let again = records.iter().enumerate().filter(|(index, record)| {
        noisy(record) && records[index + 1..].iter().any(|later| later.id == record.id)
    });
    let ids: Vec<&str> = again.map(|(_, record)| record.id.as_str()).collect();
    if let Some(first) = ids.first() {
        let message = match ids.len() {
            1 => format!("{first} was noisy and run again: its last run stands"),
            many => format!(
                "{many} noisy trials were run again, the first of them {first}: the last run of each stands"
            ),
        };
        warnings.add(
            "repeated-for-noise",
            None,
            message,
            "nothing, where they are few; else what the warnings of noise say. First tries stay in trials.jsonl, with their marks",
        );
    }
}

#[cfg(test)]
mod tests;
