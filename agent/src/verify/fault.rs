//! What was found where something else was written.

use std::fmt;

use proto::{
    counters::Counters as _,
    outcome::{Verified, Warning},
    units::ByteSize,
};

use super::codec::SECTOR;

/// Faults that are told one by one; more are counted.
const TOLD: usize = 4;

/// A sector that does not hold what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of the sector in the target, in bytes.
    pub offset: u64,
    /// Of the block that it is in.
    pub block: u64,
    /// Bytes of that block.
    pub unit: u64,
    /// The sequence that was written there last.
    pub expected: u32,
    /// What was found.
    pub found: Found,
}

/// What was found instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The checksum is not that of the sector.
    Damaged,
    /// Nothing but zeros.
    Zeros,
    /// A sound sector of another place.
    Misplaced {
        /// Where it belongs.
        from: u64,
    },
    /// A sound sector of this place, from another write.
    Sequence(u32),
    /// A sound sector of another trial.
    OtherTrial,
    /// Nothing: reading back failed by this errno, or came to an end (0).
    Unreadable(i32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = self.offset - self.block;
        write!(
            f,
            "at offset {} (bytes {within} to {} of block {} of {}) ",
            self.offset,
            within + SECTOR as u64 - 1,
            self.block / self.unit.max(1),
            ByteSize(self.unit)
        )?;
        let expected = self.expected;
        match self.found {
            Found::Damaged => {
                write!(f, "the checksum does not match: some bytes changed; sequence {expected} was written")
            }
            Found::Zeros => write!(f, "there are zeros; sequence {expected} was written"),
            Found::Misplaced { from } => {
                write!(f, "there is what was written at offset {from}; sequence {expected} was written here")
            }
            Found::Sequence(found) => write!(f, "sequence {found} was found and {expected} was written last"),
            Found::OtherTrial => {
                write!(f, "there is what another trial wrote; sequence {expected} was written")
            }
            Found::Unreadable(0) => write!(f, "the target ends; sequence {expected} was written"),
            Found::Unreadable(errno) => {
                write!(f, "reading back failed: {}", std::io::Error::from_raw_os_error(errno))
            }
        }
    }
}

/// What came of checking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sectors that were checked, and those that failed.
    pub counts: Verified,
    /// The first failures.
    pub first: Vec<Fault>,
}

impl Outcome {
    /// Nothing checked yet, with room for what is told.
    pub(super) fn new() -> Self {
        Self { first: Vec::with_capacity(TOLD), ..Self::default() }
    }

    #[cold]
    pub(super) fn fail(&mut self, fault: Fault) {
        self.counts.failures += 1;
        if self.first.len() < TOLD {
            self.first.push(fault);
        }
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        let room = TOLD - self.first.len().min(TOLD);
        self.first.extend(other.first.iter().take(room));
    }

    /// What the reader must know of it, if something was found.
    #[must_use]
    pub fn warning(&self, trial: &str) -> Option<Warning> {
        let told: Vec<String> = self.first.iter().map(ToString::to_string).collect();
        (self.counts.failures > 0).then(|| {
            Warning::new(
                "verify-failed",
                format!(
                    "{} of {} sectors checked in trial {trial} did not hold what was written; {}",
                    self.counts.failures,
                    self.counts.sectors,
                    told.join("; ")
                ),
                "do not trust this target: look at the kernel's log (dmesg), the device (smartctl), its cabling and \
                 the memory, and at who else writes to it",
            )
        })
    }
}
