//! The rules that a trial must keep, with the message and the remedy of each.
//!
//! A refusal is a [`FieldError`]: the field and the rule that it breaks, with the values at fault. The text is made here
//! and nowhere else, and nobody reads it back: who needs to know what went wrong looks at the [`Rule`].

use std::fmt;

use crate::{
    engine::{EngineKind, Feature, Relation, Sharing},
    trial::{MAX_BUFFERS, MAX_DEPTH, MAX_NAME, MAX_PATH, MAX_VERIFIED, MAX_WORKERS, SECTOR, SizesProblem},
    units::{ByteSize, Nanos},
    urgent::Share,
};

/// A value outside its limits, or one that cannot be combined with another.
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

    /// A refusal of a field of a message that cannot be used as it was sent.
    pub fn malformed(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(field, Rule::Malformed { why: why.into() })
    }

    /// The last part of the path, such as `depth`.
    #[must_use]
    pub fn key(&self) -> &str {
        self.field.rsplit('.').next().unwrap_or(&self.field)
    }

    /// What to do about it. `None`: a description of the key says it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        self.rule.remedy(self.key())
    }
}

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A number of things.
    Count(u64),
    /// A real number.
    Number(f64),
    /// A percentage.
    Percent(u32),
    /// A number per second.
    PerSecond(u64),
    /// A size.
    Size(ByteSize),
    /// A duration.
    Time(Nanos),
    /// A share of the operations.
    Share(Share),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Percent(percent) => write!(f, "{percent} percent"),
            Self::PerSecond(rate) => write!(f, "{rate} per second"),
            Self::Size(size) => size.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

/// The values that are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limits {
    /// Not less.
    AtLeast(Quantity),
    /// Not more.
    AtMost(Quantity),
    /// From the one to the other.
    Between(Quantity, Quantity),
    /// More than the one, and not more than the other.
    Above(Quantity, Quantity),
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::Between(least, most) => write!(f, "from {least} to {most}"),
            Self::Above(least, most) => write!(f, "above {least}, at most {most}"),
        }
    }
}

/// A rule that a field breaks, with the values at fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A value is too small or too large.
    OutOfRange {
        /// The value.
        value: Quantity,
        /// What is allowed.
        limits: Limits,
    },
    /// Another setting is missing.
    Needs {
        /// The setting, as it is written in a scenario.
        setting: &'static str,
        /// The reason.
        why: &'static str,
        /// What else would do.
        or: Option<&'static str>,
    },
    /// Another setting is in the way.
    Excludes {
        /// The value of the field that is at fault; `None`: any.
        value: Option<&'static str>,
        /// The other setting, as it is written in a scenario.
        setting: String,
        /// The reason.
        why: &'static str,
        /// What to use instead.
        instead: Option<&'static str>,
    },
    /// The engine lacks what options need.
    EngineLacks {
        /// The engine.
        engine: EngineKind,
        /// What it lacks.
        feature: Feature,
        /// The options that need it.
        options: Vec<&'static str>,
        /// The engines that have all that this trial asks for; empty: none has.
        engines: Vec<EngineKind>,
    },
    /// All requests in flight together take too much memory.
    TooManyBuffers {
        /// What they take, in bytes.
        bytes: u128,
    },
    /// More worker threads than one host may run.
    TooManyWorkers {
        /// How many there would be.
        workers: u32,
    },
    /// A ring that threads share would have too many requests in flight.
    SharedRingTooDeep {
        /// Requests that each worker keeps in flight.
        depth: u32,
        /// The workers.
        workers: u32,
        /// The most that the ring may have.
        most: u32,
        /// How it is shared.
        sharing: Sharing,
    },
    /// A ring with a polling thread needs twice the room.
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
    /// A distribution of sizes is wrong as a whole.
    Sizes(SizesProblem),
    /// A size is not a whole number of sectors.
    NotSectors {
        /// The size.
        size: ByteSize,
    },
    /// Blocks are no multiple of the size of an urgent operation.
    NotMultiple {
        /// The block.
        block: ByteSize,
        /// The urgent size.
        urgent: ByteSize,
    },
    /// A target has more blocks than can be counted while it is verified.
    TooManyBlocks {
        /// How many it has.
        blocks: u64,
        /// Their size.
        unit: ByteSize,
    },
    /// A target is too small for each worker to verify a part of its own.
    TooSmallToVerify {
        /// The workers.
        workers: u32,
        /// The size that they need.
        needed: ByteSize,
    },
    /// A target does not hold one block.
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
    /// A file that exists already is only read.
    ReadOnly,
    /// A device has no serial number to be claimed by.
    NoSerial,
    /// A trial writes to a device without permission to destroy what is on it.
    DestroyMissing {
        /// The device's serial number.
        serial: String,
    },
    /// The permission to destroy names another device.
    DestroyDiffers {
        /// What it names.
        destroy: String,
        /// The device's serial number.
        serial: String,
    },
    /// A text cannot be the name of a trial.
    NotAName,
    /// A field cannot be used as it was sent.
    Malformed {
        /// The reason.
        why: String,
    },
}

