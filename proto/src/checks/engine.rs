//! Limits of the engine and its options.

use crate::{
    engine::{EngineOption, Fallback, Feature},
    limits::{MAX_BUSY_WAIT, MAX_DEPTH},
    rule::{Errors, Quantity, Rule, count},
    trial::{Target, Trial},
    units::Nanos,
};

/// Features whose absence concerns the engine as a whole: the refusal names the engine and lists the options.
const ESSENTIAL: [Feature; 3] = [Feature::Queue, Feature::Ring, Feature::CallFlags];

impl Trial {
    pub(super) fn check_engine(&self, errors: &mut Errors) {
        self.check_features(errors);
        self.check_relations(errors);
        self.check_depths(errors);
        self.check_polling(errors);
        let engine = &self.engine;
        if engine.kind.has(Feature::NvmeCommands) {
            let device = matches!(self.target, Target::Device(_));
            errors.check(device, "engine.engine", || {
                Rule::needs(
                    "target: {device: {path: /dev/nvme0n1, serial: ..}}",
                    "its commands go to a namespace of an NVMe drive, which has no files",
                )
            });
            errors.check(!device || self.target.direct(), "target.device.direct", || {
                Rule::needs("direct: true", "NVMe commands bypass the page cache")
            });
        }
        let wait = engine.busy_wait.unwrap_or_default();
        errors.range("engine.busy_wait", Quantity::Time, wait, (Nanos(0), MAX_BUSY_WAIT));
        if let Some(sqpoll) = engine.ring.sqpoll {
            let millis = sqpoll.idle.0 / 1_000_000;
            let whole =
                sqpoll.idle.0.is_multiple_of(1_000_000) && (1..=u64::from(u32::MAX)).contains(&millis);
            errors.check(whole, "engine.sqpoll", || Rule::SqpollIdle { idle: sqpoll.idle });
        }
    }

    /// Refuses options that the engine does not have.
    fn check_features(&self, errors: &mut Errors) {
        let engine = self.engine.kind;
        let lacks = |feature, options| Rule::EngineLacks {
            engine,
            feature,
            options,
            engines: self.capable_engines(),
        };
        for feature in ESSENTIAL {
            let options: Vec<_> =
                self.engine.set_options().filter(|option| option.lacks(engine) == Some(feature)).collect();
            let names = options.iter().map(|option| option.name).collect();
            errors.check(options.is_empty(), "engine.engine", || lacks(feature, names));
        }
        for option in self.engine.set_options() {
            if let Some(feature) = option.lacks(engine).filter(|feature| !ESSENTIAL.contains(feature)) {
                errors.check(false, &option.field(), || lacks(feature, vec![option.name]));
            }
        }
    }

    /// Refuses options that lack a required setting, or are combined with an excluded one.
    fn check_relations(&self, errors: &mut Errors) {
        let engine = &self.engine;
        let supported = |option: &&EngineOption| option.lacks(engine.kind).is_none();
        for option in engine.set_options().filter(supported) {
            for other in option.requires.iter().filter(|other| other.applies(engine)) {
                errors.check((other.setting.holds)(engine), &option.field(), || Rule::required(other));
            }
            for other in option.excludes.iter().filter(|other| other.applies(engine)) {
                errors.check(!(other.setting.holds)(engine), &option.field(), || Rule::excluded(other));
            }
        }
    }

    fn check_depths(&self, errors: &mut Errors) {
        let (queue, ring) = (&self.engine.queue, &self.engine.ring);
        errors.range("engine.depth", count, queue.depth, (1, MAX_DEPTH));
        errors.range("engine.submit_batch", count, queue.submit_batch.unwrap_or(1), (1, MAX_DEPTH));
        errors.range("engine.complete_batch", count, queue.complete_batch, (1, MAX_DEPTH));
        let most = if ring.sqpoll.is_some() { MAX_DEPTH / 2 } else { MAX_DEPTH };
        if ring.sqpoll.is_some() {
            errors.check(queue.depth <= most, "engine.depth", || Rule::SqpollTooDeep { depth: queue.depth });
        }
        if let Some(depth) = self.shared_depth() {
            errors.check(depth <= most, "engine.depth", || Rule::SharedRingTooDeep {
                depth: self.depth_per_worker(),
                workers: self.workers(),
                most,
                sharing: ring.sharing,
            });
        }
    }

    fn check_polling(&self, errors: &mut Errors) {
        let possible = self.target.direct() || self.engine.fallback == Fallback::Allow;
        for option in self.engine.set_options().filter(|option| option.starts_polling()) {
            errors.check(possible, &option.field(), || Rule::Needs {
                setting: "direct: true",
                why: "only a device can be polled",
                or: Some("fallback: allow"),
            });
        }
    }
}
