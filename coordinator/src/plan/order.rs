//! The order of trials and their seeds. Both depend only on the plan's seed, so that a run can be repeated.

mod balance;
#[cfg(test)]
mod simulation;

use std::collections::HashMap;

use proto::trial::Measure;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use self::balance::Balanced;
use super::PlannedTrial;
use crate::scenario::Cell;

/// First an audit of each cell, then `blocks` blocks, each of which runs every cell once.
pub(super) fn order(cells: &[Cell], blocks: u32, seed: u64) -> Vec<PlannedTrial> {
    let points = point_indices(cells);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let audits = within_blocks(&points, 1, &mut random);
    let timed = within_blocks(&points, blocks, &mut random);
    let mut trials = Vec::with_capacity(cells.len() * (blocks as usize + 1));
    for (block, order) in (0..).zip(audits.into_iter().chain(timed)) {
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

/// The order of the cells in each of `blocks` blocks, from the point of each cell.
///
/// The cells of a point run one after the other, because that is how close in time arms can be compared. The order of
/// the points, and that of the arms within each point, are balanced over the blocks.
fn within_blocks(points: &[usize], blocks: u32, random: &mut impl RngCore) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (cell, point) in points.iter().enumerate() {
        if *point == groups.len() {
            groups.push(Vec::new());
        }
        groups[*point].push(cell);
    }
    let mut places = Balanced::new(groups.len());
    let mut arms: Vec<Balanced> = groups.iter().map(|group| Balanced::new(group.len())).collect();
    let mut block = || {
        let mut order = Vec::with_capacity(points.len());
        for point in places.next_order(random) {
            order.extend(arms[point].next_order(random).into_iter().map(|arm| groups[point][arm]));
        }
        order
    };
    (0..blocks).map(|_| block()).collect()
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
