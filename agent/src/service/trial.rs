//! The state machine of one trial: target, workers, start, intervals, result. The coordinator can cancel each step; in
//! any case the workers are joined at the end.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use proto::{
    facts::Interrupts,
    notice::OsError,
    outcome::{Finished, Knob, Ready},
    refusal::{
        CancelledWhen, EngineRefusal, Refusal, SessionRefusal, TargetRefusal, TargetStep, WorkerRefusal,
    },
    trial::{EngineKind, Pattern, Sharing, Sqpoll, Trial},
    warning::Warning,
    wire::{Progress, lease_event::Event},
};
use tokio::time::MissedTickBehavior;

use super::{
    grants,
    lease::{Lease, Over, Turn},
    sampler::WindowSampler,
    sum::add_up,
};
use crate::{
    clock::monotonic_ns,
    counters::{interrupts::Lines, noise::Probe},
    stream::Merger,
    target::{Prepared, cold},
    verify,
    worker::{Built, Places, Report, WorkerEvent, WorkerPool, memory, recorder::Slices},
};

/// Period for polling finished slices. It affects only how soon they are sent.
const POLL: Duration = Duration::from_millis(20);
/// Period for reporting the progress of reading back.
const READ_BACK_PERIOD: Duration = Duration::from_secs(1);
/// Longest time between now and a start, in nanoseconds. A minute is ample for any network.
const LONGEST_WAIT_NS: u64 = 60_000_000_000;

/// The reason why a trial has no result.
enum Ended {
    /// The trial was refused or cancelled; the lease continues.
    Refused(Refusal),
    /// The lease is over too.
    Over,
}

impl From<Over> for Ended {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Runs a trial. The outer error: the lease is over. The inner one: the trial was refused.
pub(super) async fn run(lease: &mut Lease, trial: Arc<Trial>) -> Result<Result<(), Refusal>, Over> {
    match stages(lease, trial).await {
        Ok(()) => Ok(Ok(())),
        Err(Ended::Refused(refusal)) => Ok(Err(refusal)),
        Err(Ended::Over) => Err(Over),
    }
}

async fn stages(lease: &mut Lease, trial: Arc<Trial>) -> Result<(), Ended> {
    let (cpus, mut warnings) = lease.host.topology.assign(&trial.workload.cpus, trial.workers())?;
    let (mut target, files) = prepare_target(lease, &trial).await?;
    let lines = Lines::of_device(target.facts.device.as_ref());
    target.facts.interrupts = Some(match &lines {
        Ok(lines) => Interrupts::Lines(lines.lines().to_vec()),
        Err(why) => Interrupts::Unavailable(why.to_string()),
    });
    warnings.extend(target.warnings.iter().cloned());
    warnings.extend(grants::unheeded(&trial.engine, &target.facts));
    let mut polling = grants::polling(&trial.engine, &target.facts)?;
    let trial = match polling.first() {
        // On a device that does not poll, some file systems refuse each polled request.
        Some(knob) if !knob.is_on() => Arc::new(grants::without_polling(&trial)),
        _ => trial,
    };

    let mut busy = cpus.clone();
    let combiner = (trial.engine.ring.sharing == Sharing::Combiner).then(|| {
        let (cpu, alone, more) = lease.host.topology.combiner(&cpus);
        warnings.extend(more);
        busy.push(cpu);
        (cpu, alone)
    });
    let pollers = match trial.engine.ring.sqpoll {
        Some(sqpoll) => {
            // One ring has one polling thread.
            let sqpoll = Sqpoll { shared: shares_poller(&trial), ..sqpoll };
            let (pollers, more) = lease.host.topology.pollers(sqpoll, &busy)?;
            warnings.extend(more);
            polling.push(grants::poller(sqpoll, &pollers));
            pollers
        }
        None => Vec::new(),
    };
    // `pollers` has one entry per ring, even if all share one thread.
    let polling_threads = if shares_poller(&trial) { 1 } else { pollers.len() };
    busy.extend(&pollers[..polling_threads.min(pollers.len())]);

    memory::check(&trial, target.size, lease.host.limits.trial_memory)?;
    let places = Places { workers: &cpus, pollers: &pollers, combiner };
    let mut pool = WorkerPool::launch(&trial, target.size, files, places)?;
    let known = Known { cpus, busy, lines: lines.ok(), polling, warnings };
    let outcome = with_pool(lease, &trial, &mut pool, &target, known).await;
    // Workers wait for requests in flight, which must not block the runtime.
    pool.stop();
    let _ = tokio::task::spawn_blocking(move || drop(pool)).await;
    let finished = outcome?;
    lease.send(Event::Finished(finished.into_wire(trial.id.clone()))).await?;
    Ok(())
}

/// Whether all rings of the host share one polling thread.
fn shares_poller(trial: &Trial) -> bool {
    trial.engine.ring.sqpoll.is_some_and(|sqpoll| sqpoll.shared) || trial.shared_depth().is_some()
}

/// Creates or opens the target on a blocking thread and reports progress. Ends early on Cancel and at the end of the
/// lease.
async fn prepare_target(lease: &mut Lease, trial: &Arc<Trial>) -> Result<(Prepared, Vec<OwnedFd>), Ended> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let send = lease.progress();
    let (targets, trial, flag) = (Arc::clone(&lease.targets), Arc::clone(trial), Arc::clone(&cancelled));
    let trial_id = trial.id.clone();
    let mut task = tokio::task::spawn_blocking(move || -> Result<(Prepared, Vec<OwnedFd>), Refusal> {
        let work = &trial.workload;
        let mut progress = |what: &str, done: u64, total: u64| {
            send(Progress { trial_id: trial.id.clone(), what: what.to_owned(), done, total });
        };
        let mut targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut target = targets.prepare(
            &trial.target,
            &*trial,
            work.read_percent > 0,
            work.writes(),
            &mut progress,
            &flag,
        )?;
        if trial.engine.kind == EngineKind::Nvme {
            let sizes = &work.block_size;
            target.pass_through(sizes.unit().0, sizes.largest().0)?;
        }
        if work.verify {
            trial.verifiable(target.size).map_err(|rule| EngineRefusal::Verify { failure: rule.into() })?;
            target.fill_marked(verify::mark(&trial), &mut progress, &flag)?;
        }
        // Each worker opens its own file: threads that share one contend for its reference count.
        let files = (0..trial.workers()).map(|_| target.open()).collect::<Result<Vec<OwnedFd>, _>>()?;
        if trial.target.cold() && work.pattern != Pattern::Sequential {
            // Readahead at random offsets would put pages into the cache that later reads hit.
            files.iter().try_for_each(|file| cold::expect_random(file.as_fd()))?;
        }
        Ok((target, files))
    });
    loop {
        let over = tokio::select! {
            done = &mut task => return match done {
                Ok(prepared) => Ok(prepared?),
                Err(error) => {
                    let error = OsError { errno: None, text: error.to_string() };
                    let step = TargetStep::Prepare;
                    let failed = TargetRefusal::TargetFailed { step, error, target_field: String::new() };
                    Err(Ended::Refused(failed.into()))
                }
            },
            turn = lease.turn(&trial_id) => match turn {
                Ok(Turn::Cancel) => Ended::Refused(cancelled_refusal()),
                Ok(Turn::Start(_)) => continue,
                Err(Over) => Ended::Over,
            },
        };
        cancelled.store(true, Ordering::Relaxed);
        let _ = task.await;
        return Err(over);
    }
}

