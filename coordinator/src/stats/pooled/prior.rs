//! The distribution of the true variances of a run, from all observed ones.
//!
//! An observed variance `s²` of `d` degrees of freedom estimates the true one, `σ²`, and the true ones are alike:
//!
//! ```text
//! s² / σ²  ~ chi²(d) / d
//! s0² / σ² ~ chi²(d0) / d0         so that  s² / s0² ~ F(d, d0)
//! ```
//!
//! Smyth estimates `d0` and `s0²`, and then treats them as known. With twelve comparisons of two trials they are not
//! known well, which makes false verdicts. Here the result is an average over a grid of `d0` and `ln s0²`, weighted by
//! the likelihood of all observed variances. A cell may also be an outlier; its true variance is then around
//! [`OUTLIER_VARIANCE`] times as large and known as badly as one degree of freedom allows. Outliers are often those of one
//! arm, whatever the point. An arm is therefore noisy with the probability [`NOISY_ARMS`] before it is observed, which
//! decides how probable an outlier is ([`OUTLIERS`]).

use std::collections::BTreeMap;

use statrs::function::gamma::{digamma, ln_gamma};

use super::mixture::Term;

/// Degrees of freedom with which the run knows the variance of a cell: from "cells have nothing in common" to "all are
/// equal". Below 1, a cell of two trials keeps most of its own variance.
const FREEDOMS: [f64; 10] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 80.0, 400.0];
/// Values of `ln s0²` on each side of the middle.
const SIDE: i32 = 3;
/// Their distance, in standard errors of the middle.
const STEP: f64 = 0.8;
/// The probability of an outlier within an arm that is like the others, and within a noisy one.
const OUTLIERS: [f64; 2] = [0.1, 0.9];
/// The probability that an arm is noisy.
const NOISY_ARMS: f64 = 0.125;
/// The variance of an outlier, over that of the others.
const OUTLIER_VARIANCE: f64 = 20.0;
/// The degrees of freedom with which it is known in advance.
const OUTLIER_FREEDOM: f64 = 1.0;
/// Terms of a smaller weight do not matter.
const NEGLIGIBLE: f64 = 1e-7;

/// An observed variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The variance; above zero.
    pub variance: f64,
    /// Its degrees of freedom.
    pub freedom: f64,
    /// How much it counts in the likelihood; below 1 if it is partly the same as another.
    pub weight: f64,
    /// The number of its arm. Cells of one arm are alike.
    pub arm: usize,
}

/// A pair of `d0` and `s0²`.
#[derive(Clone, Copy, Debug)]
struct Scaled {
    freedom: f64,
    log_variance: f64,
}

impl Scaled {
    /// The logarithm of the density of `ln s²`.
    fn likelihood(&self, cell: &Cell) -> f64 {
        let (d, d0) = (cell.freedom, self.freedom);
        let odds = d / d0 * (cell.variance.ln() - self.log_variance).exp();
        ln_gamma((d + d0) / 2.0) - ln_gamma(d / 2.0) - ln_gamma(d0 / 2.0) + d / 2.0 * odds.ln()
            - (d + d0) / 2.0 * odds.ln_1p()
    }

    /// The distribution of a cell's error, with its own variance and this one.
    fn term(&self, cell: &Cell, weight: f64) -> Term {
        let freedom = self.freedom + cell.freedom;
        let variance = (self.freedom * self.log_variance.exp() + cell.freedom * cell.variance) / freedom;
        Term { weight, freedom, variance }
    }
}

/// A point of the grid.
#[derive(Clone, Debug)]
struct Node {
    usual: Scaled,
    weight: f64,
    /// The probability that an arm is noisy, by its number.
    noisy: BTreeMap<usize, f64>,
}

/// `ln(exp(a) + exp(b))`, where either power may overflow.
fn log_sum([a, b]: [f64; 2]) -> f64 {
    a.max(b) + (a.min(b) - a.max(b)).exp().ln_1p()
}

/// The probability that goes with these odds, given as a logarithm.
fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

impl Node {
    fn outlier(&self) -> Scaled {
        let log_variance = self.usual.log_variance + OUTLIER_VARIANCE.ln();
        Scaled { freedom: OUTLIER_FREEDOM, log_variance }
    }

