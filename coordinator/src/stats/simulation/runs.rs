//! Whole runs: four points, and three arms at each against one baseline, which are twelve comparisons with shared noise.

use super::{
    super::{
        difference::{Difference, Length, difference},
        holm::holm,
        pooled::{Member, Pooled, pool},
        spending::adjust,
        verdict::{DEFAULT_MARGIN, verdict},
    },
    is_found,
    models::{Model, Random, Run},
    most,
};
use crate::metric::Better;

const SHAPE: [usize; 2] = [4, 4];
const COMPARISONS: usize = 12;
const NUMBERS: [usize; 4] = [2, 3, 5, 10];

/// The comparisons of the first blocks, with this added to the logarithms of the arms.
fn comparisons(run: &Run, blocks: usize, length: Length, added: f64) -> Vec<Difference> {
    let of = |arm: &[f64], baseline: &[f64]| {
        let arm: Vec<f64> = arm[..blocks].iter().map(|value| value + added).collect();
        difference(&arm, &baseline[..blocks], None, length).unwrap()
    };
    let at = |point: &Vec<Vec<f64>>| -> Vec<Difference> {
        let (baseline, arms) = point.split_last().unwrap();
        arms.iter().map(|arm| of(arm, baseline)).collect()
    };
    run.iter().flat_map(at).collect()
}

fn pooled(found: &[Difference]) -> Vec<Pooled> {
    let sharing = SHAPE[1] - 1;
    let of = |(index, difference): (usize, &Difference)| Member {
        difference: *difference,
        sharing,
        arm: index % sharing,
    };
    pool(&found.iter().enumerate().map(of).collect::<Vec<_>>())
}

fn finds(found: &Pooled, p: f64) -> bool {
    // The interval matters only if nothing is found.
    p < super::super::verdict::SIGNIFICANCE && is_found(verdict(found, p, Better::Higher, DEFAULT_MARGIN))
}

/// Numbers of verdicts.
#[derive(Default)]
struct Counts {
    runs: usize,
    /// Of single comparisons, each judged without correction.
    alone: usize,
    /// Of single comparisons after correction.
    corrected: usize,
    /// Of runs with any after correction.
    any: usize,
}

impl Counts {
    fn add(&mut self, found: &[Pooled], look: u32) -> bool {
        let p: Vec<f64> = found.iter().map(|found| found.p_value().unwrap()).collect();
        let adjusted: Vec<f64> = holm(&p).iter().map(|adjusted| adjust(adjusted.p, look)).collect();
        let count = |p: &[f64]| found.iter().zip(p).filter(|(found, p)| finds(found, **p)).count();
        let (alone, corrected) = (count(&p), count(&adjusted));
        self.runs += 1;
        self.alone += alone;
        self.corrected += corrected;
        self.any += usize::from(corrected > 0);
        corrected > 0
    }

    /// In percent: alone, corrected, any.
    fn shares(&self) -> [f64; 3] {
        let comparisons = self.runs * COMPARISONS;
        [(self.alone, comparisons), (self.corrected, comparisons), (self.any, self.runs)]
            .map(|(count, of)| 100.0 * count as f64 / of as f64)
    }
}

fn run(model: Model, noise: f64, blocks: usize, ratio: f64, runs: usize) -> Counts {
    let mut random = Random::of(blocks as u64);
    let mut counts = Counts::default();
    for _ in 0..runs {
        let run = model.run(noise, blocks, SHAPE, &mut random);
        counts.add(&pooled(&comparisons(&run, blocks, Length::Fixed, ratio.ln())), 1);
    }
    counts
}

/// Prints and asserts the false verdicts of each model and number of trials.
fn equal_arms(runs: usize, bound: impl Fn(usize) -> f64) {
    let mut table = format!(
        "A/A, {runs} runs of 12 comparisons: false verdicts alone / runs with any after correction, with 2, 3, 5 and 10 trials\n"
    );
    let mut all = Vec::new();
    for model in Model::ALL {
        table += &format!("  {:<14}", format!("{model:?}"));
        for blocks in NUMBERS {
            let [alone, _, any] = run(model, 0.05, blocks, 1.0, runs).shares();
            table += &format!("  {alone:5.2} / {any:5.2} %");
            all.push((model, blocks, alone, any));
        }
        table.push('\n');
    }
    println!("{table}");
    for (model, blocks, alone, any) in all {
        assert!(alone <= bound(runs) && any <= bound(runs), "{model:?}, {blocks} trials: {alone} %, {any} %");
    }
}

