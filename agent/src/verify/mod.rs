//! Verification: writes stamp every sector, reads are compared with the expected stamps, and at the end the whole
//! target is read back.
//!
//! Each worker uses its own share and never has two requests for a block in flight, so every read has one correct
//! result. Verification is a [`Source`], so the loop of other trials is compiled without it.

pub mod codec;
mod fault;
mod ledger;
#[cfg(test)]
mod tests;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    os::fd::AsFd,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use proto::{outcome::Lane, trial::Trial};
use rustix::io::Errno;

pub use self::fault::{Fault, Found, Outcome};
use self::{codec::SECTOR, ledger::Ledger};
use crate::{
    buffers::{Blocks, Buffers},
    slot::{Completion, Slot},
    source::{Source, Turn},
    workload::{Op, OpKind, Ops, share},
};

/// Size of one request when reading back, in bytes, unless blocks are larger.
const CHUNK: u64 = 1 << 20;

/// A number that distinguishes a trial's data from that of other trials.
#[must_use]
pub fn mark(trial: &Trial) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&trial.id, trial.seed).hash(&mut hasher);
    hasher.finish()
}

/// Source of one worker's operations that stamps writes and checks reads.
pub struct Verified {
    operations: Ops,
    blocks: Blocks,
    ledger: Ledger,
    /// The next operation.
    next: Op,
    /// Operations in flight, by slot.
    in_flight: Box<[Op]>,
    outcome: Outcome,
}

impl Verified {
    /// Creates the source of worker `worker` on a target of `size` bytes that has been filled for this trial.
    ///
    /// # Safety
    /// `blocks` are those of the engine that serves the operations; they stay mapped as long as the value is used
    /// as its source.
    #[must_use]
    pub unsafe fn new(trial: &Trial, size: u64, worker: u32, mut operations: Ops, blocks: Blocks) -> Self {
        let sizes = &trial.workload.block_size;
        let own = share(sizes, size, worker, trial.workers());
        let next = operations.next_op();
        Self {
            next,
            in_flight: vec![next; trial.depth_per_worker() as usize].into(),
            operations,
            blocks,
            ledger: Ledger::new(mark(trial), &own, sizes.unit().0),
            outcome: Outcome::new(),
        }
    }

    /// Reads the whole share back and returns the outcome of all checks. `stop` ends this early; the result is then
    /// `None` unless a fault was found. `done` grows by the number of bytes read.
    #[must_use]
    pub fn read_back(mut self, file: impl AsFd, stop: &AtomicBool, done: &AtomicU64) -> Option<Outcome> {
        let unit = self.ledger.unit();
        let chunk = (CHUNK / unit).max(1) * unit;
        let share = self.ledger.share();
        let Ok(buffers) = Buffers::new(1, chunk as usize, 0) else {
            self.ledger.fail(share.start, Found::Unreadable(libc::ENOMEM), &mut self.outcome);
            return Some(self.outcome);
        };
        let mut at = share.start;
        while at < share.end && !stop.load(Ordering::Relaxed) {
            let len = chunk.min(share.end - at) as u32;
            // SAFETY: the buffer has one slot of `chunk` bytes, outlives this loop, and has no other user.
            let data = unsafe { buffers.blocks().bytes(0, len) };
            let (read, end) = read_whole(&file, data, at);
            self.ledger.check(at..at + read as u64, &data[..read], &mut self.outcome);
            if let Some(errno) = end {
                let from = at + (read / SECTOR * SECTOR) as u64;
                for sector in (from..at + u64::from(len)).step_by(SECTOR) {
                    self.outcome.counts.sectors += 1;
                    self.ledger.fail(sector, Found::Unreadable(errno), &mut self.outcome);
                }
            }
            at += u64::from(len);
            done.fetch_add(u64::from(len), Ordering::Relaxed);
        }
        (at >= share.end || self.outcome.counts.failures > 0).then_some(self.outcome)
    }
}

/// Reads until the buffer is full. Returns the number of bytes, and the reason for a short read: an errno, or 0 at the
/// end of the target.
fn read_whole(file: &impl AsFd, room: &mut [u8], at: u64) -> (usize, Option<i32>) {
    let mut done = 0;
    while done < room.len() {
        match rustix::io::pread(file, &mut room[done..], at + done as u64) {
            Ok(0) => return (done, Some(0)),
            Ok(more) => done += more,
            Err(Errno::INTR) => {}
            Err(errno) => return (done, Some(errno.raw_os_error())),
        }
    }
    (done, None)
}

impl Source for Verified {
    fn turn(&mut self) -> Turn {
        // Operations stay in order: if one has to wait for its blocks, all later ones wait too.
        if self.ledger.busy(self.next) { Turn::Held } else { Turn::Operation }
    }

    fn next_writes(&mut self) -> bool {
        self.next.kind.writes()
    }

    fn take(&mut self, slot: Slot) -> Op {
        let op = std::mem::replace(&mut self.next, self.operations.next_op());
        // SAFETY: the slot is free, so nothing else uses its block; the engine keeps it mapped, as `new` requires.
        let data = unsafe { self.blocks.bytes(slot, op.len) };
        self.ledger.begin(op, data);
        self.in_flight[slot as usize] = op;
        op
    }

    fn done(&mut self, completion: Completion, kind: OpKind, _: Lane) {
        if matches!(kind, OpKind::Fsync | OpKind::Fdatasync) {
            return;
        }
        let op = self.in_flight[completion.slot as usize];
        let whole = completion.result == op.whole();
        if op.kind.writes() {
            self.ledger.written(op, whole);
            return;
        }
        // SAFETY: the request has completed, so nothing else uses its block; the engine keeps it mapped.
        let data = whole.then(|| &*unsafe { self.blocks.bytes(completion.slot, op.len) });
        self.ledger.read(op, data, &mut self.outcome);
    }
}
