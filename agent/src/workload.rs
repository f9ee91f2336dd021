//! What each worker does, decided before it starts: a seeded table of offsets and directions, so that nothing
//! is generated in the hot path.

use proto::trial::{Pattern, Trial};
use rand_core::{RngCore, SeedableRng};
use rand_distr::{Distribution as _, Zipf};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Entries of all tables of a host together, at most: 64 MiB.
const TABLE_BUDGET: usize = 8 << 20;
/// Entries of one table, at most: at 1 M operations a second it repeats about once a second.
const TABLE_MOST: usize = 1 << 20;
/// Entries of one table, at least.
const TABLE_LEAST: usize = 1 << 12;

/// One operation: what, where, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// What is done.
    pub kind: OpKind,
    /// Byte offset in the target.
    pub offset: u64,
    /// Bytes, at most a block of the buffers.
    pub len: u32,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpKind {
    /// From the target into the slot's block.
    #[default]
    Read,
    /// From the slot's block into the target.
    Write,
}

impl Op {
    /// The result of one that did all that was asked.
    #[inline]
    #[must_use]
    pub fn whole(self) -> i32 {
        self.len as i32
    }
}

/// The endless sequence of one worker's operations.
pub struct Ops {
    /// Offset, a multiple of the sector size, with the direction in bit 0.
    table: Box<[u64]>,
    at: usize,
    /// Bytes of each.
    len: u32,
    /// Where offsets come from instead, if they follow one another.
    walk: Option<Walk>,
}

/// Block after block through a share of the target, round and round.
struct Walk {
    begin: u64,
    next: u64,
    end: u64,
    block: u64,
}

impl Ops {
    /// The operations of worker `worker` of `trial.workers()` on a target of `size` bytes.
    ///
    /// Random offsets are uniform over the whole blocks of the target, with repetition, by multiply and shift
    /// (Lemire 2019, without its rejection step: the bias is below 2^-32 for every size of target).
    /// Sequential ones walk the worker's own contiguous share.
    pub fn new(trial: &Trial, size: u64, worker: u32) -> Self {
        let work = &trial.workload;
        let workers = u64::from(trial.workers().max(1));
        let block = work.block_size.0;
        let blocks = (size / block).max(1);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(trial.seed);
        // Jumps are 2^128 numbers long: workers never share a stretch of the sequence.
        (0..worker).for_each(|_| rng.jump());
        let walk = (work.pattern == Pattern::Sequential).then(|| {
            let share = (blocks / workers).max(1);
            let begin = (u64::from(worker) * share % blocks) * block;
            Walk { begin, next: begin, end: begin + share * block, block }
        });
        let len = Self::table_len(trial.workers());
        let mut zipf = (work.pattern == Pattern::Zipf).then(|| Favourites::new(blocks, work.zipf_theta));
        let entry = |_| {
            let offset = match &mut zipf {
                None => below(rng.next_u64(), blocks) * block,
                Some(favourites) => favourites.draw(&mut rng) * block,
            };
            let write = below(rng.next_u64(), 100) >= u64::from(work.read_percent);
            offset | u64::from(write)
        };
        Self { table: (0..len).map(entry).collect(), at: 0, len: block as u32, walk }
    }

    /// Entries in the table of each of `workers` workers.
    #[must_use]
    pub fn table_len(workers: u32) -> usize {
        (TABLE_BUDGET / workers.max(1) as usize).clamp(TABLE_LEAST, TABLE_MOST)
    }

    /// The next operation.
    #[inline]
    pub fn next_op(&mut self) -> Op {
        let entry = self.table[self.at];
        self.at += 1;
        if self.at == self.table.len() {
            self.at = 0;
        }
        let offset = self.walk.as_mut().map_or(entry & !1, Walk::step);
        let kind = if entry & 1 == 1 { OpKind::Write } else { OpKind::Read };
        Op { kind, offset, len: self.len }
    }
}

impl Walk {
    #[inline]
    fn step(&mut self) -> u64 {
        let offset = self.next;
        self.next += self.block;
        if self.next == self.end {
            self.next = self.begin;
        }
        offset
    }
}

/// Blocks by Zipf's law.
struct Favourites {
    ranks: Zipf<f64>,
    blocks: u64,
    /// Takes neighbouring ranks to distant blocks. It has no divisor in common with the number of blocks, so
    /// that every block has one rank.
    step: u64,
}

