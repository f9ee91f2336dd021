//! The order of trials and their seeds. Both depend only on the plan's seed, so that a run can be repeated.

use std::collections::HashMap;

use proto::trial::Measure;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::PlannedTrial;
use crate::scenario::Cell;

/// First an audit of each cell, then `blocks` blocks. Each block runs every cell once, in a separate random order.
pub(super) fn order(cells: &[Cell], blocks: u32, seed: u64) -> Vec<PlannedTrial> {
    let points = point_indices(cells);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut trials = Vec::with_capacity(cells.len() * (blocks as usize + 1));
    for block in 0..=blocks {
        let mut order: Vec<usize> = (0..cells.len()).collect();
        shuffle(&mut order, &mut random);
        for cell in order {
            trials.push(PlannedTrial {
                id: format!("{:04}-{}", trials.len() + 1, cells[cell].arm),
                cell,
                block,
                measure: if block == 0 { Measure::Audit } else { Measure::Timed },
                seed: trial_seed(seed, block, points[cell]),
            });
        }
    }
    trials
}

/// The index of each cell's point, in order of first occurrence.
fn point_indices(cells: &[Cell]) -> Vec<usize> {
    let mut seen = HashMap::new();
    let mut index = |cell: &Cell| {
        let next = seen.len();
        *seen.entry(serde_json::Value::Object(cell.params.clone()).to_string()).or_insert(next)
    };
    cells.iter().map(&mut index).collect()
}

/// The seed of a trial: SplitMix64's finaliser over the plan's seed, the block and the point, in sequence. The arm
/// is not included, so that all arms use the same offsets.
fn trial_seed(seed: u64, block: u32, point: usize) -> u64 {
    [u64::from(block), point as u64].into_iter().fold(mix(seed), |state, part| mix(state ^ mix(part)))
}

/// One step of SplitMix64.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// The Fisher-Yates shuffle: every order is equally likely.
fn shuffle<T>(items: &mut [T], random: &mut impl RngCore) {
    for last in (1..items.len()).rev() {
        let other = below(last as u64 + 1, random);
        items.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

/// A uniform number below the bound: numbers above the last whole multiple are drawn again.
fn below(bound: u64, random: &mut impl RngCore) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let number = random.next_u64();
        if number < limit {
            return number % bound;
        }
    }
}
