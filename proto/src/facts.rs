//! Facts about a target: its file system, its device, its share in the page cache.
//!
//! Code uses the typed fields. In JSON, and so in `trials.jsonl` and `summary.json`, facts are a map of text; text that
//! does not parse (of another release, or of hosts that disagree) is kept as it is.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::{
    target::{Cache, RamdiskKind},
    units::ByteSize,
};

mod device;
mod file;
mod interrupts;
#[cfg(test)]
mod tests;

pub use self::{
    device::{Device, Scheduler},
    file::{CachedShare, FileSystem},
    interrupts::{InterruptLine, Interrupts},
};

/// A value of a fact.
trait Fact: Sized {
    /// The value as text.
    fn text(&self) -> String;

    /// The value of a text; `None` if the text is not a value of this type.
    fn parse(text: &str) -> Option<Self>;
}

/// Declares the typed facts. The name of a field is its key in the map.
macro_rules! facts {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $( $(#[$field_about:meta])* $field:ident: $type:ty, )+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
        pub struct $name {
            $( $(#[$field_about])* pub $field: Option<$type>, )+
            /// Facts that no code depends on, such as settings of the device's queue.
            pub other: BTreeMap<String, String>,
        }

        impl $name {
            /// Adds the facts of another, which replace those that both have.
            pub fn extend(&mut self, more: Self) {
                $( self.$field = more.$field.or(self.$field.take()); )+
                self.other.extend(more.other);
            }
        }

        impl From<BTreeMap<String, String>> for $name {
            fn from(mut map: BTreeMap<String, String>) -> Self {
                Self {
                    $( $field: taken(&mut map, stringify!($field)), )+
                    other: map,
                }
            }
        }

        impl From<$name> for BTreeMap<String, String> {
            fn from(facts: $name) -> Self {
                let mut map = facts.other;
                $( map.extend(facts.$field.map(|value| (stringify!($field).to_owned(), value.text()))); )+
                map
            }
        }
    };
}

/// Moves a fact out of the map if its text has a value that is written as the same text.
fn taken<T: Fact>(map: &mut BTreeMap<String, String>, name: &str) -> Option<T> {
    let value = T::parse(map.get(name)?)?;
    (map.get(name) == Some(&value.text())).then(|| {
        map.remove(name);
        value
    })
}

facts! {
    /// Facts about a target. A fact is absent if it is unknown or does not apply.
    pub struct TargetFacts {
        /// Whether I/O bypasses the page cache (O_DIRECT).
        direct: bool,
        /// [`Cache::Cold`] if the target is kept out of the page cache.
        cache: Cache,
        /// The share of the target in the page cache before the trial.
        cached_share: CachedShare,
        /// The addressable size.
        size: ByteSize,
        /// The origin.
        made_by: MadeBy,
        /// The file system.
        file_system: FileSystem,
        /// The device that the file system is on, or the target itself.
        device: Device,
        /// The I/O scheduler of the whole disk.
        scheduler: Scheduler,
        /// Whether the disk has queues that are polled for completions (`queue/io_poll`).
        io_poll: Setting,
        /// The driver of a RAM disk.
        ramdisk: RamdiskKind,
        /// Whether a RAM disk completes requests asynchronously.
        asynchronous: bool,
        /// The interrupts of the device.
        interrupts: Interrupts,
    }
}

impl TargetFacts {
    /// Whether the target is a file in memory: a tmpfs or ramfs, on a RAM disk or elsewhere.
    #[must_use]
    pub fn is_memory_file(&self) -> bool {
        matches!(self.file_system, Some(FileSystem::Tmpfs | FileSystem::Ramfs))
            || self.ramdisk == Some(RamdiskKind::Tmpfs)
    }

    /// Whether requests reach the device: they bypass the page cache, or find it empty.
    #[must_use]
    pub fn reaches_device(&self) -> bool {
        self.direct == Some(true) || self.cache == Some(Cache::Cold)
    }

    /// Whether reads are served from the page cache.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.direct == Some(false) && !self.reaches_device()
    }
}

impl JsonSchema for TargetFacts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        BTreeMap::<String, String>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, String>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        BTreeMap::<String, String>::inline_schema()
    }
}

/// The origin of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// The agent created it, and removes it.
    Agent,
    /// It existed before.
    Exists,
}

/// A setting that sysfs shows as 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting(pub bool);

impl Fact for bool {
    fn text(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        [true, false].into_iter().find(|value| value.text() == text)
    }
}

impl Fact for Setting {
    fn text(&self) -> String {
        u8::from(self.0).to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        [Self(true), Self(false)].into_iter().find(|value| value.text() == text)
    }
}

impl Fact for MadeBy {
    fn text(&self) -> String {
        match self {
            Self::Agent => "agent",
            Self::Exists => "exists",
        }
        .to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Agent, Self::Exists].into_iter().find(|value| value.text() == text)
    }
}

impl Fact for Cache {
    fn text(&self) -> String {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
        .to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Warm, Self::Cold].into_iter().find(|value| value.text() == text)
    }
}

impl Fact for RamdiskKind {
    fn text(&self) -> String {
        self.name().to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

impl Fact for ByteSize {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}
