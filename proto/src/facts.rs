//! What a target really is: its file system, the device below, its place in memory.
//!
//! Code uses the typed fields. In JSON, and so in `trials.jsonl` and `summary.json`, facts are a map of text; text that
//! does not parse (of another release, or of hosts that disagree) is kept as it is.

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    target::{Cache, RamdiskKind},
    units::ByteSize,
};

/// A value of a fact.
trait Fact: Sized {
    /// The value as text.
    fn text(&self) -> String;

    /// The value of a text; `None` where it has no such value.
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
            /// Facts that no code decides by: settings of the device's queue, particulars of a RAM disk, and the like.
            pub other: BTreeMap<String, String>,
        }

        impl $name {
            /// Takes over the facts of another; where both have one, the other's.
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

/// Moves a fact out of the map if its text has a value, and the value this very text.
fn taken<T: Fact>(map: &mut BTreeMap<String, String>, name: &str) -> Option<T> {
    let value = T::parse(map.get(name)?)?;
    (map.get(name) == Some(&value.text())).then(|| {
        map.remove(name);
        value
    })
}

facts! {
    /// What a target really is. A fact is absent where it is unknown or does not apply.
    pub struct TargetFacts {
        /// Whether I/O bypasses the page cache (O_DIRECT).
        direct: bool,
        /// [`Cache::Cold`] where the page cache is kept empty of the target.
        cache: Cache,
        /// The share of the target in the page cache before the trial.
        cached_share: CachedShare,
        /// How much of it can be addressed.
        size: ByteSize,
        /// Who made it.
        made_by: MadeBy,
        /// The file system.
        file_system: FileSystem,
        /// The device that the file system is on, or the target itself.
        device: Device,
        /// The I/O scheduler of the whole disk.
        scheduler: Scheduler,
        /// Whether the disk has queues that are polled for completions (`queue/io_poll`).
        io_poll: Setting,
        /// What a RAM disk is made from.
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

/// Who made a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// The agent, which removes it again.
    Agent,
    /// It existed before.
    Exists,
}

/// A setting that sysfs shows as 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting(pub bool);

/// A share of the target's pages in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachedShare {
    /// In tenths of a percent.
    Known(u16),
    /// The file system does not report it.
    Unknown,
}

impl CachedShare {
    /// A share from 0 to 1, rounded so that only the whole target is 100.0%.
    #[must_use]
    pub fn of(share: f64) -> Self {
        let most = if share < 1.0 { 999.0 } else { 1000.0 };
        Self::Known((share * 1000.0).round().clamp(0.0, most) as u16)
    }
}

impl fmt::Display for CachedShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(tenths) => write!(f, "{}.{}%", tenths / 10, tenths % 10),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A file system, with those by name that code treats differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// None: the target is a block device.
    BlockDevice,
    /// Memory, with swap behind it.
    Tmpfs,
    /// Memory.
    Ramfs,
    /// Memory, in huge pages.
    Hugetlbfs,
    /// A file system with a cache of its own beside the page cache.
    Zfs,
    /// Any other, by name.
    Other(String),
}

impl FileSystem {
    /// The file system of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "none: a block device" => Self::BlockDevice,
            "tmpfs" => Self::Tmpfs,
            "ramfs" => Self::Ramfs,
            "hugetlbfs" => Self::Hugetlbfs,
            "zfs" => Self::Zfs,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether its files are memory.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self, Self::Tmpfs | Self::Ramfs | Self::Hugetlbfs)
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockDevice => "none: a block device",
            Self::Tmpfs => "tmpfs",
            Self::Ramfs => "ramfs",
            Self::Hugetlbfs => "hugetlbfs",
            Self::Zfs => "zfs",
            Self::Other(name) => name,
        })
    }
}