impl Favourites {
    #[allow(clippy::expect_used, reason = "the exponent and the number of blocks are checked with the trial")]
    fn new(blocks: u64, theta: f64) -> Self {
        let ranks = Zipf::new(blocks as f64, theta).expect("at least one block, and a positive exponent");
        // Near the golden section of the target, where multiples lie farthest apart.
        let near = (blocks as f64 * 0.618) as u64;
        let step = (near.max(1)..).find(|step| gcd(*step, blocks) == 1).unwrap_or(1);
        Self { ranks, blocks, step }
    }

    fn draw(&mut self, rng: &mut Xoshiro256PlusPlus) -> u64 {
        let rank = (self.ranks.sample(rng) as u64).clamp(1, self.blocks);
        (u128::from(rank - 1) * u128::from(self.step) % u128::from(self.blocks)) as u64
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A number below `n` from 64 random bits.
fn below(random: u64, n: u64) -> u64 {
    ((u128::from(random) * u128::from(n)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::{
        trial::{Engine, EngineKind, FileTarget, Measure, Target, Workload},
        units::ByteSize,
    };

    use super::*;

    fn trial(pattern: Pattern, read_percent: u32, block: u64, threads: u32, seed: u64) -> Trial {
        Trial {
            id: "t".into(),
            seed,
            target: Target::File(FileTarget::new(ByteSize(1 << 20), true)),
            workload: Workload {
                pattern,
                read_percent,
                block_size: ByteSize(block),
                threads,
                ..Workload::default()
            },
            engine: Engine::new(EngineKind::Null),
            measure: Measure::Timed,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_operation_is_a_whole_block_of_the_target(
            pattern in prop::sample::select(vec![Pattern::Random, Pattern::Sequential, Pattern::Zipf]), percent in 0..=100u32, sectors in 1..64u64, blocks in 1..5000u64,
            tail in 0..512u64, threads in 1..9u32, seed in any::<u64>(),
        ) {
            let block = sectors * 512;
            let size = blocks * block + tail;
            let trial = trial(pattern, percent, block, threads, seed);
            for worker in [0, threads - 1] {
                let mut ops = Ops::new(&trial, size, worker);
                for _ in 0..10_000 {
                    let op = ops.next_op();
                    prop_assert!(op.offset.is_multiple_of(block) && op.offset + block <= size);
                    prop_assert!(percent < 100 || op.kind == OpKind::Read);
                    prop_assert!(percent > 0 || op.kind == OpKind::Write);
                }
            }
        }

        #[test]
        fn sequential_shares_are_walked_in_order(blocks in 1..5000u64, threads in 1..9u32) {
            let trial = trial(Pattern::Sequential, 100, 512, threads, 1);
            let share = (blocks / u64::from(threads)).max(1);
            let mut ops = Ops::new(&trial, blocks * 512, threads - 1);
            let first = ops.next_op().offset;
            for i in 1..2 * share {
                prop_assert_eq!(ops.next_op().offset, first + i % share * 512);
            }
        }
    }

    #[test]
    fn seeds_decide_and_workers_differ() {
        let take = |seed, worker| {
            let mut ops = Ops::new(&trial(Pattern::Random, 50, 4096, 2, seed), 1 << 30, worker);
            (0..100).map(|_| ops.next_op()).collect::<Vec<_>>()
        };
        assert_eq!(take(1, 0), take(1, 0));
        assert_ne!(take(1, 0), take(2, 0));
        assert_ne!(take(1, 0), take(1, 1));
    }

    #[test]
    fn favourites_follow_zipfs_law() {
        let mut zipf = trial(Pattern::Zipf, 100, 4096, 1, 3);
        zipf.workload.zipf_theta = 1.0;
        let blocks = 1000;
        let mut ops = Ops::new(&zipf, blocks * 4096, 0);
        let mut counts = vec![0u32; blocks as usize];
        (0..500_000).for_each(|_| counts[(ops.next_op().offset / 4096) as usize] += 1);
        let first = counts[0];
        let neighbours = counts[1] + counts[999];
        counts.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(first, counts[0], "the first block is the favourite");
        assert!(neighbours < counts[1], "favourites are scattered");
        for rank in [2u32, 4, 8] {
            let share = f64::from(counts[rank as usize - 1]) / f64::from(counts[0]);
            assert!((share * f64::from(rank) - 1.0).abs() < 0.1, "rank {rank}: {share}");
        }
    }

    #[test]
    fn mixes_are_as_asked() {
        let mut ops = Ops::new(&trial(Pattern::Random, 70, 4096, 1, 3), 1 << 30, 0);
        let writes = (0..100_000).filter(|_| ops.next_op().kind == OpKind::Write).count();
        assert!((29_000..31_000).contains(&writes), "{writes} writes of 100000 at 70 % reads");
    }
}
