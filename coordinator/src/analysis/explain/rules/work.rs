//! Reasons that lie in the workers' own time: waits, system calls, system time and user time.

use super::super::{
    change::{Candidate, Change},
    figures::Figures,
    thresholds::{MORE_IN_FLIGHT, SAME},
};
use crate::summary::{
    evidence::{Evidence, Quantity},
    explanation::{Direction, Reason},
};

/// The evidence of a change in system time.
const SYSTEM: [Quantity; 4] =
    [Quantity::SystemCalls, Quantity::SystemTime, Quantity::Interrupts, Quantity::ContextSwitches];

/// More requests in flight, whose waits overlap.
pub(super) fn overlap(change: &Change<'_>) -> Option<Candidate> {
    if change.more_in_flight()? < MORE_IN_FLIGHT {
        return None;
    }
    // A read that the page cache serves within its own call waits for nothing, whatever is in flight.
    let slow = change.slow();
    if slow.cached() {
        return None;
    }
    let possible = slow.waiting()? / slow.time()?;
    let spins = change.sides.arm.spins() || change.sides.base.spins();
    let share = match change.share_of(Quantity::Waiting) {
        Some(share) if !spins => share,
        _ => possible,
    };
    let reason = Reason::Overlap { in_flight: change.sides.pair(Quantity::InFlight)? };
    let evidence = [Quantity::InFlight, Quantity::MeanLatency, Quantity::Waiting, Quantity::CpuBusy];
    Some(Candidate::new(share, reason, change.sides.evidence(&evidence)))
}

/// System calls, and system time with them.
pub(super) fn syscalls(change: &Change<'_>) -> Option<Candidate> {
    let calls = change.calls_changed().filter(|calls| (*calls < 0.0) == change.faster)?;
    if !change.cpu_counts() {
        return None;
    }
    let system_ns = change.sides.pair(Quantity::SystemTime)?;
    let share = change.share_of(Quantity::SystemTime)?;
    let reason = Reason::Syscalls { calls: change.sides.pair(Quantity::SystemCalls)?, system_ns };
    let mut evidence = change.sides.evidence(&SYSTEM);
    let per_call = (system_ns.arm - system_ns.baseline) / calls;
    evidence.push(Evidence::One(Quantity::SystemTimePerCall, per_call));
    Some(Candidate::new(share, reason, evidence))
}

/// System time that changed without the number of calls, or against it.
pub(super) fn kernel_work(change: &Change<'_>) -> Option<Candidate> {
    let calls = change.calls_changed();
    if !change.cpu_counts() || calls.is_some_and(|calls| (calls < 0.0) == change.faster) {
        return None;
    }
    let calls = match calls {
        None => Direction::Same,
        Some(calls) if calls < 0.0 => Direction::Fewer,
        Some(_) => Direction::More,
    };
    let share = change.share_of(Quantity::SystemTime)?;
    let reason = Reason::KernelWork { system_ns: change.sides.pair(Quantity::SystemTime)?, calls };
    Some(Candidate::new(share, reason, change.sides.evidence(&SYSTEM)))
}

/// User time.
pub(super) fn user_work(change: &Change<'_>) -> Option<Candidate> {
    if !change.cpu_counts() {
        return None;
    }
    let share = change.share_of(Quantity::UserTime)?;
    let reason = Reason::UserWork { user_ns: change.sides.pair(Quantity::UserTime)? };
    Some(Candidate::new(share, reason, change.sides.evidence(&[Quantity::UserTime])))
}

/// Longer or shorter waits for a device, with the same number of requests in flight.
pub(super) fn waiting(change: &Change<'_>) -> Option<Candidate> {
    let same_depth = (change.more_in_flight()? - 1.0).abs() <= SAME;
    let plain = |side: &Figures<'_>| side.reaches_device() && !side.spins() && side.sharing().is_none();
    if !same_depth || !plain(&change.sides.arm) || !plain(&change.sides.base) {
        return None;
    }
    let share = change.share_of(Quantity::Waiting)?;
    let reason = Reason::Waiting { waiting_ns: change.sides.pair(Quantity::Waiting)? };
    let evidence = [Quantity::Waiting, Quantity::MeanLatency, Quantity::InFlight];
    Some(Candidate::new(share, reason, change.sides.evidence(&evidence)))
}

/// Polling the device instead of sleeping until its interrupt.
pub(super) fn polling(change: &Change<'_>) -> Option<Candidate> {
    let polls = |side: &Figures<'_>| side.granted("iopoll") || side.granted("hipri");
    let (arm, base) = (&change.sides.arm, &change.sides.base);
    let interrupts = change.sides.pair(Quantity::Interrupts)?;
    if !change.faster || !polls(arm) || polls(base) || interrupts.arm > 0.5 * interrupts.baseline {
        return None;
    }
    let share = base.waiting()? / base.time()?;
    let evidence =
        [Quantity::Interrupts, Quantity::ContextSwitches, Quantity::MeanLatency, Quantity::WorkerCpuTime];
    Some(Candidate::new(share, Reason::Polling { interrupts }, change.sides.evidence(&evidence)))
}
