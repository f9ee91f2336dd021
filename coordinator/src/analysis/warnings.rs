//! Collects the warnings of a run. Warnings of the same kind are merged.

use proto::{
    engine::OPTIONS,
    knob::KnobValue,
    notice::Notice as _,
    outcome::Finished,
    trial::Measure,
    units::Nanos,
    warning::{TargetWarning, Warning as AgentWarning},
};

use super::{noise::findings, trials};
use crate::{
    analysis::cell_data::CellData,
    plan::Plan,
    store::record::{HostTrial, TrialRecord},
    summary::CellSummary,
    warning::{CellWarning, CountWarning, HostWarning, InTrials, KeptOut, RunWarning, SetWarning, Warning},
};

/// Drift between the clock of the hot loop and the system's that causes a warning, in parts per million.
const DRIFT_PPM: f64 = 1000.0;
/// Share by which two counts of the same thing may differ.
const COUNT_TOLERANCE: f64 = 0.01;
/// Interrupts per operation from which on a cell with polling was not polled. At depth, completions share interrupts,
/// and other programs may use the disk too.
const NOT_POLLED: f64 = 0.5;

/// The warnings found so far.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    entries: Vec<Entry>,
}

/// Warnings with the same code, host and remedy.
#[derive(Debug)]
struct Entry {
    host: Option<String>,
    remedy: String,
    first: Warning,
    others: Vec<Warning>,
    trials: Option<InTrials>,
}

impl Entry {
    fn new(host: Option<&str>, first: Warning) -> Self {
        let remedy = first.remedy();
        Self { host: host.map(Into::into), remedy, first, others: Vec::new(), trials: None }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.first.code(), &self.host, &self.remedy) == (other.first.code(), &other.host, &other.remedy)
    }

    /// Adds a warning of the same kind, unless it is equal to one of them.
    fn merge(&mut self, warning: Warning) {
        if self.first != warning && !self.others.contains(&warning) {
            self.others.push(warning);
        }
    }

    /// The warning of the most weight, or the first of several.
    fn into_set(self) -> SetWarning {
        let more = u32::try_from(self.others.len()).unwrap_or(u32::MAX);
        let heavier = |a: Warning, b: Warning| if b.weight() > a.weight() { b } else { a };
        let warning = self.others.into_iter().fold(self.first, heavier);
        SetWarning { host: self.host, hosts: Vec::new(), worst: None, warning, trials: self.trials, more }
    }
}

impl Warnings {
    /// Adds a warning about the run (`None`) or a host.
    pub(super) fn add(&mut self, host: Option<&str>, warning: impl Into<Warning>) {
        let entry = Entry::new(host, warning.into());
        match self.entries.iter_mut().find(|found| found.is_like(&entry)) {
            Some(found) => found.merge(entry.first),
            None => self.entries.push(entry),
        }
    }

    /// Adds a warning about some trials of a host.
    pub(super) fn add_in(&mut self, host: &str, warning: impl Into<Warning>, trials: InTrials) {
        self.entries.push(Entry { trials: Some(trials), ..Entry::new(Some(host), warning.into()) });
    }

    /// The warnings in the order of their first occurrence, those of several hosts joined.
    pub(super) fn into_list(self) -> Vec<SetWarning> {
        SetWarning::joined(self.entries.into_iter().map(Entry::into_set))
    }

    /// Warnings about the plan.
    pub(super) fn of_plan(&mut self, plan: &Plan) {
        if plan.quick {
            self.add(None, RunWarning::QuickRun {});
        }
        for cell in &plan.cells {
            if let Some(wait) = cell.template.engine.busy_wait.filter(|wait| wait.0 > 0) {
                self.add(None, CellWarning::BusyWait { arm: cell.arm.clone(), wait });
            }
        }
        if plan.trials_per_cell < 2 {
            self.add(None, RunWarning::TooFewTrials {});
        }
    }

