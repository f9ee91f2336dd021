//! The memory that a worker reads into and writes from: one page-aligned mapping with a block for each slot.

use std::{cell::Cell, io, ops::Range, ptr::NonNull};

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::{
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap},
    param::page_size,
};

use crate::workload::Op;

/// Bytes after which the written data of a worker may repeat, apart from its stamps. More than file systems
/// compress as one piece (btrfs: 128 KiB), and little enough to stay in a CPU's cache.
const VARIETY: usize = 256 << 10;
/// The distance between stamps in written data, in bytes: the usual unit of deduplication. Stamping each sector would
/// cost three times as much.
const STAMPED: usize = 4096;
/// The size of a sector in bytes.
const SECTOR: usize = 512;
/// The golden section of 2^64, whose multiples have few bits in common.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The blocks of one worker, each aligned to its size or to a page, whichever is smaller. The mapping ends on drop.
pub struct Buffers {
    base: NonNull<u8>,
    len: usize,
    block: usize,
    /// How writes find their data; `None` if they send the slot's block as it is.
    varied: Option<Varied>,
}

/// The blocks that slots use. A write exchanges its slot's block for the spare one that was used longest ago.
struct Varied {
    /// The block of each slot.
    owned: Box<[Cell<u32>]>,
    /// Blocks of no slot, in a circle.
    spare: Box<[Cell<u32>]>,
    /// The spare block that was used longest ago.
    oldest: Cell<usize>,
    /// Stamps so far.
    stamps: Cell<u64>,
    /// Bits of an offset that select the part of a block that a shorter write sends.
    part: u64,
}

/// The number of spare blocks that varied data needs beside those of the slots.
fn spares(slots: u32, block: usize) -> u32 {
    if slots as usize * block < VARIETY { VARIETY.div_ceil(block) as u32 } else { 0 }
}

impl Varied {
    fn new(slots: u32, block: usize) -> Self {
        let cells = |blocks: Range<u32>| blocks.map(Cell::new).collect();
        Self {
            owned: cells(0..slots),
            spare: cells(slots..slots + spares(slots, block)),
            oldest: Cell::new(0),
            stamps: Cell::new(0),
            part: (1 << block.ilog2()) - 1,
        }
    }

    /// Exchanges the block of a slot and returns the new one.
    #[inline]
    fn exchange(&self, slot: u32) -> u32 {
        let oldest = self.oldest.get();
        let owned = &self.owned[slot as usize];
        if let Some(spare) = self.spare.get(oldest) {
            owned.swap(spare);
            self.oldest.set(if oldest + 1 == self.spare.len() { 0 } else { oldest + 1 });
        }
        owned.get()
    }
}

// SAFETY: the mapping is private to this value and is not tied to the thread that created it.
unsafe impl Send for Buffers {}

impl Buffers {
    /// Maps `slots` blocks of `block` bytes and fills them with random data, so that the trial meets neither page
    /// faults nor pages of zeros.
    ///
    /// # Errors
    /// When the memory cannot be mapped.
    pub fn new(slots: u32, block: usize, seed: u64) -> io::Result<Self> {
        Self::map(slots, block, seed, None)
    }

    /// Maps blocks whose writes differ from each other, as [`Buffers::of`] describes. `compressible`: the percentage of
    /// zeros in each sector.
    ///
    /// # Errors
    /// When the memory cannot be mapped.
    pub fn varied(slots: u32, block: usize, seed: u64, compressible: u32) -> io::Result<Self> {
        let varied = Some(Varied::new(slots, block));
        let mut buffers = Self::map(slots + spares(slots, block), block, seed, varied)?;
        let random = SECTOR - SECTOR * compressible.min(100) as usize / 100;
        for sector in buffers.as_mut_slice().chunks_exact_mut(SECTOR) {
            sector[random..].fill(0);
        }
        Ok(buffers)
    }

    /// Bytes of memory for so many slots.
    #[must_use]
    pub fn needed(slots: u32, block: usize, varied: bool) -> usize {
        (slots + if varied { spares(slots, block) } else { 0 }) as usize * block
    }

