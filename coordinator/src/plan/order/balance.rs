//! Random orders in which every item takes every place equally often.
//!
//! The orders come from Williams squares (E. J. Williams, "Experimental designs balanced for the estimation of
//! residual effects of treatments", Australian Journal of Scientific Research A 2, 1949). A square of `n` items has
//! `n` orders. Each item is at each place once, and each item follows each other item once. An odd number of items
//! needs the square and its mirror image for the latter. The items are assigned to the square at random, and the
//! orders of a square are shuffled.

use rand_core::RngCore;

use super::shuffle;

/// A stream of orders of the items from 0 to `items - 1`.
pub(super) struct Balanced {
    items: usize,
    /// The item at each place of the square's first order.
    labels: Vec<usize>,
    /// Whether the square in use is a mirror image.
    mirrored: bool,
    /// The orders of the square that are left.
    left: Vec<Vec<usize>>,
}

impl Balanced {
    pub(super) fn new(items: usize) -> Self {
        // The first square is made when it is needed, as if a mirror image had just ended.
        Self { items, labels: Vec::new(), mirrored: true, left: Vec::new() }
    }

    /// The next order.
    pub(super) fn next_order(&mut self, random: &mut impl RngCore) -> Vec<usize> {
        if self.left.is_empty() {
            let mirror = self.items % 2 == 1 && !self.mirrored;
            if !mirror {
                self.labels = (0..self.items).collect();
                shuffle(&mut self.labels, random);
            }
            self.mirrored = mirror;
            self.left = (0..self.items).map(|row| self.row(row)).collect();
            shuffle(&mut self.left, random);
        }
        self.left.pop().unwrap_or_default()
    }

    /// An order of the square: `row + (0, 1, n - 1, 2, n - 2, …)` modulo `n`.
    fn row(&self, row: usize) -> Vec<usize> {
        let items = self.items;
        let step = |place: usize| if place % 2 == 1 { place.div_ceil(2) } else { items - place / 2 };
        let order = (0..items).map(|place| self.labels[(row + step(place)) % items]);
        if self.mirrored { order.rev().collect() } else { order.collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use rand_core::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn orders(items: usize, count: usize, seed: u64) -> Vec<Vec<usize>> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut balanced = Balanced::new(items);
        (0..count).map(|_| balanced.next_order(&mut random)).collect()
    }

    #[test]
    fn all_orders_of_two_and_no_order_of_none() {
        let two = orders(2, 2, 1);
        assert!(two.contains(&vec![0, 1]) && two.contains(&vec![1, 0]), "{two:?}");
        assert_eq!(orders(1, 2, 1), [[0], [0]]);
        assert_eq!(orders(0, 1, 1), [Vec::<usize>::new()]);
    }

    #[test]
    fn orders_are_random() {
        let distinct: std::collections::HashSet<Vec<usize>> =
            (0..200).flat_map(|seed| orders(3, 1, seed)).collect();
        assert_eq!(distinct.len(), 6, "every order of three comes first for some seed");
    }

    proptest! {
        #[test]
        fn every_item_takes_every_place_once_in_a_square(items in 1usize..9, squares in 1usize..4, seed: u64) {
            for square in orders(items, items * squares, seed).chunks(items) {
                for place in 0..items {
                    let mut there: Vec<usize> = square.iter().map(|order| order[place]).collect();
                    there.sort_unstable();
                    prop_assert_eq!(there, (0..items).collect::<Vec<_>>());
                }
            }
        }

        #[test]
        fn every_item_follows_every_other_equally_often(items in 2usize..9, seed: u64) {
            let rows = if items % 2 == 1 { 2 * items } else { items };
            let mut follows: HashMap<(usize, usize), usize> = HashMap::new();
            for order in orders(items, rows, seed) {
                for pair in order.windows(2) {
                    *follows.entry((pair[0], pair[1])).or_default() += 1;
                }
            }
            prop_assert_eq!(follows.len(), items * (items - 1));
            prop_assert!(follows.values().all(|count| *count == rows / items));
        }
    }
}
