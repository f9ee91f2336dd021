//! The coordinator with correct and with faulty agents.

#![allow(clippy::unwrap_used, reason = "a test")]

mod fake;
mod noisy;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use coordinator::{
    cluster::{Cluster, EmbeddedOptions, HostError, Timing, inventory::HostSpec, select},
    params::Params,
    plan::{Plan, PlannedTrial, Stopping},
    run::progress::Progress,
    run::{RunOutcome, TrialSink, recorded::Recorded, run_plan},
    scenario::Cell,
    scenario::noise::NoisePolicy,
    screen::Screen,
    stop::Stop,
    store::{RunDir, StoreError, record::TrialRecord},
};
use fake::{Act, Fake, Running};
use proto::{
    outcome::Interval,
    refusal::{EngineRefusal, Refusal},
    trial::{Engine, EngineKind, FileTarget, Measure, Target, Trial, Workload},
    units::{ByteSize, Nanos},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Limits for trials of 50 ms; timeouts that must expire are short.
fn timing() -> Timing {
    Timing {
        prepare: Duration::from_secs(2),
        overrun: Duration::from_millis(500),
        cancel_grace: Duration::from_millis(500),
        answer: Duration::from_secs(5),
        ..Timing::default()
    }
}

/// Two trials of each arm, alternating; an arm may require a host by name.
fn plan(arms: &[(&str, Option<&str>)]) -> Plan {
    let cell = |&(arm, host): &(&str, Option<&str>)| Cell {
        arm: arm.to_owned(),
        params: Params::new(),
        hosts: host.map(|host| ("name".to_owned(), host.to_owned())).into_iter().collect(),
        template: Trial {
            id: String::new(),
            seed: 0,
            target: Target::File(FileTarget::new(ByteSize(1 << 20), true)),
            workload: Workload {
                warmup: Nanos(10_000_000),
                runtime: Nanos(50_000_000),
                ..Workload::default()
            },
            engine: Engine::new(EngineKind::Null),
            measure: Measure::Timed,
        },
    };
    let trials = (0..2 * arms.len()).map(|i| PlannedTrial {
        id: format!("{i:04}-{}", arms[i % arms.len()].0),
        cell: i % arms.len(),
        block: u32::try_from(i / arms.len()).unwrap() + 1,
        measure: Measure::Timed,
        seed: 1,
    });
    Plan {
        scenario: "fake".into(),
        seed: 1,
        quick: false,
        overrides: Vec::new(),
        cells: arms.iter().map(cell).collect(),
        noise: NoisePolicy::Mark,
        on_host_loss: coordinator::scenario::host_loss::HostLossPolicy::Fail,
        trials_per_cell: 2,
        stopping: None,
        stopped_after: None,
        trials: trials.collect(),
    }
}

/// Keeps records and the number of their intervals.
#[derive(Default)]
struct Kept {
    trials: Vec<(TrialRecord, usize)>,
    stopped: Option<u32>,
    arrived: usize,
    /// Keeps the intervals too, if there is one.
    directory: Option<RunDir>,
}

impl TrialSink for Kept {
    fn trial(&mut self, record: TrialRecord) -> miette::Result<TrialRecord> {
        let record = match &mut self.directory {
            Some(directory) => directory.append_trial(record).map_err(StoreError::into_report)?,
            None => record,
        };
        self.trials.push((record.clone(), std::mem::take(&mut self.arrived)));
        Ok(record)
    }

    fn interval(
        &mut self,
        trial: &str,
        started_at: &str,
        host: &str,
        interval: Interval,
    ) -> miette::Result<()> {
        self.arrived += 1;
        if let Some(directory) = &mut self.directory {
            directory.append_interval(trial, host, started_at, interval).map_err(StoreError::into_report)?;
        }
        Ok(())
    }

    fn directory(&self) -> Option<&RunDir> {
        self.directory.as_ref()
    }

    fn stopped(&mut self, _plan: &Plan, after: u32) -> miette::Result<()> {
        self.stopped = Some(after);
        Ok(())
    }
}

impl Kept {
    fn ids(&self) -> Vec<&str> {
        self.trials.iter().map(|(record, _)| record.id.as_str()).collect()
    }
}

async fn connect(fakes: &[&Running]) -> Result<Cluster, Vec<HostError>> {
    let specs = fakes.iter().enumerate().map(|(i, fake)| fake.spec(&format!("n{}", i + 1))).collect();
    Cluster::connect(specs, timing()).await
}

async fn run(fakes: &[&Running], plan: &Plan, stop: &Stop) -> (Kept, RunOutcome) {
    run_into(Kept::default(), fakes, plan, stop).await
}

async fn run_into(mut kept: Kept, fakes: &[&Running], plan: &Plan, stop: &Stop) -> (Kept, RunOutcome) {
    let mut cluster = connect(fakes).await.unwrap();
    cluster.open("run").await.unwrap();
    let hosts = select::resolve(plan, &cluster.labels()).unwrap();
    let outcome = run_plan(
        plan,
        Recorded::nothing(plan),
        &mut cluster,
        &hosts,
        &mut kept,
        &mut Progress::silent(plan),
        stop,
    )
    .await
    .unwrap();
    cluster.close().await;
    (kept, outcome)
}

fn nobody_stops() -> Stop {
    Stop::channel().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_all_trials_on_a_healthy_cluster() {
    let fake = Fake::new(Act::Run).listen().await;
    let plan = plan(&[("a", None), ("b", None)]);
    let (kept, outcome) = run(&[&fake], &plan, &nobody_stops()).await;
    assert_eq!(kept.ids(), ["0000-a", "0001-b", "0002-a", "0003-b"]);
    assert!(
        kept.trials.iter().all(|(record, intervals)| record.counts() && *intervals == 1),
        "{:?}",
        kept.trials
    );
    assert_eq!(outcome, RunOutcome { recorded: 4, ..RunOutcome::default() });
    // The lease ended in order, so the next run finds the agent free.
    let (kept, _) = run(&[&fake], &plan, &nobody_stops()).await;
    assert_eq!(kept.trials.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_when_it_is_precise_enough() {
    let fake = Fake::new(Act::Run).listen().await;
    let mut plan = plan(&[("a", None), ("b", None)]);
    let trial = |index: u32| PlannedTrial {
        id: format!("{index:04}-t"),
        cell: index as usize % 2,
        block: index / 2 + 1,
        measure: Measure::Timed,
        seed: 1,
    };
    plan.trials = (0..12).map(trial).collect();
    plan.trials_per_cell = 6;
    plan.stopping = Some(Stopping { min: 3, until: 0.5, baseline: "a".into() });
    // The fake's trials are identical, so the intervals have no width.
    let place = tempfile::tempdir().unwrap();
    let directory = RunDir::create(Some(&place.path().join("run")), "fake", "").unwrap();
    let kept = Kept { directory: Some(directory), ..Kept::default() };
    let (kept, outcome) = run_into(kept, &[&fake], &plan, &nobody_stops()).await;
    assert_eq!((kept.trials.len(), kept.stopped), (6, Some(3)));
    assert_eq!(outcome, RunOutcome { recorded: 6, stopped_after: Some(3), ..RunOutcome::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_another_protocol_version_by_host() {
    let (ours, other) = (proto::PROTOCOL_VERSION, proto::PROTOCOL_VERSION + 1);
    let fake = Fake { protocol: other, ..Fake::new(Act::Run) }.listen().await;
    let errors = connect(&[&fake]).await.unwrap_err();
    let expected = format!("host n1 speaks protocol {other}, this coordinator {ours}");
    assert_eq!(errors[0].refusal.message(), expected);
    assert_eq!(errors[0].refusal.remedy(), "install the same release on both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_all_unreachable_hosts_together() {
    let gone = Fake::new(Act::Run).listen().await;
    let (first, second) = (gone.spec("n1"), gone.spec("n2"));
    drop(gone);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let errors = Cluster::connect(vec![first.clone(), second], timing()).await.unwrap_err();
    assert_eq!(errors.iter().map(|error| error.host.as_str()).collect::<Vec<_>>(), ["n1", "n2"]);
    assert!(errors[0].to_string().contains(&first.address.to_string()), "{}", errors[0]);
    assert!(errors[0].refusal.message().contains("refused"), "{}", errors[0]);
    assert!(errors[0].refusal.remedy().contains("coordinator agents --agents"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_which_run_keeps_a_host_busy() {
    let fake = Fake::new(Act::Busy).listen().await;
    let mut cluster = connect(&[&fake]).await.unwrap();
    let errors = cluster.open("run").await.unwrap_err();
    assert_eq!(errors[0].refusal.code(), "busy");
    assert!(errors[0].to_string().contains("run 2026-11-22-other"), "{}", errors[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_a_refused_cell_once_and_runs_the_others() {
    const NOT_BUILT: &str =
        "n1: refused (ring-refused): the ring whose polling thread is to be shared was not built";
    let fake = Fake::new(Act::RefuseTrials("-b")).listen().await;
    let willing = Fake::new(Act::Run).listen().await;
    let plan = plan(&[("a", None), ("b", None)]);
    let (kept, outcome) = run(&[&fake, &willing], &plan, &nobody_stops()).await;
    assert_eq!(kept.ids(), ["0000-a", "0001-b", "0002-a"]);
    assert_eq!(kept.trials[1].0.marks, [NOT_BUILT, "n2: not run to the end"]);
    let refusal = kept.trials[1].0.hosts[0].refusal.as_ref().unwrap();
    assert!(matches!(refusal, Refusal::Engine(EngineRefusal::Ring { .. })), "{refusal:?}");
    assert_eq!((outcome.refused.len(), outcome.skipped, outcome.recorded), (1, 1, 3));
    assert_eq!((outcome.refused[0].cell, outcome.refused[0].host.as_str()), (1, "n1"));
    assert!(outcome.lost_hosts.is_empty());
    assert!(willing.fake.asked.lock().unwrap().contains(&"cancel 0001-b".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_host_stops_its_cells_only() {
    let dying = Fake::new(Act::CutDuring("-a")).listen().await;
    let healthy = Fake::new(Act::Run).listen().await;
    let plan = plan(&[("a", Some("n1")), ("b", Some("n2")), ("c", None)]);
    let (kept, outcome) = run(&[&dying, &healthy], &plan, &nobody_stops()).await;
    assert_eq!(kept.ids(), ["0000-a", "0001-b", "0004-b"]);
    let (lost, intervals) = &kept.trials[0];
    assert_eq!(*intervals, 1, "what had arrived is kept");
    assert!(lost.marks[0].starts_with("host lost (lost): the connection broke: the test cut it"), "{lost:?}");
    assert_eq!(outcome.lost_hosts[0].0, "n1");
    assert_eq!((outcome.skipped, outcome.recorded, outcome.marked), (3, 3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_start_together_despite_delays_and_clock_offsets() {
    let offsets = [-1_000_000_000i64, 3_600_000_000_000];
    let quick = Fake { offset_ns: offsets[0], ..Fake::new(Act::Run) }.listen().await;
    let late = Act::LateReady(Duration::from_millis(300));
    let late = Fake { offset_ns: offsets[1], ..Fake::new(late) }.listen().await;
    let plan = plan(&[("a", None)]);
    let (kept, _) = run(&[&quick, &late], &plan, &nobody_stops()).await;
    assert_eq!(kept.trials.len(), 2);
    assert!(kept.trials.iter().all(|(record, _)| record.counts()), "{:?}", kept.trials);
    let starts = |running: &Running| running.fake.starts.lock().unwrap().clone();
    let both = starts(&quick).into_iter().zip(starts(&late));
    for (((_, a), (_, b)), (record, _)) in both.zip(&kept.trials) {
        let (a, b) = (a.saturating_add_signed(-offsets[0]), b.saturating_add_signed(-offsets[1]));
        let clocks = record.hosts.iter().map(|host| host.clock.error_ns);
        assert!(a.abs_diff(b) <= clocks.sum(), "{a} and {b} are not the same moment");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gives_up_a_silent_host() {
    let silent = Fake::new(Act::Hang).listen().await;
    let begun = Instant::now();
    let (kept, outcome) = run(&[&silent], &plan(&[("a", None)]), &nobody_stops()).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(kept.ids(), ["0000-a"]);
    assert_eq!(outcome.lost_hosts[0].1.code(), "silent");
    assert_eq!(outcome.skipped, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gives_up_a_host_that_never_becomes_ready() {
    let stuck = Fake::new(Act::PrepareForEver).listen().await;
    let waiting = Fake::new(Act::Run).listen().await;
    let begun = Instant::now();
    let plan = plan(&[("a", None), ("b", Some("n2"))]);
    let (kept, outcome) = run(&[&stuck, &waiting], &plan, &nobody_stops()).await;
    let took = begun.elapsed();
    assert!(took >= timing().prepare && took < Duration::from_secs(10), "{took:?}");
    // Cells of the other host alone still run.
    assert_eq!(kept.ids(), ["0000-a", "0001-b", "0003-b"]);
    assert!(waiting.fake.asked.lock().unwrap().contains(&"cancel 0000-a".to_owned()));
    let [(host, refusal)] = &outcome.lost_hosts[..] else { panic!("{:?}", outcome.lost_hosts) };
    assert_eq!((host.as_str(), refusal.code()), ("n1", "silent"));
    assert!(refusal.message().starts_with("did not become ready: no progress for 2 s"), "{refusal}");
    assert!(refusal.remedy().contains("dmesg"), "{refusal}");
}

/// Reports that do not advance, and reports that do so for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_without_end_is_given_up() {
    let second = Duration::from_secs(1);
    for (act, timing) in [
        (Act::Stuck, Timing { prepare: second, ..timing() }),
        (Act::SlowReady(Duration::from_secs(300)), Timing { longest: second, ..timing() }),
    ] {
        let host = Fake::new(act).listen().await;
        let mut cluster = Cluster::connect(vec![host.spec("n1")], timing).await.unwrap();
        cluster.open("run").await.unwrap();
        let plan = plan(&[("a", None)]);
        let begun = Instant::now();
        let run = cluster.run_trial(&plan.trial(&plan.trials[0]), &[0], &mut (), &nobody_stops()).await;
        let took = begun.elapsed();
        assert!(took >= second && took < 10 * second, "{took:?}");
        assert_eq!(run.hosts[0].refusal.as_ref().unwrap().code(), "silent");
        cluster.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_waits_for_another_is_not_overdue() {
    let timing = Timing { prepare: Duration::from_millis(400), ..timing() };
    let ready = Fake::new(Act::Run).listen().await;
    let busy = Fake::new(Act::SlowReady(Duration::from_millis(1500))).listen().await;
    let mut cluster = Cluster::connect(vec![ready.spec("n1"), busy.spec("n2")], timing).await.unwrap();
    cluster.open("run").await.unwrap();
    let plan = plan(&[("a", None)]);
    let trial = plan.trial(&plan.trials[0]);
    // The second reports progress continuously, so neither is given up, however long it takes.
    let run = cluster.run_trial(&trial, &[0, 1], &mut (), &nobody_stops()).await;
    assert!(run.hosts.iter().all(|host| host.finished.is_some()), "{run:?}");
    cluster.close().await;
}

/// A connection to a host that can be cut without notice to either end.
async fn wire_to(host: &Running) -> (HostSpec, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let (there, cut) = (host.address, Arc::new(AtomicBool::new(false)));
    let is_cut = Arc::clone(&cut);
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(there).await.unwrap();
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        let carry = |mut from: OwnedReadHalf, mut to: OwnedWriteHalf| {
            let cut = Arc::clone(&is_cut);
            async move {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = from.read(&mut bytes).await {
                    if !cut.load(Ordering::Relaxed) {
                        to.write_all(&bytes[..read]).await.unwrap();
                    }
                }
            }
        };
        tokio::join!(carry(near_in, far_out), carry(far_in, near_out));
    });
    (HostSpec { address, ..host.spec("n1") }, cut)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detects_a_silently_cut_connection_while_preparing() {
    let fake = Fake::new(Act::PrepareForEver).listen().await;
    let (spec, cut) = wire_to(&fake).await;
    let timing = Timing {
        keepalive: Duration::from_millis(100),
        keepalive_timeout: Duration::from_millis(300),
        prepare: Duration::from_secs(60),
        ..timing()
    };
    let mut cluster = Cluster::connect(vec![spec], timing).await.unwrap();
    cluster.open("run").await.unwrap();
    let plan = plan(&[("a", None)]);
    let trial = plan.trial(&plan.trials[0]);
    let begun = Instant::now();
    tokio::spawn(async move {
        // Longer than the keep-alive limit: preparing may last while pings are answered.
        tokio::time::sleep(Duration::from_secs(1)).await;
        cut.store(true, Ordering::Relaxed);
    });
    let run = cluster.run_trial(&trial, &[0], &mut (), &nobody_stops()).await;
    assert!((1..4).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(run.hosts[0].lost);
    let why = run.hosts[0].refusal.as_ref().unwrap().message();
    assert!(why.contains("connection broke"), "{why}");
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_the_log_of_a_dead_embedded_agent() {
    // A shell does not know the hidden command and prints an error.
    let options = EmbeddedOptions { program: "/bin/sh".into(), data_dir: ".".into() };
    let error = Cluster::embedded(&options, timing(), &Screen::new()).await.unwrap_err();
    assert_eq!(error.host, "local");
    let message = error.refusal.message();
    assert!(message.starts_with("the embedded agent died (exit status:"), "{message}");
    assert!(message.contains("__agent"), "{message}");
}

/// Requests a stop after a delay, and returns how long the run then took to end.
async fn interrupt(act: Act) -> (Kept, RunOutcome, Running, Duration) {
    let fake = Fake::new(act).listen().await;
    let (switch, stop) = Stop::channel();
    let interrupting = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        switch.request();
        Instant::now()
    });
    let (kept, outcome) = run(&[&fake], &plan(&[("a", None)]), &stop).await;
    let took = interrupting.await.unwrap().elapsed();
    (kept, outcome, fake, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_an_interrupted_trial_as_cut_short() {
    let (kept, outcome, ..) = interrupt(Act::RunUntilCancelled).await;
    assert!(outcome.interrupted && outcome.lost_hosts.is_empty() && outcome.refused.is_empty());
    assert_eq!(kept.trials[0].0.marks, ["interrupted: cut short"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_while_preparing_records_nothing() {
    let (kept, outcome, fake, _) = interrupt(Act::PrepareForEver).await;
    assert_eq!((kept.trials.len(), outcome.interrupted, outcome.refused.len()), (0, true, 0));
    assert_eq!(*fake.fake.asked.lock().unwrap(), ["prepare 0000-a", "cancel 0000-a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_does_not_wait_for_a_silent_host() {
    let (_, outcome, _, took) = interrupt(Act::Hang).await;
    assert!(outcome.interrupted && outcome.lost_hosts.is_empty());
    assert!(took < Duration::from_secs(3), "{took:?}");
}