    /// Warns of the cost of verification.
    pub(super) fn of_verification(&mut self, row: &CellSummary) {
        if row.integrity.verified.is_some() {
            self.add(None, CellWarning::VerifyCosts {});
        }
    }

    /// Warnings about a cell in open loop: its CPU time, and a rate that it did not reach.
    pub(super) fn of_open_loop(&mut self, row: &CellSummary) {
        let (Some(offered_per_s), Some(iops)) = (row.throughput.offered_per_s, &row.throughput.iops) else {
            return;
        };
        self.add(None, CellWarning::OpenLoopCpu {});
        if row.throughput.reached_from_per_s.is_some_and(|least| iops.mean < least) {
            let (arm, params, iops) = (row.arm.clone(), row.params.clone(), iops.mean);
            let warning = CellWarning::RateNotReached { arm, params, offered_per_s, iops };
            self.add(row.host.as_deref(), warning);
        }
    }

    /// Warns of latencies that the window cuts off.
    pub(super) fn of_cut_off(&mut self, row: &CellSummary) {
        let (Some(needed), Some(in_flight)) = (row.latency.needs_runtime_ns, row.threads.in_flight) else {
            return;
        };
        let (Some(iops), Some(latency)) = (&row.throughput.iops, &row.latency.all) else { return };
        let warning = CellWarning::LatencyCutOff {
            arm: row.arm.clone(),
            params: row.params.clone(),
            in_flight,
            seen: iops.mean * latency.mean / 1e9,
            needed: Nanos(needed),
        };
        self.add(row.host.as_deref(), warning);
    }

    /// Warns of a cell with polling whose disk sent interrupts.
    pub(super) fn of_polling(&mut self, row: &CellSummary) {
        let mut polling = OPTIONS.iter().filter(|option| option.starts_polling()).map(|option| option.name);
        let Some(name) = polling.find(|name| row.ring.granted.is_on(name)) else { return };
        if let Some(interrupts) = row.cost.interrupts_per_io.filter(|interrupts| *interrupts >= NOT_POLLED) {
            let (arm, option) = (row.arm.clone(), name.to_owned());
            self.add(row.host.as_deref(), CellWarning::PollingUnproven { arm, option, interrupts });
        }
    }

    /// Warnings about a trial: those of its agents, those that follow from its counts, and the reasons for which it is
    /// kept out.
    pub(super) fn of_record(&mut self, record: &TrialRecord) {
        for host in &record.hosts {
            self.of_host(record, host);
        }
        let reasons = trials::kept_out(record);
        if !reasons.is_empty() {
            self.trial_kept_out(record, reasons);
        }
    }

    /// Warns of a trial that does not count.
    pub(super) fn trial_kept_out(&mut self, record: &TrialRecord, reasons: Vec<KeptOut>) {
        let host = at_fault(record, &reasons);
        let warning = RunWarning::TrialKeptOut {
            trial: record.id.clone(),
            audit: record.measure == Measure::Audit,
            refusal: record.hosts.iter().find_map(|host| host.refusal.clone()),
            reasons,
        };
        self.add(host.as_deref(), warning);
    }

    fn of_host(&mut self, record: &TrialRecord, host: &HostTrial) {
        let name = Some(host.host.as_str());
        let of_target = host.ready.iter().flat_map(|ready| &ready.warnings);
        let of_trial = host.finished.iter().flat_map(|finished| &finished.warnings);
        for warning in of_target.chain(of_trial) {
            self.add(name, warning.clone());
        }
        if let Some(ready) = &host.ready {
            for knob in
                ready.knobs.iter().filter(|knob| knob.requested == KnobValue::Switch(true) && !knob.is_on())
            {
                let (arm, option, granted) =
                    (record.arm.clone(), knob.name.clone(), knob.granted.to_string());
                self.add(name, HostWarning::NotGranted { arm, option, granted });
            }
            let is_known = |warning: &AgentWarning| {
                matches!(warning, AgentWarning::Target(TargetWarning::RamBacked { .. }))
            };
            if ready.target.is_memory_file() && !ready.warnings.iter().any(is_known) {
                self.add(name, HostWarning::TargetInMemory {});
            }
        }
        self.of_finished(record, host);
    }

