//! Tests the error rates of verdicts: simulated experiments with a known truth, judged by the same code as real
//! ones. Seeds are fixed, so the figures are reproducible. Each figure comes from five batches with different
//! seeds, and the bounds hold with a margin, not by the choice of a seed. `cargo test -p coordinator simulation --
//! --nocapture` prints the tables; `docs/adr/0018-paired-over-blocks.md` discusses them.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF, Normal};

use super::{
    difference::{Difference, Length, difference},
    holm::holm,
    remerge::{self, Merged, Recorded},
    verdict::{DEFAULT_MARGIN, verdict},
};
use crate::{metric::Better, summary::Verdict};

const BATCHES: u64 = 5;

struct Random(Xoshiro256PlusPlus);

impl Random {
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
}

/// The distribution of trials.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Model {
    LogNormal,
    /// Student's t with 3 degrees of freedom.
    Heavy,
    /// One trial in ten is slower by up to many times the noise.
    Outliers,
    /// The baseline has a fifth of the arm's noise.
    Unequal,
    /// The machine slows down from block to block, by three times the noise in total.
    Drift,
    /// The speed follows a random walk.
    Walk,
    /// Half of the variance is common to a block.
    HalfShared,
}

impl Model {
    /// Logarithms of the values of all arms in all blocks, with true ratios of 1; the baseline is last.
    fn draw_arms(self, noise: f64, blocks: usize, arms: usize, random: &mut Random) -> Vec<Vec<f64>> {
        let mut values = vec![Vec::with_capacity(blocks); arms];
        let own = if self == Self::HalfShared { noise / 2f64.sqrt() } else { noise };
        let mut level = 0.0;
        for block in 0..blocks {
            match self {
                Self::Drift => level = -3.0 * noise * block as f64 / (blocks - 1) as f64,
                Self::Walk => level += noise * random.normal(),
                Self::HalfShared => level = own * random.normal(),
                _ => {}
            }
            for (arm, values) in values.iter_mut().enumerate() {
                let steadier = if self == Self::Unequal && arm + 1 == arms { 0.2 } else { 1.0 };
                values.push(level + steadier * own * self.one(random));
            }
        }
        values
    }

    /// The same for one arm and the baseline.
    fn draw(self, noise: f64, blocks: usize, random: &mut Random) -> (Vec<f64>, Vec<f64>) {
        let mut values = self.draw_arms(noise, blocks, 2, random);
        let baseline = values.pop().unwrap();
        (values.pop().unwrap(), baseline)
    }

    fn one(self, random: &mut Random) -> f64 {
        match self {
            Self::Heavy => random.heavy(),
            Self::Outliers if random.uniform() < 0.1 => random.normal() - 5.0 * random.normal().abs(),
            _ => random.normal(),
        }
    }
}

fn judge(found: &Difference) -> Verdict {
    verdict(found, found.p_value().unwrap(), Better::Higher, DEFAULT_MARGIN)
}

fn is_found(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Faster | Verdict::Slower)
}

/// Counts of experiments, by batch.
#[derive(Default)]
struct Tally {
    experiments: usize,
    found: Vec<usize>,
    covered: usize,
    blocks: usize,
}

impl Tally {
    /// Runs batches of experiments, each of which returns its conclusion; the true ratio is `truth`.
    fn of(
        case: usize,
        experiments: usize,
        truth: f64,
        mut experiment: impl FnMut(&mut Random) -> Difference,
    ) -> Self {
        let mut tally = Self { experiments, ..Self::default() };
        for seed in 1..=BATCHES {
            let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(100 * case as u64 + seed));
            let mut found = 0;
            for _ in 0..experiments {
                let difference = experiment(&mut random);
                found += usize::from(is_found(judge(&difference)));
                let [low, high] = difference.ci95().unwrap();
                tally.covered += usize::from(low <= truth && truth <= high);
                tally.blocks += difference.pairs;
            }
            tally.found.push(found);
        }
        tally
    }

    fn share(&self, count: usize) -> f64 {
        100.0 * count as f64 / (self.experiments * self.found.len()) as f64
    }

    /// Percentage with a verdict of faster or slower.
    fn found(&self) -> f64 {
        self.share(self.found.iter().sum())
    }

    /// The same for each batch.
    fn batches(&self) -> Vec<f64> {
        self.found.iter().map(|found| 100.0 * *found as f64 / self.experiments as f64).collect()
    }

    /// Percentage of intervals that contain the truth.
    fn coverage(&self) -> f64 {
        self.share(self.covered)
    }

    fn line(&self, what: &str) -> String {
        let batches: Vec<String> = self.batches().iter().map(|found| format!("{found:.1}")).collect();
        let blocks = self.blocks as f64 / (self.experiments * self.found.len()) as f64;
        let (found, coverage) = (self.found(), self.coverage());
        format!("  {what:<34} {found:>5.2} %  [{}]  {coverage:>5.2} %  {blocks:>5.1}\n", batches.join(" "))
    }

    fn assert_honest(&self, what: &str) {
        assert!(self.batches().iter().all(|found| *found <= 5.0), "{what}: {:?} %", self.batches());
        assert!((93.0..=97.0).contains(&self.coverage()), "{what}: {} %", self.coverage());
    }
}

