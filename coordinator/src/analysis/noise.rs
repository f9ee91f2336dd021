//! The noise guard: turns the other activity that an agent reports into marks and warnings.
//!
//! A **mark** is for noise that could change the trial's result by more than the margin within which arms are called
//! equal. A **warning** is for less, and for activity that may be the trial's own work. The thresholds come from
//! measurements in `docs/adr/0020-noise-guard.md`.

use proto::{notice::Notice as _, trial::Measure};

use super::warnings::Warnings;
use crate::{
    scenario::noise::NoisePolicy,
    store::{HostEntry, record::TrialRecord},
    warning::{ClockProblem, InTrials, NoiseWarning},
};

pub(super) mod findings;

pub use self::findings::{
    FOREIGN_MARK, FREQUENCY_WARN, Finding, STEAL_MARK, WAITED_MARK, WAITED_WARN, findings, marks,
};
use findings::found;

/// Warns of noise in all executed trials, including attempts that were repeated since.
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
            for Finding { warning, .. } in found(record, part) {
                match kinds.iter_mut().find(|kind| kind.is_of(&warning)) {
                    Some(kind) => kind.take(warning, record),
                    None => kinds.push(Kind { count: 1, worst: warning, record }),
                }
            }
        }
        for Kind { count, worst, record } in kinds {
            warnings.add_in(&host.name, worst, InTrials { count, of: timed, worst: record.id.clone() });
        }
    }
    if policy == NoisePolicy::Mark {
        repeated(warnings, records);
    }
}

/// Noise of one kind on one host.
struct Kind<'a> {
    count: u32,
    worst: NoiseWarning,
    record: &'a TrialRecord,
}

impl<'a> Kind<'a> {
    fn is_of(&self, warning: &NoiseWarning) -> bool {
        (self.worst.code(), self.worst.remedy()) == (warning.code(), warning.remedy())
    }

    fn take(&mut self, warning: NoiseWarning, record: &'a TrialRecord) {
        self.count += 1;
        if warning.weight() > self.worst.weight() {
            (self.worst, self.record) = (warning, record);
        }
    }
}

/// Warns of a clock source other than the TSC on x86-64.
fn slow_clock(warnings: &mut Warnings, host: &HostEntry, records: &[TrialRecord]) {
    let fact = |name: &str| host.description.facts.get(name);
    let Some(clock) = fact("clocksource").filter(|clock| *clock != "tsc") else { return };
    let took_part = records.iter().flat_map(|record| &record.hosts).any(|part| part.host == host.name);
    if took_part && fact("arch").is_some_and(|arch| arch == "x86_64") {
        let problem = ClockProblem::NotTsc { clock: clock.clone() };
        warnings.add(Some(&host.name), NoiseWarning::Clocksource { problem });
    }
}

/// Warns that noisy trials were repeated, since the tables contain only their last attempts.
fn repeated(warnings: &mut Warnings, records: &[TrialRecord]) {
    let again = records.iter().enumerate().filter(|(index, record)| {
        !marks(record).is_empty() && records[index + 1..].iter().any(|later| later.id == record.id)
    });
    let ids: Vec<&String> = again.map(|(_, record)| &record.id).collect();
    if let Some(first) = ids.first() {
        let (times, first) = (ids.len() as u64, (*first).clone());
        warnings.add(None, NoiseWarning::Repeated { times, first });
    }
}

#[cfg(test)]
mod tests;
