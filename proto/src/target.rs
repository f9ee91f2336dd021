//! The target of a trial's I/O: a file, a RAM disk, or a block device claimed by its identity.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    limits::MAX_PATH,
    rule::{Errors, Quantity, Rule, count},
    units::{ByteSize, Nanos},
};

/// The maximum number of poll queues of a RAM disk.
pub const MAX_POLL_QUEUES: u32 = 1024;
/// The longest completion time of a RAM disk's request.
pub const MAX_COMPLETION: Nanos = Nanos(1_000_000_000);

/// The target of the I/O.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "TargetFields", into = "TargetFields")]
#[schemars(with = "TargetFields")]
pub enum Target {
    /// A file that the agent creates in its data directory, fills with data, and removes.
    File(FileTarget),
    /// An existing file, which is only read.
    Path(PathTarget),
    /// A RAM disk that the agent creates, fills with data, and removes.
    Ramdisk(RamdiskTarget),
    /// A block device that is claimed by its identity.
    Device(DeviceTarget),
}

/// A file that the agent creates, fills and removes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTarget {
    /// The size. The file is filled with data, so that no hole is read.
    pub size: ByteSize,
    /// `true` bypasses the page cache (O_DIRECT); `false` uses it.
    #[serde(default = "yes")]
    pub direct: bool,
    /// With `direct: false`: the state of the page cache.
    #[serde(default)]
    pub cache: Cache,
}

/// The state of the page cache for a file that is read through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// The whole file is in the cache before each trial.
    #[default]
    Warm,
    /// The file is kept out of the cache: pages are dropped within milliseconds, and random reads have no read-ahead.
    Cold,
}

/// An existing file, which is only read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathTarget {
    /// An absolute path on the agent's host.
    pub path: String,
    /// `true` bypasses the page cache (O_DIRECT); `false` uses it, warmed first.
    pub direct: bool,
}

/// A RAM disk that the agent creates with a driver of the kernel, fills, and removes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RamdiskTarget {
    /// The size. The disk is filled with data that does not compress.
    pub size: ByteSize,
    /// The driver.
    #[serde(default)]
    pub kind: RamdiskKind,
    /// `true` bypasses the page cache (O_DIRECT); `false` uses it, warmed first.
    #[serde(default = "yes")]
    pub direct: bool,
    /// null_blk: number of queues that are polled for completions; `iopoll` needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub poll_queues: Option<u32>,
    /// null_blk: completion time of a request, by a timer. Absent: it completes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<Nanos>,
    /// null_blk: `false` stores no data, so that only the request itself costs time.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub memory_backed: bool,
}

/// The driver of a RAM disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RamdiskKind {
    /// The first of null_blk, loop, zram and tmpfs that the host offers: asynchronous ones first.
    #[default]
    Auto,
    /// An unnamed file on a tmpfs: synchronous, and not a block device.
    Tmpfs,
    /// A compressed block device: synchronous. The data does not compress, but writes pay for the attempt.
    Zram,
    /// A loop device over a file on a tmpfs: asynchronous, by a kernel thread.
    Loop,
    /// A RAM disk of the brd module, which must already be loaded: synchronous.
    Brd,
    /// A null block device that stores its data: asynchronous, with queues that can be polled.
    NullBlk,
}

/// A block device that is claimed by its identity, and only if the host's list allows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceTarget {
    /// An absolute path on the agent's host, such as /dev/nvme0n1.
    pub path: String,
    /// The serial number or WWN that the device must have. A loop device has the path of its backing file.
    pub serial: String,
    /// For writes only: the serial again. Writes destroy the contents of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy: Option<String>,
    /// `true` bypasses the page cache (O_DIRECT); `false` uses it, warmed first.
    #[serde(default = "yes")]
    pub direct: bool,
}

/// The written form of a target: `{file: {size: 1GiB}}`, `{path: /data/file, direct: false}`,
/// `{ramdisk: {size: 256MiB}}` or `{device: {path: /dev/nvme0n1, serial: S3R1AL}}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Target")]
struct TargetFields {
    /// A file that the agent creates in its data directory, fills with data, and removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileTarget>,
    /// An absolute path of an existing file on the agent's host, which is only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// With `path`: `true` (the default) bypasses the page cache (O_DIRECT); `false` uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    direct: Option<bool>,
    /// A RAM disk that the agent creates with a driver of the kernel, fills with data, and removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    ramdisk: Option<RamdiskTarget>,
    /// A block device that is claimed by its identity; the agent must be started with a list that allows it
    /// (`agent serve --allow-device PATH=SERIAL`).
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceTarget>,
}

impl TryFrom<TargetFields> for Target {
    type Error = &'static str;