fn percent(noise: f64) -> String {
    crate::scenario::precision::as_percent(noise)
}

const TITLE: &str = "found, in all and by batch of experiments; intervals that hold the truth; blocks\n";

/// Runs an A/A experiment under each model at its noise, prints the rates, and asserts that they are within the
/// bounds.
fn equals(title: &str, models: &[(Model, f64)], experiment: impl Fn(Model, f64, &mut Random) -> Difference) {
    let mut table = format!("A/A, {title}, 5 x 2000 experiments: {TITLE}");
    let mut all = Vec::new();
    for (case, (model, noise)) in models.iter().enumerate() {
        let tally = Tally::of(case, 2000, 1.0, |random| experiment(*model, *noise, random));
        let what = format!("{model:?}, {}", percent(*noise));
        table += &tally.line(&what);
        all.push((what, tally));
    }
    println!("{table}");
    all.iter().for_each(|(what, tally)| tally.assert_honest(what));
}

#[test]
fn an_a_a_experiment_has_few_false_positives() {
    let models = [
        (Model::LogNormal, 0.02),
        (Model::LogNormal, 0.05),
        (Model::LogNormal, 0.10),
        (Model::Heavy, 0.02),
        (Model::Heavy, 0.10),
        (Model::Outliers, 0.05),
        (Model::Unequal, 0.10),
        (Model::Drift, 0.05),
        (Model::Walk, 0.05),
    ];
    equals("5 trials", &models, |model, noise, random| {
        let (arm, baseline) = model.draw(noise, 5, random);
        difference(&arm, &baseline, None, Length::Fixed).unwrap()
    });
}

#[test]
fn stopping_by_precision_has_few_false_positives() {
    let (min, max, until) = (5, 30, 0.02_f64.ln_1p());
    let models = [
        (Model::LogNormal, 0.01),
        (Model::LogNormal, 0.02),
        (Model::LogNormal, 0.03),
        (Model::LogNormal, 0.05),
        (Model::LogNormal, 0.10),
        (Model::Heavy, 0.02),
        (Model::Heavy, 0.05),
        (Model::Outliers, 0.02),
        (Model::Drift, 0.02),
        (Model::Walk, 0.02),
    ];
    equals("5 to 30 trials until 2 %", &models, |model, noise, random| {
        let (arm, baseline) = model.draw(noise, max, random);
        let after = |blocks: usize| {
            let length = Length::ByPrecision { min: 5 };
            difference(&arm[..blocks], &baseline[..blocks], None, length).unwrap()
        };
        // Twice in a row, as in `run::precision`.
        let narrow = |blocks: usize| after(blocks).half_width().unwrap() <= until;
        let stops = |blocks: &usize| narrow(*blocks) && narrow(blocks - 1);
        after((min..max).find(stops).unwrap_or(max))
    });
}

#[test]
fn a_sweep_has_few_false_positives() {
    // Three arms against one baseline at four points: is any of twelve verdicts wrong?
    let mut table =
        String::from("A/A, a sweep of 12 comparisons, 5 trials, 5 x 500 sweeps: any of them found\n");
    for model in [Model::LogNormal, Model::Heavy, Model::Walk] {
        let mut wrong = 0;
        for seed in 1..=BATCHES {
            let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
            for _ in 0..500 {
                let mut sweep = Vec::new();
                for _ in 0..4 {
                    let arms = model.draw_arms(0.05, 5, 4, &mut random);
                    let against = |arm: &Vec<f64>| difference(arm, &arms[3], None, Length::Fixed).unwrap();
                    sweep.extend(arms[..3].iter().map(against));
                }
                let p: Vec<f64> = sweep.iter().map(|found| found.p_value().unwrap()).collect();
                let verdicts = sweep
                    .iter()
                    .zip(holm(&p))
                    .map(|(found, adjusted)| verdict(found, adjusted.p, Better::Higher, DEFAULT_MARGIN));
                wrong += usize::from(verdicts.into_iter().any(is_found));
            }
        }
        let share = 100.0 * f64::from(u32::try_from(wrong).unwrap()) / (500 * BATCHES) as f64;
        table += &format!("  {:<34} {share:>5.2} %\n", format!("{model:?}, 5 %"));
        assert!(share <= 5.0, "{model:?}: {share} %");
    }
    println!("{table}");
}

