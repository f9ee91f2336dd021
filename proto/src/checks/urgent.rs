//! The rules of urgent operations that are not in the table of engine options.

use crate::{
    limits::is_sectors,
    rule::{Errors, Quantity, Rule},
    share::{MAX_URGENT, MIN_URGENT},
    trial::Trial,
};

impl Trial {
    /// Checks the rules of urgent operations that are not in the table of engine options.
    pub(crate) fn check_urgent(&self, errors: &mut Errors) {
        let (work, at) = (&self.workload, "engine.urgent");
        let Some(urgent) = self.engine.urgent else { return };
        errors.range(at, Quantity::Share, urgent.share, (MIN_URGENT, MAX_URGENT));
        errors
            .check(!work.verify, at, || Rule::excludes("verify: true", "urgent operations are not verified"));
        if let Some(size) = urgent.block_size {
            let whole = is_sectors(size) || (size.0 > 0 && !self.needs_sectors());
            errors.check(whole, at, || Rule::NotSectors { size });
            for (block, _) in work.block_size.parts() {
                errors.check(size.0 > 0 && block.0.is_multiple_of(size.0), at, || Rule::NotMultiple {
                    block: *block,
                    urgent: size,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::trial,
        trial::{Engine, EngineKind, QueueOptions, Share, Sharing, Urgent, UrgentBy},
        units::ByteSize,
    };

    #[test]
    fn refuses_settings_that_exclude_urgent() {
        let checked = |by, change: &dyn Fn(&mut Trial)| {
            let mut trial = trial();
            let block_size = Some(ByteSize(4096));
            trial.engine = Engine {
                queue: QueueOptions::of_depth(32),
                urgent: Some(Urgent { share: Share(10_000), by, block_size }),
                ..Engine::new(EngineKind::IoUring)
            };
            trial.workload.block_size = ByteSize(64 << 10).into();
            change(&mut trial);
            trial
                .validate()
                .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        for by in [UrgentBy::None, UrgentBy::Ioprio, UrgentBy::SeparateRing, UrgentBy::IosqeUrgent] {
            assert_eq!(checked(by, &|_| {}), Ok(()));
        }
        let says = |by, change: &dyn Fn(&mut Trial), text: &str| {
            let error = checked(by, change).unwrap_err();
            assert!(error.contains(text), "{error}");
        };
        fn set(trial: &mut Trial) -> &mut Urgent {
            trial.engine.urgent.as_mut().unwrap()
        }
        says(
            UrgentBy::None,
            &|t| t.engine.kind = EngineKind::Psync,
            "psync has no ring, so it cannot have urgent",
        );
        says(
            UrgentBy::None,
            &|t| t.engine.kind = EngineKind::Nvme,
            "engine.urgent: nvme cannot prefer urgent requests",
        );
        says(
            UrgentBy::None,
            &|t| set(t).share = Share(500_001),
            "50.0001% is out of range: from 0.001% to 50%",
        );
        says(UrgentBy::None, &|t| set(t).share = Share(0), "0% is out of range");
        says(UrgentBy::None, &|t| set(t).block_size = Some(ByteSize(1000)), "not a whole number of sectors");
        says(
            UrgentBy::None,
            &|t| set(t).block_size = Some(ByteSize(48 << 10)),
            "64KiB is not a multiple of 48KiB",
        );
        says(UrgentBy::None, &|t| t.engine.ring.sharing = Sharing::Combiner, "needs ring: per_thread");
        says(UrgentBy::None, &|t| t.workload.verify = true, "engine.urgent: cannot be combined with verify");
        says(UrgentBy::IosqeUrgent, &|t| t.engine.ring.link_sync = true, "cannot be combined with link_sync");
        says(UrgentBy::Ioprio, &|t| t.engine.kind = EngineKind::Nop, "reach no device");
        says(UrgentBy::SeparateRing, &|t| t.engine.ring.iopoll = true, "no system call polls two rings");
        says(
            UrgentBy::SeparateRing,
            &|t| (t.engine.ring.single_issuer, t.engine.ring.defer_taskrun) = (true, true),
            "cannot be combined with defer_taskrun",
        );
        says(UrgentBy::SeparateRing, &|t| t.engine.queue.complete_batch = 4, "needs complete_batch: 1");
    }
}