#[test]
fn equal_arms_have_few_false_verdicts() {
    // The comparisons of a run are not independent, so the number of runs limits the accuracy of both shares.
    equal_arms(60, |runs| most(5.0, runs));
}

/// The table of `docs/adr/0034-noise-is-shared-over-a-run.md`.
#[test]
#[ignore = "takes minutes; run it with `cargo test --release -p coordinator --lib simulation -- --ignored --nocapture`"]
fn equal_arms_have_few_false_verdicts_in_many_runs() {
    equal_arms(4000, |_| 5.0);
}

#[test]
fn finds_real_differences_with_few_trials() {
    let runs = 200;
    let five = run(Model::LogNormal, 0.02, 5, 1.05, runs).shares();
    let two = run(Model::LogNormal, 0.05, 2, 2.0, runs).shares();
    let of =
        |[alone, corrected, _]: [f64; 3]| format!("{alone:.2} % alone, {corrected:.2} % after correction");
    println!("found, {runs} runs of 12 comparisons:\n  5 % at 2 %, 5 trials:     {}", of(five));
    println!("  factor 2 at 5 %, 2 trials: {}", of(two));
    // 95.2 % and 99.9 % of 1000 runs, less twice the sampling error of these.
    assert!(five[0] >= 93.6 && two[1] >= 98.2, "{five:?} {two:?}");
}

#[test]
fn stopping_by_precision_has_few_false_verdicts() {
    let (min, max, until) = (5, 30, 0.02_f64.ln_1p());
    let length = Length::ByPrecision { min: 5 };
    let runs = 100;
    let mut table = String::from("A/A, runs of 12 until 2 %: false verdicts alone / runs with any\n");
    for (model, noise) in [(Model::LogNormal, 0.02), (Model::Heavy, 0.02), (Model::Drift, 0.02)] {
        let mut random = Random::of(1);
        let mut counts = Counts::default();
        for _ in 0..runs {
            let run = model.run(noise, max, SHAPE, &mut random);
            // Twice in a row, as in `run::precision`.
            let narrow = |blocks: usize| {
                let found = comparisons(&run, blocks, length, 0.0);
                found.iter().all(|found| found.half_width().unwrap() <= until)
            };
            let blocks = (min..max).find(|blocks| narrow(*blocks) && narrow(blocks - 1)).unwrap_or(max);
            counts.add(&pooled(&comparisons(&run, blocks, length, 0.0)), 1);
        }
        let [alone, _, any] = counts.shares();
        table += &format!("  {:<14}  {alone:5.2} / {any:5.2} %\n", format!("{model:?}"));
        assert!(alone <= most(5.0, runs) && any <= most(5.0, runs), "{model:?}: {alone} % {any} %");
    }
    println!("{table}");
}

/// Runs that are continued until they have a verdict, up to three times: by as many trials as they have, or by half.
fn continued(runs: usize) -> Vec<(String, f64, f64)> {
    let mut all = Vec::new();
    for (looks, planned) in [([5, 10, 20, 40], "double"), ([4, 6, 9, 14], "half as many")] {
        for model in [Model::LogNormal, Model::Heavy, Model::UnequalCells, Model::Walk] {
            let mut random = Random::of(1);
            let (mut first, mut any) = (0, 0);
            for _ in 0..runs {
                let run = model.run(0.05, looks[3], SHAPE, &mut random);
                let mut found = looks.iter().zip(1..).map(|(blocks, look)| {
                    let found = pooled(&comparisons(&run, *blocks, Length::Fixed, 0.0));
                    Counts::default().add(&found, look)
                });
                let at_once = found.next().unwrap();
                first += usize::from(at_once);
                any += usize::from(at_once || found.any(|found| found));
            }
            let share = |count: usize| 100.0 * count as f64 / runs as f64;
            all.push((format!("{model:?}, {planned}"), share(first), share(any)));
        }
    }
    let lines = all.iter().map(|(what, first, any)| format!("  {what:<28} {first:5.2} %  {any:5.2} %\n"));
    println!(
        "A/A, {runs} runs continued until a verdict: false at the first look, and at any of four\n{}",
        lines.collect::<String>()
    );
    all
}

#[test]
fn continuing_until_a_verdict_has_few_false_verdicts() {
    for (what, _, any) in continued(20) {
        assert!(any <= most(5.0, 20), "{what}: {any} %");
    }
}

#[test]
#[ignore = "takes minutes; run it with `cargo test --release -p coordinator --lib simulation -- --ignored --nocapture`"]
fn continuing_until_a_verdict_has_few_false_verdicts_in_many_runs() {
    for (what, _, any) in continued(4000) {
        assert!(any <= 5.0, "{what}: {any} %");
    }
}
