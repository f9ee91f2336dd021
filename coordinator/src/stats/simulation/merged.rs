//! Verdicts on latencies, whose percentiles come from merged histograms.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{
    super::{
        difference::{Length, difference},
        remerge::{self, Merged, Recorded},
    },
    is_found, judge,
    models::{Model, Random},
};

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
        let mut random = Random::of(1);
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
