//! What the order of a block is worth: simulated runs on a machine whose speed drifts from trial to trial, in the order
//! of [`super::within_blocks`] and in an order that shuffles all cells of a block together. Seeds are fixed.
//! `cargo test -p coordinator order::simulation -- --nocapture` prints the figures that
//! `docs/adr/0036-order-within-a-block.md` quotes.

use super::*;
use crate::stats::{
    difference::{Length, difference},
    verdict::SIGNIFICANCE,
};

const RUNS: u64 = 1000;

fn uniform(random: &mut impl RngCore) -> f64 {
    ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Box and Muller.
fn normal(random: &mut impl RngCore) -> f64 {
    (-2.0 * uniform(random).ln()).sqrt() * (std::f64::consts::TAU * uniform(random)).cos()
}

/// The order of each block's cells.
type Order = fn(&[usize], u32, &mut Xoshiro256PlusPlus) -> Vec<Vec<usize>>;

fn shuffled_together(points: &[usize], blocks: u32, random: &mut Xoshiro256PlusPlus) -> Vec<Vec<usize>> {
    let mut block = || {
        let mut order: Vec<usize> = (0..points.len()).collect();
        shuffle(&mut order, random);
        order
    };
    (0..blocks).map(|_| block()).collect()
}

/// A machine, without any difference between arms.
#[derive(Clone, Copy)]
struct Machine {
    /// Standard deviation of the speed that drifts: AR(1), with a correlation of 0.95 from trial to trial.
    drift: f64,
    /// Standard deviation of each trial's own noise.
    own: f64,
    /// How much slower the first trial of each block is.
    slow_start: f64,
}

const DRIFTING: Machine = Machine { drift: 0.05, own: 0.01, slow_start: 0.0 };
const SLOW_START: Machine = Machine { drift: 0.0, own: 0.01, slow_start: 0.1 };
const CORRELATION: f64 = 0.95;

impl Machine {
    /// Logarithms of the speed of each cell in each block.
    fn run(self, order: &[Vec<usize>], random: &mut impl RngCore) -> Vec<Vec<f64>> {
        let mut level = self.drift * normal(random);
        let fresh = self.drift * (1.0 - CORRELATION * CORRELATION).sqrt();
        let mut cells = vec![Vec::with_capacity(order.len()); order.first().map_or(0, Vec::len)];
        for block in order {
            for (place, cell) in block.iter().enumerate() {
                level = CORRELATION * level + fresh * normal(random);
                let late = if place == 0 { (1.0 - self.slow_start).ln() } else { 0.0 };
                cells[*cell].push(level + late + self.own * normal(random));
            }
        }
        cells
    }
}

/// Percentage of comparisons that find a difference, where the arms of each point differ from its first by `gain`,
/// alone and after Holm's correction over the comparisons of a run.
fn found(machine: Machine, order: Order, [points, arms]: [usize; 2], blocks: u32, gain: f64) -> [f64; 2] {
    let cells: Vec<usize> = (0..points * arms).map(|cell| cell / arms).collect();
    let (mut alone, mut corrected, mut comparisons) = (0, 0, 0);
    for seed in 0..RUNS {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let values = machine.run(&order(&cells, blocks, &mut random), &mut random);
        let mut p = Vec::new();
        for point in values.chunks(arms) {
            for arm in &point[1..] {
                let arm: Vec<f64> = arm.iter().map(|value| value + gain.ln_1p()).collect();
                p.push(difference(&arm, &point[0], None, Length::Fixed).unwrap().p_value().unwrap());
            }
        }
        comparisons += p.len();
        alone += p.iter().filter(|p| **p < SIGNIFICANCE).count();
        corrected += crate::stats::holm::holm(&p).iter().filter(|found| found.p < SIGNIFICANCE).count();
    }
    [alone, corrected].map(|count| 100.0 * count as f64 / comparisons as f64)
}

#[test]
fn neighbours_find_more_under_drift() {
    println!("5 % faster, drift of 5 % (AR(1), 0.95), own noise of 1 %, 5 trials: found alone, after Holm");
    for (shape, least) in [([4, 4], [80.0, 25.0]), ([4, 3], [85.0, 40.0]), ([4, 2], [85.0, 50.0])] {
        let before = found(DRIFTING, shuffled_together, shape, 5, 0.05);
        let after = found(DRIFTING, within_blocks, shape, 5, 0.05);
        println!("  {shape:?} points x arms: {before:.1?} shuffled together, {after:.1?} as neighbours");
        assert!(after[0] >= least[0] && after[1] >= least[1], "{shape:?}: {after:?}");
        assert!(before[0] <= after[0] - 15.0, "{shape:?}: {before:?}, {after:?}");
    }
}

#[test]
fn a_slow_start_is_no_difference() {
    println!("A/A, the first trial of a block is 10 % slow, own noise of 1 %: found");
    for shape in [[1, 2], [1, 3], [1, 4], [4, 4]] {
        for blocks in [2, 3, 5, 10] {
            let [before, _] = found(SLOW_START, shuffled_together, shape, blocks, 0.0);
            let [after, _] = found(SLOW_START, within_blocks, shape, blocks, 0.0);
            println!(
                "  {shape:?} points x arms, {blocks} trials: {before:.1} % shuffled together, {after:.1} % as neighbours"
            );
            assert!(after <= 5.0, "{shape:?}, {blocks}: {after} %");
        }
    }
}

#[test]
fn drift_is_no_difference() {
    for blocks in [2, 3, 5, 10] {
        let [found, corrected] = found(DRIFTING, within_blocks, [4, 4], blocks, 0.0);
        println!("A/A under drift, {blocks} trials: {found:.1} % alone, {corrected:.2} % after Holm");
        assert!(found <= 5.0 && corrected <= 1.0, "{blocks} trials: {found} %, {corrected} %");
    }
}
