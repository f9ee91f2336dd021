//! For tests: a trial that is valid, and what is said of it once it is not.

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

/// What is said of that trial after a change, which must make it one that is refused.
pub(crate) fn refused(change: impl FnOnce(&mut Trial)) -> String {
    let mut trial = trial();
    change(&mut trial);
    let errors = trial.validate().expect_err("must be refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
