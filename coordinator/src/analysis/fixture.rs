//! A synthetic run for tests: known rates, known latencies, known counts.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proto::{
    facts::{FileSystem, TargetFacts},
    outcome::{
        AuditCounts, CallCounts, CpuTime, DeviceCounts, Direction, Finished, HostDescription, Interval, Knob,
        PathCounts, PerfCounts, Ready, Series, Window, WorkCounts,
    },
    trial::{
        Concurrency, Engine, EngineKind, FileTarget, Measure, QueueOptions, Share, Target, Trial, Urgent,
        UrgentBy, Workload,
    },
    units::ByteSize,
};
use tempfile::TempDir;

use super::{AnalysisInput, analyse};
use crate::{
    cluster::clock::ClockOffset,
    params::Params,
    plan::{Plan, PlannedTrial},
    scenario::{Cell, Versus, host_loss::HostLossPolicy, noise::NoisePolicy},
    stats::verdict::DEFAULT_MARGIN,
    store::{
        HostEntry, RunDir,
        record::{HostTrial, TrialRecord},
    },
    summary::ComparisonSet,
};

pub(crate) const SCENARIO: &str = "name: qd-sweep\nquestion: Does io_uring beat synchronous reads?\n";
pub(crate) const QUESTION: &str = "Does io_uring beat synchronous reads as concurrency grows?";
/// Spread over trials, as factors.
const NOISE: [f64; 4] = [1.0, 1.012, 0.991, 1.004];

/// An arm at a depth: operations per second, median latency in ns, system calls per I/O.
type Model = fn(&str, u64) -> (f64, u64, f64);

pub(crate) struct Fixture {
    pub(crate) plan: Plan,
    pub(crate) hosts: Vec<HostEntry>,
    pub(crate) run: RunDir,
    pub(crate) model: Model,
    /// Comparisons besides those with the baseline.
    pub(crate) further: Vec<Versus>,
    /// Urgent operations per interval by arm, block and host, after [`Self::some_are_urgent`].
    pub(crate) urgent: fn(&str, u32, usize) -> u64,
    /// Whether each arm has different noise; noise that all trials of a block share cancels.
    pub(crate) noise_apart: bool,
    /// The delay of each host's start, in nanoseconds.
    pub(crate) late_ns: Vec<u64>,
    /// Changes a record before it is appended.
    pub(crate) change: fn(&mut TrialRecord),
    pub(crate) dir: TempDir,
}

pub(crate) fn params(depth: u64) -> Params {
    Params::from_iter([("depth".to_owned(), depth.into())])
}

/// The rate of sync is constant, that of uring grows with the depth.
pub(crate) fn model(arm: &str, depth: u64) -> (f64, u64, f64) {
    match (arm, depth) {
        ("uring-tuned", 1) => (73_900.0, 12_900, 1.0),
        ("uring-tuned", _) => (73_500.0 * (depth as f64).powf(0.33), 12_000 * depth / 4, 1.3 / depth as f64),
        _ => (73_500.0, 13_100, 1.0),
    }
}

/// Records a trial with the intervals of its hosts, by index into the record.
pub(crate) fn keep(run: &mut RunDir, record: TrialRecord, parts: Vec<(usize, Vec<Interval>)>) -> TrialRecord {
    // A change of the record may have removed hosts.
    for (host, intervals) in parts.into_iter().filter(|(host, _)| *host < record.hosts.len()) {
        for interval in intervals {
            run.append_interval(&record.id, &record.hosts[host].host, &record.started_at, interval).unwrap();
        }
    }
    run.append_trial(record).unwrap()
}