    fn map(blocks: u32, block: usize, seed: u64, varied: Option<Varied>) -> io::Result<Self> {
        let len = (blocks as usize * block).next_multiple_of(page_size());
        // SAFETY: an anonymous mapping at an address that the kernel chooses touches nothing that exists.
        let base = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut buffers = Self { base, len, block, varied };
        if len >= 2 << 20 {
            // Huge pages need fewer TLB entries. This is advice only, so a refusal is ignored.
            // SAFETY: the range is the mapping just made.
            let _ = unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxHugepage) };
        }
        Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(buffers.as_mut_slice());
        Ok(buffers)
    }

    /// The address of a slot's block, unless the slots have varied data.
    #[inline]
    pub fn slot(&self, slot: u32) -> *mut u8 {
        debug_assert!((slot as usize + 1) * self.block <= self.len);
        self.base.as_ptr().wrapping_add(slot as usize * self.block)
    }

    /// The address of an operation's data. If the data is varied, a write gets data that no other write sends: blocks
    /// repeat so late that no file system compresses them, and each page gets a stamp that no page had before, so
    /// that it is not a duplicate.
    ///
    /// The slot must be free: the data belongs to the engine until the operation is reaped.
    #[inline]
    pub fn of(&self, slot: u32, op: Op) -> *mut u8 {
        match &self.varied {
            None => self.slot(slot),
            Some(varied) if op.kind.writes() => self.stamped(varied.exchange(slot), op, varied),
            Some(varied) => self.slot(varied.owned[slot as usize].get()),
        }
    }

    /// Stamps the part of a block that a write sends. Returns its address.
    #[inline]
    fn stamped(&self, block: u32, op: Op, varied: &Varied) -> *mut u8 {
        debug_assert!(op.len as usize <= self.block);
        let len = (op.len as usize).min(self.block);
        let part = (op.offset & varied.part) as usize;
        let data = self.slot(block).wrapping_add(if part + len <= self.block { part } else { 0 });
        let mut stamps = varied.stamps.get();
        // Data shorter than a stamp gets none.
        for at in (0..(len + 1).saturating_sub(size_of::<u64>())).step_by(STAMPED) {
            stamps = stamps.wrapping_add(1);
            // SAFETY: the data and its `len` bytes are within a block that belongs to the caller's slot.
            unsafe { data.add(at).cast::<u64>().write_unaligned(stamps.wrapping_mul(GOLDEN) ^ op.offset) };
        }
        varied.stamps.set(stamps);
        data
    }

    /// The size of one block in bytes.
    #[inline]
    pub fn block(&self) -> usize {
        self.block
    }

    /// All memory, if the slots exchange their blocks.
    #[must_use]
    pub fn whole(&self) -> Option<libc::iovec> {
        let spares = self.varied.as_ref().is_some_and(|varied| !varied.spare.is_empty());
        spares.then(|| libc::iovec { iov_base: self.base.as_ptr().cast(), iov_len: self.len })
    }

    /// The addresses of the blocks, for code that reads them while the engine owns them.
    #[must_use]
    pub fn blocks(&self) -> Blocks {
        Blocks { base: self.base, block: self.block }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: `base` and `len` are a live mapping owned by `self`, which is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value, and no address of it outlives its owner; engines that pass
        // addresses to the kernel own their buffers and are dropped only when nothing is in flight.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// The location of the blocks of [`Buffers`]. It does not keep them mapped.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    base: NonNull<u8>,
    block: usize,
}

// SAFETY: an address is tied to no thread; the caller of `bytes` answers for its use.
unsafe impl Send for Blocks {}

