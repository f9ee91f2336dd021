//! The limits of a trial that can be checked without the host. Both ends check them.
//!
//! Options and their relations come from the table in [`crate::engine`]; ranges of workload keys are next to the keys.

mod engine;

use crate::{
    engine::{EngineKind, Feature},
    rule::{FieldError, Quantity, Rule},
    trial::{
        MAX_BLOCK, MAX_BUFFERS, MAX_SYNC_EVERY, MAX_VERIFIED, MAX_WORKERS, SECTOR, Sharing, Target, Trial,
    },
    units::ByteSize,
};

/// Collects the rules that a trial breaks.
#[derive(Default)]
pub(crate) struct Errors(Vec<FieldError>);

impl Errors {
    /// Records a rule that a field breaks unless it is kept.
    pub(crate) fn check(&mut self, kept: bool, field: &str, rule: impl FnOnce() -> Rule) {
        if !kept {
            self.0.push(FieldError::new(field, rule()));
        }
    }

    /// Records a value outside its range.
    pub(crate) fn range<T: PartialOrd + Copy>(
        &mut self,
        field: &str,
        unit: impl Fn(T) -> Quantity,
        value: T,
        range: (T, T),
    ) {
        self.0.extend(Rule::range(unit, value, range).map(|rule| FieldError::new(field, rule)));
    }
}

#[cfg(test)]
impl Errors {
    /// All messages.
    pub(crate) fn texts(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// A count, for [`Errors::range`].
pub(crate) fn count(count: u32) -> Quantity {
    Quantity::Count(u64::from(count))
}

impl Trial {
    /// Checks every limit that can be checked without the host.
    ///
    /// # Errors
    /// All broken rules, field by field.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Errors::default();
        self.check_engine(&mut errors);
        self.workload.check(&mut errors);
        self.check_workers(&mut errors);
        self.check_sizes(&mut errors);
        self.check_sync(&mut errors);
        self.check_verify(&mut errors);
        self.check_urgent(&mut errors);
        let writes = match self.target {
            // Verification, which would write, is refused for such a target already.
            Target::Path(_) => self.workload.read_percent < 100,
            _ => self.workload.writes(),
        };
        self.target.check(self.workload.block_size.largest(), writes, &mut errors);
        if errors.0.is_empty() { Ok(()) } else { Err(errors.0) }
    }

    fn check_workers(&self, errors: &mut Errors) {
        let workers = self.workers();
        errors.check(workers <= MAX_WORKERS, "workload.threads", || Rule::TooManyWorkers { workers });
    }

    fn check_sizes(&self, errors: &mut Errors) {
        let (sizes, at) = (&self.workload.block_size, "workload.block_size");
        if let Some(problem) = sizes.problem() {
            errors.check(false, at, || Rule::Sizes(problem));
        }
        for (size, _) in sizes.parts() {
            let whole = is_sectors(*size) || (size.0 > 0 && !self.needs_sectors());
            errors.check(whole, at, || Rule::NotSectors { size: *size });
            errors.range(at, Quantity::Size, *size, (ByteSize(0), MAX_BLOCK));
        }
        let slots = u128::from(self.workers()) * u128::from(self.depth_per_worker());
        let bytes = slots * u128::from(sizes.largest().0);
        errors.check(bytes <= u128::from(MAX_BUFFERS.0), at, || Rule::TooManyBuffers { bytes });
    }

    /// Whether sizes must be whole sectors: O_DIRECT and commands to a drive need them, and verification checks sector by
    /// sector.
    #[must_use]
    pub fn needs_sectors(&self) -> bool {
        self.workload.verify || self.target.direct() || self.engine.kind == EngineKind::Nvme
    }

    fn check_sync(&self, errors: &mut Errors) {
        let (work, engine) = (&self.workload, &self.engine);
        if let Some(sync) = work.sync {
            let at = "workload.sync";
            errors.range(at, count, sync.every, (1, MAX_SYNC_EVERY));
            self.check_feature(Feature::Data, "sync", at, errors);
            errors.check(work.read_percent < 100, at, || Rule::NoWrites);
            errors.check(!engine.ring.iopoll, at, || {
                Rule::excludes("iopoll: true", "a sync cannot be polled for, and the kernel refuses it")
            });
        }
        if engine.ring.link_sync {
            let at = "engine.link_sync";
            errors.check(work.sync.is_some(), at, || {
                Rule::needs("workload.sync: 8", "there is no sync to link")
            });
            let batch = engine.queue.submit_batch.unwrap_or(u32::MAX);
            errors.check(self.depth_per_worker().min(batch) >= 2, at, || Rule::NoRoomForLink);
        }
    }

    fn check_verify(&self, errors: &mut Errors) {
        if !self.workload.verify {
            return;
        }
        let at = "workload.verify";
        self.check_feature(Feature::ReadBack, "verify", at, errors);
        let sharing = self.engine.ring.sharing;
        errors.check(sharing == Sharing::PerThread, at, || {
            Rule::needs("ring: per_thread", "a ring that threads share cannot be verified")
        });
        let size = match &self.target {
            Target::Path(_) => {
                errors.check(false, at, || Rule::Excludes {
                    value: None,
                    setting: "target.path".into(),
                    why: "the contents of an existing file are not known",
                    instead: Some("target: {file: {size: 1GiB}}"),
                });
                return;
            }
            Target::File(file) => file.size.0,
            Target::Ramdisk(disk) => {
                errors.check(disk.memory_backed, at, || {
                    Rule::needs("memory_backed: true", "this RAM disk does not store what is written")
                });
                disk.size.0
            }
            // Checked by the agent, which knows the size.
            Target::Device(_) => return,
        };
        if let Err(rule) = self.verifiable(size) {
            errors.check(false, at, || rule);
        }
    }

    /// Checks whether a target of `size` bytes can be verified: its blocks can be counted, and each worker has room for a
    /// separate part.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn verifiable(&self, size: u64) -> Result<(), Rule> {
        let sizes = &self.workload.block_size;
        let (unit, workers) = (sizes.unit(), self.workers());
        let blocks = size / unit.0.max(1);
        if blocks > MAX_VERIFIED {
            return Err(Rule::TooManyBlocks { blocks, unit });
        }
        // Twice the largest block holds an aligned block of every size, wherever the part begins.
        let room = if sizes.single().is_some() { 1 } else { 2 };
        let needed = ByteSize(u64::from(workers).saturating_mul(sizes.largest().0).saturating_mul(room));
        if size < needed.0 { Err(Rule::TooSmallToVerify { workers, needed }) } else { Ok(()) }
    }

