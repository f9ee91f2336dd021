//! Warnings about the results of a trial.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::ByteSize;

/// Bytes of a sector, the unit of verification.
const SECTOR: u64 = 512;

/// A sector that does not hold what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Offset of the sector in the target, in bytes.
    pub offset: u64,
    /// Offset of its block, in bytes.
    pub block: u64,
    /// Size of that block, in bytes.
    pub unit: u64,
    /// The sequence number last written there.
    pub expected: u32,
    /// The contents found.
    pub found: Found,
}

/// The contents of a faulty sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// A sector whose checksum does not match.
    Damaged,
    /// Only zeros.
    Zeros,
    /// An intact sector of another offset.
    Misplaced {
        /// Its offset, in bytes.
        from: u64,
    },
    /// An intact sector of this place, from another write with this sequence number.
    Sequence(u32),
    /// An intact sector of another trial.
    OtherTrial,
    /// Nothing: reading back failed with this errno, or reached the end of the target (0).
    Unreadable(i32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = self.offset - self.block.min(self.offset);
        write!(
            f,
            "at offset {} (bytes {within} to {} of block {} of {}) ",
            self.offset,
            within.saturating_add(SECTOR - 1),
            self.block / self.unit.max(1),
            ByteSize(self.unit)
        )?;
        let expected = self.expected;
        match self.found {
            Found::Damaged => {
                write!(f, "the checksum does not match: some bytes changed; sequence {expected} was written")
            }
            Found::Zeros => write!(f, "there are only zeros; sequence {expected} was written"),
            Found::Misplaced { from } => {
                write!(f, "there is data written at offset {from}; sequence {expected} was written here")
            }
            Found::Sequence(found) => {
                write!(f, "sequence {found} was found, but {expected} was written last")
            }
            Found::OtherTrial => {
                write!(f, "there is data of another trial; sequence {expected} was written")
            }
            Found::Unreadable(0) => write!(f, "the target ends; sequence {expected} was written"),
            Found::Unreadable(errno) => {
                write!(f, "reading back failed: {}", std::io::Error::from_raw_os_error(errno))
            }
        }
    }
}

crate::notices! {
    /// Warnings about the results of a trial.
    #[derive(Eq)]
    pub enum ResultWarning {
        /// The kernel may have separated linked syncs from their writes.
        "links-parted" LinksParted {
            /// Batches of which it took only a part.
            times: u64,
        }
        message: format!(
            "the kernel took only a part of a batch {times} times; a sync separated from its write in this way did not \
             wait for it, and does not measure a durable write"
        ),
        remedy: else =>
            "check `errors` of the trial and the host's free memory (the kernel takes less when memory is short), or \
             use `link_sync: false`",
        weight: *times as f64,

        /// Verification found sectors that do not hold what was written.
        "verify-failed" VerifyFailed {
            /// The trial.
            trial: String,
            /// Sectors checked.
            sectors: u64,
            /// Sectors that do not hold what was written.
            failures: u64,
            /// The first of them.
            first: Vec<Fault>,
        }
        let details = first.iter().map(Fault::to_string).collect::<Vec<_>>();
        message: format!(
            "{failures} of {sectors} sectors checked in trial {trial} did not hold what was written; {}",
            details.join("; ")
        ),
        remedy: else =>
            "do not trust this target: check the kernel's log (dmesg), the device (smartctl), its cabling and the \
             memory, and who else writes to it",
        weight: *failures as f64,
    }
}