#[test]
fn finds_a_real_difference() {
    let mut table = format!("5 % faster, 5 trials, 5 x 500 experiments: {TITLE}");
    // Half the range of five trials, which reports show as `±`, is 1.163 times the standard deviation.
    let shown = 0.02 / 1.163;
    let cases = [
        ("± 2 % in the table", Model::LogNormal, shown, true),
        ("2 %, half of it the block's", Model::HalfShared, 0.02, true),
        ("2 %, none of it the block's", Model::LogNormal, 0.02, false),
        ("2 %, heavy tails", Model::Heavy, 0.02, false),
        ("2 %, and the machine wanders", Model::Walk, 0.02, false),
    ];
    for (case, (what, model, noise, promised)) in cases.into_iter().enumerate() {
        let tally = Tally::of(case, 500, 1.05, |random| {
            let (arm, baseline) = model.draw(noise, 5, random);
            let arm: Vec<f64> = arm.iter().map(|value| value + 0.05_f64.ln_1p()).collect();
            difference(&arm, &baseline, None, Length::Fixed).unwrap()
        });
        table += &tally.line(what);
        let least = if promised { 90.0 } else { 75.0 };
        assert!(tally.found() >= least, "{what}: {} %", tally.found());
    }
    println!("{table}");
}

/// Counters of a trial: a body, and a tail around seven times as long; contiguous, 2 % wide.
fn trial(scale: f64, tail: f64) -> Recorded {
    let normal = Normal::standard();
    let below = |log: f64| {
        let of = |middle: f64| normal.cdf((log - middle - scale) / 0.4);
        (1.0 - tail) * of(0.0) + tail * of(2.0)
    };
    let edge = |step: i32| (100_000.0 * (0.02 * f64::from(step)).exp()) as u64;
    let counter = |step: i32| {
        let share = below(0.02 * f64::from(step + 1)) - below(0.02 * f64::from(step));
        (edge(step), edge(step + 1) - edge(step), (1e6 * share).round() as u64)
    };
    Recorded::made_up((-120..260).map(counter).filter(|(_, _, count)| *count > 0).collect())
}

#[test]
fn merged_latencies_have_few_false_positives() {
    let names = ["mean", "p50", "p99", "p99.9"];
    let mut table = String::from(
        "A/A, latencies merged of 5 histograms, 5 % noise, tails of 2 % ± 15 %: found; intervals that hold the truth\n",
    );
    for model in [Model::LogNormal, Model::Heavy, Model::Outliers, Model::Walk] {
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(1));
        let experiments = 2000;
        let (mut found, mut covered) = ([0_u32; 4], [0_u32; 4]);
        for _ in 0..experiments {
            let (arm, baseline) = model.draw(0.05, 5, &mut random);
            let mut side = |scales: &[f64]| {
                let trials: Vec<Recorded> = scales
                    .iter()
                    // A slower arm has longer latencies.
                    .map(|scale| trial(-scale, 0.02 * (0.15 * model.one(&mut random)).exp().min(10.0)))
                    .collect();
                let merged = Merged::of(&trials.iter().collect::<Vec<_>>());
                let sums: Vec<(f64, u64)> = trials.iter().map(Recorded::sum).collect();
                let quantiles = [0.5, 0.99, 0.999].map(|quantile| merged.quantile(quantile).unwrap());
                let [p50, p99, p99_9] = quantiles;
                [remerge::mean(&sums).unwrap(), p50, p99, p99_9]
            };
            let (arm, baseline) = (side(&arm), side(&baseline));
            for (metric, (arm, baseline)) in arm.iter().zip(&baseline).enumerate() {
                let centre = Some(arm.value - baseline.value);
                let difference = difference(&arm.pseudo, &baseline.pseudo, centre, Length::Fixed).unwrap();
                found[metric] += u32::from(is_found(judge(&difference)));
                let [low, high] = difference.ci95().unwrap();
                covered[metric] += u32::from(low <= 1.0 && 1.0 <= high);
            }
        }
        table += &format!("  {:<12}", format!("{model:?}"));
        for (metric, name) in names.iter().enumerate() {
            let share = |count: u32| 100.0 * f64::from(count) / f64::from(experiments);
            let (found, covered) = (share(found[metric]), share(covered[metric]));
            table += &format!("  {name}: {found:.1} %, {covered:.1} %");
            assert!(found <= 5.0, "{model:?} {name}: {found} %");
            assert!((93.0..=97.0).contains(&covered), "{model:?} {name}: {covered} %");
        }
        table.push('\n');
    }
    println!("{table}");
}