impl Fixture {
    pub(crate) fn new(arms: &[&str], depths: &[u64], trials: u32, hosts: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut run = RunDir::create(Some(&dir.path().join("run")), "qd-sweep", SCENARIO).unwrap();
        let mut cells = Vec::new();
        for depth in depths {
            for arm in arms {
                let kind = if arm.contains("uring") { EngineKind::IoUring } else { EngineKind::Psync };
                cells.push(Cell {
                    arm: (*arm).into(),
                    params: params(*depth),
                    hosts: BTreeMap::new(),
                    template: Trial {
                        id: String::new(),
                        seed: 0,
                        target: Target::File(FileTarget::new(ByteSize(1 << 30), true)),
                        workload: Workload::default(),
                        engine: Engine { queue: QueueOptions::of_depth(*depth as u32), ..Engine::new(kind) },
                        measure: Measure::Timed,
                    },
                });
            }
        }
        let mut planned = Vec::new();
        for block in 0..=trials {
            for (cell, planned_cell) in cells.iter().enumerate() {
                let id = format!("{:04}-{}", planned.len() + 1, planned_cell.arm);
                let measure = if block == 0 { Measure::Audit } else { Measure::Timed };
                planned.push(PlannedTrial { id, cell, block, measure, seed: 1 });
            }
        }
        let plan = Plan {
            scenario: "qd-sweep".into(),
            seed: 42,
            quick: false,
            overrides: vec![],
            cells,
            noise: NoisePolicy::Mark,
            on_host_loss: HostLossPolicy::Fail,
            trials_per_cell: trials,
            stopping: None,
            stopped_after: None,
            trials: planned,
        };
        let host = |name: &&str| HostEntry {
            name: (*name).into(),
            address: "127.0.0.1:7420".into(),
            tls_name: None,
            labels: BTreeMap::from([("kernel".into(), "stock".into())]),
            description: HostDescription {
                facts: BTreeMap::from([("kernel.release".into(), "6.18.0".into())]),
                ..HostDescription::default()
            },
        };
        let hosts: Vec<HostEntry> = hosts.iter().map(host).collect();
        run.write_plan(&plan).unwrap();
        run.write_hosts(&hosts).unwrap();
        let late_ns = vec![0; hosts.len()];
        let urgent = |_: &str, _: u32, _: usize| 0;
        let further = Vec::new();
        Self { plan, hosts, run, model, further, urgent, noise_apart: true, late_ns, change: |_| {}, dir }
    }

    /// Gives arms with a ring this number of urgent operations.
    pub(crate) fn some_are_urgent(&mut self, urgent: fn(&str, u32, usize) -> u64) {
        self.urgent = urgent;
        let asked = Urgent { share: Share(10_000), by: UrgentBy::None, block_size: None };
        let engines = self.plan.cells.iter_mut().map(|cell| &mut cell.template.engine);
        engines.filter(|engine| engine.kind.is_ring()).for_each(|engine| engine.urgent = Some(asked));
    }

    /// Runs the first `count` trials of the plan.
    pub(crate) fn execute(&mut self, count: usize) {
        for index in 0..count.min(self.plan.trials.len()) {
            let planned = self.plan.trials[index].clone();
            let cell = self.plan.cells[planned.cell].clone();
            let mut parts = Vec::new();
            let mut hosts = Vec::new();
            for (position, host) in self.hosts.iter().enumerate() {
                let (trial, intervals) = self.host_trial(position, &host.name, &cell, &planned);
                hosts.push(trial);
                parts.push((position, intervals));
            }
            let mut record = TrialRecord {
                id: planned.id,
                cell: planned.cell,
                arm: cell.arm,
                params: cell.params,
                block: planned.block,
                measure: planned.measure,
                started_at: format!("2026-11-22T08:15:{:02}Z", index % 60),
                marks: vec![],
                hosts,
            };
            (self.change)(&mut record);
            keep(&mut self.run, record, parts);
        }
    }

    fn host_trial(
        &self,
        position: usize,
        name: &str,
        cell: &Cell,
        planned: &PlannedTrial,
    ) -> (HostTrial, Vec<Interval>) {
        let depth = cell.params["depth"].as_u64().unwrap();
        let (iops, p50, calls) = (self.model)(&cell.arm, depth);
        let shift = usize::from(self.noise_apart && cell.arm != self.plan.cells[0].arm);
        let iops = iops * NOISE[(planned.block as usize + shift) % NOISE.len()];
        let offset_ns = 7_000_000_000 * position as i64;
        let start = 100_000_000_000u64.strict_add_signed(offset_ns) + self.late_ns[position];
        let urgent =
            cell.template.engine.urgent.map_or(0, |_| (self.urgent)(&cell.arm, planned.block, position));
        let intervals: Vec<Interval> =
            (0..2).map(|index| interval(index, start, iops, p50, urgent)).collect();
        let ops: u64 = intervals.iter().map(Interval::ops).sum();
        let ring = cell.template.engine.kind.is_ring();
        let count = (ops as f64 * calls).round() as u64;
        let call = if ring { "io_uring_enter" } else { "pread64" };
        let by_name = BTreeMap::from([(call.to_owned(), count)]);
        let audit = planned.measure == Measure::Audit;
        let finished = Finished {
            window: Window { begin_ns: start, end_ns: intervals[1].end_ns, cut_short: false },
            work: WorkCounts { read_ops: ops, bytes: 4096 * ops, ..WorkCounts::default() },
            calls: CallCounts {
                syscalls_self: by_name.clone(),
                submitted: if ring { ops } else { 0 },
                enters: if ring { count } else { 0 },
                ..CallCounts::default()
            },
            audit: AuditCounts {
                perf: audit.then_some(PerfCounts {
                    syscalls_total: count,
                    syscalls_by_name: by_name,
                    punted_to_io_wq: Some(3),
                }),
                paths: (audit && ring).then(|| PathCounts {
                    inline: 996,
                    punted: 4,
                    ..PathCounts::default()
                }),
                ..AuditCounts::default()
            },
            device: DeviceCounts { interrupts: (!audit).then_some(ops / 2), cached_share: None },
            cpu: CpuTime {
                user_ns: 400 * ops,
                system_ns: 2_600 * ops,
                kernel_threads_ns: Some(0),
                voluntary_switches: ops,
                involuntary_switches: 2,
            },
            ..Finished::default()
        };

        let ready = Ready {
            knobs: if ring { vec![Knob::switch("defer_taskrun", true)] } else { vec![] },
            pinned_cpus: vec![1],
            target: TargetFacts { file_system: Some(FileSystem::named("ext4")), ..TargetFacts::default() },
            warnings: vec![],
        };
        let trial = HostTrial {
            host: name.into(),
            clock: ClockOffset { offset_ns, error_ns: 60_000 },
            ready: Some(ready),
            intervals: vec![],
            finished: Some(finished),
            refusal: None,
            histograms: None,
            histograms_sha256: None,
        };
        (trial, intervals)
    }

