//! Test helpers: a valid trial, and the errors of an invalid one.

use crate::{
    trial::{Engine, EngineKind, FileTarget, Measure, Target, Trial, Workload},
    units::ByteSize,
};

/// A trial with all defaults, on a file of 1 MiB.
pub(crate) fn trial() -> Trial {
    Trial {
        id: "t".into(),
        seed: 1,
        target: Target::File(FileTarget::new(ByteSize(1 << 20), true)),
        workload: Workload::default(),
        engine: Engine::new(EngineKind::IoUring),
        measure: Measure::Timed,
    }
}

/// The errors of [`trial`] after a change that must make it invalid.
pub(crate) fn refused(change: impl FnOnce(&mut Trial)) -> String {
    let mut trial = trial();
    change(&mut trial);
    let errors = trial.validate().expect_err("must be refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