/// A device by its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its driver's number.
    pub major: u32,
    /// Its number within the driver.
    pub minor: u32,
    /// Its name, such as `nvme0n1p2`; absent where the numbers are not those of a block device.
    pub name: Option<String>,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("(no block device)");
        write!(f, "{}:{} {name}", self.major, self.minor)
    }
}

/// An I/O scheduler of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Requests are passed on as they come.
    None,
    /// By deadline; it heeds the I/O priority of requests.
    MqDeadline,
    /// By budget; it heeds the I/O priority of requests.
    Bfq,
    /// Any other, by name.
    Other(String),
}

impl Scheduler {
    /// The scheduler of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "none" => Self::None,
            "mq-deadline" => Self::MqDeadline,
            "bfq" => Self::Bfq,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it heeds the I/O priority of requests.
    #[must_use]
    pub fn heeds_priority(&self) -> bool {
        matches!(self, Self::MqDeadline | Self::Bfq)
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::MqDeadline => "mq-deadline",
            Self::Bfq => "bfq",
            Self::Other(name) => name,
        })
    }
}

/// The interrupts of a device, or why they are not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Its lines in /proc/interrupts; at least one.
    Lines(Vec<InterruptLine>),
    /// Why there are none to count.
    Unavailable(String),
}

/// A line of /proc/interrupts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptLine {
    /// The interrupt's number.
    pub number: u32,
    /// The driver's name for it.
    pub name: String,
}

const UNAVAILABLE: &str = "unavailable: ";

impl fmt::Display for Interrupts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(lines) => {
                let lines: Vec<String> =
                    lines.iter().map(|line| format!("{} {}", line.number, line.name)).collect();
                f.write_str(&lines.join(", "))
            }
            Self::Unavailable(why) => write!(f, "{UNAVAILABLE}{why}"),
        }
    }
}

impl Interrupts {
    fn read(text: &str) -> Option<Self> {
        if let Some(why) = text.strip_prefix(UNAVAILABLE) {
            return Some(Self::Unavailable(why.to_owned()));
        }
        let mut lines: Vec<InterruptLine> = Vec::new();
        for part in text.split(", ") {
            let numbered = part.split_once(' ').and_then(|(number, name)| Some((number.parse().ok()?, name)));
            match (numbered, lines.last_mut()) {
                (Some((number, name)), _) => lines.push(InterruptLine { number, name: name.to_owned() }),
                // Drivers that share an interrupt are listed with commas.
                (None, Some(line)) => line.name = format!("{}, {part}", line.name),
                (None, None) => return None,
            }
        }
        Some(Self::Lines(lines))
    }
}

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

impl Serialize for CachedShare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CachedShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a share")))
    }
}

impl Fact for CachedShare {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "unknown" {
            return Some(Self::Unknown);
        }
        let (whole, tenth) = text.strip_suffix('%')?.split_once('.')?;
        let tenths = whole.parse::<u16>().ok()?.checked_mul(10)?.checked_add(tenth.parse().ok()?)?;
        Some(Self::Known(tenths))
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

impl Fact for FileSystem {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        // Hosts that disagree: `ext4 / xfs`.
        (!text.contains(" / ")).then(|| Self::named(text))
    }
}

impl Fact for Device {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let (numbers, name) = text.split_once(' ')?;
        let (major, minor) = numbers.split_once(':')?;
        let name = (name != "(no block device)" && !name.contains(" / ")).then(|| name.to_owned());
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()?, name })
    }
}

impl Fact for Scheduler {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        (!text.contains(" / ")).then(|| Self::named(text))
    }
}

