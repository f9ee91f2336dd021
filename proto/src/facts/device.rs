//! Facts about the device below the target: its numbers and its scheduler.

use std::fmt;

use super::Fact;

/// A device by its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The driver's number.
    pub major: u32,
    /// The number within the driver.
    pub minor: u32,
    /// The name, such as `nvme0n1p2`; absent if the numbers are not those of a block device.
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
    /// No scheduling.
    None,
    /// By deadline; respects the I/O priority of requests.
    MqDeadline,
    /// By budget; respects the I/O priority of requests.
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

    /// Whether it respects the I/O priority of requests.
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
