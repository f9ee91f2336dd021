//! The coverage of [`positive_interval`], simulated with log-normal trials: how often it contains the true mean, and how
//! often Student's interval is partly negative. Seeds are fixed. `cargo test -p coordinator interval_simulation --
//! --nocapture` prints the table that `docs/adr/0018-paired-over-blocks.md` quotes.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{mean, positive_interval, t_interval};

const EXPERIMENTS: u32 = 10_000;

fn uniform(random: &mut impl RngCore) -> f64 {
    ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Box and Muller.
fn normal(random: &mut impl RngCore) -> f64 {
    (-2.0 * uniform(random).ln()).sqrt() * (std::f64::consts::TAU * uniform(random)).cos()
}

#[test]
fn intervals_of_positive_quantities_cover_the_mean() {
    println!(
        "log-normal trials, {EXPERIMENTS} experiments: covered; covered by Student's; Student's partly negative"
    );
    for trials in [2, 3, 5, 10] {
        for noise in [0.02, 0.1, 0.2, 0.5_f64] {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(trials as u64);
            let sigma = (noise * noise).ln_1p().sqrt();
            let truth = (sigma * sigma / 2.0).exp();
            let contains = |[low, high]: [f64; 2]| u32::from(low <= truth && truth <= high);
            let (mut covered, mut student, mut negative) = (0, 0, 0);
            for _ in 0..EXPERIMENTS {
                let samples: Vec<f64> = (0..trials).map(|_| (sigma * normal(&mut random)).exp()).collect();
                covered += contains(positive_interval(mean(&samples).unwrap(), &samples).unwrap());
                let usual = t_interval(&samples).unwrap();
                student += contains(usual);
                negative += u32::from(usual[0] < 0.0);
            }
            let [covered, student, negative] =
                [covered, student, negative].map(|count| 100.0 * f64::from(count) / f64::from(EXPERIMENTS));
            println!(
                "  {trials:>2} trials, noise of {:>2.0} %: {covered:.1} %  {student:.1} %  {negative:.1} %",
                100.0 * noise
            );
            assert!((93.0..=97.0).contains(&covered), "{trials} trials, {noise}: {covered} %");
        }
    }
}