impl Fact for Interrupts {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::read(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(map: &[(&str, &str)]) -> TargetFacts {
        let map: BTreeMap<String, String> =
            map.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let facts = TargetFacts::from(map.clone());
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(json, serde_json::to_string(&map).unwrap(), "written as read");
        assert_eq!(serde_json::from_str::<TargetFacts>(&json).unwrap(), facts);
        facts
    }

    #[test]
    fn facts_have_types_and_keep_their_text() {
        let facts = read(&[
            ("anonymous", "yes"),
            ("cache", "cold"),
            ("cached_share", "0.3%"),
            ("device", "259:1 nvme0n1"),
            ("direct", "no"),
            ("file_system", "ext4"),
            ("interrupts", "36 nvme0q1, 37 nvme0q2"),
            ("io_poll", "1"),
            ("made_by", "agent"),
            ("nr_requests", "1023"),
            ("ramdisk", "null_blk"),
            ("scheduler", "mq-deadline"),
            ("size", "1GiB"),
        ]);
        assert_eq!((facts.direct, facts.io_poll), (Some(false), Some(Setting(true))));
        assert_eq!((facts.cache, facts.cached_share), (Some(Cache::Cold), Some(CachedShare::Known(3))));
        assert_eq!((facts.size, facts.made_by), (Some(ByteSize(1 << 30)), Some(MadeBy::Agent)));
        assert_eq!(facts.file_system, Some(FileSystem::Other("ext4".into())));
        assert_eq!(facts.device.unwrap().name.as_deref(), Some("nvme0n1"));
        assert!(facts.scheduler.unwrap().heeds_priority());
        assert_eq!(facts.ramdisk, Some(RamdiskKind::NullBlk));
        let Some(Interrupts::Lines(lines)) = facts.interrupts else { panic!("no lines") };
        assert_eq!((lines.len(), lines[1].number, lines[1].name.as_str()), (2, 37, "nvme0q2"));
        assert_eq!(facts.other.keys().collect::<Vec<_>>(), ["anonymous", "nr_requests"]);
    }

    #[test]
    fn text_that_does_not_parse_is_kept() {
        let texts = [
            ("cached_share", "99.30%"),
            ("device", "259:1 nvme0n1 / 259:2 nvme1n1"),
            ("direct", "no / yes"),
            ("file_system", "ext4 / xfs"),
            ("interrupts", "not told: an older release"),
            ("io_poll", "2"),
            ("scheduler", "none / bfq"),
            ("size", "1024MiB"),
        ];
        let facts = read(&texts);
        assert_eq!(facts.other.len(), texts.len(), "{facts:?}");
        assert!(!facts.is_cached() && !facts.reaches_device());
    }

    #[test]
    fn devices_and_interrupts_need_not_exist() {
        let facts =
            read(&[("device", "0:25 (no block device)"), ("interrupts", "unavailable: no block device")]);
        assert_eq!(facts.device, Some(Device { major: 0, minor: 25, name: None }));
        assert_eq!(facts.interrupts, Some(Interrupts::Unavailable("no block device".into())));
        let shared = read(&[("interrupts", "16 ehci_hcd:usb1, ahci, 17 snd")]).interrupts;
        let Some(Interrupts::Lines(lines)) = shared else { panic!("no lines") };
        assert_eq!(lines[0].name, "ehci_hcd:usb1, ahci");
    }

    #[test]
    fn only_the_whole_is_a_hundred_percent() {
        let text = |share| CachedShare::of(share).to_string();
        assert_eq!([text(1.0), text(0.999_99), text(0.5), text(0.0)], ["100.0%", "99.9%", "50.0%", "0.0%"]);
    }

    #[test]
    fn files_in_memory_are_recognised() {
        assert!(read(&[("file_system", "tmpfs")]).is_memory_file());
        assert!(read(&[("ramdisk", "tmpfs")]).is_memory_file());
        assert!(!read(&[("file_system", "ext4"), ("ramdisk", "zram")]).is_memory_file());
    }

    #[test]
    fn later_facts_replace_earlier_ones() {
        let mut facts = read(&[("direct", "no"), ("size", "1GiB"), ("model", "a")]);
        facts.extend(read(&[("direct", "yes"), ("model", "b")]));
        assert_eq!((facts.direct, facts.size), (Some(true), Some(ByteSize(1 << 30))));
        assert_eq!(facts.other["model"], "b");
    }
}