fn cancelled_refusal() -> Refusal {
    SessionRefusal::Cancelled { when: CancelledWhen::Waiting }.into()
}

/// Properties of a trial that are known before its workers are ready.
struct Known {
    cpus: Vec<u32>,
    /// The CPUs of all threads: workers, combiner and polling threads.
    busy: Vec<u32>,
    /// The interrupts of the device behind the target.
    lines: Option<Lines>,
    polling: Vec<Knob>,
    warnings: Vec<Warning>,
}

/// Runs a trial from the start line to its result.
async fn with_pool(
    lease: &mut Lease,
    trial: &Arc<Trial>,
    pool: &mut WorkerPool,
    target: &Prepared,
    Known { cpus, busy, lines, polling, mut warnings }: Known,
) -> Result<Finished, Ended> {
    let (knobs, slices) = start_line(lease, trial, pool, polling, &mut warnings).await?;
    let probe = Probe::new(&busy, lease.host.topology.runtime_cpu);
    let ready = Ready { knobs, pinned_cpus: cpus, target: target.facts.clone(), warnings };
    lease.send(Event::Ready(ready.into_wire(trial.id.clone()))).await?;
    let start_ns = match lease.turn(&trial.id).await? {
        Turn::Start(at_ns) => at_ns,
        Turn::Cancel => return Err(cancelled_refusal().into()),
    };
    if start_ns > monotonic_ns().saturating_add(LONGEST_WAIT_NS) {
        return Err(Ended::Refused(SessionRefusal::StartTooFar {}.into()));
    }
    // Dropping it ends it, whether or not the trial succeeds.
    let keeper = target.keep_cold(lease.host.topology.runtime_cpu)?;
    pool.start(start_ns);
    let sampler = WindowSampler::new(trial, start_ns, lines, probe);
    let mut finished = measure(lease, trial, pool, slices, (sampler, target.size)).await?;
    if !finished.window.cut_short {
        let planned_ns = start_ns.saturating_add(trial.workload.warmup.0);
        lease.host.metrics.started_late(finished.window.begin_ns.saturating_sub(planned_ns));
    }
    if let Some(keeper) = keeper {
        // This waits for at most one period.
        finished.device.cached_share = keeper.finish();
        finished.warnings.extend(cold::warning(finished.device.cached_share));
    }
    Ok(finished)
}

