//! Models of the noise of trials.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn of(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// From 0 to 1, both excluded.
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Student's t of 3 degrees of freedom, scaled to a variance of 1.
    fn heavy(&mut self) -> f64 {
        let chi: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
        self.normal() / chi.sqrt()
    }

    /// An index below `count`.
    fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count - 1)
    }

    /// The numbers below `count` in random order.
    fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        (1..count).rev().for_each(|last| order.swap(last, self.below(last + 1)));
        order
    }
}

/// The distribution of trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Model {
    LogNormal,
    /// Student's t with 3 degrees of freedom.
    Heavy,
    /// One trial in ten is slower by up to many times the noise.
    Outliers,
    /// Cells have between a third of the noise and three times the noise.
    UnequalCells,
    /// The baseline has a fifth of the arm's noise.
    Unequal,
    /// One cell, an arm or a baseline, has ten times the noise.
    OneNoisy,
    /// One arm has ten times the noise at every point.
    NoisyArm,
    /// All cells of one point have a hundred times the noise.
    NoisyPoint,
    /// Half of the trials are in a slow state.
    Bimodal,
    /// The machine slows down from block to block, by three times the noise in total.
    Drift,
    /// The speed follows a random walk from block to block.
    Walk,
    /// The speed follows an autoregressive process from trial to trial, with a coefficient of 0.95. A trial's own noise
    /// is a fifth.
    Wander,
    /// Half of the variance is common to a block.
    HalfShared,
}

/// Logarithms of all values: by point, then by arm, the baseline last, then by block.
pub(super) type Run = Vec<Vec<Vec<f64>>>;

impl Model {
    pub(super) const ALL: [Self; 13] = [
        Self::LogNormal,
        Self::Heavy,
        Self::Outliers,
        Self::UnequalCells,
        Self::Unequal,
        Self::OneNoisy,
        Self::NoisyArm,
        Self::NoisyPoint,
        Self::Bimodal,
        Self::Drift,
        Self::Walk,
        Self::Wander,
        Self::HalfShared,
    ];

    /// A run in which all true ratios are 1. The arms of a point run one after the other, as in a plan.
    pub(super) fn run(
        self,
        noise: f64,
        blocks: usize,
        [points, arms]: [usize; 2],
        random: &mut Random,
    ) -> Run {
        const STAYS: f64 = 0.95;
        let own = self.own(noise, [points, arms], random);
        let mut values = vec![vec![Vec::with_capacity(blocks); arms]; points];
        let mut level = if self == Self::Wander { noise * random.normal() } else { 0.0 };
        for block in 0..blocks {
            match self {
                Self::Drift => level = -3.0 * noise * block as f64 / (blocks - 1) as f64,
                Self::Walk => level += noise * random.normal(),
                Self::HalfShared => level = noise / 2f64.sqrt() * random.normal(),
                _ => {}
            }
            for point in random.order(points) {
                for arm in random.order(arms) {
                    if self == Self::Wander {
                        level = STAYS * level + noise * (1.0 - STAYS * STAYS).sqrt() * random.normal();
                    }
                    values[point][arm].push(level + own[point][arm] * self.one(random));
                }
            }
        }
        values
    }

    /// The noise of each cell's trials alone.
    fn own(self, noise: f64, [points, arms]: [usize; 2], random: &mut Random) -> Vec<Vec<f64>> {
        let noisy = (self == Self::OneNoisy).then(|| (random.below(points), random.below(arms)));
        let mut of = |point: usize, arm: usize| {
            noise
                * match self {
                    Self::UnequalCells => 3f64.powf(2.0 * random.uniform() - 1.0),
                    Self::Unequal if arm + 1 == arms => 0.2,
                    Self::OneNoisy if noisy == Some((point, arm)) => 10.0,
                    Self::NoisyArm if arm == 0 => 10.0,
                    Self::NoisyPoint if point == 0 => 100.0,
                    Self::Wander => 0.2,
                    Self::HalfShared => 1.0 / 2f64.sqrt(),
                    _ => 1.0,
                }
        };
        (0..points).map(|point| (0..arms).map(|arm| of(point, arm)).collect()).collect()
    }

    /// One arm and the baseline.
    pub(super) fn draw(self, noise: f64, blocks: usize, random: &mut Random) -> (Vec<f64>, Vec<f64>) {
        let mut values = self.run(noise, blocks, [1, 2], random).remove(0);
        let baseline = values.pop().unwrap();
        (values.pop().unwrap(), baseline)
    }

    /// A trial's own deviation.
    pub(super) fn one(self, random: &mut Random) -> f64 {
        match self {
            Self::Heavy => random.heavy(),
            Self::Outliers if random.uniform() < 0.1 => random.normal() - 5.0 * random.normal().abs(),
            Self::Bimodal => 0.3 * random.normal() - if random.uniform() < 0.5 { 2.0 } else { 0.0 },
            _ => random.normal(),
        }
    }
}