    fn of_finished(&mut self, record: &TrialRecord, host: &HostTrial) {
        let name = Some(host.host.as_str());
        let arm = || record.arm.clone();
        let Some(finished) = &host.finished else { return };
        let overhead = &finished.overhead;
        if overhead.clock_drift_ppm.abs() > DRIFT_PPM {
            self.add(name, HostWarning::ClockDrift {});
        }
        if overhead.late_swaps > 0 {
            self.add(name, HostWarning::LateSwaps {});
        }
        if overhead.saturated > 0 {
            self.add(name, HostWarning::SaturatedLatencies { arm: arm() });
        }
        if record.measure == Measure::Audit && finished.audit.perf.is_none() {
            self.add(name, CountWarning::AuditWithoutPerf {});
        }
        let lost = finished.audit.paths.map_or(0, |paths| paths.lost);
        if lost > 0 {
            self.add(name, CountWarning::PathsWithGaps { arm: arm(), lost });
        }
        self.of_batches(record, host, finished);
        if let Some(perf) = &finished.audit.perf
            && differ(perf.syscalls_total, finished.calls.syscalls())
        {
            let per_io = |count: u64| count as f64 / finished.ops().max(1) as f64;
            let warning = CountWarning::SyscallCountDisagrees {
                arm: arm(),
                audit: record.id.clone(),
                perf_per_io: per_io(perf.syscalls_total),
                engine_per_io: per_io(finished.calls.syscalls()),
            };
            self.add(name, warning);
        }
    }

    /// Warns if the kernel and the engine disagree on the requests and batches handed over by calls; both count
    /// exactly. A combiner's ring is left out, because requests that end its sleep are counted by the kernel only.
    fn of_batches(&mut self, record: &TrialRecord, host: &HostTrial, finished: &Finished) {
        let own = finished.calls.sharing.is_none() && finished.calls.submitted > 0;
        let Some(batches) = finished.audit.batches.as_ref().filter(|_| own) else { return };
        let calls: u64 = finished.calls.enters_by_batch.iter().skip(1).sum();
        let (kernel, engine) = ([batches.requests, batches.batches], [finished.calls.submitted, calls]);
        if kernel != engine {
            let (arm, audit) = (record.arm.clone(), record.id.clone());
            self.add(Some(&host.host), CountWarning::BatchCountDisagrees { arm, audit, kernel, engine });
        }
    }

    /// Warnings that need all trials of a cell.
    pub(super) fn of_cell(&mut self, data: &CellData) {
        for sample in data.samples.iter().filter(|sample| sample.selection.trimmed) {
            let (skew, error) = (Nanos(sample.selection.skew_ns), Nanos(sample.selection.error_ns));
            self.add(None, RunWarning::HostsSkewed { skew, error });
        }
        // The two counts cover the same time only if every interval was used.
        for host in data.samples.iter().filter(|s| !s.selection.trimmed).flat_map(|sample| &sample.hosts) {
            let (intervals, counted) = (host.work.ops(), host.costs.ops());
            if differ(intervals, counted) {
                let arm = data.cell.arm.clone();
                self.add(Some(&host.host), CountWarning::IntervalsDisagree { arm, intervals, host: counted });
            }
        }
        if data.cell.template.engine.kind.is_ring() {
            let unknown = data
                .samples
                .iter()
                .flat_map(|sample| &sample.hosts)
                .filter(|host| host.costs.cpu.kernel_threads_ns.is_none());
            for host in unknown {
                self.add(Some(&host.host), HostWarning::KernelThreadsUnmeasured {});
            }
        }
    }
}

