//! Facts about the target's file: its file system, and its share in the page cache.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Fact;

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

/// A file system; those that code treats differently have a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// None: the target is a block device.
    BlockDevice,
    /// Memory, backed by swap.
    Tmpfs,
    /// Memory.
    Ramfs,
    /// Memory, in huge pages.
    Hugetlbfs,
    /// A file system with a cache beside the page cache.
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

    /// Whether its files are in memory.
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

impl Fact for FileSystem {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        // Hosts that disagree: `ext4 / xfs`.
        (!text.contains(" / ")).then(|| Self::named(text))
    }
}
