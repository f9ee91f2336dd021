//! Typed warnings, each with its remedy, told once however many trials they come from.

use proto::{
    engine::OPTIONS,
    knob::KnobValue,
    outcome::{Finished, Refusal},
    trial::Measure,
};

use super::trials::kept_out;
use crate::{
    analysis::cell_data::CellData,
    plan::Plan,
    store::record::{HostTrial, TrialRecord},
    summary::{CellSummary, SetWarning},
};

/// Disagreement of the hot loop's clock with the system's that is worth a word, in parts per million.
const DRIFT_PPM: f64 = 1000.0;
/// Share by which two counts of the same thing may differ.
const COUNT_TOLERANCE: f64 = 0.01;
/// Interrupts per operation from which on a polled cell was not polled: completions share interrupts at depth, and
/// others use the disk, too.
const NOT_POLLED: f64 = 0.5;
/// Share of the offered rate that counts as reached: trials have ends.
const RATE_REACHED: f64 = 0.98;

/// Collects warnings and tells each once.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    code: String,
    host: Option<String>,
    remedy: String,
    messages: Vec<String>,
}

impl Warnings {
    /// Adds one. The same again is the same; another message of the same kind joins the first.
    pub(super) fn add(&mut self, code: &str, host: Option<&str>, message: String, remedy: &str) {
        let same = |entry: &&mut Entry| {
            entry.code == code && entry.host.as_deref() == host && entry.remedy == remedy
        };
        match self.entries.iter_mut().find(same) {
            Some(entry) if entry.messages.contains(&message) => {}
            Some(entry) => entry.messages.push(message),
            None => self.entries.push(Entry {
                code: code.into(),
                host: host.map(Into::into),
                remedy: remedy.into(),
                messages: vec![message],
            }),
        }
    }

    /// In the order in which they first came up.
    pub(super) fn into_list(self) -> Vec<SetWarning> {
        let told = |entry: Entry| {
            // The first, or where it begins with how many, the one that has most.
            let most = entry.messages.iter().rev().max_by_key(|message| leading_number(message));
            let mut message = most.cloned().unwrap_or_default();
            match entry.messages.len() - 1 {
                0 => {}
                1 => message.push_str(" (and one more like it)"),
                more => message.push_str(&format!(" (and {more} more like it)")),
            }
            SetWarning { code: entry.code, host: entry.host, message, remedy: entry.remedy }
        };
        self.entries.into_iter().map(told).collect()
    }

    /// What the plan itself makes worth a warning.
    pub(super) fn of_plan(&mut self, plan: &Plan) {
        if plan.quick {
            self.add(
                "quick-run",
                None,
                "numbers of a quick run are a smoke test".into(),
                "run without --quick before concluding anything",
            );
        }
        for cell in &plan.cells {
            if let Some(wait) = cell.template.engine.busy_wait.filter(|wait| wait.0 > 0) {
                self.add(
                    "busy-wait",
                    None,
                    format!("{} waits busily for {wait} before each I/O: it is slowed on purpose", cell.arm),
                    "take `busy_wait` out to see what the engine can do",
                );
            }
        }
        if plan.trials_per_cell < 2 {
            self.add(
                "too-few-trials",
                None,
                "one trial a cell shows no spread, so no comparison can have a verdict".into(),
                "set `trials: 3` or more",
            );
        }
    }

    /// That a cell was verified.
    pub(super) fn of_verification(&mut self, row: &CellSummary) {
        if row.integrity.verified.is_some() {
            self.add(
                "verify-costs",
                None,
                "with `verify` on, checksums are made and checked in the loop, by workers that keep to a share of \
                 the target each"
                    .into(),
                "compare figures with those of other verified runs only",
            );
        }
    }

    /// What a cell in open loop makes worth a warning: whether its rate was reached, and whose time its CPU
    /// time is.
    pub(super) fn of_open_loop(&mut self, row: &CellSummary) {
        let (Some(offered), Some(iops)) = (row.throughput.offered_per_s, &row.throughput.iops) else {
            return;
        };
        self.add(
            "open-loop-cpu",
            None,
            "in open loop workers look at the clock between requests: their user CPU time is not the I/O's"
                .into(),
            "compare CPU costs in closed loop",
        );
        if iops.mean < RATE_REACHED * offered {
            let point: Vec<String> =
                row.params.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
            let place = if point.is_empty() { String::new() } else { format!(" {}", point.join(" ")) };
            let message = format!(
                "{}{place} was to do {offered:.0} a second and did {:.0}: beyond saturation, latency grows with the \
                 length of the trial, and requests still waiting at its end are in no percentile",
                row.arm, iops.mean
            );
            self.add("rate-not-reached", row.host.as_deref(), message, "lower `rate`, or raise the depth");
        }
    }

