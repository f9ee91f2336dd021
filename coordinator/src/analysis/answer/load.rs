//! The load that the plan gives each cell.

use proto::trial::{EngineKind, Target};

use crate::{params::Params, plan::Plan, summary::Comparison};

/// The load of a cell that moves data in closed loop, where the number of requests in flight is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// Worker threads.
    pub(super) threads: u32,
    /// Requests in flight, of all threads.
    pub(super) in_flight: u64,
}

/// The loads of a run's cells.
#[derive(Debug, Default)]
pub(in crate::analysis) struct Loads<'a> {
    cells: Vec<(&'a str, &'a Params, Load)>,
    /// Whether the target is memory.
    pub(super) in_memory: bool,
}

impl<'a> Loads<'a> {
    /// The loads of the plan's cells.
    pub(in crate::analysis) fn of(plan: &'a Plan) -> Self {
        let loaded = plan.cells.iter().filter(|cell| {
            let moves = !matches!(cell.template.engine.kind, EngineKind::Null | EngineKind::Nop);
            moves && cell.template.workload.rate.is_none()
        });
        let cells = loaded.map(|cell| {
            let threads = cell.template.workers();
            let in_flight = u64::from(threads) * u64::from(cell.template.depth_per_worker());
            (cell.arm.as_str(), &cell.params, Load { threads, in_flight })
        });
        let in_memory = plan.cells.iter().any(|cell| matches!(cell.template.target, Target::Ramdisk(_)));
        Self { cells: cells.collect(), in_memory }
    }

    /// The load of a cell; `None` if it moves no data or has no fixed number of requests in flight.
    pub(super) fn get(&self, arm: &str, params: &Params) -> Option<Load> {
        self.cells.iter().find(|(of, at, _)| *of == arm && *at == params).map(|(.., load)| *load)
    }

    /// The loads of both sides of a comparison.
    pub(super) fn both(&self, found: &Comparison) -> Option<[Load; 2]> {
        Some([self.get(&found.arm, &found.params)?, self.get(&found.baseline, &found.params)?])
    }

    /// The requests in flight of both sides, if they are equally many.
    pub(super) fn equal(&self, found: &Comparison) -> Option<u64> {
        let [arm, other] = self.both(found)?;
        (arm.in_flight == other.in_flight).then_some(arm.in_flight)
    }
}
