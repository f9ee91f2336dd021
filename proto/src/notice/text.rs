//! Facts as text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::ByteSize;

/// CPU numbers; printed as the kernel prints them: `0-3,8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuList(pub Vec<u32>);

impl FromIterator<u32> for CpuList {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for &cpu in &self.0 {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
                _ => runs.push((cpu, cpu)),
            }
        }
        for (index, (first, last)) in runs.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// `1 worker`, `2 workers`.
#[must_use]
pub fn plural(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A size for a message: short rather than exact.
#[must_use]
pub fn rough(size: ByteSize) -> String {
    const MIB: f64 = (1u64 << 20) as f64;
    match size.0 {
        0..1_048_576 => size.to_string(),
        1_048_576..10_737_418_240 => format!("{:.0} MiB", size.0 as f64 / MIB),
        _ => format!("{:.1} GiB", size.0 as f64 / MIB / 1024.0),
    }
}