    pub(crate) fn analyse(&self, baseline: Option<&str>) -> ComparisonSet {
        let input = AnalysisInput {
            plan: &self.plan,
            question: Some(QUESTION),
            baseline,
            further: &self.further,
            margin: DEFAULT_MARGIN,
            ladder: &[],
            hosts: &self.hosts,
            run_id: "20261122T081501Z-qd-sweep",
        };
        analyse(&input, &self.run).unwrap()
    }
}

/// An interval of half a second: nine in ten operations take the median, the others four times as long. Nine in ten
/// urgent operations take half the median, the others the median.
fn interval(index: u32, start: u64, iops: f64, p50: u64, urgent: u64) -> Interval {
    let ops = (iops / 2.0).round() as u64;
    let begin_ns = start + u64::from(index) * 500_000_000;
    let mut latency = proto::histogram::empty();
    latency.record_n(p50, ops - ops / 10 - urgent).unwrap();
    latency.record_n(4 * p50, ops / 10).unwrap();
    let of = |direction, latency: Histogram<u64>| Series {
        direction,
        bytes: 4096 * latency.len(),
        latency,
        service: None,
    };
    let mut series = vec![of(Direction::Read, latency)];
    if urgent > 0 {
        let mut latency = proto::histogram::empty();
        latency.record_n(p50 / 2, urgent - urgent / 10).unwrap();
        latency.record_n(p50, urgent / 10).unwrap();
        series.push(of(Direction::UrgentRead, latency));
    }
    Interval { index, begin_ns, end_ns: begin_ns + 500_000_000, series }
}

/// A run in which one thread with N requests in flight and N threads reach the limit of a device at depth 32; one
/// request at a time does not.
pub(crate) fn saturated() -> Fixture {
    let arms = ["sync", "sync-threads", "uring", "uring-tuned"];
    let mut fixture = Fixture::new(&arms, &[1, 8, 32, 128], 5, &["local"]);
    fixture.model = |arm, depth| match (arm, depth) {
        ("sync", _) | (_, 1) => (13_900.0, 67_000, 1.0),
        (_, 8) => (44_600.0, 170_000, if arm == "sync-threads" { 1.0 } else { 0.125 }),
        ("sync-threads", _) => (98_700.0 + 10.0 * depth as f64, 9_400 * depth, 1.0),
        _ => (99_000.0 + 8.0 * depth as f64, 9_500 * depth, 1.5 / depth as f64),
    };
    fixture.change = |record| {
        let host = &mut record.hosts[0];
        if let Some(ready) = &mut host.ready {
            ready.target.direct = Some(true);
        }
        if let Some(finished) = &mut host.finished {
            let ns = if record.arm.contains("uring") { 1_550 } else { 5_130 };
            finished.cpu.user_ns = 0;
            finished.cpu.system_ns = ns * finished.ops();
        }
    };
    for cell in fixture.plan.cells.iter_mut().filter(|cell| cell.arm == "sync-threads") {
        cell.template.engine.queue.concurrency = Concurrency::Threads;
    }
    let versus = |arm: &str| Versus { arm: arm.into(), against: "sync-threads".into() };
    fixture.further = ["uring", "uring-tuned"].map(versus).into();
    fixture
}