    fn try_from(fields: TargetFields) -> Result<Self, Self::Error> {
        match (fields.file, fields.path, fields.ramdisk, fields.device, fields.direct) {
            (Some(file), None, None, None, None) => Ok(Self::File(file)),
            (None, Some(path), None, None, direct) => {
                Ok(Self::Path(PathTarget { path, direct: direct.unwrap_or_else(yes) }))
            }
            (None, None, Some(ramdisk), None, None) => Ok(Self::Ramdisk(ramdisk)),
            (None, None, None, Some(device), None) => Ok(Self::Device(device)),
            (Some(_), None, None, None, Some(_)) => Err("`direct` goes inside `file`"),
            (None, None, Some(_), None, Some(_)) => Err("`direct` goes inside `ramdisk`"),
            (None, None, None, Some(_), Some(_)) => Err("`direct` goes inside `device`"),
            (None, None, None, None, _) => Err("needs `file: {size: 1GiB}`, `path: /data/file`, \
                 `ramdisk: {size: 256MiB}` or `device: {path: /dev/nvme0n1, serial: ..}`"),
            _ => Err("`file`, `path`, `ramdisk` and `device` exclude each other: keep one of them"),
        }
    }
}

impl From<Target> for TargetFields {
    fn from(target: Target) -> Self {
        match target {
            Target::File(file) => Self { file: Some(file), ..Self::default() },
            Target::Path(path) => {
                Self { path: Some(path.path), direct: Some(path.direct), ..Self::default() }
            }
            Target::Ramdisk(ramdisk) => Self { ramdisk: Some(ramdisk), ..Self::default() },
            Target::Device(device) => Self { device: Some(device), ..Self::default() },
        }
    }
}

fn yes() -> bool {
    true
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_yes(value: &bool) -> bool {
    *value
}

impl FileTarget {
    /// A RAM disk with every other option at its default.
    #[must_use]
    pub fn new(size: ByteSize, direct: bool) -> Self {
        Self { size, direct, cache: Cache::Warm }
    }
}

impl RamdiskKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [Self::Auto, Self::Tmpfs, Self::Zram, Self::Loop, Self::Brd, Self::NullBlk];

    /// The name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tmpfs => "tmpfs",
            Self::Zram => "zram",
            Self::Loop => "loop",
            Self::Brd => "brd",
            Self::NullBlk => "null_blk",
        }
    }
}

impl RamdiskTarget {
    /// A file with every other option at its default.
    #[must_use]
    pub fn new(size: ByteSize, kind: RamdiskKind) -> Self {
        Self { size, kind, direct: true, poll_queues: None, completion: None, memory_backed: true }
    }

    /// The options that only null_blk has and that are set, by name.
    fn null_blk_options(&self) -> Vec<&'static str> {
        let all = [
            ("poll_queues", self.poll_queues.is_some()),
            ("completion", self.completion.is_some()),
            ("memory_backed", !self.memory_backed),
        ];
        all.into_iter().filter_map(|(name, set)| set.then_some(name)).collect()
    }
}

impl Target {
    /// Whether the page cache is bypassed.
    #[must_use]
    pub fn direct(&self) -> bool {
        match self {
            Self::File(file) => file.direct,
            Self::Path(path) => path.direct,
            Self::Ramdisk(ramdisk) => ramdisk.direct,
            Self::Device(device) => device.direct,
        }
    }

    /// Whether the target is kept out of the page cache.
    #[must_use]
    pub fn cold(&self) -> bool {
        matches!(self, Self::File(file) if file.cache == Cache::Cold)
    }

    /// Checks every limit that can be checked without the host.
    pub(crate) fn check(&self, block: ByteSize, writes: bool, errors: &mut Errors) {
        match self {
            Self::File(file) => {
                let (size, at) = (file.size, "target.file.cache");
                errors.check(size >= block, "target.file.size", || Rule::SmallerThanBlock { size, block });
                let cold = file.cache == Cache::Cold;
                errors.check(!(cold && file.direct), at, || {
                    Rule::needs("direct: false", "cold applies to reads through the page cache")
                });
                errors.check(!(cold && writes), at, || {
                    Rule::needs(
                        "read_percent: 100",
                        "cold is for trials that only read: what is written, or filled in for `verify`, stays in the \
                         page cache until the disk has it",
                    )
                });
            }
            Self::Path(target) => {
                check_path(&target.path, "target.path", errors);
                errors.check(!writes, "workload.read_percent", || Rule::ReadOnly);
            }
            Self::Ramdisk(disk) => {
                let (size, options) = (disk.size, disk.null_blk_options());
                errors.check(size >= block, "target.ramdisk.size", || Rule::SmallerThanBlock { size, block });
                errors.check(size.0.is_multiple_of(1 << 20), "target.ramdisk.size", || Rule::NotWholeMib {
                    size,
                });
                let null_blk = options.is_empty() || disk.kind == RamdiskKind::NullBlk;
                errors.check(null_blk, "target.ramdisk.kind", || Rule::OnlyNullBlk { options });
                let queues = disk.poll_queues.unwrap_or(1);
                errors.range("target.ramdisk.poll_queues", count, queues, (1, MAX_POLL_QUEUES));
                let completion = disk.completion.unwrap_or(Nanos(1));
                errors.range(
                    "target.ramdisk.completion",
                    Quantity::Time,
                    completion,
                    (Nanos(1), MAX_COMPLETION),
                );
            }
            Self::Device(device) => {
                let serial = &device.serial;
                check_path(&device.path, "target.device.path", errors);
                errors.check(!serial.trim().is_empty(), "target.device.serial", || Rule::NoSerial);
                let at = "target.device.destroy";
                match &device.destroy {
                    None => errors.check(!writes, at, || Rule::DestroyMissing { serial: serial.clone() }),
                    Some(destroy) => errors.check(destroy == serial, at, || Rule::DestroyDiffers {
                        destroy: destroy.clone(),
                        serial: serial.clone(),
                    }),
                }
            }
        }
    }
}

