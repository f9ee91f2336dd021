//! Completes every request at once, without I/O: what remains is the overhead of Ringbench itself.

use std::io;

use super::{Completion, Counts, Engine, Slot};
use crate::workload::Op;

/// The engine `null`.
pub struct Null {
    queued: Vec<Slot>,
    submitted: u64,
}

impl Null {
    /// With room for `depth` requests.
    #[must_use]
    pub fn new(depth: u32) -> Self {
        Self { queued: Vec::with_capacity(depth as usize), submitted: 0 }
    }
}

impl Engine for Null {
    fn moves_data(&self) -> bool {
        false
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        // Reads the offset, as every engine would, so that fetching it is part of the measurement.
        self.queued.extend(requests.map(|(slot, op)| {
            std::hint::black_box(op.offset);
            slot
        }));
    }

    #[inline]
    fn commit(&mut self, _wait: u32) -> io::Result<u32> {
        self.submitted += self.queued.len() as u64;
        Ok(self.queued.len() as u32)
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        self.queued.drain(..).for_each(|slot| each(Completion { slot, result: 0 }));
    }

    fn counts(&self) -> Counts {
        Counts { submitted: self.submitted, ..Counts::default() }
    }
}
