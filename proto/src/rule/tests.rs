//! Tests of messages and remedies.

use super::*;
use crate::{
    testing::trial,
    trial::{CallFlags, DeviceTarget, Engine, QueueOptions, RingOptions, Target, Trial},
};

/// The messages and remedies of a trial after a change.
fn remedies(change: impl FnOnce(&mut Trial)) -> Vec<(String, String)> {
    let mut trial = trial();
    change(&mut trial);
    let errors = trial.validate().unwrap_err();
    errors.iter().map(|error| (error.to_string(), error.remedy().unwrap_or_default())).collect()
}

fn remedy(change: impl FnOnce(&mut Trial)) -> String {
    match &remedies(change)[..] {
        [(_, remedy)] => remedy.clone(),
        more => panic!("{more:?}"),
    }
}

#[test]
fn remedies_name_engines_that_have_every_option() {
    let psync = Engine::new(EngineKind::Psync);
    let calls = CallFlags { hipri: true, ..CallFlags::default() };
    let queue = QueueOptions { submit_batch: Some(4), ..QueueOptions::default() };
    let ring = RingOptions { fixed_files: true, ..RingOptions::default() };
    let with = |engine: &Engine| remedy(|trial| trial.engine = engine.clone());
    assert_eq!(with(&Engine { calls, ..psync.clone() }), "remove hipri, or use engine: pvsync2");
    let queued = with(&Engine { queue, ..psync.clone() });
    assert!(queued.starts_with("remove submit_batch, or use engine: null, "), "{queued}");
    assert_eq!(with(&Engine { ring, ..psync.clone() }), "remove fixed_files, or use engine: io_uring");
    let nop = Engine { ring, ..Engine::new(EngineKind::Nop) };
    assert_eq!(with(&nop), "remove fixed_files, or use engine: io_uring");
    // NVMe commands need a device as the target.
    let device = remedy(|trial| {
        let (path, serial) = ("/dev/nvme0n1".into(), "S".into());
        trial.target = Target::Device(DeviceTarget { path, serial, destroy: None, direct: true });
        trial.engine = nop.clone();
    });
    assert_eq!(device, "remove fixed_files, or use engine: io_uring or nvme");
}

#[test]
fn remedies_name_no_engine_where_none_has_every_option() {
    let both = remedies(|trial| {
        let calls = CallFlags { hipri: true, ..CallFlags::default() };
        let ring = RingOptions { fixed_files: true, ..RingOptions::default() };
        trial.engine = Engine { calls, ring, ..Engine::new(EngineKind::Psync) };
    });
    let none = "no engine has every feature this trial needs";
    assert_eq!(both[0].1, format!("remove fixed_files: {none}"));
    assert_eq!(both[1].1, format!("remove hipri: {none}"));
    assert!(both[1].0.starts_with("engine.engine: psync passes no flags to its system calls"), "{both:?}");
}

#[test]
fn remedies_name_the_other_setting() {
    assert_eq!(remedy(|trial| trial.engine.ring.defer_taskrun = true), "set `single_issuer: true`");
    let both = remedy(|trial| {
        (trial.engine.ring.sqpoll, trial.engine.ring.coop_taskrun) = (Some(Default::default()), true);
    });
    assert_eq!(both, "remove `sqpoll` or `coop_taskrun: true`");
    let shared = remedy(|trial| {
        (trial.engine.ring.single_issuer, trial.engine.ring.sharing) = (true, Sharing::Shared);
    });
    assert_eq!(shared, "remove `single_issuer`, or replace `ring: shared` by `ring: combiner`");
}
