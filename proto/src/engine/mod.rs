//! The engine of a trial and its options. The names here are the names in a scenario.
//!
//! * `kind`: the table of engines and their features.
//! * `options`: the table of options. A new option is one row there.
//! * `table`: the contents of a row, and the macro that makes types of the rows.
//! * `values`: the types of option values.

mod kind;
mod options;
mod values;

pub use self::{
    kind::{EngineKind, Feature},
    options::{
        CallFlags, Engine, EngineOption, Grant, OPTIONS, QueueOptions, Relation, RingOptions, Setting,
        setup_flag,
    },
    values::{Concurrency, Fallback, IowqWorkers, Sharing, Sqpoll},
};

use crate::{series::Lane, urgent::UrgentBy};

impl QueueOptions {
    /// The defaults, with a number of requests in flight.
    #[must_use]
    pub fn of_depth(depth: u32) -> Self {
        Self { depth, ..Self::default() }
    }
}

impl Engine {
    /// Time for which a worker busy-waits before each operation, in nanoseconds; `None` if it does not.
    #[must_use]
    pub fn busy_wait_ns(&self) -> Option<u64> {
        self.busy_wait.map(|wait| wait.0).filter(|wait| *wait > 0)
    }

    /// The means by which urgent operations are preferred; `None` if none is urgent.
    #[must_use]
    pub fn urgent_by(&self) -> Option<UrgentBy> {
        self.urgent.map(|urgent| urgent.by)
    }

    /// The options that differ from their defaults, in the order of the table.
    pub fn set_options(&self) -> impl Iterator<Item = &'static EngineOption> + '_ {
        OPTIONS.iter().filter(|option| (option.is_set)(self))
    }
}

impl Engine {
    /// The lanes that operations are in.
    #[must_use]
    pub fn lanes(&self) -> &'static [Lane] {
        if self.urgent.is_some() { &Lane::ALL } else { &[Lane::Bulk] }
    }

    /// The lanes whose requests have a separate ring and separate buffers. Without rings, or if all lanes share one,
    /// only the bulk lane.
    #[must_use]
    pub fn lanes_with_rings(&self) -> &'static [Lane] {
        let separate = self.urgent_by() == Some(UrgentBy::SeparateRing);
        if separate { &Lane::ALL } else { &[Lane::Bulk] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_all_groups_are_written_side_by_side() {
        let text =
            r#"{"engine":"io_uring","depth":8,"single_issuer":true,"defer_taskrun":true,"ring":"combiner"}"#;
        let engine: Engine = serde_json::from_str(text).unwrap();
        assert_eq!((engine.queue.depth, engine.ring.sharing), (8, Sharing::Combiner));
        assert!(engine.ring.single_issuer && engine.ring.defer_taskrun);
        let set: Vec<_> = engine.set_options().map(|option| option.name).collect();
        assert_eq!(set, ["depth", "single_issuer", "defer_taskrun", "ring"]);
        let written = serde_json::to_string(&engine).unwrap();
        assert_eq!(serde_json::from_str::<Engine>(&written).unwrap(), engine);
        let refused = |text: &str| serde_json::from_str::<Engine>(text).unwrap_err().to_string();
        assert!(refused(r#"{"engine": "psync", "sharing": "shared"}"#).contains("unknown field `sharing`"));
        assert!(refused("{}").contains("missing field `engine`"));
    }

    #[test]
    fn every_option_is_written_in_the_order_of_the_table() {
        let mut engine = Engine::new(EngineKind::IoUring);
        let names = |engine: &Engine| -> Vec<String> {
            let value = serde_json::to_value(engine).unwrap();
            value.as_object().unwrap().keys().skip(1).cloned().collect()
        };
        let table: Vec<_> = OPTIONS.iter().map(|option| option.name).collect();
        assert!(names(&engine).iter().all(|name| table.contains(&name.as_str())));
        engine.queue.submit_batch = Some(1);
        engine.ring.sqpoll = Some(Sqpoll::default());
        engine.ring.iowq_workers = Some(IowqWorkers::default());
        engine.busy_wait = Some(crate::units::Nanos(1));
        let share = crate::urgent::Share(10_000);
        engine.urgent = Some(crate::urgent::Urgent { share, by: UrgentBy::None, block_size: None });
        assert_eq!(names(&engine), table);
        assert_eq!(engine.set_options().count(), 5);
        OPTIONS.iter().for_each(|option| (option.reset)(&mut engine));
        assert_eq!(engine, Engine::new(EngineKind::IoUring));
    }

    #[test]
    fn relations_name_options_of_the_table() {
        for option in OPTIONS {
            for other in option.requires.iter().chain(option.excludes) {
                let key = other.setting.key;
                assert!(key == "engine" || EngineOption::named(key).is_some(), "{}: {key}", option.name);
            }
        }
    }

    #[test]
    fn flags_are_probed_with_those_they_require() {
        let flags = |name| EngineOption::named(name).unwrap().setup_flags();
        assert_eq!(flags("defer_taskrun"), Some(1 << 13 | 1 << 12));
        assert_eq!(flags("hybrid_iopoll"), Some(1 << 17 | 1));
        assert_eq!(flags("fixed_files"), None);
        assert_eq!((setup_flag("iopoll"), setup_flag("sqpoll")), (1, 2));
    }

    #[test]
    fn flags_come_after_those_they_require() {
        // Flags are negotiated in this order, each on top of those before it.
        for (at, option) in OPTIONS.iter().enumerate().filter(|(_, option)| option.setup_flags().is_some()) {
            for other in option.requires {
                assert!(
                    OPTIONS[..at].iter().any(|before| before.name == other.setting.key),
                    "{}",
                    option.name
                );
            }
        }
    }
}
