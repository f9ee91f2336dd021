//! What only the target or the choice of engine can grant, whatever the ring says of itself.

use std::collections::BTreeMap;

use proto::{
    outcome::{Knob, Refusal},
    trial::{Engine, Fallback, Trial},
};

/// The depth, which an engine without a queue does not grant.
pub(super) fn depth(trial: &Trial) -> Vec<Knob> {
    let granted = trial.depth_per_worker().saturating_mul(trial.workers() / trial.workload.threads.max(1));
    vec![Knob {
        name: "depth".into(),
        requested: trial.engine.depth.to_string(),
        granted: granted.to_string(),
    }]
}

/// Whether the device behind the target polls, where polling is asked for. A ring opens with IOPOLL on any
/// device; only `queue/io_poll` of the block device says whether anything is polled.
pub(super) fn polling(engine: &Engine, target: &BTreeMap<String, String>) -> Result<Option<Knob>, Refusal> {
    let name = match (engine.iopoll, engine.hipri) {
        (true, _) => "iopoll",
        (_, true) => "hipri",
        _ => return Ok(None),
    };
    let polls = target.get("io_poll").is_some_and(|value| value == "1");
    if !polls && engine.fallback == Fallback::Refuse {
        let device = target.get("device").map_or("no block device", String::as_str);
        let said = target.get("io_poll").map_or_else(
            || "has no queue/io_poll".to_owned(),
            |value| format!("says queue/io_poll = {value}"),
        );
        return Err(Refusal::new(
            "knob-refused",
            format!("{name} was asked for, but the device behind the target ({device}) {said}"),
            "polling needs a device with poll queues: load nvme with poll_queues=1 (or null_blk, virtio-blk \
             with theirs); or run with interrupts by `fallback: allow`",
        )
        .at(format!("engine.{name}")));
    }
    Ok(Some(Knob { name: name.into(), requested: "true".into(), granted: polls.to_string() }))
}

/// The trial, with interrupts.
pub(super) fn without_polling(trial: &Trial) -> Trial {
    let engine = Engine { iopoll: false, hybrid_iopoll: false, hipri: false, ..trial.engine.clone() };
    Trial { engine, ..trial.clone() }
}

#[cfg(test)]
mod tests {
    use proto::trial::EngineKind;

    use super::*;

    #[test]
    fn polling_is_the_devices_to_grant() {
        let mut engine = Engine { iopoll: true, ..Engine::new(EngineKind::IoUring) };
        let facts = |value: &str| BTreeMap::from([("io_poll".to_owned(), value.to_owned())]);
        assert_eq!(polling(&engine, &facts("1")).unwrap().unwrap().granted, "true");
        let refusal = polling(&engine, &facts("0")).unwrap_err();
        assert_eq!(refusal.field, "engine.iopoll");
        assert!(refusal.message.contains("queue/io_poll = 0") && refusal.remedy.contains("poll_queues"));
        assert!(polling(&engine, &BTreeMap::new()).unwrap_err().message.contains("no block device"));
        engine.fallback = Fallback::Allow;
        assert_eq!(polling(&engine, &facts("0")).unwrap().unwrap().granted, "false");
        assert!(polling(&Engine::new(EngineKind::IoUring), &facts("0")).unwrap().is_none());
    }
}
