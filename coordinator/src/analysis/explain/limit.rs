//! What keeps a cell from doing more.

use super::{
    cause::{FULL, GROWTH, IDLE, MORE_IN_FLIGHT},
    figures::Figures,
};
use crate::summary::ComparisonSet;

/// What a cell is limited by, as far as its figures show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// The device: more in flight brings hardly more, and the CPU is idle.
    Device {
        /// How many times as many in flight were tried.
        more: f64,
        /// How many times the IOPS that brought.
        brought: f64,
    },
    /// Each request is waited for, and the CPU is idle.
    Waiting,
    /// The workers' CPU is full.
    Cpu,
}

/// The limit of a cell; `None` where nothing tells.
pub(super) fn limit(set: &ComparisonSet, of: &Figures<'_>) -> Option<Limit> {
    // A CPU that looks for completions is full whatever limits it, and in open loop it is the rate that is reached.
    if of.spins() || of.sharing().is_some() {
        return None;
    }
    let busy = of.busy()?;
    if busy >= FULL {
        return Some(Limit::Cpu);
    }
    if busy > IDLE || !of.reaches_device() || of.punted().is_some_and(|share| share >= super::cause::PUNTED) {
        return None;
    }
    Some(plateau(set, of).unwrap_or(Limit::Waiting))
}

/// Another point of the same arm, one axis away, where more (or less) was in flight to hardly any effect; the one
/// that shows it best.
fn plateau(set: &ComparisonSet, of: &Figures<'_>) -> Option<Limit> {
    let here = of.in_flight()?;
    let mut found: Option<(f64, Limit)> = None;
    for cell in set.cells.iter().filter(|cell| cell.host.is_none() && cell.arm == of.cell.arm) {
        let axes =
            of.cell.params.iter().filter(|(axis, value)| cell.params.get(*axis) != Some(value)).count();
        if axes != 1 {
            continue;
        }
        let Some(other) = Figures::of(cell) else { continue };
        // With a full CPU there, its IOPS say nothing about the device.
        let idle = other.busy().is_some_and(|busy| busy <= IDLE) && other.reaches_device();
        let Some(there) = other.in_flight().filter(|_| idle) else { continue };
        let (more, brought) = if there > here {
            (there / here, other.iops / of.iops)
        } else {
            (here / there, of.iops / other.iops)
        };
        if more < MORE_IN_FLIGHT || brought <= 0.0 {
            continue;
        }
        let growth = brought.ln() / more.ln();
        if growth <= GROWTH && found.is_none_or(|(least, _)| growth < least) {
            found = Some((growth, Limit::Device { more, brought }));
        }
    }
    found.map(|(_, limit)| limit)
}
