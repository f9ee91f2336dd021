//! The memory that a worker reads into and writes from: one page-aligned mapping with a block for each slot.

use std::{io, ptr::NonNull};

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// The blocks of one worker, each aligned to its size or to a page, whichever is smaller. The mapping ends on drop.
pub struct Buffers {
    base: NonNull<u8>,
    len: usize,
    block: usize,
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
        let len = (slots as usize * block).next_multiple_of(rustix::param::page_size());
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
        let mut buffers = Self { base, len, block };
        if len >= 2 << 20 {
            // Huge pages need fewer TLB entries. This is advice only, so a refusal is ignored.
            // SAFETY: the range is the mapping just made.
            let _ = unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxHugepage) };
        }
        Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(buffers.as_mut_slice());
        Ok(buffers)
    }

    /// The address of a slot's block.
    #[inline]
    pub fn slot(&self, slot: u32) -> *mut u8 {
        debug_assert!((slot as usize + 1) * self.block <= self.len);
        self.base.as_ptr().wrapping_add(slot as usize * self.block)
    }

    /// The size of one block in bytes.
    #[inline]
    pub fn block(&self) -> usize {
        self.block
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
    use super::*;

    #[test]
    fn blocks_are_aligned_and_hold_data() {
        let mut buffers = Buffers::new(3, 4096, 7).unwrap();
        assert!((0..3).all(|slot| buffers.slot(slot).addr().is_multiple_of(4096)));
        let zeros = buffers.as_mut_slice().iter().filter(|byte| **byte == 0).count();
        assert!(zeros < 12288 / 64, "{zeros} zero bytes of 12288 are too many for random data");
    }
}