    /// Refuses a key that needs a feature of the engine.
    fn check_feature(&self, feature: Feature, key: &'static str, at: &str, errors: &mut Errors) {
        let engine = self.engine.kind;
        errors.check(engine.has(feature), at, || Rule::EngineLacks {
            engine,
            feature,
            options: vec![key],
            engines: self.capable_engines(),
        });
    }

    /// The engines that have every feature this trial needs.
    fn capable_engines(&self) -> Vec<EngineKind> {
        let mut features: Vec<Feature> =
            self.engine.set_options().flat_map(|option| option.features).copied().collect();
        features.extend(self.workload.sync.map(|_| Feature::Data));
        features.extend(self.workload.verify.then_some(Feature::ReadBack));
        let device = matches!(self.target, Target::Device(_));
        EngineKind::with(&features).filter(|kind| device || !kind.has(Feature::NvmeCommands)).collect()
    }
}

/// Whether a size is a whole number of sectors, and at least one.
pub(crate) fn is_sectors(size: ByteSize) -> bool {
    size.0 >= SECTOR.0 && size.0.is_multiple_of(SECTOR.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{refused, trial},
        trial::{
            BlockSizes, DeviceTarget, FileTarget, PathTarget, RamdiskKind, RamdiskTarget, Sqpoll, Sync,
            SyncCall,
        },
    };

    #[test]
    fn checks_each_size() {
        let mix = |parts: &[(u64, u32)]| {
            let parts = parts.iter().map(|(size, percent)| (ByteSize(*size), *percent)).collect();
            refused(|t| t.workload.block_size = BlockSizes::new(parts))
        };
        assert!(mix(&[(4096, 50), (1000, 50)]).contains("1000B is not a whole number of sectors"));
        assert!(mix(&[(4096, 50), (1000, 50)]).contains("needed with direct I/O, engine: nvme or verify"));
        assert!(mix(&[(4096, 50), (512, 40)]).contains("adds up to 90 percent"));
        assert!(mix(&[(512, 50), (2 << 20, 50)]).contains("does not hold one block of 2MiB"));
    }

    #[test]
    fn buffered_blocks_have_any_size() {
        let buffered = |size, verify| {
            let mut trial = trial();
            trial.target = Target::File(FileTarget::new(ByteSize(1 << 20), false));
            trial.workload.block_size = ByteSize(size).into();
            trial.workload.verify = verify;
            trial.validate().map_err(|errors| errors[0].to_string())
        };
        assert_eq!((buffered(2300, false), buffered(1, false)), (Ok(()), Ok(())));
        assert!(buffered(0, false).unwrap_err().contains("0B is not a size"));
        assert!(buffered(2300, true).unwrap_err().contains("2300B is not a whole number of sectors"));
    }

    #[test]
    fn refuses_syncs_without_writes_and_links_without_room() {
        let sync = Some(Sync { every: 8, call: SyncCall::Fdatasync });
        assert!(refused(|t| t.workload.sync = sync).contains("needs writes"));
        let linked = |change: &dyn Fn(&mut Trial)| {
            let mut trial = trial();
            trial.workload.sync = sync;
            trial.workload.read_percent = 0;
            trial.engine.ring.link_sync = true;
            trial.engine.queue.depth = 2;
            change(&mut trial);
            trial.validate().map_err(|errors| errors[0].to_string())
        };
        assert_eq!(linked(&|_| {}), Ok(()));
        let says = |change: &dyn Fn(&mut Trial), text: &str| {
            let error = linked(change).unwrap_err();
            assert!(error.contains(text), "{error}");
        };
        says(&|t| t.workload.sync = None, "needs workload.sync");
        says(&|t| t.engine.queue.depth = 1, "a depth and a submit_batch of 2");
        says(&|t| t.engine.queue.submit_batch = Some(1), "a depth and a submit_batch of 2");
        says(&|t| t.engine.kind = EngineKind::Libaio, "libaio has no ring, so it cannot have link_sync");
        says(&|t| t.engine.ring.sharing = Sharing::Combiner, "engine.link_sync: needs ring: per_thread");
        says(&|t| t.engine.kind = EngineKind::Nop, "engine.link_sync: nop transfers no data");
        says(&|t| t.engine.ring.iopoll = true, "cannot be combined with iopoll");
        says(
            &|t| t.engine.ring.sqpoll = Some(Sqpoll { shared: true, ..Sqpoll::default() }),
            "could separate a write",
        );
        says(
            &|t| t.workload.sync = Some(Sync { every: 0, call: SyncCall::Fsync }),
            "0 is out of range: from 1 to 1000000",
        );
    }

    #[test]
    fn refuses_trials_that_cannot_be_verified() {
        let verified = |change: &dyn Fn(&mut Trial)| {
            let mut trial = trial();
            trial.workload.verify = true;
            change(&mut trial);
            trial.validate().map_err(|errors| errors[0].to_string())
        };
        assert_eq!(verified(&|_| {}), Ok(()));
        let says = |change: &dyn Fn(&mut Trial), text: &str| {
            let error = verified(change).unwrap_err();
            assert!(error.contains(text), "{error}");
        };
        says(&|t| t.engine.kind = EngineKind::Null, "null does not write");
        says(&|t| t.engine.kind = EngineKind::Nop, "nop does not write");
        says(&|t| t.engine.ring.sharing = Sharing::Shared, "workload.verify: needs ring: per_thread");
        let path = || Target::Path(PathTarget { path: "/x".into(), direct: true });
        says(
            &|t| t.workload.compressible = 50,
            "workload.compressible: cannot be combined with verify: true",
        );
        says(&|t| t.target = path(), "workload.verify: cannot be combined with target.path");
        says(&|t| t.workload.threads = 300, "each of 300 workers verifies its own part");
        let file = || Target::File(FileTarget::new(ByteSize(1 << 40), true));
        says(&|t| t.target = file(), "is too large; at most 67108864 blocks");
        let device = DeviceTarget { path: "/dev/x".into(), serial: "S".into(), destroy: None, direct: true };
        says(&|t| t.target = Target::Device(device.clone()), "target.device.destroy: is missing");
        let disk = RamdiskTarget {
            memory_backed: false,
            ..RamdiskTarget::new(ByteSize(1 << 20), RamdiskKind::NullBlk)
        };
        says(&|t| t.target = Target::Ramdisk(disk.clone()), "does not store what is written");
    }
}