/// Waits until every worker is ready at the start line.
async fn start_line(
    lease: &mut Lease,
    trial: &Trial,
    pool: &mut WorkerPool,
    polling: Vec<Knob>,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Knob>, Vec<Slices>), Ended> {
    let mut slices = Vec::new();
    let mut knobs = grants::depth(trial);
    // The device's knobs come first, so that a ring's claim to poll does not override them.
    knobs.extend(polling);
    while slices.len() < trial.workers() as usize {
        tokio::select! {
            event = pool.event() => match event {
                Some(WorkerEvent::Ready(Built { knobs: granted, warnings: more, slices: source })) => {
                    // All workers request the same options. One counts as granted only if every worker was granted it.
                    for knob in granted {
                        match knobs.iter_mut().find(|known| known.name == knob.name) {
                            Some(known) if known.is_on() => known.granted = knob.granted,
                            Some(_) => {}
                            None => knobs.push(knob),
                        }
                    }
                    warnings.extend(more.into_iter().filter(|new| !warnings.contains(new)).collect::<Vec<_>>());
                    slices.push(source);
                }
                Some(WorkerEvent::Done(Err(refusal))) => return Err(refusal.into()),
                Some(WorkerEvent::Done(Ok(_))) | None => return Err(lost_worker().into()),
            },
            turn = lease.turn(&trial.id) => match turn? {
                Turn::Cancel => return Err(cancelled_refusal().into()),
                Turn::Start(_) => {}
            },
        }
    }
    warnings.extend(knobs.iter().filter(|knob| knob.is_missing()).map(grants::not_granted));
    Ok((knobs, slices))
}

/// Streams intervals until every worker is done, then sums the workers' reports.
async fn measure(
    lease: &mut Lease,
    trial: &Trial,
    pool: &mut WorkerPool,
    slices: Vec<Slices>,
    (mut sampler, size): (WindowSampler, u64),
) -> Result<Finished, Ended> {
    let mut merger = Merger::new(slices);
    let mut reports: Vec<Report> = Vec::new();
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut reported = Instant::now();
    while reports.len() < pool.reports() {
        tokio::select! {
            biased;
            event = pool.event() => match event {
                Some(WorkerEvent::Done(done)) => reports.push(done?),
                Some(WorkerEvent::Ready(_)) => {}
                None => return Err(lost_worker().into()),
            },
            turn = lease.turn(&trial.id) => match turn? {
                Turn::Cancel => pool.stop(),
                Turn::Start(_) => {}
            },
            () = sampler.due() => sampler.read(),
            _ = poll.tick() => {
                for interval in merger.poll() {
                    send_interval(lease, trial, &interval).await?;
                }
                report_read_back(lease, trial, pool, size, &mut reported);
            }
        }
    }
    for interval in merger.poll() {
        send_interval(lease, trial, &interval).await?;
    }
    sampler.close();
    Ok(Finished { release: pool.release(), ..add_up(trial, &reports, &sampler) })
}

/// Reports the progress of reading back. This may take longer than the window, and the coordinator gives up on a host
/// that stays silent.
fn report_read_back(lease: &Lease, trial: &Trial, pool: &WorkerPool, size: u64, reported: &mut Instant) {
    let done = pool.read_back();
    if done > 0 && reported.elapsed() >= READ_BACK_PERIOD {
        *reported = Instant::now();
        let what = "reading back to verify".to_owned();
        lease.progress()(Progress { trial_id: trial.id.clone(), what, done, total: size });
    }
}

async fn send_interval(
    lease: &Lease,
    trial: &Trial,
    interval: &proto::outcome::Interval,
) -> Result<(), Ended> {
    let interval = interval
        .to_wire(trial.id.clone())
        .map_err(|error| Refusal::from(SessionRefusal::IntervalNotEncoded { why: error.to_string() }))?;
    lease.send(Event::Interval(interval)).await?;
    Ok(())
}

fn lost_worker() -> Refusal {
    WorkerRefusal::Lost {}.into()
}
