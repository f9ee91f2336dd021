//! Requested and granted options of a cell's engine, and the figures of its ring.

use proto::{
    knob::KnobValues,
    outcome::{HandoverCosts, LockCosts, SharingCosts},
};

use super::super::{audit, cell_data::CellData};
use crate::{metric::trial::Costs, summary::Ring};

impl CellData<'_> {
    pub(super) fn ring(&self, scope: Option<&str>, costs: &Costs) -> Ring {
        let knobs = || self.ready(scope).flat_map(|ready| &ready.knobs);
        let template = &self.cell.template.engine;
        let (lock_wait_ns_per_io, contended_share, handover_ns_per_io) = match costs.calls.sharing {
            Some(SharingCosts::Lock(LockCosts { locks, contended, wait_ns })) => {
                (costs.per_io(wait_ns), (locks > 0).then(|| contended as f64 / locks as f64), None)
            }
            Some(SharingCosts::Handover(HandoverCosts { ns })) => (None, None, costs.per_io(ns)),
            None => (None, None, None),
        };
        Ring {
            sharing: template.kind.is_ring().then_some(template.ring.sharing),
            lock_wait_ns_per_io,
            contended_share,
            handover_ns_per_io,
            requested: KnobValues::of(knobs().map(|knob| (knob.name.as_str(), &knob.requested))),
            granted: KnobValues::of(knobs().map(|knob| (knob.name.as_str(), &knob.granted))),
            sqes_per_enter: (costs.calls.enters > 0 && costs.calls.submitted > 0)
                .then(|| costs.calls.submitted as f64 / costs.calls.enters as f64),
            enters_by_batch: audit::by_batch(&costs.calls.enters_by_batch),
            cq_overflows: costs.engine.cq_overflows,
            punted_to_io_wq: audit::counts(self, scope).and_then(|(counts, _)| counts.perf?.punted_to_io_wq),
            completed: audit::completed(self, scope),
            batches_missing: audit::batches_missing(self, scope),
            batches: audit::batches(self, scope),
        }
    }
}