    /// Whether a cell that was granted polling was polled: the disk's interrupts tell.
    pub(super) fn of_polling(&mut self, row: &CellSummary) {
        let mut polling = OPTIONS.iter().filter(|option| option.starts_polling()).map(|option| option.name);
        let Some(name) = polling.find(|name| row.ring.granted.is_on(name)) else { return };
        if let Some(interrupts) = row.cost.interrupts_per_io.filter(|interrupts| *interrupts >= NOT_POLLED) {
            let message = format!(
                "{} was granted {name}, and its disk sent {interrupts:.2} interrupts per I/O all the same: was it \
                 polled?",
                row.arm
            );
            let remedy = "leave the disk to the trial alone; see its poll queues (`modinfo -p nvme`, dmesg)";
            self.add("polling-unproven", row.host.as_deref(), message, remedy);
        }
    }

    /// What a trial's hosts said and what their accounts show.
    pub(super) fn of_record(&mut self, record: &TrialRecord) {
        for host in &record.hosts {
            self.of_host(record, host);
        }
        let reasons = kept_out(record);
        if !reasons.is_empty() {
            self.trial_kept_out(record, &reasons.join("; "));
        }
    }

    /// That a trial does not count, and why.
    pub(super) fn trial_kept_out(&mut self, record: &TrialRecord, why: &str) {
        let culprits: Vec<&HostTrial> =
            record.hosts.iter().filter(|host| host.refusal.is_some() || host.finished.is_none()).collect();
        let host = match (culprits.as_slice(), record.hosts.as_slice()) {
            ([one], _) => Some(one.host.as_str()),
            ([], [one]) => Some(one.host.as_str()),
            _ => record.hosts.iter().map(|host| host.host.as_str()).find(|host| why.contains(host)),
        };
        let remedy = culprits
            .iter()
            .find_map(|host| host.refusal.as_ref())
            .map(Refusal::remedy)
            .filter(|remedy| !remedy.is_empty())
            .unwrap_or_else(|| "remove the cause, and run the scenario again".to_owned());
        let what = if record.measure == Measure::Audit { "audit" } else { "trial" };
        let message = format!("{what} {} is shown but kept out of the statistics: {why}", record.id);
        self.add("trial-kept-out", host, message, &remedy);
    }

    fn of_host(&mut self, record: &TrialRecord, host: &HostTrial) {
        let name = Some(host.host.as_str());
        let said = host.ready.iter().flat_map(|ready| &ready.warnings);
        for warning in said.chain(host.finished.iter().flat_map(|finished| &finished.warnings)) {
            self.add(warning.code(), name, warning.message(), &warning.remedy());
        }
        if let Some(ready) = &host.ready {
            for knob in
                ready.knobs.iter().filter(|knob| knob.requested == KnobValue::Switch(true) && !knob.is_on())
            {
                self.add(
                    "not-granted",
                    name,
                    format!("{}: {} was asked for, {} was granted", record.arm, knob.name, knob.granted),
                    "`coordinator agents` says what this host lacks; numbers of this arm are of what was granted",
                );
            }
            if ready.target.is_memory_file()
                && !ready.warnings.iter().any(|warning| warning.code().contains("tmpfs"))
            {
                self.add(
                    "target-in-memory",
                    name,
                    "the target lies in memory (tmpfs): what is measured is the kernel, not a disk".into(),
                    "give the agent a data directory on the disk in question",
                );
            }
        }
        self.of_finished(record, host);
    }

    fn of_finished(&mut self, record: &TrialRecord, host: &HostTrial) {
        let name = Some(host.host.as_str());
        let Some(finished) = &host.finished else { return };
        let overhead = &finished.overhead;
        if overhead.clock_drift_ppm.abs() > DRIFT_PPM {
            self.add(
                "clock-drift",
                name,
                "the hot loop's clock ran apart from the system's by more than 0.1 %, and latencies with it"
                    .into(),
                "look for a clock source other than tsc, or a virtual machine that was moved",
            );
        }
        if overhead.late_swaps > 0 {
            self.add(
                "late-swaps",
                name,
                "some intervals were made longer, since the host did not drain histograms in time".into(),
                "leave the agent a CPU of its own, or choose a longer interval",
            );
        }
        if overhead.saturated > 0 {
            self.add(
                "saturated-latencies",
                name,
                format!("{}: latencies above 60 s were recorded as 60 s", record.arm),
                "look at the device: kernel log, queue depth, throttling",
            );
        }
        if record.measure == Measure::Audit && finished.audit.perf.is_none() {
            self.add(
                "audit-without-perf",
                name,
                "perf could not count, so system calls are the engine's own count, unverified".into(),
                "run the agent with CAP_PERFMON, or set kernel.perf_event_paranoid to -1; \
                 `coordinator agents` says which is missing",
            );
        }
        let lost = finished.audit.paths.map_or(0, |paths| paths.lost);
        if lost > 0 {
            self.add(
                "paths-with-gaps",
                name,
                format!(
                    "{}: {lost} records of how requests completed were lost; shares are of the others",
                    record.arm
                ),
                "take the shares with that doubt, or run again on a machine that is less busy",
            );
        }
        self.of_batches(record, host, finished);
        if let Some(perf) = &finished.audit.perf
            && differ(perf.syscalls_total, finished.calls.syscalls())
        {
            let per_io = |count: u64| count as f64 / finished.ops().max(1) as f64;
            self.add(
                "syscall-count-disagrees",
                name,
                format!(
                    "{} in audit {}: perf counted {:.4} system calls per I/O, the engine {:.4}",
                    record.arm,
                    record.id,
                    per_io(perf.syscalls_total),
                    per_io(finished.calls.syscalls())
                ),
                "trust perf's count; the difference is calls that the engine does not know it makes",
            );
        }
    }

