//! The limit of a cell.

use super::{
    figures::Figures,
    thresholds::{ALIKE, FULL, GROWTH, IDLE, MORE_IN_FLIGHT, PUNTED, SAME},
};
use crate::summary::{CellSummary, ComparisonSet, answer::LimitedBy, explanation::Plateau};

/// Whether IOPS that grow by a factor have reached a limit, where the requests in flight grow by another.
pub(in crate::analysis) fn has_levelled(in_flight: f64, iops: f64) -> bool {
    in_flight >= MORE_IN_FLIGHT && iops > 0.0 && iops.ln() / in_flight.ln() <= GROWTH
}

/// Whether the ratio of two arms without a verdict is close enough to 1 for their lines to overlap.
pub(in crate::analysis) fn overlaps(ratio: f64) -> bool {
    ratio.ln().abs() <= ALIKE.ln_1p()
}

/// Whether the interval of a ratio shows that two arms do about the same ([`ALIKE`]).
pub(in crate::analysis) fn are_alike(ratio: [f64; 2]) -> bool {
    within(ratio, ALIKE)
}

/// Whether the interval of a ratio shows that two arms hardly differ ([`SAME`]).
pub(in crate::analysis) fn are_same(ratio: [f64; 2]) -> bool {
    within(ratio, SAME)
}

/// Whether an interval lies within the factor `1 + share` of 1.
fn within([low, high]: [f64; 2], share: f64) -> bool {
    low >= 1.0 / (1.0 + share) && high <= 1.0 + share
}

/// What can limit a cell whose IOPS have levelled: the workers' CPUs if they are full, otherwise the device that its
/// requests reach. `None` if the figures do not show it.
pub(in crate::analysis) fn of_levelled(cell: &CellSummary) -> Option<LimitedBy> {
    let of = Figures::of(cell)?;
    if of.spins() || of.sharing().is_some() {
        return None;
    }
    let busy = of.busy()?;
    if busy >= FULL {
        return Some(LimitedBy::Cpu);
    }
    let reaches = of.reaches_device() && of.punted().is_none_or(|share| share < PUNTED);
    reaches.then_some(LimitedBy::Device)
}

/// The limit of a cell that its figures show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// The device: more requests in flight bring hardly more, and the CPU is idle.
    Device(Plateau),
    /// The workers wait for each request, and the CPU is idle.
    Waiting,
    /// The workers' CPU is full.
    Cpu,
}

/// The limit of a cell; `None` if the figures do not show it.
pub(super) fn limit(set: &ComparisonSet, of: &Figures<'_>) -> Option<Limit> {
    // A CPU that looks for completions is full whatever the limit is; in open loop the rate is the limit.
    if of.spins() || of.sharing().is_some() {
        return None;
    }
    let busy = of.busy()?;
    if busy >= FULL {
        return Some(Limit::Cpu);
    }
    if busy > IDLE || !of.reaches_device() || of.punted().is_some_and(|share| share >= PUNTED) {
        return None;
    }
    Some(plateau(set, of).map_or(Limit::Waiting, Limit::Device))
}

/// Another point of the same arm, one axis away, where more or fewer requests in flight made hardly any difference;
/// the point that shows it most clearly.
pub(super) fn plateau(set: &ComparisonSet, of: &Figures<'_>) -> Option<Plateau> {
    let here = of.in_flight()?;
    let mut found: Option<(f64, Plateau)> = None;
    for cell in set.cells.iter().filter(|cell| cell.host.is_none() && cell.arm == of.cell.arm) {
        let axes =
            of.cell.params.iter().filter(|(axis, value)| cell.params.get(*axis) != Some(value)).count();
        if axes != 1 {
            continue;
        }
        let Some(other) = Figures::of(cell) else { continue };
        // With a full CPU there, its IOPS do not show the limit of the device.
        let idle = other.busy().is_some_and(|busy| busy <= IDLE) && other.reaches_device();
        let Some(there) = other.in_flight().filter(|_| idle) else { continue };
        let (in_flight, iops) = if there > here {
            (there / here, other.iops / of.iops)
        } else {
            (here / there, of.iops / other.iops)
        };
        if in_flight < MORE_IN_FLIGHT || iops <= 0.0 {
            continue;
        }
        let growth = iops.ln() / in_flight.ln();
        if growth <= GROWTH && found.is_none_or(|(least, _)| growth < least) {
            found = Some((growth, Plateau { in_flight, iops }));
        }
    }
    found.map(|(_, plateau)| plateau)
}