impl Blocks {
    /// The first `len` bytes of a slot's block, at most all of it.
    ///
    /// # Safety
    /// The slot must be one of the buffers', which must still be mapped; nothing else, the kernel included, may use its
    /// block while the slice lives.
    #[must_use]
    pub unsafe fn bytes<'a>(self, slot: u32, len: u32) -> &'a mut [u8] {
        let len = (len as usize).min(self.block);
        // SAFETY: the caller vouches for the slot and for exclusive access to it.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(slot as usize * self.block), len) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::workload::OpKind;

    /// The data of a write, as it is sent.
    fn sent(buffers: &Buffers, slot: u32, offset: u64, len: u32) -> Vec<u8> {
        let data = buffers.of(slot, Op::new(OpKind::Write, offset, len));
        // SAFETY: the data is within the slot's memory, and nothing else uses it.
        unsafe { std::slice::from_raw_parts(data, len as usize).to_vec() }
    }

    #[test]
    fn sequential_writes_neither_repeat_nor_compress() {
        for (slots, used, block) in [
            (1, 1, 4096),
            (1, 1, 24 << 10),
            (8, 8, 512),
            (8, 1, 4096),
            (63, 2, 4096),
            (256, 256, 4096),
            (1, 1, 1 << 20),
        ] {
            let buffers = Buffers::varied(slots, block, 7, 0).unwrap();
            let writes = (4 << 20) / block as u32;
            let mut stream = Vec::new();
            for write in 0..writes {
                let offset = u64::from(write) * block as u64;
                stream.extend(sent(&buffers, write % used, offset, block as u32));
            }
            // A compressor finds what repeats within its window.
            for piece in stream.chunks_exact(VARIETY / 2) {
                let words: HashSet<&[u8]> = piece.chunks_exact(8).collect();
                assert!(words.len() > VARIETY / 16 * 99 / 100, "{used} slots of {block}: {}", words.len());
            }
            let unit = STAMPED.min(block);
            let units: HashSet<&[u8]> = stream.chunks_exact(unit).collect();
            assert_eq!(units.len(), stream.len() / unit, "{used} slots of {block}: equal pages");
        }
    }

    #[test]
    fn no_two_slots_share_a_block() {
        let buffers = Buffers::varied(5, 4096, 7, 0).unwrap();
        for round in 0..1000u32 {
            // Operations in flight, in an order that changes.
            let kind =
                |slot: u32| if (slot + round).is_multiple_of(3) { OpKind::Read } else { OpKind::Write };
            let slots = (0..5).map(|slot| (slot * (round % 4 + 1)) % 5);
            let data: HashSet<_> =
                slots.map(|slot| buffers.of(slot, Op::new(kind(slot), 0, 4096)).addr()).collect();
            assert_eq!(data.len(), 5, "round {round}");
        }
    }

    #[test]
    fn writes_to_one_offset_differ() {
        let buffers = Buffers::varied(2, 4096, 7, 0).unwrap();
        let data: HashSet<Vec<u8>> = (0..10_000).map(|_| sent(&buffers, 1, 8192, 4096)).collect();
        assert_eq!(data.len(), 10_000);
    }

    #[test]
    fn small_writes_of_a_mixed_size_differ() {
        let buffers = Buffers::varied(1, 64 << 10, 7, 0).unwrap();
        let stream: Vec<u8> = (0..32).flat_map(|at| sent(&buffers, 0, at * 4096, 4096)).collect();
        let words: HashSet<&[u8]> = stream.chunks_exact(8).collect();
        assert_eq!(words.len(), stream.len() / 8);
        // An odd length ends within the block.
        sent(&buffers, 0, 60_000, 2300);
        sent(&buffers, 0, 0, 3);
    }

    #[test]
    fn a_part_of_each_sector_is_compressible() {
        for (percent, zeros) in [(0, 0), (50, 256), (100, 512 - 8)] {
            let buffers = Buffers::varied(1, 4096, 7, percent).unwrap();
            let data = sent(&buffers, 0, 0, 4096);
            let tail = data[..SECTOR].iter().rev().take_while(|byte| **byte == 0).count();
            assert!((zeros..zeros + 4).contains(&tail), "{percent} %: {tail} zeros at the end of a sector");
            assert_ne!(data, sent(&buffers, 0, 0, 4096), "still no duplicate");
        }
    }

    #[test]
    fn plain_data_is_sent_as_it_is() {
        let plain = Buffers::new(2, 4096, 7).unwrap();
        assert_eq!(
            plain.of(1, Op::new(OpKind::Write, 4096, 4096)),
            plain.slot(1),
            "as verification filled it"
        );
    }

    #[test]
    fn variety_takes_memory_only_at_low_depth() {
        assert_eq!(Buffers::needed(128, 4096, true), 128 * 4096);
        assert_eq!(Buffers::needed(1, 4096, true), VARIETY + 4096);
        assert_eq!(Buffers::needed(1, 4096, false), 4096);
        assert!((1..128).all(|slots| Buffers::needed(slots, 4096, true) <= 2 * VARIETY));
    }

    #[test]
    fn blocks_are_aligned_and_hold_data() {
        let mut buffers = Buffers::new(3, 4096, 7).unwrap();
        assert!((0..3).all(|slot| buffers.slot(slot).addr().is_multiple_of(4096)));
        let zeros = buffers.as_mut_slice().iter().filter(|byte| **byte == 0).count();
        assert!(zeros < 12288 / 64, "{zeros} zero bytes of 12288 are too many for random data");
    }
}
