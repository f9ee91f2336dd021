//! The operations of each worker, decided before it starts: a seeded table of offsets, directions and sizes, so that
//! nothing is generated in the hot path.

use std::ops::Range;

use proto::{
    outcome::{Kind, Lane},
    trial::{BlockSizes, MAX_SIZES, Pattern, SyncCall, Trial},
};
use rand_core::{RngCore, SeedableRng};
use rand_distr::{Distribution as _, Zipf};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Maximum number of entries in all tables of a host together: 64 MiB.
const TABLE_BUDGET: usize = 8 << 20;
/// Maximum number of entries in one table: at 1 M operations a second it repeats about once a second.
const TABLE_MOST: usize = 1 << 20;
/// Minimum number of entries in one table.
const TABLE_LEAST: usize = 1 << 12;

/// One operation: its kind, lane, offset and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its kind.
    pub kind: OpKind,
    /// The lane that it is measured in.
    pub lane: Lane,
    /// Byte offset in the target.
    pub offset: u64,
    /// Bytes to move, at most one block of the buffers.
    pub len: u32,
}

/// The kind of an operation. The low two bits of its number are the number of its [`Kind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum OpKind {
    /// Reads from the target into the slot's block.
    #[default]
    Read = 0,
    /// Writes the slot's block to the target.
    Write = 1,
    /// Writes like `Write`; the next queued operation, a sync, starts when the write has completed, and only if it
    /// succeeds.
    WriteLinked = 4 | 1,
    /// Makes the data of completed writes durable. Has no offset and no length.
    Fdatasync = 2,
    /// Like `Fdatasync`, with all metadata of the file.
    Fsync = 4 | 2,
}

impl OpKind {
    /// All variants.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::WriteLinked, Self::Fdatasync, Self::Fsync];

    /// The number of its series in a lane: its position in [`Direction::ALL`](proto::outcome::Direction::ALL).
    #[inline]
    #[must_use]
    pub fn series(self, lane: Lane) -> usize {
        usize::from(self as u8 & 3) + Kind::ALL.len() * lane as usize
    }

    /// Whether it writes.
    #[inline]
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::WriteLinked)
    }

    /// Whether it makes completed writes durable, and moves no data.
    #[inline]
    #[must_use]
    pub fn syncs(self) -> bool {
        matches!(self, Self::Fdatasync | Self::Fsync)
    }
}

impl From<SyncCall> for OpKind {
    fn from(call: SyncCall) -> Self {
        match call {
            SyncCall::Fdatasync => Self::Fdatasync,
            SyncCall::Fsync => Self::Fsync,
        }
    }
}

impl Op {
    /// An operation of the bulk lane.
    #[inline]
    #[must_use]
    pub fn new(kind: OpKind, offset: u64, len: u32) -> Self {
        Self { kind, lane: Lane::Bulk, offset, len }
    }

    /// The result of a request that transferred everything.
    #[inline]
    #[must_use]
    pub fn whole(self) -> i32 {
        self.len as i32
    }
}

/// Bits of a table entry: whether it is a write, then its size class, then its offset (at most 2^59).
const WRITE: u64 = 1;
const CLASS_SHIFT: u32 = 1;
const CLASS_MASK: u64 = MAX_SIZES as u64 - 1;
const OFFSET_SHIFT: u32 = CLASS_SHIFT + MAX_SIZES.ilog2();

const _: () = assert!(MAX_SIZES.is_power_of_two());

/// The endless sequence of one worker's operations.
pub struct Ops {
    /// Offsets, with direction and size class in the low bits.
    table: Box<[u64]>,
    at: usize,
    /// Bytes of each size class.
    lens: [u32; MAX_SIZES],
    /// The source of sequential offsets.
    walk: Option<Walk>,
}

/// Walks through a share of the target block by block, over and over.
struct Walk {
    share: Range<u64>,
    next: u64,
    /// Block sizes differ, so the next offset may have to be rounded up to a multiple of its size.
    mixed: bool,
}

/// The blocks of one size within a range of bytes.
#[derive(Clone, Copy, Debug)]
struct Grid {
    first: u64,
    blocks: u64,
    size: u64,
}

impl Grid {
    fn of(range: &Range<u64>, size: u64) -> Self {
        let first = range.start.div_ceil(size);
        Self { first, blocks: (range.end / size).saturating_sub(first), size }
    }

    fn offset(self, block: u64) -> u64 {
        (self.first + block) * self.size
    }
}

/// One worker's part of a target of `size` bytes: whole blocks of the largest size. With more workers than blocks, some
/// share a part; if a part does not hold an aligned block of every size, all workers use the whole target.
#[must_use]
pub fn share(sizes: &BlockSizes, size: u64, worker: u32, workers: u32) -> Range<u64> {
    let largest = sizes.largest().0.max(1);
    let blocks = (size / largest).max(1);
    let share = (blocks / u64::from(workers.max(1))).max(1);
    let begin = (u64::from(worker) * share % blocks) * largest;
    let own = begin..begin + share * largest;
    let holds = |(part, _): &(proto::units::ByteSize, u32)| Grid::of(&own, part.0).blocks > 0;
    if sizes.parts().iter().all(holds) { own } else { 0..blocks * largest }
}

