//! Check that a trial's workers fit into memory. It runs before they allocate, because the kernel overcommits memory
//! and would kill the process later.

use proto::{
    histogram,
    refusal::{AgentLimit, MemoryFailure, Refusal, SessionRefusal, WorkerRefusal},
    trial::{Arrival, Trial},
    units::ByteSize,
};

use super::{
    pacer,
    recorder::{Recorded, spares},
};
use crate::{buffers::Buffers, target::memory_available, workload::Ops};

/// Memory of a worker for other purposes: stack, ring, counts by errno.
const BESIDES: u64 = 256 << 10;

/// Refuses a trial whose workers need more memory than is allowed or available, on a target of `size` bytes.
///
/// # Errors
/// `no-memory`, `agent-limit`.
pub fn check(trial: &Trial, size: u64, limit: ByteSize) -> Result<(), Refusal> {
    let needed = needed(trial).saturating_add(ledgers(trial, size));
    if needed > limit.0 {
        let limit = AgentLimit::TrialMemory { asked: ByteSize(needed), limit };
        return Err(SessionRefusal::AgentLimit { limit }.into());
    }
    match memory_available() {
        Some(available) if needed > available => {
            let failure = MemoryFailure::Available {
                workers: trial.workers(),
                depth: trial.depth_per_worker(),
                block: trial.workload.block_size.largest(),
                needed: ByteSize(needed),
                available: ByteSize(available),
            };
            Err(WorkerRefusal::NoMemory { failure }.into())
        }
        _ => Ok(()),
    }
}

/// Memory for the number of writes to each block, which verification counts.
fn ledgers(trial: &Trial, size: u64) -> u64 {
    let work = &trial.workload;
    if work.verify { size / work.block_size.unit().0.max(1) * size_of::<u32>() as u64 } else { 0 }
}

/// Whether each write of a trial sends other data. Verification writes contents of its own.
pub(super) fn varies(trial: &Trial) -> bool {
    trial.workload.writes() && !trial.workload.verify && trial.engine.kind.moves_data()
}

/// Buffers, histograms and tables of all workers, in bytes.
fn needed(trial: &Trial) -> u64 {
    let (work, workers) = (&trial.workload, trial.workers());
    let depth = trial.depth_per_worker();
    let of_lane = |lane| Buffers::needed(depth, trial.largest_block(lane).0 as usize, varies(trial)) as u64;
    let buffers: u64 = trial.engine.lanes_with_rings().iter().map(|lane| of_lane(*lane)).sum();
    let slices = 1 + spares(workers) as u64;
    let histograms =
        slices * Recorded::of(trial).count() as u64 * histogram::empty::<u32>().distinct_values() as u64;
    let gaps = match work.rate {
        Some(rate) if rate.arrival == Arrival::Poisson => pacer::drawn(workers),
        _ => 0,
    };
    let tables = (Ops::table_len(workers) + gaps) as u64 * size_of::<u64>() as u64;
    u64::from(workers) * (buffers + histograms * size_of::<u32>() as u64 + tables + BESIDES)
}

#[cfg(test)]
mod tests {
    use proto::{
        trial::{Concurrency, Engine, EngineKind, FileTarget, Measure, QueueOptions, Rate, Target, Workload},
        units::ByteSize,
    };

    use super::*;

    #[test]
    fn estimates_the_memory_of_many_workers() {
        let mut trial = Trial {
            id: "t".into(),
            seed: 1,
            target: Target::File(FileTarget::new(ByteSize(1 << 30), true)),
            workload: Workload::default(),
            engine: Engine::new(EngineKind::Psync),
            measure: Measure::Timed,
        };
        // Four histograms of 108 KiB and a table of 8 MiB.
        assert!((8 << 20..9 << 20).contains(&needed(&trial)), "{}", needed(&trial));
        assert_eq!(ledgers(&trial, 1 << 30), 0);
        trial.workload.verify = true;
        assert_eq!(ledgers(&trial, 1 << 30), 1 << 20, "4 bytes for each of 4 KiB");
        trial.engine = Engine {
            queue: QueueOptions { depth: 1024, concurrency: Concurrency::Threads, ..trial.engine.queue },
            ..trial.engine
        };
        trial.workload.read_percent = 50;
        trial.workload.rate = Some(Rate { per_second: 1, arrival: Arrival::Poisson });
        // Eight histograms each, tables of 32 KiB and 64 KiB.
        assert!((1 << 30..3 << 29).contains(&needed(&trial)), "{}", needed(&trial));
        let refusal = check(&trial, 1 << 30, ByteSize(1 << 30)).unwrap_err();
        assert_eq!(refusal.code(), "agent-limit");
        assert!(refusal.remedy().contains("--max-trial-memory"), "{}", refusal.remedy());
    }
}