    /// For each of [`OUTLIERS`], the logarithms of the densities of a usual cell and of an outlier, each times its
    /// probability.
    fn likelihoods(&self, cell: &Cell) -> [[f64; 2]; 2] {
        let (usual, outlier) = (self.usual.likelihood(cell), self.outlier().likelihood(cell));
        OUTLIERS.map(|outliers| [(1.0 - outliers).ln() + usual, outliers.ln() + outlier])
    }

    /// Learns which arms are noisy, and how well this point of the grid fits all cells.
    fn learn(&mut self, cells: &[Cell]) {
        let prior = [(1.0 - NOISY_ARMS).ln(), NOISY_ARMS.ln()];
        let mut arms: BTreeMap<usize, [f64; 2]> = BTreeMap::new();
        for cell in cells {
            let arm = arms.entry(cell.arm).or_insert(prior);
            for (sum, likelihoods) in arm.iter_mut().zip(self.likelihoods(cell)) {
                *sum += cell.weight * log_sum(likelihoods);
            }
        }
        self.weight += arms.values().map(|arm| log_sum(*arm)).sum::<f64>();
        self.noisy = arms.into_iter().map(|(arm, [like, noisy])| (arm, logistic(noisy - like))).collect();
    }

    /// The probability that a cell is an outlier.
    fn outlying(&self, cell: &Cell) -> f64 {
        let noisy = self.noisy.get(&cell.arm).copied().unwrap_or(NOISY_ARMS);
        let [if_like, if_noisy] = self.likelihoods(cell).map(|[usual, outlier]| logistic(outlier - usual));
        (1.0 - noisy) * if_like + noisy * if_noisy
    }
}

/// The distribution of the variances of a family.
#[derive(Clone, Debug)]
pub struct Prior {
    nodes: Vec<Node>,
}

/// `E[ln(chi²(d) / d)]`.
fn bias(freedom: f64) -> f64 {
    digamma(freedom / 2.0) - (freedom / 2.0).ln()
}

/// The variance of `ln chi²(d)`: the trigamma function at `d / 2`, by the first terms of its series.
fn log_variance(freedom: f64) -> f64 {
    let x = freedom / 2.0;
    1.0 / x + 1.0 / (2.0 * x * x) + 1.0 / (6.0 * x.powi(3))
}

/// The middle one of the values, or the mean of the two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

impl Prior {
    /// Learns from the variances of a family; `None` from fewer than two.
    #[must_use]
    pub fn of(cells: &[Cell]) -> Option<Self> {
        // A median, so that outliers do not move the grid.
        let middle = median(cells.iter().map(|cell| cell.variance.ln() - bias(cell.freedom)).collect())
            .filter(|_| cells.len() > 1)?;
        let count: f64 = cells.iter().map(|cell| cell.weight).sum();
        let freedom = cells.iter().map(|cell| cell.freedom).sum::<f64>() / cells.len() as f64;
        let mut nodes = Vec::with_capacity(FREEDOMS.len() * (2 * SIDE as usize + 1));
        for prior in FREEDOMS {
            let step = STEP * ((log_variance(freedom) + log_variance(prior)) / count).sqrt();
            for place in -SIDE..=SIDE {
                let log_variance = middle + bias(prior) + step * f64::from(place);
                let mut node = Node {
                    usual: Scaled { freedom: prior, log_variance },
                    weight: step.ln(),
                    noisy: BTreeMap::new(),
                };
                node.learn(cells);
                nodes.push(node);
            }
        }
        let most = nodes.iter().map(|node| node.weight).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = nodes.iter().map(|node| (node.weight - most).exp()).sum();
        nodes.iter_mut().for_each(|node| node.weight = (node.weight - most).exp() / sum);
        nodes.retain(|node| node.weight > NEGLIGIBLE);
        Some(Self { nodes })
    }

    /// The distribution of the error of one block of a cell of the family, given its own variance.
    #[must_use]
    pub fn mixture(&self, cell: &Cell) -> Vec<Term> {
        let of = |node: &Node| {
            let outlier = node.outlying(cell);
            let usual = node.usual.term(cell, node.weight * (1.0 - outlier));
            [usual, node.outlier().term(cell, node.weight * outlier)]
        };
        self.nodes.iter().flat_map(of).filter(|term| term.weight > NEGLIGIBLE).collect()
    }
}