impl Rule {
    /// That a setting is missing.
    #[must_use]
    pub(crate) fn needs(setting: &'static str, why: &'static str) -> Self {
        Self::Needs { setting, why, or: None }
    }

    /// That a setting is in the way.
    #[must_use]
    pub(crate) fn excludes(setting: impl Into<String>, why: &'static str) -> Self {
        Self::Excludes { value: None, setting: setting.into(), why, instead: None }
    }

    /// That a setting is missing which an option's row requires.
    #[must_use]
    pub(crate) fn required(by: &Relation) -> Self {
        Self::Needs { setting: by.setting.text, why: by.why, or: by.instead }
    }

    /// That a setting is in the way which an option's row excludes.
    #[must_use]
    pub(crate) fn excluded(by: &Relation) -> Self {
        Self::Excludes {
            value: by.when.map(|when| when.text),
            setting: by.setting.text.to_owned(),
            why: by.why,
            instead: by.instead,
        }
    }

    /// A value outside a range of the same unit; `None` where it lies within.
    pub(crate) fn range<T: PartialOrd + Copy>(
        unit: impl Fn(T) -> Quantity,
        value: T,
        (least, most): (T, T),
    ) -> Option<Self> {
        let limits = Limits::Between(unit(least), unit(most));
        (value < least || value > most).then(|| Self::OutOfRange { value: unit(value), limits })
    }

