//! The state machine of one trial: target, workers, start, intervals, result. Each step can be ended by the
//! coordinator; whichever way it ends, workers are joined before it is over.

use std::{
    collections::{BTreeMap, HashSet},
    os::fd::OwnedFd,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proto::{
    outcome::{CpuTime, Finished, Knob, Overhead, PerfCounts, Ready, Refusal, Warning},
    trial::Trial,
    wire::{Progress, lease_event::Event},
};
use tokio::time::MissedTickBehavior;

use super::{
    lease::{Lease, Over, Turn},
    outside::Outside,
    proof,
};
use crate::{
    counters::perf,
    engine::BATCHES,
    stream::{Merger, mean},
    target::Prepared,
    worker::{Built, Crew, Note, Report, clock::monotonic_ns, memory, perf_warning, recorder::Slices},
};

/// How often finished slices are looked for. It decides only how soon they are seen.
const POLL: Duration = Duration::from_millis(20);
/// How far ahead a start may lie. A minute is ample for any network.
const LONGEST_WAIT_NS: u64 = 60_000_000_000;

/// Why a trial did not come to a result.
enum Ended {
    /// The trial cannot run, or was called off; the lease goes on.
    Refused(Refusal),
    /// So is the lease.
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
    let (target, files) = prepare_target(lease, &trial).await?;
    warnings.extend(target.warnings.iter().cloned());
    let polling = proof::polling(&trial.engine, &target.facts)?;
    let trial = match &polling {
        // Asked of a device that does not poll, some file systems refuse each request.
        Some(knob) if knob.granted == "false" => Arc::new(proof::without_polling(&trial)),
        _ => trial,
    };

    let pollers = match trial.engine.sqpoll {
        Some(sqpoll) => {
            let (pollers, more) = lease.host.topology.pollers(sqpoll, &cpus)?;
            warnings.extend(more);
            pollers
        }
        None => Vec::new(),
    };

    memory::check(&trial)?;
    let mut crew = Crew::launch(&trial, target.size, files, &cpus, &pollers)?;
    let outcome = with_crew(lease, &trial, &mut crew, cpus, &target, (polling, warnings)).await;
    // Workers finish what is in flight; waiting for them must not hold up the runtime.
    crew.stop();
    let _ = tokio::task::spawn_blocking(move || drop(crew)).await;
    let finished = outcome?;
    lease.send(Event::Finished(finished.into_wire(trial.id.clone()))).await?;
    Ok(())
}

/// Makes or opens the target, off the runtime, reporting progress. Cancel and the end of the lease end it.
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
        let target = targets.prepare(
            &trial.target,
            work.block_size.0,
            work.read_percent > 0,
            work.read_percent < 100,
            &mut progress,
            &flag,
        )?;
        // Each worker has an open file of its own: threads that share one contend for its reference count.
        let files = (0..trial.workers()).map(|_| target.open()).collect::<Result<_, _>>()?;
        Ok((target, files))
    });
    loop {
        let over = tokio::select! {
            done = &mut task => return match done {
                Ok(prepared) => Ok(prepared?),
                Err(error) => Err(Refusal::new(
                    "target-failed",
                    format!("the target could not be prepared: {error}"),
                    "this is a defect of the agent; its log says where",
                ).into()),
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
    Refusal::new("cancelled", "the trial was called off before it began", "")
}

/// From the start line to the result.
async fn with_crew(
    lease: &mut Lease,
    trial: &Arc<Trial>,
    crew: &mut Crew,
    cpus: Vec<u32>,
    target: &Prepared,
    (polling, mut warnings): (Option<Knob>, Vec<Warning>),
) -> Result<Finished, Ended> {
    let (knobs, slices) = start_line(lease, trial, crew, polling, &mut warnings).await?;
    let ready = Ready { knobs, pinned_cpus: cpus, target: target.facts.clone(), warnings };
    lease.send(Event::Ready(ready.into_wire(trial.id.clone()))).await?;
    let start_ns = match lease.turn(&trial.id).await? {
        Turn::Start(at_ns) => at_ns,
        Turn::Cancel => return Err(cancelled_refusal().into()),
    };
    if start_ns > monotonic_ns().saturating_add(LONGEST_WAIT_NS) {
        return Err(Refusal::new(
            "start-too-far",
            "the start lies more than a minute ahead",
            "give it in nanoseconds of this host's CLOCK_MONOTONIC, as ReadClock tells it",
        )
        .into());
    }
    crew.start(start_ns);
    let outside = Outside::new(trial, start_ns, target.facts.get("disk").map(String::as_str));
    measure(lease, trial, crew, slices, outside).await
}

/// Waits until every worker stands at the start line.
async fn start_line(
    lease: &mut Lease,
    trial: &Trial,
    crew: &mut Crew,
    polling: Option<Knob>,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Knob>, Vec<Slices>), Ended> {
    let mut slices = Vec::new();
    let mut knobs = proof::depth(trial);
    // What the device said comes first: a ring that claims to poll does not overrule it.
    knobs.extend(polling);
    while slices.len() < trial.workers() as usize {
        tokio::select! {
            note = crew.note() => match note {
                Some(Note::Ready(Built { knobs: granted, warnings: more, slices: source })) => {
                    // Workers ask for the same and are granted the same; one that was not is said.
                    for knob in granted {
                        match knobs.iter_mut().find(|known| known.name == knob.name) {
                            Some(known) if known.granted == "true" => known.granted = knob.granted,
                            Some(_) => {}
                            None => knobs.push(knob),
                        }
                    }
                    warnings.extend(more.into_iter().filter(|new| !warnings.contains(new)).collect::<Vec<_>>());
                    slices.push(source);
                }
                Some(Note::Done(Err(refusal))) => return Err(refusal.into()),
                Some(Note::Done(Ok(_))) | None => return Err(lost_worker().into()),
            },
            turn = lease.turn(&trial.id) => match turn? {
                Turn::Cancel => return Err(cancelled_refusal().into()),
                Turn::Start(_) => {}
            },
        }
    }
    for knob in knobs.iter().filter(|knob| knob.requested != knob.granted && knob.name != "depth") {
        warnings.push(Warning::new(
            "knob-not-granted",
            format!("{} was asked for and not granted; the trial ran without it", knob.name),
            "compare `granted` with `requested` before drawing conclusions, or set `fallback: refuse`",
        ));
    }
    Ok((knobs, slices))
}

/// Streams intervals until every worker is done, and adds the workers' accounts up.
async fn measure(
    lease: &mut Lease,
    trial: &Trial,
    crew: &mut Crew,
    slices: Vec<Slices>,
    mut outside: Outside,
) -> Result<Finished, Ended> {
    let work = &trial.workload;
    let mut merger = Merger::new(work.block_size.0, slices);
    let mut reports: Vec<Report> = Vec::new();
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while reports.len() < trial.workers() as usize {
        tokio::select! {
            biased;
            note = crew.note() => match note {
                Some(Note::Done(done)) => reports.push(done?),
                Some(Note::Ready(_)) => {}
                None => return Err(lost_worker().into()),
            },
            turn = lease.turn(&trial.id) => match turn? {
                Turn::Cancel => crew.stop(),
                Turn::Start(_) => {}
            },
            () = outside.due() => outside.read(),
            _ = poll.tick() => {
                for interval in merger.poll() {
                    send_interval(lease, trial, &interval).await?;
                }
            }
        }
    }
    outside.read();
    for interval in merger.poll() {
        send_interval(lease, trial, &interval).await?;
    }
    Ok(add_up(trial, &reports, &outside))
}

async fn send_interval(
    lease: &Lease,
    trial: &Trial,
    interval: &proto::outcome::Interval,
) -> Result<(), Ended> {
    let interval = interval.to_wire(trial.id.clone()).map_err(|error| {
        Refusal::new("interval-not-encoded", error.to_string(), "this is a defect of the agent")
    })?;
    lease.send(Event::Interval(interval)).await?;
    Ok(())
}

fn lost_worker() -> Refusal {
    Refusal::new("worker-lost", "a worker ended without a word", "this is a defect of the agent")
}

/// The sum of all workers' accounts.
fn add_up(trial: &Trial, reports: &[Report], outside: &Outside) -> Finished {
    let windows: Vec<_> = reports.iter().filter_map(|report| report.window.as_ref()).collect();
    let begins: Vec<u64> = windows.iter().map(|window| window.begin_ns).collect();
    let ends: Vec<u64> = windows.iter().map(|window| window.end_ns).collect();
    let (begin_ns, end_ns) = (mean(&begins), mean(&ends));
    let window_ns = end_ns.saturating_sub(begin_ns);
    let mut sum = Finished {
        begin_ns,
        end_ns,
        cut_short: windows.len() < reports.len() || windows.iter().any(|window| window.cut_short),
        cpu: CpuTime { kernel_threads_ns: outside.cpu_ns(window_ns), ..CpuTime::default() },
        disk_interrupts: outside.interrupts(window_ns),
        ..Finished::default()
    };
    let mut perf_sum: Option<PerfCounts> = None;
    let mut perf_errors = HashSet::new();
    for window in &windows {
        let counts = window.counts.syscalls.iter().filter(|(name, count)| !name.is_empty() && *count > 0);
        for (name, count) in counts {
            *sum.syscalls_self.entry((*name).to_owned()).or_default() += count;
        }
        if trial.engine.engine.is_ring() {
            // With SQPOLL a kernel thread takes the requests: none is handed over by a call.
            if trial.engine.sqpoll.is_none() {
                sum.submitted += window.counts.submitted;
            }
            sum.enters += window.counts.syscalls[0].1;
            sum.cq_overflows += window.counts.overflows;
            sum.enters_by_batch.resize(BATCHES, 0);
            for (sum, count) in sum.enters_by_batch.iter_mut().zip(&window.counts.batches) {
                *sum += count;
            }
        }
        sum.cpu.user_ns += window.usage.user_ns;
        sum.cpu.system_ns += window.usage.system_ns;
        sum.cpu.voluntary_switches += window.usage.voluntary;
        sum.cpu.involuntary_switches += window.usage.involuntary;
        if window.clock_drift_ppm.abs() > sum.overhead.clock_drift_ppm.abs() {
            sum.overhead.clock_drift_ppm = window.clock_drift_ppm;
        }
        match (&window.perf, &mut perf_sum) {
            (Some(Ok(counts)), Some(total)) => perf::add(total, counts),
            (Some(Ok(counts)), none) => *none = Some(counts.clone()),
            (Some(Err(error)), _) => _ = perf_errors.insert(error.clone()),
            (None, _) => {}
        }
    }
    // Classes that never occurred, at the end, say nothing; a kernel thread that took all leaves none.
    let last = sum.enters_by_batch.iter().rposition(|count| *count > 0);
    sum.enters_by_batch.truncate(last.map_or(0, |last| last + 1));
    // A sum over some of the workers is no count.
    let counted = windows.iter().filter(|window| matches!(window.perf, Some(Ok(_)))).count();
    sum.perf = perf_sum.filter(|_| counted == reports.len());
    sum.warnings.extend(perf_errors.iter().map(|error| perf_warning(error, "run the audit again")));

    let mut errors: BTreeMap<i32, u64> = BTreeMap::new();
    let mut overhead = Overhead { clock_drift_ppm: sum.overhead.clock_drift_ppm, ..Overhead::default() };
    for report in reports {
        sum.read_ops += report.tally.ops[0];
        sum.write_ops += report.tally.ops[1];
        sum.short_transfers += report.tally.short;
        overhead.saturated += report.tally.saturated;
        overhead.late_swaps += report.tally.late_swaps;
        for (errno, count) in &report.errors {
            *errors.entry(*errno).or_default() += count;
        }
    }
    sum.bytes = sum.ops() * trial.workload.block_size.0;
    sum.errors = errors;
    sum.overhead = overhead;
    sum
}
