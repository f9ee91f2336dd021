//! Reasons that lie in the CPUs that workers have.

use super::super::{
    change::{Candidate, Change},
    figures::Figures,
    thresholds::{CALLS_CHANGED, FULL},
};
use crate::summary::{evidence::Quantity, explanation::Reason};

/// More or fewer CPUs.
pub(super) fn cpus(change: &Change<'_>) -> Option<Candidate> {
    let cpus = change.sides.pair(Quantity::Cpus)?;
    let few = change.slow();
    let differ = cpus.arm != cpus.baseline && (cpus.arm > cpus.baseline) == change.faster;
    if !differ || few.spins() || few.busy()? < FULL {
        return None;
    }
    let share = (cpus.arm / cpus.baseline).ln() / (change.sides.arm.iops / change.sides.base.iops).ln();
    let evidence = change.sides.evidence(&[Quantity::Cpus, Quantity::CpuBusy]);
    share.is_finite().then(|| Candidate::new(share, Reason::Cpus { cpus }, evidence))
}

/// More workers than CPUs.
pub(super) fn too_few_cpus(change: &Change<'_>) -> Option<Candidate> {
    let (arm, base) = (&change.sides.arm, &change.sides.base);
    let crowd = |side: &Figures<'_>| Some(f64::from(side.cell.threads.placement.workers?) / side.slots?);
    let more_switches = arm.switches? - base.switches?;
    let crowded = crowd(arm)? > crowd(base)?.max(1.0);
    if change.faster || !crowded || more_switches < CALLS_CHANGED || !change.cpu_counts() {
        return None;
    }
    let share = change.share_of(Quantity::WorkerCpuTime)?;
    let reason =
        Reason::TooFewCpus { workers: arm.cell.threads.placement.workers?, cpus: arm.slots?, more_switches };
    let evidence = change.sides.evidence(&[Quantity::ContextSwitches, Quantity::WorkerCpuTime]);
    Some(Candidate::new(share, reason, evidence))
}