impl Ops {
    /// The operations of worker `worker` of `trial.workers()` on a target of `size` bytes.
    ///
    /// Offsets are multiples of the operation's size. Random offsets are uniform over the whole blocks of that size in
    /// the target, with repetition, by multiply and shift (Lemire 2019, without its rejection step: the bias is below
    /// 2^-32 for every size of target). Sequential offsets walk the worker's contiguous share by the size of each
    /// operation. A trial with verification keeps to that share with every pattern.
    pub fn new(trial: &Trial, size: u64, worker: u32) -> Self {
        let (work, sizes) = (&trial.workload, &trial.workload.block_size);
        let own = share(sizes, size, worker, trial.workers());
        let range = if work.verify { own.clone() } else { 0..size };
        let mut lens = [0; MAX_SIZES];
        for (len, (part, _)) in lens.iter_mut().zip(sizes.parts()) {
            *len = part.0 as u32;
        }
        let grids: Vec<Grid> = sizes
            .parts()
            .iter()
            .map(|(part, _)| Grid::of(&range, part.0))
            .map(|grid| Grid { blocks: grid.blocks.max(1), ..grid })
            .collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(trial.seed);
        // A jump is 2^128 numbers long, so workers never use overlapping parts of the sequence.
        (0..worker).for_each(|_| rng.jump());
        let walk = (work.pattern == Pattern::Sequential).then(|| Walk {
            next: own.start,
            share: own,
            mixed: sizes.single().is_none(),
        });
        let mut zipf: Vec<ZipfBlocks> = match work.pattern {
            Pattern::Zipf => grids.iter().map(|grid| ZipfBlocks::new(grid.blocks, work.zipf_theta)).collect(),
            Pattern::Random | Pattern::Sequential => Vec::new(),
        };
        let single = sizes.single().is_some();
        let entry = |_| {
            let class = if single { 0 } else { drawn(sizes, below(rng.next_u64(), 100)) };
            let block = match zipf.get_mut(class) {
                None => below(rng.next_u64(), grids[class].blocks),
                Some(zipf_blocks) => zipf_blocks.draw(&mut rng),
            };
            let write = below(rng.next_u64(), 100) >= u64::from(work.read_percent);
            grids[class].offset(block) << OFFSET_SHIFT | (class as u64) << CLASS_SHIFT | u64::from(write)
        };
        Self { table: (0..Self::table_len(trial.workers())).map(entry).collect(), at: 0, lens, walk }
    }

    /// The number of entries in the table of each of `workers` workers.
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
        let len = self.lens[(entry >> CLASS_SHIFT & CLASS_MASK) as usize];
        let offset = self.walk.as_mut().map_or(entry >> OFFSET_SHIFT, |walk| walk.step(u64::from(len)));
        let kind = if entry & WRITE != 0 { OpKind::Write } else { OpKind::Read };
        Op::new(kind, offset, len)
    }

    /// Whether the next operation is a write.
    #[inline]
    pub fn next_writes(&self) -> bool {
        self.table[self.at] & WRITE != 0
    }
}

impl Walk {
    #[inline]
    fn step(&mut self, len: u64) -> u64 {
        let aligned = |at: u64| if self.mixed { at.next_multiple_of(len) } else { at };
        let mut offset = aligned(self.next);
        if offset + len > self.share.end {
            offset = aligned(self.share.start);
        }
        self.next = offset + len;
        offset
    }
}

/// The size class that contains this percentile.
fn drawn(sizes: &BlockSizes, percentile: u64) -> usize {
    let mut sum = 0;
    let reaches = |(_, percent): &(proto::units::ByteSize, u32)| {
        sum += u64::from(*percent);
        percentile < sum
    };
    sizes.parts().iter().position(reaches).unwrap_or(0)
}

/// Blocks drawn by Zipf's law.
struct ZipfBlocks {
    ranks: Zipf<f64>,
    blocks: u64,
    /// Spreads neighbouring ranks to distant blocks. It has no common divisor with the number of blocks, so that every
    /// block has one rank.
    step: u64,
}

