//! The rules that a trial must keep, with the message and the remedy of each.
//!
//! A refusal is a [`FieldError`]: the field and the rule that it breaks, with the offending values. Its text is made only
//! in `text` and never parsed; code that needs the reason uses the [`Rule`].

use crate::{
    engine::{EngineKind, Feature, Relation, Sharing},
    units::{ByteSize, Nanos},
};

mod errors;
mod quantity;
mod sizes;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use self::errors::{Errors, count};
pub use self::{
    quantity::{Limits, Quantity},
    sizes::SizesProblem,
};

/// A field with an invalid value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct FieldError {
    /// Path within the trial, such as `engine.depth`.
    pub field: String,
    /// The rule that it breaks.
    pub rule: Rule,
}

impl FieldError {
    /// A refusal of one field.
    pub fn new(field: impl Into<String>, rule: Rule) -> Self {
        Self { field: field.into(), rule }
    }

    /// A refusal of a field of a message that cannot be used as sent.
    pub fn malformed(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(field, Rule::Malformed { why: why.into() })
    }

    /// The last part of the path, such as `depth`.
    #[must_use]
    pub fn key(&self) -> &str {
        self.field.rsplit('.').next().unwrap_or(&self.field)
    }

    /// The remedy. `None`: the description of the key is the remedy.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        self.rule.remedy(self.key())
    }
}

/// A rule that a field breaks, with the values at fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A value is too small or too large.
    OutOfRange {
        /// The value.
        value: Quantity,
        /// The allowed values.
        limits: Limits,
    },
    /// Another setting is missing.
    Needs {
        /// The setting in the notation of scenarios.
        setting: &'static str,
        /// The reason.
        why: &'static str,
        /// An alternative to it.
        or: Option<&'static str>,
    },
    /// Another setting excludes the field.
    Excludes {
        /// The value of the field that is excluded; `None`: any.
        value: Option<&'static str>,
        /// The other setting in the notation of scenarios.
        setting: String,
        /// The reason.
        why: &'static str,
        /// The replacement for the setting.
        instead: Option<&'static str>,
    },
    /// The engine lacks a feature that options need.
    EngineLacks {
        /// The engine.
        engine: EngineKind,
        /// The missing feature.
        feature: Feature,
        /// The options that need it.
        options: Vec<&'static str>,
        /// The engines that have every feature this trial needs; empty if there is none.
        engines: Vec<EngineKind>,
    },
    /// All requests in flight together take too much memory.
    TooManyBuffers {
        /// Their total size in bytes.
        bytes: u128,
    },
    /// More worker threads than one host may run.
    TooManyWorkers {
        /// The number of worker threads.
        workers: u32,
    },
    /// A ring that threads share would have too many requests in flight.
    SharedRingTooDeep {
        /// Requests that each worker keeps in flight.
        depth: u32,
        /// The number of workers.
        workers: u32,
        /// The limit of the ring.
        most: u32,
        /// The kind of sharing.
        sharing: Sharing,
    },
    /// A ring with a polling thread needs twice as many entries.
    SqpollTooDeep {
        /// The depth.
        depth: u32,
    },
    /// The time after which a polling thread sleeps is not in whole milliseconds.
    SqpollIdle {
        /// The time.
        idle: Nanos,
    },
    /// A write and its sync do not fit into one submission.
    NoRoomForLink,
    /// A trial that only reads has nothing to make durable.
    NoWrites,
    /// The list of CPUs is empty.
    NoCpus,
    /// The list of CPUs is longer than there can be workers.
    TooManyCpus {
        /// Its entries.
        entries: usize,
    },
    /// A distribution of sizes is invalid as a whole.
    Sizes(SizesProblem),
    /// A size is not a whole number of sectors.
    NotSectors {
        /// The size.
        size: ByteSize,
    },
    /// A block size is not a multiple of the size of an urgent operation.
    NotMultiple {
        /// The block.
        block: ByteSize,
        /// The urgent size.
        urgent: ByteSize,
    },
    /// A target has more blocks than can be counted while it is verified.
    TooManyBlocks {
        /// The number of its blocks.
        blocks: u64,
        /// The size of a block.
        unit: ByteSize,
    },
    /// A target is too small for each worker to verify a separate part.
    TooSmallToVerify {
        /// The number of workers.
        workers: u32,
        /// The size that they need.
        needed: ByteSize,
    },
    /// A target is smaller than one block.
    SmallerThanBlock {
        /// The target's size.
        size: ByteSize,
        /// The largest block.
        block: ByteSize,
    },
    /// A RAM disk's size is not in whole MiB.
    NotWholeMib {
        /// The size.
        size: ByteSize,
    },
    /// Options that only a null_blk RAM disk has.
    OnlyNullBlk {
        /// The options.
        options: Vec<&'static str>,
    },
    /// A path is too long.
    PathTooLong,
    /// A path does not begin with `/`.
    PathNotAbsolute {
        /// The path.
        path: String,
    },
    /// A trial writes to an existing file, which is only read.
    ReadOnly,
    /// A device is given without a serial number.
    NoSerial,
    /// A trial writes to a device without permission to destroy its contents.
    DestroyMissing {
        /// The device's serial number.
        serial: String,
    },
    /// The permission to destroy names another device.
    DestroyDiffers {
        /// The device that it names.
        destroy: String,
        /// The device's serial number.
        serial: String,
    },
    /// A text is not a valid name of a trial.
    NotAName,
    /// A field cannot be used as sent.
    Malformed {
        /// The reason.
        why: String,
    },
}

impl Rule {
    /// A missing setting.
    #[must_use]
    pub(crate) fn needs(setting: &'static str, why: &'static str) -> Self {
        Self::Needs { setting, why, or: None }
    }

    /// An excluding setting.
    #[must_use]
    pub(crate) fn excludes(setting: impl Into<String>, why: &'static str) -> Self {
        Self::Excludes { value: None, setting: setting.into(), why, instead: None }
    }

    /// A missing setting that an option's row requires.
    #[must_use]
    pub(crate) fn required(by: &Relation) -> Self {
        Self::Needs { setting: by.setting.text, why: by.why, or: by.instead }
    }

    /// A setting that an option's row excludes.
    #[must_use]
    pub(crate) fn excluded(by: &Relation) -> Self {
        Self::Excludes {
            value: by.when.map(|when| when.text),
            setting: by.setting.text.to_owned(),
            why: by.why,
            instead: by.instead,
        }
    }

    /// A value outside a range of the same unit; `None` if it is within.
    pub(crate) fn range<T: PartialOrd + Copy>(
        unit: impl Fn(T) -> Quantity,
        value: T,
        (least, most): (T, T),
    ) -> Option<Self> {
        let limits = Limits::Between(unit(least), unit(most));
        (value < least || value > most).then(|| Self::OutOfRange { value: unit(value), limits })
    }
}
