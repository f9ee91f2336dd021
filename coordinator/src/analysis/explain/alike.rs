//! Why two arms do about the same: a limit that both have reached.

use super::{
    figures::{Figures, Sides},
    limit::{Limit, limit},
    thresholds::{LARGE, MORE_IN_FLIGHT, SAME},
};
use crate::summary::{
    ComparisonSet,
    evidence::{Evidence, Pair, Quantity},
    explanation::SharedLimit,
};

/// The limit of both arms, with its evidence; `None` if the figures do not show one.
pub(super) fn shared_limit(set: &ComparisonSet, sides: &Sides<'_>) -> Option<(SharedLimit, Vec<Evidence>)> {
    match (limit(set, &sides.arm)?, limit(set, &sides.base)?) {
        (Limit::Cpu, Limit::Cpu) => copy(sides).or_else(|| cpu(sides)),
        (Limit::Device(plateau), Limit::Device(_)) => {
            Some((SharedLimit::Plateau(plateau), device_evidence(sides)))
        }
        (Limit::Device(_) | Limit::Waiting, Limit::Device(_) | Limit::Waiting) => waiting(sides),
        _ => None,
    }
}

fn same(pair: Pair) -> bool {
    (pair.arm / pair.baseline - 1.0).abs() <= SAME
}

fn device_evidence(sides: &Sides<'_>) -> Vec<Evidence> {
    sides.evidence(&[Quantity::Iops, Quantity::InFlight, Quantity::CpuBusy])
}

fn copy(sides: &Sides<'_>) -> Option<(SharedLimit, Vec<Evidence>)> {
    let large = |side: &Figures<'_>| side.cached() && side.bytes.is_some_and(|bytes| bytes >= LARGE);
    let bandwidth = Pair::of(sides.arm.bandwidth(), sides.base.bandwidth())?;
    if !large(&sides.arm) || !large(&sides.base) || !same(bandwidth) {
        return None;
    }
    let limit = SharedLimit::Copy { cpu_ns_per_byte: sides.arm.cpu_per_byte()?, bandwidth };
    let evidence = [Quantity::CpuBusy, Quantity::BytesPerIo, Quantity::CpuTimePerByte];
    Some((limit, sides.evidence(&evidence)))
}

fn cpu(sides: &Sides<'_>) -> Option<(SharedLimit, Vec<Evidence>)> {
    let cpu_ns = sides.pair(Quantity::WorkerCpuTime).filter(|cpu| same(*cpu))?;
    Some((SharedLimit::Cpu { cpu_ns }, sides.evidence(&[Quantity::CpuBusy, Quantity::WorkerCpuTime])))
}

/// Both wait for most of the time. Arms with different numbers of requests in flight that do the same have reached the
/// limit of the device.
fn waiting(sides: &Sides<'_>) -> Option<(SharedLimit, Vec<Evidence>)> {
    let in_flight = sides.pair(Quantity::InFlight)?;
    let more = in_flight.arm / in_flight.baseline;
    if !(1.0 / MORE_IN_FLIGHT..=MORE_IN_FLIGHT).contains(&more) {
        return Some((SharedLimit::Device { in_flight }, device_evidence(sides)));
    }
    let limit = SharedLimit::Waiting {
        in_flight: in_flight.arm,
        latency_ns: sides.arm.latency?,
        iops: sides.arm.iops,
    };
    same(in_flight).then(|| (limit, device_evidence(sides)))
}