impl ZipfBlocks {
    #[allow(clippy::expect_used, reason = "the exponent and the number of blocks are checked with the trial")]
    fn new(blocks: u64, theta: f64) -> Self {
        let ranks = Zipf::new(blocks as f64, theta).expect("at least one block, and a positive exponent");
        // Near the golden section of the target, where multiples are spread most evenly.
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
                block_size: ByteSize(block).into(),
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
            pattern in prop::sample::select(vec![Pattern::Random, Pattern::Sequential, Pattern::Zipf]), percent in 0..=100u32, sectors in 1..64u64, odd in 0..512u64, blocks in 1..5000u64,
            tail in 0..512u64, threads in 1..9u32, seed in any::<u64>(),
        ) {
            // Buffered I/O takes any size.
            let block = sectors * 512 - odd;
            let size = blocks * block + tail.min(block - 1);
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn each_operation_is_aligned_to_its_own_size(
            pattern in prop::sample::select(vec![Pattern::Random, Pattern::Sequential, Pattern::Zipf]),
            sectors in prop::collection::btree_set(1..40u64, 2..6), blocks in 1..300u64, tail in 0..512u64,
            threads in 1..5u32, verify in any::<bool>(), seed in any::<u64>(),
        ) {
            let mut trial = trial(pattern, 50, 512, threads, seed);
            let count = sectors.len() as u32;
            let first = 100 - 10 * (count - 1);
            let parts: Vec<_> = sectors.iter().enumerate()
                .map(|(i, n)| (ByteSize(n * 512), if i == 0 { first } else { 10 })).collect();
            let (sizes, largest) = (BlockSizes::new(parts.clone()), sectors.last().unwrap() * 512);
            trial.workload.block_size = sizes.clone();
            trial.workload.verify = verify;
            let size = blocks * largest + tail;
            for worker in 0..threads {
                let own = share(&sizes, size, worker, threads);
                prop_assert!(own.end <= size);
                let mut ops = Ops::new(&trial, size, worker);
                let mut counts = vec![0u32; parts.len()];
                for _ in 0..4096 {
                    let writes = ops.next_writes();
                    let op = ops.next_op();
                    let len = u64::from(op.len);
                    prop_assert!(op.offset.is_multiple_of(len) && op.offset + len <= size);
                    prop_assert_eq!(op.kind.writes(), writes);
                    if verify || pattern == Pattern::Sequential {
                        prop_assert!(own.start <= op.offset && op.offset + len <= own.end);
                    }
                    counts[parts.iter().position(|(part, _)| part.0 == len).unwrap()] += 1;
                }
                // Six standard deviations of a binomial draw of 4,096.
                prop_assert!(counts[1].abs_diff(410) < 116, "{:?}", counts);
            }
        }
    }

    #[test]
    fn walks_by_the_size_of_each_operation() {
        let mut trial = trial(Pattern::Sequential, 100, 512, 1, 3);
        trial.workload.block_size = BlockSizes::new(vec![(ByteSize(512), 50), (ByteSize(4096), 50)]);
        let mut ops = Ops::new(&trial, 1 << 20, 0);
        let mut end = 0;
        for _ in 0..10_000 {
            let op = ops.next_op();
            let len = u64::from(op.len);
            let next = u64::next_multiple_of(end, len);
            let wrapped = op.offset == 0 && next + len > 1 << 20;
            assert!(wrapped || op.offset == next, "{op:?} after {end}");
            end = op.offset + len;
        }
    }

    #[test]
    fn depends_on_seed_and_worker() {
        let take = |seed, worker| {
            let mut ops = Ops::new(&trial(Pattern::Random, 50, 4096, 2, seed), 1 << 30, worker);
            (0..100).map(|_| ops.next_op()).collect::<Vec<_>>()
        };
        assert_eq!(take(1, 0), take(1, 0));
        assert_ne!(take(1, 0), take(2, 0));
        assert_ne!(take(1, 0), take(1, 1));
    }

    #[test]
    fn ranks_follow_zipfs_law() {
        let mut zipf = trial(Pattern::Zipf, 100, 4096, 1, 3);
        zipf.workload.zipf_theta = 1.0;
        let blocks = 1000;
        let mut ops = Ops::new(&zipf, blocks * 4096, 0);
        let mut counts = vec![0u32; blocks as usize];
        (0..500_000).for_each(|_| counts[(ops.next_op().offset / 4096) as usize] += 1);
        let first = counts[0];
        let neighbours = counts[1] + counts[999];
        counts.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(first, counts[0], "the first block has the lowest rank");
        assert!(neighbours < counts[1], "neighbours in rank are far apart");
        for rank in [2u32, 4, 8] {
            let share = f64::from(counts[rank as usize - 1]) / f64::from(counts[0]);
            assert!((share * f64::from(rank) - 1.0).abs() < 0.1, "rank {rank}: {share}");
        }
    }

    #[test]
    fn mixes_reads_and_writes_as_configured() {
        let mut ops = Ops::new(&trial(Pattern::Random, 70, 4096, 1, 3), 1 << 30, 0);
        let writes = (0..100_000).filter(|_| ops.next_op().kind == OpKind::Write).count();
        assert!((29_000..31_000).contains(&writes), "{writes} writes of 100000 at 70 % reads");
    }
}