    /// What to do about it, for a field with this key. `None`: a description of the key says it.
    #[must_use]
    pub fn remedy(&self, key: &str) -> Option<String> {
        Some(match self {
            Self::Needs { setting, or: None, .. } => format!("set `{setting}`"),
            Self::Needs { setting, or: Some(or), .. } => format!("set `{setting}`, or `{or}`"),
            Self::Excludes { value, setting, instead, .. } => {
                let own = value.unwrap_or(key);
                match instead {
                    None => format!("remove `{own}` or `{setting}`"),
                    Some(instead) => format!("remove `{own}`, or replace `{setting}` by `{instead}`"),
                }
            }
            Self::EngineLacks { options, engines, .. } => {
                let options = any(options, "and");
                match engines.as_slice() {
                    [] => format!("remove {options}: no engine has all that this trial asks for"),
                    engines => format!("remove {options}, or use engine: {}", any(engines, "or")),
                }
            }
            Self::TooManyBuffers { .. } => "lower the depth, the block size or the number of threads".into(),
            Self::TooManyWorkers { .. } => {
                "lower the depth or `threads`: `concurrency: threads` multiplies them".into()
            }
            Self::SharedRingTooDeep { .. } => "lower the depth or `threads`".into(),
            Self::SqpollTooDeep { .. } => "lower the depth, or remove `sqpoll`".into(),
            Self::SqpollIdle { .. } => "write a duration such as `sqpoll: {idle: 10ms}`".into(),
            Self::NoRoomForLink => {
                "raise `depth` and `submit_batch` to 2 or more, or remove `link_sync`".into()
            }
            Self::NoWrites => "set `read_percent` below 100, or remove `sync`".into(),
            Self::NoCpus => "write `auto`, or a list such as `[2, 3]`".into(),
            Self::TooManyBlocks { .. } => "use a smaller target or larger blocks".into(),
            Self::TooSmallToVerify { .. } => "use a larger target or fewer workers".into(),
            Self::SmallerThanBlock { .. } => "use a larger target or smaller blocks".into(),
            Self::OnlyNullBlk { options } => {
                format!("set `kind: null_blk`, or remove {}", any(options, "and"))
            }
            Self::ReadOnly => {
                "set `read_percent: 100`, or let the agent make the file: `target: {file: {size: 1GiB}}`"
                    .into()
            }
            Self::NoSerial => "`lsblk -o PATH,SERIAL,WWN` on the agent's host shows it".into(),
            Self::DestroyMissing { serial } => {
                format!("confirm it by `destroy: {serial}`, or set `read_percent: 100` without `verify`")
            }
            Self::DestroyDiffers { serial, .. } => {
                format!("write `destroy: {serial}` if what is on this device may be destroyed")
            }
            Self::OutOfRange { .. }
            | Self::TooManyCpus { .. }
            | Self::Sizes(_)
            | Self::NotSectors { .. }
            | Self::NotMultiple { .. }
            | Self::NotWholeMib { .. }
            | Self::PathTooLong
            | Self::PathNotAbsolute { .. }
            | Self::NotAName
            | Self::Malformed { .. } => return None,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { value, limits } => write!(f, "{value} is out of range: {limits}"),
            Self::Needs { setting, why, .. } => write!(f, "needs {setting} ({why})"),
            Self::Excludes { value, setting, why, .. } => {
                if let Some(value) = value {
                    write!(f, "{value} ")?;
                }
                write!(f, "cannot be combined with {setting} ({why})")
            }
            Self::EngineLacks { engine, feature, options, .. } => {
                write!(f, "{engine} {}, so it cannot have {}", feature.absence(), any(options, "and"))
            }
            Self::TooManyBuffers { bytes } => {
                write!(f, "needs {} MiB of buffers; at most {MAX_BUFFERS} are allowed", bytes >> 20)
            }
            Self::TooManyWorkers { workers } => {
                write!(f, "makes {workers} worker threads on one host; at most {MAX_WORKERS} are allowed")
            }
            Self::SharedRingTooDeep { depth, workers, most, sharing } => {
                let total = depth.saturating_mul(*workers);
                write!(
                    f,
                    "{depth} for each of {workers} workers makes {total} in one ring; at most {most} with ring: \
                     {sharing}"
                )
            }
            Self::SqpollTooDeep { depth } => {
                let most = MAX_DEPTH / 2;
                write!(
                    f,
                    "{depth} is out of range: at most {most} with sqpoll, whose queue holds two batches"
                )
            }
            Self::SqpollIdle { idle } => {
                write!(f, "idle: {idle} is not a whole number of milliseconds, 1ms or more")
            }
            Self::NoRoomForLink => f.write_str(
                "needs a depth and a submit_batch of 2 or more: a write and its sync are submitted together",
            ),
            Self::NoWrites => f.write_str("needs writes: only they can be made durable"),
            Self::NoCpus => f.write_str("is empty"),
            Self::TooManyCpus { entries } => {
                write!(f, "has {entries} entries; at most {MAX_WORKERS} workers could use them")
            }
            Self::Sizes(problem) => problem.fmt(f),
            Self::NotSectors { size } => write!(f, "{size} is not a whole number of sectors of {SECTOR}"),
            Self::NotMultiple { block, urgent } => write!(
                f,
                "block_size: workload.block_size {block} is not a multiple of {urgent} (an urgent operation takes the \
                 place of another)"
            ),
            Self::TooManyBlocks { blocks, unit } => {
                write!(f, "a target of {blocks} blocks of {unit} is too large; at most {MAX_VERIFIED} blocks")
            }
            Self::TooSmallToVerify { workers, needed } => {
                write!(
                    f,
                    "each of {workers} workers verifies its own part of the target, which takes {needed}"
                )
            }
            Self::SmallerThanBlock { size, block } => write!(f, "{size} does not hold one block of {block}"),
            Self::NotWholeMib { size } => write!(f, "{size} is not a whole number of MiB"),
            Self::OnlyNullBlk { options } => {
                write!(f, "must be null_blk for {}, which no other kind has", any(options, "and"))
            }
            Self::PathTooLong => write!(f, "is longer than a path can be ({MAX_PATH} bytes)"),
            Self::PathNotAbsolute { path } => write!(f, "`{path}` is not an absolute path"),
            Self::ReadOnly => f.write_str("must be 100: an existing file is only read"),
            Self::NoSerial => f.write_str("is empty: a device is claimed by its serial number"),
            Self::DestroyMissing { .. } => {
                f.write_str("is missing: a trial that writes destroys what is on the device")
            }
            Self::DestroyDiffers { destroy, serial } => write!(f, "`{destroy}` is not the serial `{serial}`"),
            Self::NotAName => write!(f, "must be printable, and have 1 to {MAX_NAME} bytes"),
            Self::Malformed { why } => f.write_str(why),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn any<T: ToString>(items: &[T], last: &str) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => items.concat(),
    }
}

#[cfg(test)]
mod tests {
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
        let none = "no engine has all that this trial asks for";
        assert_eq!(both[0].1, format!("remove fixed_files: {none}"));
        assert_eq!(both[1].1, format!("remove hipri: {none}"));
        assert!(
            both[1].0.starts_with("engine.engine: psync passes no flags to its system calls"),
            "{both:?}"
        );
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

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(
            [any(&["a"], "or"), any(&["a", "b"], "or"), any(&["a", "b", "c"], "and")],
            ["a", "a or b", "a, b and c"]
        );
        assert_eq!(any::<&str>(&[], "or"), "");
    }
}