    /// Whether the kernel and the engine agree on what was handed over by calls; both count exactly. A combiner's ring
    /// has requests of its own that end its sleep.
    fn of_batches(&mut self, record: &TrialRecord, host: &HostTrial, finished: &Finished) {
        let own = finished.calls.sharing.is_none() && finished.calls.submitted > 0;
        let Some(batches) = finished.audit.batches.as_ref().filter(|_| own) else { return };
        let calls: u64 = finished.calls.enters_by_batch.iter().skip(1).sum();
        if (batches.requests, batches.batches) != (finished.calls.submitted, calls) {
            self.add(
                "batch-count-disagrees",
                Some(&host.host),
                format!(
                    "{} in audit {}: the kernel counted {} requests in {} batches, the engine {} in {calls}",
                    record.arm, record.id, batches.requests, batches.batches, finished.calls.submitted
                ),
                "report it with the run directory: one of the two counts is wrong",
            );
        }
    }

    /// What shows only when a cell is seen whole.
    pub(super) fn of_cell(&mut self, data: &CellData) {
        for sample in data.samples.iter().filter(|sample| sample.selection.trimmed) {
            self.add(
                "hosts-skewed",
                None,
                format!(
                    "hosts were apart by {:.1} ms (clocks known to {:.1} ms): only the intervals that they \
                     share were merged",
                    sample.selection.skew_ns as f64 / 1e6,
                    sample.selection.error_ns as f64 / 1e6
                ),
                "choose a longer runtime or a shorter interval, so that the ends weigh less",
            );
        }
        // Only where every interval was used do the two counts speak of the same time.
        for host in data.samples.iter().filter(|s| !s.selection.trimmed).flat_map(|sample| &sample.hosts) {
            if differ(host.work.latency.len(), host.costs.ops()) {
                self.add(
                    "intervals-disagree",
                    Some(&host.host),
                    format!(
                        "{}: {} operations arrived in intervals, the host counted {}",
                        data.cell.arm,
                        host.work.latency.len(),
                        host.costs.ops()
                    ),
                    "report it with the run directory: an interval was lost or counted twice",
                );
            }
        }
        if data.cell.template.engine.kind.is_ring() {
            let unknown = data
                .samples
                .iter()
                .flat_map(|sample| &sample.hosts)
                .filter(|host| host.costs.cpu.kernel_threads_ns.is_none());
            for host in unknown {
                self.add(
                    "kernel-threads-unmeasured",
                    Some(&host.host),
                    "CPU time of the kernel's threads for io_uring could not be read: CPU per I/O lacks it"
                        .into(),
                    "run the agent in the host's own PID namespace",
                );
            }
        }
    }
}

fn leading_number(message: &str) -> u64 {
    message.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn differ(a: u64, b: u64) -> bool {
    a.abs_diff(b) as f64 > COUNT_TOLERANCE * a.max(b) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_once_and_counted() {
        let mut warnings = Warnings::default();
        for message in ["a", "a", "b", "c", "d"] {
            warnings.add("x", Some("n1"), message.into(), "do y");
        }
        warnings.add("x", Some("n2"), "a".into(), "do y");
        let list = warnings.into_list();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].message, "a (and 3 more like it)");
        let mut warnings = Warnings::default();
        for message in ["8 workers", "128 workers"] {
            warnings.add("x", None, message.into(), "do y");
        }
        assert_eq!(warnings.into_list()[0].message, "128 workers (and one more like it)");
    }

    #[test]
    fn one_percent_is_agreement() {
        assert!(!differ(1000, 1000) && !differ(1000, 990) && !differ(0, 0));
        assert!(differ(1000, 980) && differ(0, 1));
    }
}
