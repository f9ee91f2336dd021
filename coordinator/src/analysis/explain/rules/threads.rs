//! Reasons that lie with other threads: the lock of a ring, a combiner, and the kernel's own threads.

use super::super::{
    change::{Candidate, Change},
    figures::Figures,
    thresholds::{FEWEST_CALLS, PUNTED, SAME, TOGETHER},
};
use crate::summary::{
    evidence::{Evidence, Pair, Quantity},
    explanation::{KernelThread, Reason},
};

/// Waiting for the lock of a shared ring.
pub(super) fn locks(change: &Change<'_>) -> Option<Candidate> {
    let (arm, base) = (&change.sides.arm, &change.sides.base);
    let wait = |side: &Figures<'_>| match side.cell.ring.lock_wait_ns_per_io {
        Some(ns) => Some(ns).filter(|ns| ns.is_finite()),
        None => Some(0.0),
    };
    let wait_ns = Pair::of(wait(arm), wait(base))?;
    if wait_ns.arm == wait_ns.baseline || (wait_ns.arm < wait_ns.baseline) != change.faster {
        return None;
    }
    // Each worker waits for itself, whichever CPU it is on.
    let longer = arm.worker_time()? - base.worker_time()?;
    let share = (wait_ns.arm - wait_ns.baseline) / longer;
    let same = arm.cell.threads.placement.workers == base.cell.threads.placement.workers;
    if !same || (longer < 0.0) != change.faster || !share.is_finite() {
        return None;
    }
    let contended = arm.cell.ring.contended_share.or(base.cell.ring.contended_share);
    let mut evidence = vec![Evidence::Both(Quantity::LockWait, wait_ns)];
    evidence.extend(contended.map(|share| Evidence::One(Quantity::LockContention, share)));
    evidence.extend(change.sides.evidence(&[Quantity::WorkerTime, Quantity::ContextSwitches]));
    Some(Candidate::new(share, Reason::Locks { wait_ns }, evidence))
}

/// Waiting in the queues of a combiner. Many requests wait there at a time, so that their wait is a part of latency.
pub(super) fn handover(change: &Change<'_>) -> Option<Candidate> {
    let (arm, base) = (&change.sides.arm, &change.sides.base);
    let queued_ns = arm.cell.ring.handover_ns_per_io.filter(|ns| ns.is_finite() && !change.faster)?;
    let longer = arm.latency? - base.latency?;
    let share = queued_ns / longer;
    if longer <= 0.0 || !share.is_finite() {
        return None;
    }
    let mut evidence = vec![Evidence::One(Quantity::CombinerQueues, queued_ns)];
    evidence.extend(change.sides.evidence(&[Quantity::MeanLatency, Quantity::ContextSwitches]));
    Some(Candidate::new(share, Reason::Handover { queued_ns }, evidence))
}

/// Requests handed to io-wq threads.
pub(super) fn punts(change: &Change<'_>) -> Option<Candidate> {
    let (arm, base) = (&change.sides.arm, &change.sides.base);
    let punted = Pair::of(arm.punted(), base.punted().or(Some(0.0)))?;
    let threads = change.sides.kernel_threads()?;
    let more_threads = threads.arm - threads.baseline;
    if change.faster || punted.arm - punted.baseline < PUNTED || more_threads <= 0.0 {
        return None;
    }
    let share = change.share(Some(more_threads + arm.cpu()?), Some(base.cpu()?))?;
    let reason = Reason::Punts { punted: punted.arm, threads_ns: threads.arm };
    let mut evidence =
        vec![Evidence::Both(Quantity::Punted, punted), Evidence::Both(Quantity::KernelThreads, threads)];
    evidence.extend(change.sides.evidence(&[Quantity::WorkerCpuTime, Quantity::ContextSwitches]));
    Some(Candidate::new(share, reason, evidence))
}

/// A polling thread on the CPU of a worker.
pub(super) fn poll_thread(change: &Change<'_>) -> Option<Candidate> {
    let arm = &change.sides.arm;
    if change.faster || !arm.granted("sqpoll") || arm.cell.threads.placement.polling_shares != Some(true) {
        return None;
    }
    let (time_ns, worker, thread) = (arm.time()?, arm.cpu()?, arm.kernel_threads?);
    if (worker + thread) / time_ns < TOGETHER {
        return None;
    }
    let cpus = arm.cell.threads.placement.polling_cpus.clone();
    let mut evidence = vec![
        Evidence::Placement { polling: cpus.clone(), workers: arm.cell.threads.pinned_cpus.clone() },
        Evidence::SharedCpu { time_ns, worker: worker / time_ns, polling_thread: thread / time_ns },
    ];
    evidence.extend(change.sides.evidence(&[Quantity::Time, Quantity::ContextSwitches]));
    // They take turns: the whole loss is time that one of them waits for the other.
    Some(Candidate::new(1.0, Reason::PollThread { cpus }, evidence))
}

/// A polling thread on its own CPU that sets the pace.
pub(super) fn poll_pace(change: &Change<'_>) -> Option<Candidate> {
    let arm = &change.sides.arm;
    let apart = arm.cell.threads.placement.polling_shares == Some(false);
    if change.faster || !apart || !arm.granted("sqpoll") || arm.calls? >= FEWEST_CALLS {
        return None;
    }
    let share = change.share_of(Quantity::UserTime)?;
    let reason = Reason::PollPace { cpus: arm.cell.threads.placement.polling_cpus.clone() };
    let mut evidence =
        change.sides.evidence(&[Quantity::SystemCalls, Quantity::UserTime, Quantity::SystemTime]);
    evidence.extend(arm.kernel_threads.map(|ns| Evidence::One(Quantity::KernelThreads, ns)));
    Some(Candidate::new(share, reason, evidence))
}

/// Kernel threads on other CPUs that do the kernel's part.
pub(super) fn offload(change: &Change<'_>) -> Option<Candidate> {
    let (arm, base) = (&change.sides.arm, &change.sides.base);
    let threads = change.sides.kernel_threads()?;
    let shares = arm.cell.threads.placement.polling_shares == Some(true);
    if !change.faster || shares || threads.arm - threads.baseline < SAME * base.time()? {
        return None;
    }
    let share = change.share_of(Quantity::SystemTime)?;
    let reason = Reason::Offload {
        by: if arm.granted("sqpoll") { KernelThread::Polling } else { KernelThread::IoWq },
        threads_ns: threads.arm,
        system_ns: change.sides.pair(Quantity::SystemTime)?,
    };
    let mut evidence = change.sides.evidence(&[Quantity::SystemTime]);
    evidence.push(Evidence::Both(Quantity::KernelThreads, threads));
    evidence.extend(change.sides.evidence(&[Quantity::SystemCalls]));
    Some(Candidate::new(share, reason, evidence))
}
