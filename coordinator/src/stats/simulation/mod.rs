//! Tests the error rates of verdicts: simulated experiments with a known truth, judged by the same code as real
//! ones. Seeds are fixed, so the figures are reproducible. Each figure comes from five batches with different
//! seeds, and the bounds hold with a margin, not by the choice of a seed. `cargo test -p coordinator simulation --
//! --nocapture` prints the tables; `docs/adr/0018-paired-over-blocks.md` discusses them, and
//! `docs/adr/0034-noise-is-shared-over-a-run.md` those of whole runs.
//!
//! Here, comparisons are judged alone; in [`runs`], all of a run together, and in [`merged`], those of latencies.

mod merged;
mod models;
mod runs;

use models::{Model, Random};

use super::{
    difference::{Difference, Length, difference},
    verdict::{DEFAULT_MARGIN, verdict},
};
use crate::{metric::Better, summary::Verdict};

const BATCHES: u64 = 5;

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
            let mut random = Random::of(100 * case as u64 + seed);
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
        assert!(self.found() <= 5.0, "{what}: {} %", self.found());
        let bound = most(5.0, self.experiments);
        assert!(self.batches().iter().all(|found| *found <= bound), "{what}: {:?} %", self.batches());
        assert!((93.0..=97.0).contains(&self.coverage()), "{what}: {} %", self.coverage());
    }
}

/// A percentage that this number of independent experiments exceeds once in a thousand times, if it is `of` in truth.
fn most(of: f64, experiments: usize) -> f64 {
    of + 3.09 * (of * (100.0 - of) / experiments as f64).sqrt()
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
