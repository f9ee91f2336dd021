//! A worker's record of its share of the target: how often each block was written, and whether a request for it is in
//! flight.

use std::ops::Range;

use super::{
    codec::{self, SECTOR, Stamp},
    fault::{Fault, Found, Outcome},
};
use crate::workload::Op;

/// A request for the block is in flight.
const BUSY: u32 = 1 << 31;
/// The last write of the block failed: the block may contain that write, any earlier one, or a mixture.
const UNSURE: u32 = 1 << 30;
/// Number of writes of the block. Wraps after about 10^9.
const SEQUENCE: u32 = UNSURE - 1;

/// The blocks of one worker's share. The size of a block is the largest that divides the size of every operation.
///
/// No other worker writes there, and no block has two requests in flight, so the expected contents of each read are
/// known.
pub struct Ledger {
    mark: u64,
    begin: u64,
    unit: u64,
    blocks: Box<[u32]>,
}

impl Ledger {
    /// Creates the record of a share that has just been filled.
    pub fn new(mark: u64, share: &Range<u64>, unit: u64) -> Self {
        let unit = unit.max(1);
        let blocks = ((share.end - share.start) / unit) as usize;
        Self { mark, begin: share.start, unit, blocks: vec![0; blocks].into() }
    }

    fn range(&self, op: Op) -> Range<usize> {
        let first = ((op.offset - self.begin) / self.unit) as usize;
        first..first + (u64::from(op.len) / self.unit) as usize
    }

    /// Whether a request for any block of the operation is in flight.
    pub fn busy(&self, op: Op) -> bool {
        self.blocks[self.range(op)].iter().any(|block| block & BUSY != 0)
    }

    /// Marks the operation as in flight. Counts a write, and stamps its data.
    pub fn begin(&mut self, op: Op, data: &mut [u8]) {
        let (range, writes) = (self.range(op), op.kind.writes());
        for block in &mut self.blocks[range] {
            let sequence = if writes { (*block + 1) & SEQUENCE } else { *block & SEQUENCE };
            *block = BUSY | (*block & UNSURE) | sequence;
        }
        if writes {
            for (i, sector) in data.chunks_exact_mut(SECTOR).enumerate() {
                let offset = op.offset + (i * SECTOR) as u64;
                let sequence = self.at(offset) & SEQUENCE;
                codec::write(sector, Stamp { mark: self.mark, offset, sequence });
            }
        }
    }

    /// Records that a write has completed; `whole`: without an error and in full length.
    pub fn written(&mut self, op: Op, whole: bool) {
        let range = self.range(op);
        for block in &mut self.blocks[range] {
            *block = (*block & SEQUENCE) | if whole { 0 } else { UNSURE };
        }
    }

    /// Checks a completed read. `data`: its data, if it succeeded in full length.
    pub fn read(&mut self, op: Op, data: Option<&[u8]>, outcome: &mut Outcome) {
        if let Some(data) = data {
            self.check(op.offset..op.offset + u64::from(op.len), data, outcome);
        }
        let range = self.range(op);
        self.blocks[range].iter_mut().for_each(|block| *block &= !BUSY);
    }

    fn at(&self, offset: u64) -> u32 {
        self.blocks[((offset - self.begin) / self.unit) as usize]
    }

    /// Compares the data read from a range with the expected contents.
    pub fn check(&self, range: Range<u64>, data: &[u8], outcome: &mut Outcome) {
        for (i, sector) in data.chunks_exact(SECTOR).enumerate() {
            let offset = range.start + (i * SECTOR) as u64;
            outcome.counts.sectors += 1;
            if let Some(found) = self.fault(offset, sector) {
                self.fail(offset, found, outcome);
            }
        }
    }

    /// Records a fault with its location.
    pub fn fail(&self, offset: u64, found: Found, outcome: &mut Outcome) {
        let block = self.begin + (offset - self.begin) / self.unit * self.unit;
        outcome.fail(Fault { offset, block, unit: self.unit, expected: self.at(offset) & SEQUENCE, found });
    }

    fn fault(&self, offset: u64, sector: &[u8]) -> Option<Found> {
        let block = self.at(offset);
        let (expected, unsure) = (block & SEQUENCE, block & UNSURE != 0);
        let found = match codec::read(sector) {
            // The contents after a failed write are undefined.
            None if unsure => return None,
            None if sector.iter().all(|byte| *byte == 0) => Found::Zeros,
            None => Found::Damaged,
            Some(stamp) if stamp.mark != self.mark => Found::OtherTrial,
            Some(stamp) if stamp.offset != offset => Found::Misplaced { from: stamp.offset },
            Some(stamp) if stamp.sequence == expected || (unsure && stamp.sequence < expected) => {
                return None;
            }
            Some(stamp) => Found::Sequence(stamp.sequence),
        };
        Some(found)
    }

    /// The share, in bytes of the target.
    pub fn share(&self) -> Range<u64> {
        self.begin..self.begin + self.blocks.len() as u64 * self.unit
    }

    /// Size of a block in bytes.
    pub fn unit(&self) -> u64 {
        self.unit
    }
}