fn check_path(path: &str, at: &str, errors: &mut Errors) {
    errors.check(path.len() < MAX_PATH, at, || Rule::PathTooLong);
    errors.check(path.starts_with('/'), at, || Rule::PathNotAbsolute { path: path.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Target, String> {
        serde_json::from_str::<Target>(text).map_err(|error| error.to_string())
    }

    fn checked(target: &Target, writes: bool) -> String {
        let mut errors = Errors::default();
        target.check(ByteSize(4096), writes, &mut errors);
        errors.texts()
    }

    #[test]
    fn reads_exactly_one_kind_of_target() {
        let path = Target::Path(PathTarget { path: "/x".into(), direct: true });
        assert_eq!(read(r#"{"path": "/x"}"#).unwrap(), path);
        assert_eq!(read(&serde_json::to_string(&path).unwrap()).unwrap(), path);
        assert!(read("{}").unwrap_err().contains("needs `file"));
        assert!(read(r#"{"path": "/x", "file": {"size": 1}}"#).unwrap_err().contains("exclude"));
        assert!(read(r#"{"path": "/x", "ramdisk": {"size": 1}}"#).unwrap_err().contains("exclude"));
        assert!(read(r#"{"direct": true, "file": {"size": 1}}"#).unwrap_err().contains("inside `file`"));
        assert!(read(r#"{"direct": true, "ramdisk": {"size": 1}}"#).unwrap_err().contains("`ramdisk`"));
        assert!(read(r#"{"device": {"path": "/dev/x"}}"#).unwrap_err().contains("missing field `serial`"));
    }

    #[test]
    fn refuses_a_cold_file_that_bypasses_the_cache_or_is_written() {
        let cold = read(r#"{"file": {"size": "1MiB", "direct": false, "cache": "cold"}}"#).unwrap();
        assert!(cold.cold());
        assert_eq!(read(&serde_json::to_string(&cold).unwrap()).unwrap(), cold);
        assert_eq!(checked(&cold, false), "");
        assert!(checked(&cold, true).contains("read_percent: 100"));
        let direct = read(r#"{"file": {"size": "1MiB", "cache": "cold"}}"#).unwrap();
        assert!(checked(&direct, false).starts_with("target.file.cache: needs direct: false"));
    }

    #[test]
    fn disks_read_back_as_written() {
        let disk = read(r#"{"ramdisk": {"size": "256MiB"}}"#).unwrap();
        assert_eq!(disk, Target::Ramdisk(RamdiskTarget::new(ByteSize(256 << 20), RamdiskKind::Auto)));
        let text =
            r#"{"ramdisk": {"size": "1GiB", "kind": "null_blk", "poll_queues": 1, "completion": "10us"}}"#;
        let disk = read(text).unwrap();
        assert_eq!(checked(&disk, true), "");
        assert_eq!(read(&serde_json::to_string(&disk).unwrap()).unwrap(), disk);
        let device = read(r#"{"device": {"path": "/dev/x", "serial": "S", "direct": false}}"#).unwrap();
        assert!(!device.direct());
        assert_eq!(read(&serde_json::to_string(&device).unwrap()).unwrap(), device);
    }

    #[test]
    fn refusals_name_the_field() {
        let refused = |text: &str, writes| checked(&read(text).unwrap(), writes);
        let refusal =
            refused(r#"{"ramdisk": {"size": "1000B", "poll_queues": 0, "completion": "2s"}}"#, true);
        for part in [
            "ramdisk.size: 1000B does not hold",
            "whole number of MiB",
            "kind: must be null_blk for poll_queues and completion",
            "poll_queues: 0 is out of range",
            "completion: 2s is out of range",
        ] {
            assert!(refusal.contains(part), "{part}: {refusal}");
        }
        let device = r#"{"device": {"path": "/dev/x", "serial": "S"}}"#;
        assert_eq!(refused(device, false), "");
        assert!(refused(device, true).starts_with("target.device.destroy: is missing"));
        let other = r#"{"device": {"path": "x", "serial": "S", "destroy": "T"}}"#;
        assert!(refused(other, true).contains("`T` is not the serial `S`"));
        assert!(refused(other, true).contains("not an absolute path"));
        assert!(refused(r#"{"device": {"path": "/dev/x", "serial": ""}}"#, false).contains("is empty"));
    }
}