/// The host because of which a trial is kept out: the only one, the only one without results, or the first one with a
/// reason.
fn at_fault(record: &TrialRecord, reasons: &[KeptOut]) -> Option<String> {
    let mut without_results =
        record.hosts.iter().filter(|host| host.refusal.is_some() || host.finished.is_none());
    let only = match (without_results.next(), without_results.next(), record.hosts.as_slice()) {
        (Some(only), None, _) | (None, _, [only]) => Some(only.host.as_str()),
        _ => None,
    };
    let named = only.or_else(|| reasons.iter().find_map(KeptOut::host));
    named.map(Into::into).or_else(|| {
        let has_fault = |host: &&HostTrial| {
            let short = host.finished.as_ref().is_some_and(|finished| finished.work.short_transfers > 0);
            short || !trials::faults(record, host).is_empty()
        };
        let faulty = record.hosts.iter().find(has_fault).map(|host| host.host.clone());
        faulty.or_else(|| {
            findings::marks(record).into_iter().find_map(|mark| {
                let [host] = <[String; 1]>::try_from(mark.hosts).ok()?;
                Some(host)
            })
        })
    })
}

fn differ(a: u64, b: u64) -> bool {
    a.abs_diff(b) as f64 > COUNT_TOLERANCE * a.max(b) as f64
}

#[cfg(test)]
mod tests {
    use proto::{notice::CpuList, warning::CpuWarning};

    use super::*;
    use crate::{cluster::clock::ClockOffset, params::Params};

    #[test]
    fn equal_warnings_are_merged_and_others_counted() {
        let mut warnings = Warnings::default();
        let arm = |arm: &str| HostWarning::SaturatedLatencies { arm: arm.into() };
        for name in ["a", "a", "b", "c", "d"] {
            warnings.add(Some("n1"), arm(name));
        }
        warnings.add(Some("n2"), arm("a"));
        let list = warnings.into_list();
        assert_eq!((list.len(), list[0].place().as_deref()), (1, Some("n1, n2")));
        assert_eq!((&list[0].warning, list[0].more), (&arm("a").into(), 3));
        assert!(list[0].message().ends_with(" (and 3 more like it)"), "{}", list[0].message());
    }

    #[test]
    fn the_warning_of_most_weight_is_shown() {
        let mut warnings = Warnings::default();
        let shared = |workers| CpuWarning::TooFewCpus { workers, cpus: CpuList(vec![1]), listed: false };
        for workers in [8, 128, 32] {
            warnings.add(None, Warning::from(shared(workers)));
        }
        let list = warnings.into_list();
        assert_eq!((&list[0].warning, list[0].more), (&shared(128).into(), 2));
    }

    fn host(name: &str) -> HostTrial {
        HostTrial {
            host: name.into(),
            clock: ClockOffset::default(),
            ready: None,
            intervals: Vec::new(),
            finished: Some(Finished::default()),
            refusal: None,
            histograms: None,
            histograms_sha256: None,
        }
    }

    #[test]
    fn the_host_at_fault_follows_from_the_record() {
        let record = |change: fn(&mut HostTrial)| {
            let mut hosts = vec![host("n1"), host("n10")];
            change(&mut hosts[1]);
            TrialRecord {
                id: "t".into(),
                cell: 0,
                arm: "a".into(),
                params: Params::new(),
                block: 0,
                measure: Measure::Audit,
                started_at: String::new(),
                marks: vec!["n10: a mark".into()],
                hosts,
            }
        };
        let fault = |change| {
            let record = record(change);
            at_fault(&record, &trials::kept_out(&record))
        };
        assert_eq!(fault(|_| {}), None);
        assert_eq!(fault(|host| host.finished = None).as_deref(), Some("n10"));
        assert_eq!(
            fault(|host| host.finished.as_mut().unwrap().window.cut_short = true).as_deref(),
            Some("n10")
        );
        let short = |host: &mut HostTrial| host.finished.as_mut().unwrap().work.short_transfers = 1;
        assert_eq!(fault(short).as_deref(), Some("n10"));
    }

    #[test]
    fn counts_within_one_percent_agree() {
        assert!(!differ(1000, 1000) && !differ(1000, 990) && !differ(0, 0));
        assert!(differ(1000, 980) && differ(0, 1));
    }
}
