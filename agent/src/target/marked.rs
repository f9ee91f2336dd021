//! Fills a target with verifiable contents, which a trial's reads find before its first writes.

use std::{os::fd::AsFd as _, sync::atomic::AtomicBool};

use proto::refusal::{Refusal, TargetStep};
use rand_core::{RngCore as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::{
    fs::fdatasync,
    io::{Errno, pwrite},
};

use super::{PROGRESS_STEP, Prepared, Progress, cache, check_cancelled, failed};
use crate::verify::codec::{self, SECTOR, Stamp};

/// Size of one write, in bytes.
const CHUNK: usize = 1 << 20;

impl Prepared {
    /// Stamps every whole sector with this mark and sequence 0.
    ///
    /// # Errors
    /// `target-failed` if a write fails; `cancelled`.
    pub fn fill_marked(
        &self,
        mark: u64,
        progress: Progress<'_>,
        cancelled: &AtomicBool,
    ) -> Result<(), Refusal> {
        let size = self.size / SECTOR as u64 * SECTOR as u64;
        let mut tile = vec![0u8; CHUNK];
        Xoshiro256PlusPlus::seed_from_u64(mark).fill_bytes(&mut tile);
        let failed = |errno| failed(TargetStep::FillMarked, errno);
        let (mut offset, mut reported) = (0, 0);
        progress("filling for verification", 0, size);
        while offset < size {
            check_cancelled(cancelled)?;
            let len = (CHUNK as u64).min(size - offset) as usize;
            for (i, sector) in tile[..len].chunks_exact_mut(SECTOR).enumerate() {
                let place = offset + (i * SECTOR) as u64;
                codec::write(sector, Stamp { mark, offset: place, sequence: 0 });
            }
            let mut done = 0;
            while done < len {
                match pwrite(&self.file, &tile[done..len], offset + done as u64) {
                    Ok(0) => return Err(failed(Errno::NOSPC)),
                    Ok(more) => done += more,
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(failed(errno)),
                }
            }
            offset += len as u64;
            if offset - reported >= PROGRESS_STEP {
                reported = offset;
                progress("filling for verification", offset, size);
            }
        }
        fdatasync(&self.file).map_err(failed)?;
        if self.direct {
            cache::drop_cached(self.file.as_fd(), self.size);
        }
        Ok(())
    }
}
